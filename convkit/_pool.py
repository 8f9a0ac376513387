"""Pooling: coerce the arguments, describe the problem, call the core."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from . import _arguments as arg
from . import _core
from ._arguments import Array, Ints, Window

Pooled = Array | tuple[Array, Array]
_F = TypeVar("_F", bound=Callable[..., Any])

_INT64 = np.dtype(np.int64)


# ---------------------------------------------------------------------------- shared by all


def _result_dtype(kind: int, dtype: np.dtype[Any]) -> np.dtype[Any]:
    if kind == _core.POOL_MAX or dtype.kind == "f":
        return dtype
    return np.dtype(np.float64)


def _run(
    pool: _core.Pool, x: Array, has_batch: bool, kind: int, place: int, with_indices: bool, out: Any, num_threads: Any
) -> Pooled:
    """Run a checked pooling on batched x."""
    threads = arg.threads(num_threads)
    channels, _ = arg.sizes_of(x.shape, place)
    shape = arg.shape_of(x.shape[0], channels, pool.out, place)
    given_shape = shape if has_batch else shape[1:]
    dtype = _result_dtype(kind, x.dtype)
    if not with_indices:
        if out is not None:
            arg.check_out("out", out, given_shape, dtype)
        x = np.ascontiguousarray(x)
        y = arg.into(out, shape, dtype, [x], lambda dst: pool.run(x, dst, None, threads))
        return y if out is not None or has_batch else y[0]
    outs = (None, None) if out is None else _pair_of_outs(out, given_shape, dtype)
    x = np.ascontiguousarray(x)
    places: list[Array] = []

    def both(values: Array) -> None:
        places.append(arg.into(outs[1], shape, _INT64, [x], lambda dst: pool.run(x, values, dst, threads)))

    y = arg.into(outs[0], shape, dtype, [x], both)
    return (y, places[0]) if out is not None or has_batch else (y[0], places[0][0])


def _shared(a: Array, b: Array) -> bool:
    """Tell whether two arrays have an element in common; where that is too hard to tell, say so."""
    try:
        return np.shares_memory(a, b, max_work=1_000_000)  # type: ignore[arg-type]  # the stubs know 0 and -1 only
    except np.exceptions.TooHardError:
        return True


def _pair_of_outs(out: Any, shape: Ints, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(f"out must be a pair (values, indices) with return_indices, got {type(out).__name__}: {out!r}")
    values, indices = out
    arg.check_out("out[0]", values, shape, dtype)
    arg.check_out("out[1]", indices, shape, _INT64)
    if np.may_share_memory(values, indices) and _shared(values, indices):
        arg.fail("out", "must be a pair of arrays that share no memory", "overlapping arrays")
    return values, indices


def _windowed(
    axes: int, kind: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any,
    layout: Any, out: Any, num_threads: Any, with_indices: Any = False, **how: Any,
) -> Pooled:  # fmt: skip
    """Pool with windows of one size: max, average and lp."""
    a = arg.array("x", x)
    batched, has_batch = arg.batched("x", a, axes)
    place = arg.choice("layout", layout, arg.LAYOUTS)
    channels, sizes = arg.sizes_of(batched.shape, place)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    window = arg.window(axes, sizes, kernel, kernel if stride is None else stride, padding, dilation, arg.POOL_NAMES)
    indexed = arg.flag("return_indices", with_indices)
    pool = _core.Pool(
        axes, batched.shape[0], channels, arg.flat(sizes, window), arg.DTYPES[a.dtype], place, kind,
        ceil_mode=arg.flag("ceil_mode", ceil_mode), with_indices=indexed, **how,
    )  # fmt: skip
    if pool.status:
        given = {"x": a.shape, "kernel_size": kernel_size, "stride": stride, "dilation": dilation, "padding": padding}
        _core.check(pool.status, given | {"output size": pool.out, "norm_type": how.get("power")})
    return _run(pool, batched, has_batch, kind, place, indexed, out, num_threads)


def _max(
    axes: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any,
    return_indices: Any, layout: Any, out: Any, num_threads: Any,
) -> Pooled:  # fmt: skip
    return _windowed(
        axes, _core.POOL_MAX, x, kernel_size, stride, padding, dilation, ceil_mode, layout, out, num_threads, return_indices
    )


def _average(
    axes: int, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any, count_include_pad: Any,
    divisor_override: Any, dilation: Any, layout: Any, out: Any, num_threads: Any,
) -> Array:  # fmt: skip
    divisor = 0
    if divisor_override is not None:
        divisor = arg.integer("divisor_override", divisor_override)
        if divisor == 0:
            arg.fail("divisor_override", "must not be 0", divisor_override)
    return _windowed(  # type: ignore[return-value]
        axes, _core.POOL_AVERAGE, x, kernel_size, stride, padding, dilation, ceil_mode, layout, out, num_threads,
        count_include_pad=arg.flag("count_include_pad", count_include_pad), divisor=float(divisor),
    )  # fmt: skip


def _lp(
    axes: int, x: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: Any, padding: Any, dilation: Any,
    layout: Any, out: Any, num_threads: Any,
) -> Array:  # fmt: skip
    return _windowed(  # type: ignore[return-value]
        axes, _core.POOL_LP, x, kernel_size, stride, padding, dilation, ceil_mode, layout, out, num_threads,
        power=arg.real("norm_type", norm_type),
    )  # fmt: skip


def _targets(output_size: Any, sizes: Ints) -> Ints:
    """Return the output size of adaptive pooling; None keeps the length of its axis."""
    entries = output_size if arg.is_sequence(output_size) else (output_size,) * len(sizes)
    if len(entries) != len(sizes):
        arg.fail("output_size", f"must have one entry per spatial axis ({len(sizes)})", output_size)
    return tuple(
        [size if entry is None else arg.integer("output_size", entry) for entry, size in zip(entries, sizes, strict=True)]
    )


def _adaptive(
    axes: int, kind: int, x: Any, output_size: Any, layout: Any, out: Any, num_threads: Any, return_indices: Any = False
) -> Pooled:
    """Pool with windows that share each axis evenly."""
    a = arg.array("x", x)
    batched, has_batch = arg.batched("x", a, axes)
    place = arg.choice("layout", layout, arg.LAYOUTS)
    channels, sizes = arg.sizes_of(batched.shape, place)
    targets = (1,) * (3 - axes) + _targets(output_size, sizes)
    ones = (1,) * axes
    window = arg.flat(sizes, Window(ones, ones, ones, ((0, 0),) * axes))
    indexed = arg.flag("return_indices", return_indices)
    pool = _core.Pool(
        axes, batched.shape[0], channels, window, arg.DTYPES[a.dtype], place, kind,
        adaptive=targets, with_indices=indexed,
    )  # fmt: skip
    _core.check(pool.status, {"x": a.shape, "output_size": output_size})
    return _run(pool, batched, has_batch, kind, place, indexed, out, num_threads)


def _whole(kind: int, x: Any, layout: Any) -> Array:
    """Pool each plane to one element."""
    a = arg.array("x", x)
    if a.ndim not in (3, 4, 5):
        arg.fail("x", "must have 3, 4 or 5 axes (batch, channels and 1 to 3 spatial)", a.shape)
    return _adaptive(a.ndim - 2, kind, a, 1, layout, None, None)  # type: ignore[return-value]


# -------------------------------------------------------------------------------- unpooling


def _unpooled_sizes(x_shape: Ints, sizes: Ints, window: Window, padding: Any, output_size: Any, place: int) -> Ints:
    """Return the spatial output size of an unpooling of x, batched or not."""
    axes = len(sizes)
    if output_size is None:
        if isinstance(padding, str) and padding != "valid":
            arg.fail("output_size", f"must be given with padding={padding!r}", output_size)
        return arg.transposed_sizes(sizes, window, (0,) * axes)
    if arg.is_sequence(output_size) and len(output_size) == len(x_shape):
        full = arg.shape("output_size", output_size)
        channel = -1 if place else -1 - axes
        spatial = full[-1 - axes : -1] if place else full[-axes:]
        if full[channel] != x_shape[channel] or full[: -1 - axes] != x_shape[: -1 - axes]:
            arg.fail("output_size", f"must keep batch and channels of x {x_shape}", output_size)
        return arg.integers("output_size", spatial, axes)
    return arg.integers("output_size", output_size, axes)


def _places(indices: Any, shape: Ints) -> Array:
    places = arg.array("indices", indices)
    if places.dtype.kind not in "iu":
        raise TypeError(f"indices must be of an integer dtype, got dtype {places.dtype}")
    if places.shape != shape:
        arg.fail("indices", f"must have the shape of x, {shape}", places.shape)
    return places


def _unpool(
    axes: int, x: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any, layout: Any,
    out: Any, num_threads: Any,
) -> Array:  # fmt: skip
    a = arg.array("x", x)
    batched, has_batch = arg.batched("x", a, axes)
    places = _places(indices, a.shape)
    place = arg.choice("layout", layout, arg.LAYOUTS)
    channels, sizes = arg.sizes_of(batched.shape, place)
    if min(batched.shape[1:]) < 1:
        arg.fail("x", "must have at least 1 channel and at least 1 element on every spatial axis", a.shape)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    window = arg.window(axes, sizes, kernel, kernel if stride is None else stride, padding, 1, arg.POOL_NAMES)
    targets = _unpooled_sizes(a.shape, sizes, window, padding, output_size, place)
    n, plane = batched.shape[0], prod(targets)
    arg.check_count("x", a.shape, n, channels, plane)
    shape = arg.shape_of(n, channels, targets, place)
    threads = arg.threads(num_threads)
    if out is not None:
        arg.check_out("out", out, shape if has_batch else shape[1:], a.dtype)
    values = np.ascontiguousarray(batched)
    winners = np.ascontiguousarray(places, np.int64).reshape(batched.shape)

    def compute(dst: Array) -> None:
        status = _core.unpool(
            values, winners, dst, n, channels, prod(sizes), plane, arg.DTYPES[a.dtype], place, threads
        )  # fmt: skip
        if status:
            wrong = places[(places < 0) | (places >= plane)]
            _core.check(status, {"x": a.shape, "output_size": output_size, "indices": int(wrong[0]) if wrong.size else None})

    y = arg.into(out, shape, a.dtype, [values, winners], compute)
    return y if out is not None or has_batch else y[0]


# ------------------------------------------------------------------------------- docstrings

_SHAPES = {1: "n, c, length", 2: "n, c, height, width", 3: "n, c, depth, height, width"}
_OUT_SHAPES = {1: "n, c, out", 2: "n, c, out_h, out_w", 3: "n, c, out_d, out_h, out_w"}

_X = """x : array_like, shape ({x_shape}) or without the batch axis
        float32, float64, integer or bool; any strides. Never modified."""

_WINDOW = """kernel_size : int or {axes}-tuple of int
        Taps of a window on each axis.
    stride : int or {axes}-tuple of int, optional
        Steps from window to window; the kernel size if left out."""

_PADDING = """padding : int, sequence or str, default 0
        {padding} on both sides: an int, one int per spatial axis, one ``(before, after)`` pair per
        spatial axis, or ``"valid"``, ``"same"`` or ``"same_lower"``. It may exceed half the kernel."""

_DILATION = """dilation : int or {axes}-tuple of int, default 1
        Steps between the taps of a window."""

_CEIL = """ceil_mode : bool, default False
        Also take a last window that sticks out behind the input (clipped), unless it would start
        behind it."""

_COMMON = """layout : {{"channels_first", "channels_last"}}
        Axis order of `x` and of the result.
    out : {out}, optional
        Receives the result; exact shape and dtype, any strides.
    num_threads : int, optional
        Threads of this call, 1 to 1024; default `convkit.get_num_threads`."""

_INDICES = """return_indices : bool, default False
        Also return where the maxima stand; `out` is then a pair ``(values, indices)``."""

_WINDOW_LENGTH = """with
        ``out = (in + before + after - dilation * (k - 1) - 1) / stride + 1`` on each axis, rounded
        down, or up with `ceil_mode`."""

_RAISES = """ValueError
        For a value or shape that breaks a rule{rule}; the text names the argument.
    TypeError
        For an unsupported dtype or a number of the wrong type.
    MemoryError
        If result or workspace cannot be allocated."""

_PAIR = """indices : ndarray of int64
        Only with `return_indices`: flat places in the spatial plane of the unpadded input, in the
        shape of the values."""

_DOCS = {
    "max": f"""{{title}}

    Parameters
    ----------
    {_X}
    {_WINDOW}
    {_PADDING}
    {_DILATION}
    {_CEIL}
    {_INDICES}
    {_COMMON}

    Returns
    -------
    values : ndarray
        The dtype of `x`, shape ({{y_shape}}) {_WINDOW_LENGTH}
    {_PAIR}

    Raises
    ------
    {_RAISES}

    Notes
    -----
    Results are exact. NaN counts as the largest value; among equal elements, and among several NaN,
    the first one in row-major order is taken. Without indices, rows may be folded first and the
    windows then taken from the folded row, which changes no value.

    Examples
    --------
{{example}}
    """,
    "average": f"""{{title}}

    Parameters
    ----------
    {_X}
    {_WINDOW}
    {_PADDING}
    {_CEIL}
    count_include_pad : bool, default True
        Whether the zeros of the padding count as elements. What sticks out beyond the padding
        never counts.
    divisor_override : int, optional
        Divide the sums by this number, not 0, in place of the count.
    {_DILATION}
    {_COMMON}

    Returns
    -------
    ndarray
        float32 for float32, else float64; shape ({{y_shape}}) {_WINDOW_LENGTH}

    Raises
    ------
    {_RAISES}

    Notes
    -----
    Every window is summed anew, in an order that the shape alone decides: a large element leaves
    nothing behind in its neighbours, and the bits depend neither on the number of threads nor on
    how a batch is split. float32 is summed in chains of at most 128, which float64 adds up: the
    error is at most ``(min(K, 128) + 2) * eps / 2 * sum(|x|) / K`` for K taps, that of float64 at most
    ``(K + 2) * eps * sum(|x|) / K``. Sums of integers are exact up to ``2**53``.

    Examples
    --------
{{example}}
    """,
    "lp": f"""{{title}}

    Parameters
    ----------
    {_X}
    norm_type : float
        The power p, greater than 0 and finite.
    {_WINDOW}
    {_CEIL}
    {_PADDING}
    {_DILATION}
    {_COMMON}

    Returns
    -------
    ndarray
        float32 for float32, else float64; shape ({{y_shape}}) {_WINDOW_LENGTH}

    Raises
    ------
    {_RAISES}

    Notes
    -----
    The powers of the magnitudes are summed in double precision, in an order that the shape alone
    decides, and the root is rounded once to the dtype of the result. A window at the border takes
    the elements it has and is not rescaled.

    Examples
    --------
{{example}}
    """,
    "adaptive max": f"""{{title}}

    Parameters
    ----------
    {_X}
    output_size : int, None or {{axes}}-tuple of them
        Windows on each axis; None keeps the length of the axis.
    {_INDICES}
    {_COMMON}

    Returns
    -------
    values : ndarray
        The dtype of `x`, shape ({{y_shape}}) with the lengths of `output_size`.
    {_PAIR}

    Raises
    ------
    {_RAISES}

    Notes
    -----
    Window i of o on an axis of length L covers ``floor(i * L / o)`` up to, but not including,
    ``ceil((i + 1) * L / o)``; windows overlap where o does not divide L, and o may exceed L. Results
    are exact; NaN and ties are treated as in `max_pool{{axes}}d`.

    Examples
    --------
{{example}}
    """,
    "adaptive average": f"""{{title}}

    Parameters
    ----------
    {_X}
    output_size : int, None or {{axes}}-tuple of them
        Windows on each axis; None keeps the length of the axis.
    {_COMMON}

    Returns
    -------
    ndarray
        float32 for float32, else float64; shape ({{y_shape}}) with the lengths of `output_size`.

    Raises
    ------
    {_RAISES}

    Notes
    -----
    Window i of o on an axis of length L covers ``floor(i * L / o)`` up to, but not including,
    ``ceil((i + 1) * L / o)``. Summed as in `avg_pool{{axes}}d`, with the same bound on the error.

    Examples
    --------
{{example}}
    """,
    "unpool": f"""{{title}}

    Parameters
    ----------
    {_X}
    indices : array_like of int, the shape of `x`
        Flat place of each element in its spatial plane of the output.
    {_WINDOW}
    {_PADDING}
    output_size : sequence of int, optional
        Spatial or full shape of the result, where the default is not the right one. It must be
        given with ``padding="same"`` and ``"same_lower"``.
    {_COMMON}

    Returns
    -------
    ndarray
        The dtype of `x`, shape ({{y_shape}}) with
        ``out = (in - 1) * stride - before - after + k`` on each axis, or `output_size`.

    Raises
    ------
    {_RAISES}

    Notes
    -----
    Values are copied, everything else is 0. Of several equal indices the last one in row-major
    order wins, for any number of threads. All indices are checked before anything is written.

    Examples
    --------
{{example}}
    """,
    "global": f"""{{title}}

    Parameters
    ----------
    x : array_like, shape (n, c, spatial axes), or (n, spatial axes, c) with channels last
        float32, float64, integer or bool, with batch axis and 1 to 3 spatial axes. Never modified.
    layout : {{{{"channels_first", "channels_last"}}}}
        Axis order of `x` and of the result.

    Returns
    -------
    ndarray
        {{result}} The shape of `x` with each spatial length ``out = 1``.

    Raises
    ------
    {_RAISES}

    Notes
    -----
    {{notes}}

    Examples
    --------
{{example}}
    """,
}


def _document(family: str, axes: int, title: str, example: str, **more: str) -> Callable[[_F], _F]:
    """Give a function the docstring of its family."""
    padding = {"average": "Zeros", "unpool": "What the pooling had"}.get(family, "Places without an element")
    windowed = family in ("max", "average", "lp")
    text = _DOCS[family].format(
        title=title,
        axes=axes,
        x_shape=_SHAPES.get(axes),
        y_shape=_OUT_SHAPES.get(axes),
        padding=padding,
        out="ndarray or pair of ndarray" if "max" in family else "ndarray",
        rule=", or where a window has no element that counts" if windowed else "",
        example="\n".join(f"    {line}" for line in (">>> import convkit", *example.strip().splitlines())),
        **more,
    )

    def attach(function: _F) -> _F:
        function.__doc__ = text
        return function

    return attach


# ------------------------------------------------------------------------------------------ max


@_document(
    "max",
    1,
    "Take the maximum of each window of sequences.",
    """
>>> convkit.max_pool1d([[3, 1, 2, 2, 5]], 2, ceil_mode=True, return_indices=True)
(array([[3, 2, 5]]), array([[0, 2, 4]]))
""",
)
def max_pool1d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Pooled:  # fmt: skip
    return _max(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads)


@_document(
    "max",
    2,
    "Take the maximum of each window of planes.",
    """
>>> convkit.max_pool2d([[[1, 2, 3], [4, 9, 6], [7, 8, 5]]], 2, stride=1)
array([[[9, 9],
        [9, 9]]])
""",
)
def max_pool2d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Pooled:  # fmt: skip
    return _max(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads)


@_document(
    "max",
    3,
    "Take the maximum of each window of volumes.",
    """
>>> import numpy as np
>>> convkit.max_pool3d(np.arange(8).reshape(1, 2, 2, 2), (2, 1, 2))
array([[[[5],
         [7]]]])
""",
)
def max_pool3d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False, *, layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Pooled:  # fmt: skip
    return _max(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads)


# -------------------------------------------------------------------------------------- average


@_document(
    "average",
    1,
    "Average each window of sequences.",
    """
>>> convkit.avg_pool1d([[2, 4, 6, 8]], 2, padding=1)
array([[1., 5., 4.]])
>>> convkit.avg_pool1d([[2, 4, 6, 8]], 2, padding=1, count_include_pad=False)
array([[2., 5., 8.]])
""",
)
def avg_pool1d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, dilation: Any = 1,
    layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _average(
        1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout, out, num_threads
    )


@_document(
    "average",
    2,
    "Average each window of planes.",
    """
>>> convkit.avg_pool2d([[[1, 2, 3], [4, 5, 6]]], 2, stride=1)
array([[[3., 4.]]])
""",
)
def avg_pool2d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, dilation: Any = 1,
    layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _average(
        2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout, out, num_threads
    )


@_document(
    "average",
    3,
    "Average each window of volumes.",
    """
>>> import numpy as np
>>> convkit.avg_pool3d(np.arange(8).reshape(1, 2, 2, 2), 2)
array([[[[3.5]]]])
""",
)
def avg_pool3d(
    x: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, dilation: Any = 1,
    layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _average(
        3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout, out, num_threads
    )


# ------------------------------------------------------------------------------------------- lp


@_document(
    "lp",
    1,
    "Take the p-norm ``(sum |x|**p) ** (1/p)`` of each window of sequences.",
    """
>>> convkit.lp_pool1d([[3, -4, 5, 12]], 2, 2)
array([[ 5., 13.]])
""",
)
def lp_pool1d(
    x: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False, *, padding: Any = 0,
    dilation: Any = 1, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _lp(1, x, norm_type, kernel_size, stride, ceil_mode, padding, dilation, layout, out, num_threads)


@_document(
    "lp",
    2,
    "Take the p-norm ``(sum |x|**p) ** (1/p)`` of each window of planes.",
    """
>>> convkit.lp_pool2d([[[1, -1], [1, 1]]], 2, 2)
array([[[2.]]])
""",
)
def lp_pool2d(
    x: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False, *, padding: Any = 0,
    dilation: Any = 1, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _lp(2, x, norm_type, kernel_size, stride, ceil_mode, padding, dilation, layout, out, num_threads)


@_document(
    "lp",
    3,
    "Take the p-norm ``(sum |x|**p) ** (1/p)`` of each window of volumes.",
    """
>>> import numpy as np
>>> convkit.lp_pool3d(-np.ones((1, 2, 2, 2)), 1, 2)
array([[[[8.]]]])
""",
)
def lp_pool3d(
    x: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False, *, padding: Any = 0,
    dilation: Any = 1, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _lp(3, x, norm_type, kernel_size, stride, ceil_mode, padding, dilation, layout, out, num_threads)


# ------------------------------------------------------------------------------------- adaptive


@_document(
    "adaptive max",
    1,
    "Take maxima of sequences over as many windows as the output has elements.",
    """
>>> convkit.adaptive_max_pool1d([[1, 5, 3, 4, 2]], 2, return_indices=True)
(array([[5, 4]]), array([[1, 3]]))
""",
)
def adaptive_max_pool1d(
    x: ArrayLike, output_size: Any, return_indices: bool = False, *,
    layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Pooled:  # fmt: skip
    return _adaptive(1, _core.POOL_MAX, x, output_size, layout, out, num_threads, return_indices)


@_document(
    "adaptive max",
    2,
    "Take maxima of planes over as many windows as the output has elements.",
    """
>>> import numpy as np
>>> convkit.adaptive_max_pool2d(np.arange(12).reshape(1, 3, 4), (None, 1))
array([[[ 3],
        [ 7],
        [11]]])
""",
)
def adaptive_max_pool2d(
    x: ArrayLike, output_size: Any, return_indices: bool = False, *,
    layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Pooled:  # fmt: skip
    return _adaptive(2, _core.POOL_MAX, x, output_size, layout, out, num_threads, return_indices)


@_document(
    "adaptive max",
    3,
    "Take maxima of volumes over as many windows as the output has elements.",
    """
>>> import numpy as np
>>> convkit.adaptive_max_pool3d(np.arange(12).reshape(1, 2, 2, 3), 1)
array([[[[11]]]])
""",
)
def adaptive_max_pool3d(
    x: ArrayLike, output_size: Any, return_indices: bool = False, *,
    layout: str = "channels_first", out: Any = None, num_threads: int | None = None,
) -> Pooled:  # fmt: skip
    return _adaptive(3, _core.POOL_MAX, x, output_size, layout, out, num_threads, return_indices)


@_document(
    "adaptive average",
    1,
    "Average sequences over as many windows as the output has elements.",
    """
>>> convkit.adaptive_avg_pool1d([[1, 5, 3, 4, 2]], 2)
array([[3., 3.]])
""",
)
def adaptive_avg_pool1d(
    x: ArrayLike, output_size: Any, *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _adaptive(1, _core.POOL_AVERAGE, x, output_size, layout, out, num_threads)  # type: ignore[return-value]


@_document(
    "adaptive average",
    2,
    "Average planes over as many windows as the output has elements.",
    """
>>> import numpy as np
>>> convkit.adaptive_avg_pool2d(np.arange(12).reshape(1, 3, 4), (1, 2))
array([[[4.5, 6.5]]])
""",
)
def adaptive_avg_pool2d(
    x: ArrayLike, output_size: Any, *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _adaptive(2, _core.POOL_AVERAGE, x, output_size, layout, out, num_threads)  # type: ignore[return-value]


@_document(
    "adaptive average",
    3,
    "Average volumes over as many windows as the output has elements.",
    """
>>> import numpy as np
>>> convkit.adaptive_avg_pool3d(np.arange(12).reshape(1, 2, 2, 3), (1, 2, 1))
array([[[[4.],
         [7.]]]])
""",
)
def adaptive_avg_pool3d(
    x: ArrayLike, output_size: Any, *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _adaptive(3, _core.POOL_AVERAGE, x, output_size, layout, out, num_threads)  # type: ignore[return-value]


# --------------------------------------------------------------------------------------- global


@_document(
    "global",
    0,
    "Take the maximum of each channel over all spatial axes, which stay with length 1.",
    """
>>> convkit.global_max_pool([[[1, 3, 2], [4, 5, 6]]])
array([[[3],
        [6]]])
""",
    result="The dtype of `x`.",
    notes="Results are exact; NaN wins over every number.",
)
def global_max_pool(x: ArrayLike, *, layout: str = "channels_first") -> Array:
    return _whole(_core.POOL_MAX, x, layout)


@_document(
    "global",
    0,
    "Average each channel over all spatial axes, which stay with length 1.",
    """
>>> convkit.global_avg_pool([[[1, 3, 2], [4, 5, 6]]])
array([[[2.],
        [5.]]])
""",
    result="float32 for float32, else float64.",
    notes="Summed in the dtype of the result, in an order that the shape alone decides.",
)
def global_avg_pool(x: ArrayLike, *, layout: str = "channels_first") -> Array:
    return _whole(_core.POOL_AVERAGE, x, layout)


# ------------------------------------------------------------------------------------ unpooling


@_document(
    "unpool",
    1,
    "Put maxima back to their places in sequences of zeros.",
    """
>>> convkit.max_unpool1d([[7, 8]], [[1, 2]], 2)
array([[0, 7, 8, 0]])
""",
)
def max_unpool1d(
    x: ArrayLike, indices: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None,
    *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _unpool(1, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)


@_document(
    "unpool",
    2,
    "Put maxima back to their places in planes of zeros.",
    """
>>> convkit.max_unpool2d([[[7, 8]]], [[[0, 6]]], 2)
array([[[7, 0, 0, 0],
        [0, 0, 8, 0]]])
""",
)
def max_unpool2d(
    x: ArrayLike, indices: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None,
    *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _unpool(2, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)


@_document(
    "unpool",
    3,
    "Put maxima back to their places in volumes of zeros.",
    """
>>> convkit.max_unpool3d([[[[9]]]], [[[[2]]]], (1, 2, 2))
array([[[[0, 0],
         [9, 0]]]])
""",
)
def max_unpool3d(
    x: ArrayLike, indices: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None,
    *, layout: str = "channels_first", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _unpool(3, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)
