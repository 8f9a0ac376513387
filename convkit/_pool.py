"""Pooling: coerce the arguments, describe the problem, call the core."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _arguments as arg
from . import _core
from ._arguments import Array, Ints

INDEX = np.dtype(np.int64)


def _input(x: Any, axes: int, layout: Any) -> tuple[Array, bool, int, Ints, int]:
    """Return batched x, whether it had a batch axis, channels, sizes and layout."""
    place = arg.choice("layout", layout, arg.LAYOUTS)
    a = arg.array("x", x)
    batched, has_batch = arg.batched("x", a, axes)
    channels, sizes = arg.sizes_of(batched.shape, place)
    if channels < 1 or min(sizes) < 1:
        arg.fail("x", "must have at least 1 channel and at least 1 element on every spatial axis", a.shape)
    return np.ascontiguousarray(batched), has_batch, channels, sizes, place


def _average_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def _run(pool: _core.Pool, x: Array, source: Any, has_batch: bool, channels: int, layout: int, dtype: np.dtype[Any],
         with_indices: bool, out: Any, num_threads: Any) -> Any:  # fmt: skip
    """Allocate or check the result, pool, and give it the axes of the input."""
    threads = arg.threads(num_threads)
    shape = arg.shape_of(x.shape[0], channels, pool.out, layout)
    own = shape if has_batch else shape[1:]
    values, places = (out if with_indices and out is not None else (out, None))  # fmt: skip
    if values is not None:
        arg.check_out("out", values, own, dtype)
    if places is not None:
        arg.check_out("out", places, own, INDEX)
    inputs = [source] if isinstance(source, np.ndarray) else [x]

    def compute(y: Array) -> Array | None:
        indices = np.empty(shape, INDEX) if with_indices else None
        if y.size:
            as_bytes = x.dtype == bool
            target = y.view(np.uint8) if y.dtype == bool else y
            pool.run(x.view(np.uint8) if as_bytes else x, target, indices, threads)
        return indices

    found: list[Array | None] = []
    y = arg.into(values, shape, dtype, inputs, lambda dst: found.append(compute(dst)))
    result = values if values is not None else (y if has_batch else y[0])
    if not with_indices:
        return result
    indices = found[0]
    assert indices is not None
    if places is None:
        return result, indices if has_batch else indices[0]
    places[...] = indices.reshape(places.shape)
    return result, places


def _flag(out: Any, return_indices: bool) -> bool:
    """Return whether indices are wanted; a pair as `out` without them is refused."""
    if not return_indices and isinstance(out, (tuple, list)):
        raise TypeError(f"out must be one array without return_indices, got {type(out).__name__}")
    return bool(return_indices)


def _check_pair(out: Any, with_indices: bool) -> None:
    if out is None:
        return
    if with_indices and not (isinstance(out, (tuple, list)) and len(out) == 2):
        raise TypeError(f"out must be a pair (values, indices) with return_indices, got {type(out).__name__}")
    if with_indices and not all(isinstance(part, np.ndarray) for part in out):
        raise TypeError(f"out must be a pair of arrays (values, indices) with return_indices, got {out!r}")


def _pool(axes: int, kind: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, layout: Any, out: Any,
          num_threads: Any, *, ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
          norm_type: Any = None, power: float = 0.0, with_indices: bool = False) -> Any:  # fmt: skip
    a, has_batch, channels, sizes, place = _input(x, axes, layout)
    _check_pair(out, with_indices)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    window = arg.window(axes, sizes, kernel, kernel if stride is None else stride, padding, dilation, arg.POOL_NAMES)
    divisor = 0.0
    if divisor_override is not None:
        divisor = float(arg.integer("divisor_override", divisor_override))
        if divisor == 0:
            arg.fail("divisor_override", "must not be 0", divisor_override)
    pool = _core.Pool(
        axes, a.shape[0], channels, arg.flat(sizes, window), arg.DTYPES[a.dtype], place, kind, ceil_mode=bool(ceil_mode),
        count_include_pad=bool(count_include_pad), with_indices=with_indices, divisor=divisor, power=power,
    )  # fmt: skip
    if pool.status:
        given = {"x": a.shape, "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        _core.check(pool.status, given | {"output size": pool.out, "norm_type": norm_type})
    dtype = a.dtype if kind == _core.POOL_MAX else _average_dtype(a.dtype)
    return _run(pool, a, x, has_batch, channels, place, dtype, with_indices, out, num_threads)


def _power(norm_type: Any) -> float:
    if isinstance(norm_type, (str, bytes)):
        raise TypeError(f"norm_type must be a real number, got {norm_type!r}")
    try:
        power = float(norm_type)
    except TypeError:
        raise TypeError(f"norm_type must be a real number, got {norm_type!r}") from None
    except OverflowError:
        power = float("inf")
    if not (power > 0 and isfinite(power)):
        arg.fail("norm_type", "must be greater than 0 and finite", norm_type)
    return power


def _adaptive(axes: int, kind: int, x: Any, output_size: Any, layout: Any, out: Any, num_threads: Any,
              with_indices: bool = False) -> Any:  # fmt: skip
    a, has_batch, channels, sizes, place = _input(x, axes, layout)
    _check_pair(out, with_indices)
    wanted = output_size if arg.is_sequence(output_size) else (output_size,) * axes
    if len(wanted) != axes:
        arg.fail("output_size", f"must have one entry per spatial axis ({axes})", output_size)
    target = tuple([n if w is None else arg.integer("output_size", w) for w, n in zip(wanted, sizes, strict=True)])
    if min(target) < 1:
        arg.fail("output_size", "must be at least 1 on every axis", output_size)
    ones = (1,) * axes
    window = arg.flat(sizes, arg.Window(ones, ones, ones, ((0, 0),) * axes))
    pool = _core.Pool(
        axes, a.shape[0], channels, window, arg.DTYPES[a.dtype], place, kind,
        adaptive=(1,) * (3 - axes) + target, with_indices=with_indices,
    )  # fmt: skip
    if pool.status:
        if pool.status in TOO_LARGE:
            raise MemoryError(f"output_size must lead to fewer than 2**63 bytes, got {output_size!r}")
        _core.check(pool.status, {"x": a.shape, "output_size": output_size})
    dtype = a.dtype if kind == _core.POOL_MAX else _average_dtype(a.dtype)
    return _run(pool, a, x, has_batch, channels, place, dtype, with_indices, out, num_threads)


TOO_LARGE = {code for code, row in enumerate(_core.statuses()) if row[0] == "TOO_LARGE"}


def _global(kind: int, x: Any, layout: Any) -> Array:
    a = arg.array("x", x)
    if not 3 <= a.ndim <= 5:
        arg.fail("x", "must have 3 to 5 axes (batch, channels and 1 to 3 spatial)", a.shape)
    return _adaptive(a.ndim - 2, kind, a, 1, layout, None, None)  # type: ignore[no-any-return]


def _unpool_sizes(axes: int, output_size: Any, x_shape: Ints, layout: int, sizes: Ints, kernel: Ints, stride: Any,
                  padding: Any) -> Ints:  # fmt: skip
    channels = arg.sizes_of(x_shape, layout)[0]
    if output_size is None:
        if isinstance(padding, str) and padding in ("same", "same_lower"):
            arg.fail("padding", "must be numbers, or output_size be given", padding)
        window = arg.window(axes, sizes, kernel, kernel if stride is None else stride, padding, 1, arg.POOL_NAMES)
        out = tuple(
            [(n - 1) * s - sum(p) + k for n, k, s, p in zip(sizes, window.kernel, window.stride, window.padding, strict=True)]
        )
        if min(out) < 1 or max(out) > arg.LARGEST:
            arg.fail("output size", f"must be at least 1 and below 2**63 on every axis (padding {padding!r})", out)
        return out
    arg.window(axes, sizes, kernel, kernel if stride is None else stride, padding, 1, arg.POOL_NAMES)
    if not arg.is_sequence(output_size):
        raise TypeError(f"output_size must be a sequence of integers, got {output_size!r}")
    full = tuple([arg.integer("output_size", entry) for entry in output_size])
    if len(full) == axes:
        spatial = full
    elif len(full) in (axes + 1, axes + 2):
        batched = full if len(full) == axes + 2 else (x_shape[0], *full)
        given_channels, spatial = arg.sizes_of(batched, layout)
        if batched[0] != x_shape[0] or given_channels != channels:
            arg.fail("output_size", f"must agree with x in batch and channels {x_shape}", full)
    else:
        arg.fail("output_size", f"must have {axes} spatial entries or the full shape", full)
    if min(spatial) < 1:
        arg.fail("output_size", "must be at least 1 on every axis", full)
    return spatial


def _unpool(axes: int, x: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any, layout: Any,
            out: Any, num_threads: Any) -> Array:  # fmt: skip
    a, has_batch, channels, sizes, place = _input(x, axes, layout)
    where = arg.array("indices", indices)
    if where.dtype.kind not in "iu":
        raise TypeError(f"indices must be an integer array, got dtype {where.dtype}")
    if where.shape != (a.shape if has_batch else a.shape[1:]):
        arg.fail("indices", f"must have x's shape {a.shape if has_batch else a.shape[1:]}", where.shape)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    target = _unpool_sizes(axes, output_size, a.shape, place, sizes, kernel, stride, padding)
    threads = arg.threads(num_threads)
    shape = arg.shape_of(a.shape[0], channels, target, place)
    if out is not None:
        arg.check_out("out", out, shape if has_batch else shape[1:], a.dtype)
    in_plane, out_plane = int(np.prod(sizes)), int(np.prod(target, dtype=object))
    if out_plane * max(a.shape[0], 1) * channels * 16 > arg.LARGEST:
        raise MemoryError(f"output_size must lead to fewer than 2**63 bytes, got {target}")
    flat = np.ascontiguousarray(where, np.int64)
    if flat.size and (int(where.min()) < 0 or int(where.max()) >= out_plane):
        bad = where[(where < 0) | (where >= min(out_plane, np.iinfo(where.dtype).max + 1))].flat
        arg.fail("indices", f"must lie within the spatial plane of the output {target}", int(bad[0]))
    inputs = [v for v in (x, indices) if isinstance(v, np.ndarray)]

    def compute(y: Array) -> None:
        code = arg.DTYPES[a.dtype]
        status = _core.unpool(a, flat, y, a.shape[0], channels, in_plane, out_plane, code, place, threads) if y.size else 0
        _core.check(status, {"indices": indices, "output_size": target})

    y = arg.into(out, shape, a.dtype, [*inputs, a, flat], compute)
    if out is not None:
        return out  # type: ignore[no-any-return]
    return y if has_batch else y[0]


def max_pool1d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Take the maximum of every window (1-D max pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, length) or without the batch axis
        float32, float64, integer or bool. Never modified.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    dilation : int or sequence of int
        Step between the taps of a window.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    return_indices : bool
        Also return the flat index of each maximum in the unpadded spatial plane, int64.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray, or (ndarray, ndarray) with `return_indices`
        Shape (n, c, out) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Padding never wins. NaN wins; the first of several maxima in row-major order gives the index.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 4)
    >>> convkit.max_pool1d(x, 4).ravel().tolist()
    [3.0]
    """
    return _pool(1, _core.POOL_MAX, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, with_indices=_flag(out, return_indices))  # fmt: skip


def avg_pool1d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, dilation: Any = 1,
    layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Average every window (1-D average pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, length) or without the batch axis
        float32, float64, integer or bool. Never modified.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    count_include_pad : bool
        Whether the zeros of the padding count as elements.
    divisor_override : int, optional
        Divide the sums by this instead.
    dilation : int or sequence of int
        Step between the taps of a window.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    The sum of a window in one fixed order, divided once.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 4)
    >>> convkit.avg_pool1d(x, 4).ravel().tolist()
    [1.5]
    """
    return _pool(1, _core.POOL_AVERAGE, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, count_include_pad=count_include_pad, divisor_override=divisor_override)  # type: ignore[no-any-return]  # fmt: skip


def lp_pool1d(
    x: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False, *, padding: Any = 0,
    dilation: Any = 1, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Take the p-norm of every window (1-D lp pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, length) or without the batch axis
        float32, float64, integer or bool. Never modified.
    norm_type : float
        p, greater than 0 and finite.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    dilation : int or sequence of int
        Step between the taps of a window.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    ``(sum |x| ** p) ** (1 / p)`` over the elements there are, summed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> convkit.lp_pool1d(np.ones((1, 1, 2)), 1, 2).ravel().tolist()
    [2.0]
    """
    return _pool(1, _core.POOL_LP, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, norm_type=norm_type, power=_power(norm_type))  # type: ignore[no-any-return]  # fmt: skip


def adaptive_max_pool1d(
    x: ArrayLike, output_size: Any, return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Take maxima over windows that share out the input (1-D adaptive max pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, length) or without the batch axis
        float32, float64, integer or bool. Never modified.
    output_size : int, None or sequence of them
        Output length of each axis; None keeps the input's.
    return_indices : bool
        Also return the flat index of each maximum in the unpadded spatial plane, int64.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray, or (ndarray, ndarray) with `return_indices`
        Shape (n, c, out) with ``out = output_size``; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Window i covers ``floor(i * in / out)`` to ``ceil((i + 1) * in / out)``.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 4)
    >>> convkit.adaptive_max_pool1d(x, 1).ravel().tolist()
    [3.0]
    """
    return _adaptive(1, _core.POOL_MAX, x, output_size, layout, out, num_threads, _flag(out, return_indices))


def adaptive_avg_pool1d(
    x: ArrayLike, output_size: Any, *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Average windows that share out the input (1-D adaptive average pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, length) or without the batch axis
        float32, float64, integer or bool. Never modified.
    output_size : int, None or sequence of them
        Output length of each axis; None keeps the input's.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out) with ``out = output_size``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Window i covers ``floor(i * in / out)`` to ``ceil((i + 1) * in / out)``.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 4)
    >>> convkit.adaptive_avg_pool1d(x, 1).ravel().tolist()
    [1.5]
    """
    return _adaptive(1, _core.POOL_AVERAGE, x, output_size, layout, out, num_threads)  # type: ignore[no-any-return]


def max_unpool1d(
    x: ArrayLike, indices: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None,
    *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Put maxima back to where they came from (1-D max unpooling); everything else is zero.

    Parameters
    ----------
    x : array_like, shape (n, c, length) or without the batch axis
        float32, float64, integer or bool. Never modified.
    indices : array_like of int
        What `max_pool1d` returned; shape of `x`.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    output_size : sequence of int, optional
        Spatial or full shape of the result.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out) with ``out = (in - 1) * stride - before - after + k`` by default; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    The last of several equal indices wins.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 4)
    >>> y, i = convkit.max_pool1d(x, 4, return_indices=True)
    >>> convkit.max_unpool1d(y, i, 4).ravel().tolist()
    [0.0, 0.0, 0.0, 3.0]
    """
    return _unpool(1, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)


def max_pool2d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Take the maximum of every window (2-D max pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    dilation : int or sequence of int
        Step between the taps of a window.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    return_indices : bool
        Also return the flat index of each maximum in the unpadded spatial plane, int64.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray, or (ndarray, ndarray) with `return_indices`
        Shape (n, c, out_h, out_w) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Padding never wins. NaN wins; the first of several maxima in row-major order gives the index.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> convkit.max_pool2d(x, 2).ravel().tolist()
    [3.0]
    """
    return _pool(2, _core.POOL_MAX, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, with_indices=_flag(out, return_indices))  # fmt: skip


def avg_pool2d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, dilation: Any = 1,
    layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Average every window (2-D average pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    count_include_pad : bool
        Whether the zeros of the padding count as elements.
    divisor_override : int, optional
        Divide the sums by this instead.
    dilation : int or sequence of int
        Step between the taps of a window.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_h, out_w) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    The sum of a window in one fixed order, divided once.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> convkit.avg_pool2d(x, 2).ravel().tolist()
    [1.5]
    """
    return _pool(2, _core.POOL_AVERAGE, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, count_include_pad=count_include_pad, divisor_override=divisor_override)  # type: ignore[no-any-return]  # fmt: skip


def lp_pool2d(
    x: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False, *, padding: Any = 0,
    dilation: Any = 1, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Take the p-norm of every window (2-D lp pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    norm_type : float
        p, greater than 0 and finite.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    dilation : int or sequence of int
        Step between the taps of a window.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_h, out_w) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    ``(sum |x| ** p) ** (1 / p)`` over the elements there are, summed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> convkit.lp_pool2d(np.ones((1, 1, 2, 2)), 1, 2).ravel().tolist()
    [4.0]
    """
    return _pool(2, _core.POOL_LP, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, norm_type=norm_type, power=_power(norm_type))  # type: ignore[no-any-return]  # fmt: skip


def adaptive_max_pool2d(
    x: ArrayLike, output_size: Any, return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Take maxima over windows that share out the input (2-D adaptive max pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    output_size : int, None or sequence of them
        Output length of each axis; None keeps the input's.
    return_indices : bool
        Also return the flat index of each maximum in the unpadded spatial plane, int64.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray, or (ndarray, ndarray) with `return_indices`
        Shape (n, c, out_h, out_w) with ``out = output_size``; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Window i covers ``floor(i * in / out)`` to ``ceil((i + 1) * in / out)``.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> convkit.adaptive_max_pool2d(x, 1).ravel().tolist()
    [3.0]
    """
    return _adaptive(2, _core.POOL_MAX, x, output_size, layout, out, num_threads, _flag(out, return_indices))


def adaptive_avg_pool2d(
    x: ArrayLike, output_size: Any, *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Average windows that share out the input (2-D adaptive average pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    output_size : int, None or sequence of them
        Output length of each axis; None keeps the input's.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_h, out_w) with ``out = output_size``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Window i covers ``floor(i * in / out)`` to ``ceil((i + 1) * in / out)``.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> convkit.adaptive_avg_pool2d(x, 1).ravel().tolist()
    [1.5]
    """
    return _adaptive(2, _core.POOL_AVERAGE, x, output_size, layout, out, num_threads)  # type: ignore[no-any-return]


def max_unpool2d(
    x: ArrayLike, indices: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None,
    *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Put maxima back to where they came from (2-D max unpooling); everything else is zero.

    Parameters
    ----------
    x : array_like, shape (n, c, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    indices : array_like of int
        What `max_pool2d` returned; shape of `x`.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    output_size : sequence of int, optional
        Spatial or full shape of the result.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_h, out_w) with ``out = (in - 1) * stride - before - after + k`` by default; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    The last of several equal indices wins.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> y, i = convkit.max_pool2d(x, 2, return_indices=True)
    >>> convkit.max_unpool2d(y, i, 2).ravel().tolist()
    [0.0, 0.0, 0.0, 3.0]
    """
    return _unpool(2, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)


def max_pool3d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Take the maximum of every window (3-D max pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, depth, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    dilation : int or sequence of int
        Step between the taps of a window.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    return_indices : bool
        Also return the flat index of each maximum in the unpadded spatial plane, int64.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray, or (ndarray, ndarray) with `return_indices`
        Shape (n, c, out_d, out_h, out_w) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Padding never wins. NaN wins; the first of several maxima in row-major order gives the index.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> convkit.max_pool3d(x, 2).ravel().tolist()
    [7.0]
    """
    return _pool(3, _core.POOL_MAX, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, with_indices=_flag(out, return_indices))  # fmt: skip


def avg_pool3d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, dilation: Any = 1,
    layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Average every window (3-D average pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, depth, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    count_include_pad : bool
        Whether the zeros of the padding count as elements.
    divisor_override : int, optional
        Divide the sums by this instead.
    dilation : int or sequence of int
        Step between the taps of a window.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_d, out_h, out_w) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    The sum of a window in one fixed order, divided once.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> convkit.avg_pool3d(x, 2).ravel().tolist()
    [3.5]
    """
    return _pool(3, _core.POOL_AVERAGE, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, count_include_pad=count_include_pad, divisor_override=divisor_override)  # type: ignore[no-any-return]  # fmt: skip


def lp_pool3d(
    x: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False, *, padding: Any = 0,
    dilation: Any = 1, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Take the p-norm of every window (3-D lp pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, depth, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    norm_type : float
        p, greater than 0 and finite.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    ceil_mode : bool
        Round the output length up; a window that would start in the after-padding is left out.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    dilation : int or sequence of int
        Step between the taps of a window.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_d, out_h, out_w) with ``out = floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    ``(sum |x| ** p) ** (1 / p)`` over the elements there are, summed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> convkit.lp_pool3d(np.ones((1, 1, 2, 2, 2)), 1, 2).ravel().tolist()
    [8.0]
    """
    return _pool(3, _core.POOL_LP, x, kernel_size, stride, padding, dilation, layout, out, num_threads,
                 ceil_mode=ceil_mode, norm_type=norm_type, power=_power(norm_type))  # type: ignore[no-any-return]  # fmt: skip


def adaptive_max_pool3d(
    x: ArrayLike, output_size: Any, return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Take maxima over windows that share out the input (3-D adaptive max pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, depth, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    output_size : int, None or sequence of them
        Output length of each axis; None keeps the input's.
    return_indices : bool
        Also return the flat index of each maximum in the unpadded spatial plane, int64.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray, or (ndarray, ndarray) with `return_indices`
        Shape (n, c, out_d, out_h, out_w) with ``out = output_size``; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Window i covers ``floor(i * in / out)`` to ``ceil((i + 1) * in / out)``.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> convkit.adaptive_max_pool3d(x, 1).ravel().tolist()
    [7.0]
    """
    return _adaptive(3, _core.POOL_MAX, x, output_size, layout, out, num_threads, _flag(out, return_indices))


def adaptive_avg_pool3d(
    x: ArrayLike, output_size: Any, *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Average windows that share out the input (3-D adaptive average pooling).

    Parameters
    ----------
    x : array_like, shape (n, c, depth, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    output_size : int, None or sequence of them
        Output length of each axis; None keeps the input's.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_d, out_h, out_w) with ``out = output_size``; float32 for float32, else float64.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    Window i covers ``floor(i * in / out)`` to ``ceil((i + 1) * in / out)``.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> convkit.adaptive_avg_pool3d(x, 1).ravel().tolist()
    [3.5]
    """
    return _adaptive(3, _core.POOL_AVERAGE, x, output_size, layout, out, num_threads)  # type: ignore[no-any-return]


def max_unpool3d(
    x: ArrayLike, indices: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None,
    *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    """Put maxima back to where they came from (3-D max unpooling); everything else is zero.

    Parameters
    ----------
    x : array_like, shape (n, c, depth, height, width) or without the batch axis
        float32, float64, integer or bool. Never modified.
    indices : array_like of int
        What `max_pool3d` returned; shape of `x`.
    kernel_size, stride : int or sequence of int
        Window and its steps; stride None means kernel_size.
    padding : int, sequence or str
        As in `conv2d`, but for "full" and "causal"; may exceed half the kernel.
    output_size : sequence of int, optional
        Spatial or full shape of the result.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    out : ndarray, optional
        Receives the result; with `return_indices` a pair (values, indices).
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        Shape (n, c, out_d, out_h, out_w) with ``out = (in - 1) * stride - before - after + k`` by default; dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    The last of several equal indices wins.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> y, i = convkit.max_pool3d(x, 2, return_indices=True)
    >>> convkit.max_unpool3d(y, i, 2).ravel().tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0]
    """
    return _unpool(3, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)


def global_max_pool(x: ArrayLike, *, layout: str = "channels_first") -> Array:
    """Pool each whole spatial plane to one element (maximum).

    Parameters
    ----------
    x : array_like, shape (n, c, *spatial)
        1 to 3 spatial axes, always with its batch axis.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.

    Returns
    -------
    ndarray
        Shape (n, c, 1, ...): spatial axes kept, of length ``out = 1``.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    As the adaptive pooling with an output size of 1.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> convkit.global_max_pool(np.arange(4.0).reshape(1, 1, 2, 2)).ravel().tolist()
    [3.0]
    """
    return _global(_core.POOL_MAX, x, layout)


def global_avg_pool(x: ArrayLike, *, layout: str = "channels_first") -> Array:
    """Pool each whole spatial plane to one element (average).

    Parameters
    ----------
    x : array_like, shape (n, c, *spatial)
        1 to 3 spatial axes, always with its batch axis.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.

    Returns
    -------
    ndarray
        Shape (n, c, 1, ...): spatial axes kept, of length ``out = 1``.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid; the text names it.

    Notes
    -----
    As the adaptive pooling with an output size of 1.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> convkit.global_avg_pool(np.arange(4.0).reshape(1, 1, 2, 2)).ravel().tolist()
    [1.5]
    """
    return _global(_core.POOL_AVERAGE, x, layout)
