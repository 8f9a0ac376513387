"""The executable specification of convkit in plain NumPy.

Every function here has the name, the arguments and the results of its fast counterpart in
`convkit`, less `algorithm`, `num_threads` and `out`. It is written to be read, and to be
the oracle of tests and benchmarks: a sum over a window is a loop over the taps of the kernel,
and the tap is a strided slice of the padded input. Float32 sums are taken in float64 and
rounded once, so a float32 result is as close to the true value as its type allows.

The module imports NumPy only and shares no code with the rest of the package. The two-dimensional
form of each function has the full description; its siblings take one entry an axis.
"""

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "ReceptiveField",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "col2im",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_output_shape",
    "global_avg_pool",
    "global_max_pool",
    "im2col",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "pool_output_shape",
    "receptive_field",
]

Array: TypeAlias = NDArray[Any]
Ints: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | str | Sequence[int] | Sequence[tuple[int, int]]
Sizes: TypeAlias = int | Sequence[int | None] | None
Shape: TypeAlias = tuple[int, ...]
Pairs: TypeAlias = list[tuple[int, int]]
Pooled: TypeAlias = Array | tuple[Array, NDArray[np.int64]]

_LAYOUTS = ("channels_first", "channels_last")
_ACTIVATIONS = (None, "relu", "relu6")
_NUMPY_MODES = {
    "zeros": "constant",
    "edge": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "wrap": "wrap",
}
_FOREIGN_MODES = {"replicate": "edge", "nearest": "edge", "circular": "wrap", "mirror": "reflect"}
_POOL_NAMES = ("valid", "same", "same_lower")
_CONV_NAMES = (*_POOL_NAMES, "full", "causal")


# Arguments


def _int(value: Any, name: str, minimum: int) -> int:
    number = operator.index(value)
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return number


def _ints(value: Any, count: int, name: str, minimum: int = 1) -> Shape:
    """One int for all axes, or one int an axis."""
    try:
        entries = [operator.index(value)] * count
    except TypeError:
        entries = list(value)
    if len(entries) != count:
        raise ValueError(f"{name} must be an int or have {count} entries, got {value!r}")
    return tuple(_int(entry, name, minimum) for entry in entries)


def _is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _shape(value: Iterable[Any], name: str) -> Shape:
    return tuple(_int(entry, name, 0) for entry in value)


def _padding(
    padding: Any,
    lengths: Shape,
    kernel: Shape,
    stride: Shape,
    dilation: Shape,
    names: Sequence[str],
) -> Pairs:
    """Any form of padding as one (before, after) pair an axis."""
    axes = len(lengths)
    if isinstance(padding, str):
        if padding not in names or (padding == "causal" and axes != 1):
            raise ValueError(f"padding must be numbers or one of {names} here, got {padding!r}")
        return [_named_padding(padding, *axis) for axis in zip(lengths, kernel, stride, dilation, strict=True)]
    if _is_sequence(padding) and len(padding) > 0 and all(map(_is_sequence, padding)):
        if len(padding) != axes or any(len(pair) != 2 for pair in padding):
            raise ValueError(f"padding must have one pair for each of {axes} axes, got {padding!r}")
        numbers = [_ints(pair, 2, "padding", 0) for pair in padding]
        return [(before, after) for before, after in numbers]
    if axes == 1 and _is_sequence(padding) and len(padding) == 2:
        raise ValueError(f"padding of one axis must be one pair, ((1, 2),), got {padding!r}")
    return [(width, width) for width in _ints(padding, axes, "padding", 0)]


def _named_padding(name: str, length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    reach = dilation * (kernel - 1)
    if name == "valid":
        return 0, 0
    if name == "full":
        return reach, reach
    if name == "causal":
        return reach, 0
    windows = -(-length // stride)
    total = max((windows - 1) * stride + reach + 1 - length, 0)
    less, more = total // 2, total - total // 2
    return (less, more) if name == "same" else (more, less)


def _array(value: Any, name: str) -> Array:
    """Return a native array of a supported dtype."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array, got {type(value).__name__}")
    array = np.asarray(value)
    if array.dtype.kind not in "biu" and array.dtype.str[1:] not in ("f4", "f8"):
        raise TypeError(f"{name} must be float32, float64, integer or bool (convert it with astype), got {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _is_integer(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biu"


def _sum_dtypes(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the dtype in which values of `dtype` are summed, and that of the result."""
    if not _is_integer(dtype):
        return np.dtype(np.float64), dtype
    exact = np.dtype(np.int32 if dtype.itemsize <= 2 else np.int64)
    return exact, exact


def _average_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64) if _is_integer(dtype) else dtype


def _round(y: Array, dtype: DTypeLike) -> Array:
    with np.errstate(all="ignore"):
        return y.astype(dtype, copy=False)


# Layout and windows


def _split_shape(shape: Shape, axes: int, layout: str, name: str = "x") -> tuple[Shape, int, Shape]:
    """Batch axes (one or none), channels and spatial axes of a shape."""
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {_LAYOUTS}, got {layout!r}")
    if len(shape) not in (axes + 1, axes + 2):
        raise ValueError(f"{name} must have {axes + 1} or {axes + 2} axes, got shape {shape}")
    batch, rest = shape[: len(shape) - axes - 1], shape[len(shape) - axes - 1 :]
    first = layout == "channels_first"
    channels, spatial = (rest[0], rest[1:]) if first else (rest[-1], rest[:-1])
    if channels < 1:
        raise ValueError(f"{name} must have at least one channel, got shape {shape}")
    if min(spatial) < 1:
        raise ValueError(f"{name} must not have an empty spatial axis, got shape {shape}")
    return batch, channels, spatial


def _join_shape(batch: Shape, channels: int, spatial: Shape, layout: str) -> Shape:
    if layout == "channels_first":
        return (*batch, channels, *spatial)
    return (*batch, *spatial, channels)


def _split(x: Array, axes: int, layout: str) -> tuple[Array, bool]:
    """`x` as (N, C, *spatial), and whether it had a batch axis."""
    batch, _, _ = _split_shape(x.shape, axes, layout)
    x = x if batch else x[np.newaxis]
    return (x if layout == "channels_first" else np.moveaxis(x, -1, 1)), bool(batch)


def _join(y: Array, batched: bool, layout: str) -> Array:
    """Undo `_split`."""
    y = y if layout == "channels_first" else np.moveaxis(y, 1, -1)
    return np.ascontiguousarray(y if batched else y[0])


def _conv_lengths(lengths: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pairs) -> Shape:
    out = tuple(
        (length + before + after - d * (k - 1) - 1) // s + 1
        for length, k, s, d, (before, after) in zip(lengths, kernel, stride, dilation, pads, strict=True)
    )
    return _positive(out, lengths, kernel)


def _pool_lengths(lengths: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pairs, ceil_mode: bool) -> Shape:
    if not ceil_mode:
        return _conv_lengths(lengths, kernel, stride, dilation, pads)
    out = []
    for length, k, s, d, (before, after) in zip(lengths, kernel, stride, dilation, pads, strict=True):
        windows = -(-(length + before + after - d * (k - 1) - 1) // s) + 1
        starting_before_the_end = -(-(length + before) // s)
        out.append(min(windows, starting_before_the_end))
    return _positive(tuple(out), lengths, kernel)


def _positive(out: Shape, lengths: Shape, kernel: Shape) -> Shape:
    if min(out) < 1:
        raise ValueError(f"the spatial output size must be positive, got {out} for input {lengths} and kernel {kernel}")
    return out


def _taps(padded: Array, kernel: Shape, stride: Shape, dilation: Shape, out: Shape) -> Iterator[tuple[Shape, Array]]:
    """For each tap, in row-major order: the view of what it sees at every output position."""
    for tap in np.ndindex(*kernel):
        seen: Any = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in zip(tap, dilation, stride, out, strict=True)
        )
        yield tap, padded[(..., *seen)]


# Convolution


def _conv_problem(
    input_shape: Shape,
    weight_shape: Shape,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    layout: str,
) -> tuple[Shape, Shape, Pairs, int, Shape]:
    """Check; return stride, dilation, pads, groups and the spatial output lengths."""
    axes, kernel = len(weight_shape) - 2, weight_shape[2:]
    _, channels, lengths = _split_shape(input_shape, axes, layout)
    groups = _int(groups, "groups", 1)
    if min(weight_shape) < 1:
        raise ValueError(f"weight must not have an empty axis, got shape {weight_shape}")
    if channels != weight_shape[1] * groups:
        raise ValueError(f"x must have weight.shape[1] * groups = {weight_shape[1] * groups} channels, got {channels}")
    if weight_shape[0] % groups:
        raise ValueError(f"groups must divide weight.shape[0] = {weight_shape[0]}, got {groups}")
    stride, dilation = _ints(stride, axes, "stride"), _ints(dilation, axes, "dilation")
    pads = _padding(padding, lengths, kernel, stride, dilation, _CONV_NAMES)
    return stride, dilation, pads, groups, _conv_lengths(lengths, kernel, stride, dilation, pads)


def _pad(x: Array, pads: Pairs, mode: str) -> Array:
    """Pad the spatial axes of (N, C, *spatial)."""
    if mode not in _NUMPY_MODES:
        hint = f" (it is {_FOREIGN_MODES[mode]!r} here)" if mode in _FOREIGN_MODES else ""
        raise ValueError(f"padding_mode must be one of {tuple(_NUMPY_MODES)}, got {mode!r}{hint}")
    numpy_mode: Any = _NUMPY_MODES[mode]
    return np.pad(x, [(0, 0), (0, 0), *pads], mode=numpy_mode)


def _activate(y: Array, activation: str | None) -> Array:
    if activation not in _ACTIVATIONS:
        raise ValueError(f"activation must be one of {_ACTIVATIONS}, got {activation!r}")
    zero, six = y.dtype.type(0), y.dtype.type(6)
    if activation is not None:
        y = np.where(y < zero, zero, y)
    if activation == "relu6":
        y = np.where(y > six, six, y)
    return y


def _bias(bias: Any, channels: int, result: np.dtype[Any]) -> Array:
    bias = _array(bias, "bias")
    if bias.shape != (channels,):
        raise ValueError(f"bias must have shape ({channels},), got {bias.shape}")
    if _is_integer(result) and not _is_integer(bias.dtype):
        raise TypeError(f"bias must be of an integer dtype here, got {bias.dtype}")
    return _round(bias, result)


def _conv(
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: str,
    layout: str,
    activation: str | None,
) -> Array:
    x, weight = _array(x, "x"), _array(weight, "weight")
    summed, result = _sum_dtypes(np.result_type(x.dtype, weight.dtype))
    if weight.ndim != axes + 2:
        raise ValueError(f"weight must have {axes + 2} axes, got shape {weight.shape}")
    stride, dilation, pads, groups, out = _conv_problem(x.shape, weight.shape, stride, padding, dilation, groups, layout)
    x, batched = _split(x, axes, layout)
    batch, (oc, group_ic, *kernel) = len(x), weight.shape
    group_oc, positions = oc // groups, math.prod(out)

    padded = _pad(x.astype(summed), pads, padding_mode)
    weight = weight.astype(summed)
    y = np.zeros((batch, groups, group_oc, positions), summed)
    with np.errstate(all="ignore"):
        for tap, seen in _taps(padded, tuple(kernel), stride, dilation, out):
            matrix = weight[(..., *tap)].reshape(groups, group_oc, group_ic)
            y += matrix @ seen.reshape(batch, groups, group_ic, positions)
        y = y.reshape(batch, oc, *out)
        if bias is not None:
            y += _bias(bias, oc, result).astype(summed).reshape(oc, *[1] * axes)
    return _join(_activate(_round(y, result), activation), batched, layout)


def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    layout: str = "channels_first",
    activation: str | None = None,
) -> Array:
    """Convolve (cross-correlate) one spatial axis; see `conv2d`.

    Examples
    --------
    >>> conv1d([[1, 2, 3, 4]], [[[1, 10]]])
    array([[21, 32, 43]])
    >>> conv1d([[1, 2, 3, 4]], [[[1, 10]]], padding="causal")
    array([[10, 21, 32, 43]])
    """
    return _conv(1, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation)


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    layout: str = "channels_first",
    activation: str | None = None,
) -> Array:
    """Convolve (cross-correlate) two spatial axes.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W) or (C, H, W)
        Input in `layout`. float32, float64, integer or bool.
    weight : array_like, shape (O, C / groups, KH, KW)
        Kernel, in this axis order for both layouts.
    bias : array_like, shape (O,), optional
        Added to each output channel, after conversion to the dtype of the result.
    stride, dilation : int or sequence of int
        Steps between windows, and between the taps of one window.
    padding : int, sequence of int, sequence of pairs, or str
        The same width on every side, one width an axis, one (before, after) an axis, or one of
        ``"valid"``, ``"same"``, ``"same_lower"``, ``"full"`` and, in 1-D, ``"causal"``.
    groups : int
        Number of groups of channels that do not mix.
    padding_mode : {"zeros", "edge", "reflect", "symmetric", "wrap"}
        What the padding holds, with the meaning `numpy.pad` gives to the name.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.
    activation : {None, "relu", "relu6"}
        Applied to the result; NaN stays NaN.

    Returns
    -------
    ndarray
        An axis of length L gives ``(L + pads - dilation * (k - 1) - 1) // stride + 1``.
        The dtype is ``np.result_type(x, weight)``; if that is an integer, int32 for up to 16
        bits and int64 above, with sums that wrap.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or an output length is not positive.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> conv2d([[[0, 1, 2], [3, 4, 5], [6, 7, 8]]], [[[[0, 1], [2, 3]]]])
    array([[[19, 25],
            [37, 43]]])
    """
    return _conv(2, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation)


def conv3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    layout: str = "channels_first",
    activation: str | None = None,
) -> Array:
    """Convolve (cross-correlate) three spatial axes; see `conv2d`.

    Examples
    --------
    >>> conv3d(np.ones((1, 3, 2, 2)), np.ones((1, 1, 2, 2, 2)), padding=((1, 0), (0, 0), (0, 0)))
    array([[[[4.]],
    <BLANKLINE>
            [[8.]],
    <BLANKLINE>
            [[8.]]]])
    """
    return _conv(3, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation)


# Pooling with a kernel


class _Windows(NamedTuple):
    """The windows of a pooling problem over a frame that holds them whole."""

    x: Array  # (N, C, *spatial)
    batched: bool
    kernel: Shape
    stride: Shape
    dilation: Shape
    out: Shape
    declared: Pairs  # the padding that was asked for
    frame: Pairs  # the same, lengthened to what windows that stick out reach

    def taps(self, padded: Array) -> Iterator[Array]:
        for _, seen in _taps(padded, self.kernel, self.stride, self.dilation, self.out):
            yield seen

    def elements(self) -> Array:
        """Where the frame holds input."""
        return np.pad(np.ones(self.x.shape[2:], bool), self.frame)

    def elements_and_padding(self) -> Array:
        """Where the frame holds input or padding that was asked for."""
        declared = np.pad(np.ones(self.x.shape[2:], bool), self.declared, constant_values=True)
        sticking_out = [(0, whole - after) for (_, whole), (_, after) in zip(self.frame, self.declared, strict=True)]
        return np.pad(declared, sticking_out)

    def counts(self, plane: Array) -> Array:
        """How many taps of each window lie where `plane` is true; at least one must."""
        count = sum(seen.astype(np.int64) for seen in self.taps(plane))
        if not np.all(count):
            raise ValueError(
                f"every window must hold an element, got an empty one for input "
                f"{self.x.shape[2:]}, kernel {self.kernel}, padding {self.declared}"
            )
        return np.asarray(count)


def _windows(
    axes: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    layout: str,
) -> _Windows:
    x, batched = _split(_array(x, "x"), axes, layout)
    kernel = _ints(kernel_size, axes, "kernel_size")
    stride = kernel if stride is None else _ints(stride, axes, "stride")
    dilation = _ints(dilation, axes, "dilation")
    lengths = x.shape[2:]
    pads = _padding(padding, lengths, kernel, stride, dilation, _POOL_NAMES)
    out = _pool_lengths(lengths, kernel, stride, dilation, pads, ceil_mode)
    frame = [
        (before, max(after, (o - 1) * s + d * (k - 1) + 1 - length - before))
        for length, k, s, d, o, (before, after) in zip(lengths, kernel, stride, dilation, out, pads, strict=True)
    ]
    return _Windows(x, batched, kernel, stride, dilation, out, pads, frame)


def _max_pool(windows: _Windows, layout: str) -> tuple[Array, NDArray[np.int64]]:
    x, frame = windows.x, windows.frame
    spatial = x.shape[2:]
    windows.counts(windows.elements())
    values = _pad(x, frame, "zeros")
    places = np.pad(np.arange(math.prod(spatial), dtype=np.int64).reshape(spatial), frame)

    best = np.zeros((*x.shape[:2], *windows.out), x.dtype)
    index = np.full(best.shape, -1, np.int64)
    for value, place, is_element in zip(
        windows.taps(values),
        windows.taps(places),
        windows.taps(windows.elements()),
        strict=True,
    ):
        is_first_nan = np.isnan(value) & ~np.isnan(best)
        better = is_element & ((index < 0) | (value > best) | is_first_nan)
        best = np.where(better, value, best)
        index = np.where(better, place, index)

    return _join(best, windows.batched, layout), _join(index, windows.batched, layout)


def _avg_pool(windows: _Windows, layout: str, count_include_pad: bool, divisor_override: Any) -> Array:
    x = windows.x
    plane = windows.elements_and_padding() if count_include_pad else windows.elements()
    divisor = windows.counts(plane).astype(np.float64)
    if divisor_override is not None:
        if operator.index(divisor_override) == 0:
            raise ValueError(f"divisor_override must not be zero, got {divisor_override!r}")
        divisor = np.full_like(divisor, operator.index(divisor_override))
    total = np.zeros((*x.shape[:2], *windows.out))
    with np.errstate(all="ignore"):
        for seen in windows.taps(_pad(x.astype(np.float64), windows.frame, "zeros")):
            total += seen
        y = _round(total / divisor, _average_dtype(x.dtype))
    return _join(y, windows.batched, layout)


def _lp_pool(windows: _Windows, layout: str, norm_type: Any) -> Array:
    x = windows.x
    if isinstance(norm_type, str | bytes):
        raise TypeError(f"norm_type must be a number, got {norm_type!r}")
    p = float(norm_type)
    if not 0 < p < math.inf:
        raise ValueError(f"norm_type must be positive and finite, got {norm_type!r}")
    windows.counts(windows.elements())
    total = np.zeros((*x.shape[:2], *windows.out))
    with np.errstate(all="ignore"):
        for seen in windows.taps(_pad(x.astype(np.float64), windows.frame, "zeros")):
            total += np.abs(seen) ** p
        y = _round(total ** (1 / p), _average_dtype(x.dtype))
    return _join(y, windows.batched, layout)


def max_pool1d(
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "channels_first",
) -> Pooled:
    """Maximum of each window over one axis; see `max_pool2d`.

    Examples
    --------
    >>> max_pool1d([[3, 1, 2, 2, 5]], 2, ceil_mode=True, return_indices=True)
    (array([[3, 2, 5]]), array([[0, 2, 4]]))
    """
    windows = _windows(1, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    values, indices = _max_pool(windows, layout)
    return (values, indices) if return_indices else values


def max_pool2d(
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "channels_first",
) -> Pooled:
    """Maximum of each window over two axes.

    Padding is never an element. NaN wins over every number; among equals, and among several NaN,
    the first in row-major order wins.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W) or (C, H, W)
        Input in `layout`. float32, float64, integer or bool.
    kernel_size : int or sequence of int
        Taps of a window.
    stride : int or sequence of int, optional
        Steps between windows; the kernel size by default.
    padding : int, sequence of int, sequence of pairs, or str
        As in `conv2d`, without ``"full"`` and ``"causal"``.
    dilation : int or sequence of int
        Steps between the taps of one window.
    ceil_mode : bool
        Also take a last window that sticks out, unless it starts behind the input.
    return_indices : bool
        Return the places of the maxima, too.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.

    Returns
    -------
    values : ndarray
        An axis of length L gives ``(L + pads - dilation * (k - 1) - 1) / stride + 1``, rounded
        down, or up with `ceil_mode`. The dtype is that of `x`.
    indices : ndarray of int64
        Flat places in the unpadded spatial plane, if asked for.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or a window has no element.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> max_pool2d([[[1, 2, 3], [4, 9, 6], [7, 8, 9]]], 2, 1, return_indices=True)
    (array([[[9, 9],
            [9, 9]]]), array([[[4, 4],
            [4, 4]]]))
    """
    windows = _windows(2, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    values, indices = _max_pool(windows, layout)
    return (values, indices) if return_indices else values


def max_pool3d(
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "channels_first",
) -> Pooled:
    """Maximum of each window over three axes; see `max_pool2d`.

    Examples
    --------
    >>> max_pool3d(np.arange(8).reshape(1, 2, 2, 2), (1, 2, 2))
    array([[[[3]],
    <BLANKLINE>
            [[7]]]])
    """
    windows = _windows(3, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    values, indices = _max_pool(windows, layout)
    return (values, indices) if return_indices else values


def avg_pool1d(
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Ints = 1,
    layout: str = "channels_first",
) -> Array:
    """Average of each window over one axis; see `avg_pool2d`.

    Examples
    --------
    >>> avg_pool1d([[2, 4, 6, 8]], 2, padding=1)
    array([[1., 5., 4.]])
    >>> avg_pool1d([[2, 4, 6, 8]], 2, padding=1, count_include_pad=False)
    array([[2., 5., 8.]])
    """
    windows = _windows(1, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    return _avg_pool(windows, layout, count_include_pad, divisor_override)


def avg_pool2d(
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Ints = 1,
    layout: str = "channels_first",
) -> Array:
    """Average of each window over two axes.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, layout
        As in `max_pool2d`.
    count_include_pad : bool
        Whether the zeros of the padding count. What sticks out beyond the padding never does.
    divisor_override : int, optional
        Divide by this number instead of the count.

    Returns
    -------
    ndarray
        Of the shape that `max_pool2d` gives; float64 for integers, else the dtype of `x`.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or nothing in a window counts.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> avg_pool2d([[[1, 2, 3], [4, 5, 6]]], 2, 1)
    array([[[3., 4.]]])
    """
    windows = _windows(2, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    return _avg_pool(windows, layout, count_include_pad, divisor_override)


def avg_pool3d(
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Ints = 1,
    layout: str = "channels_first",
) -> Array:
    """Average of each window over three axes; see `avg_pool2d`.

    Examples
    --------
    >>> avg_pool3d(np.arange(8).reshape(1, 2, 2, 2), 2)
    array([[[[3.5]]]])
    """
    windows = _windows(3, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    return _avg_pool(windows, layout, count_include_pad, divisor_override)


def lp_pool1d(
    x: ArrayLike,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: str = "channels_first",
) -> Array:
    """Power norm of each window over one axis; see `lp_pool2d`.

    Examples
    --------
    >>> lp_pool1d([[3, -4, 5, 12]], 2, 2)
    array([[ 5., 13.]])
    """
    windows = _windows(1, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    return _lp_pool(windows, layout, norm_type)


def lp_pool2d(
    x: ArrayLike,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: str = "channels_first",
) -> Array:
    """Power norm ``(sum |x|**p) ** (1/p)`` of each window over two axes.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, layout
        As in `max_pool2d`.
    norm_type : float
        The power p, positive and finite.

    Returns
    -------
    ndarray
        Of the shape that `max_pool2d` gives; float64 for integers, else the dtype of `x`.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or a window has no element.
    TypeError
        If a dtype is not supported, or a number is asked for and something else given.

    Examples
    --------
    >>> lp_pool2d([[[1, -1], [1, 1]]], 2, 2)
    array([[[2.]]])
    """
    windows = _windows(2, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    return _lp_pool(windows, layout, norm_type)


def lp_pool3d(
    x: ArrayLike,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: str = "channels_first",
) -> Array:
    """Power norm of each window over three axes; see `lp_pool2d`.

    Examples
    --------
    >>> lp_pool3d(-np.ones((1, 2, 2, 2)), 1, 2)
    array([[[[8.]]]])
    """
    windows = _windows(3, x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    return _lp_pool(windows, layout, norm_type)


# Adaptive and global pooling


def _adaptive_lengths(lengths: Shape, output_size: Any) -> Shape:
    axes = len(lengths)
    given = list(output_size) if _is_sequence(output_size) else [output_size] * axes
    if len(given) != axes:
        raise ValueError(f"output_size must have {axes} entries, got {output_size!r}")
    return tuple(length if size is None else _int(size, "output_size", 1) for size, length in zip(given, lengths, strict=True))


def _regions(lengths: Shape, out: Shape) -> Iterator[tuple[Any, Any]]:
    """For each output position: the index of all its values, and that of what it sees."""
    for place in np.ndindex(*out):
        region = tuple(
            slice(i * length // o, -(-(i + 1) * length // o)) for i, length, o in zip(place, lengths, out, strict=True)
        )
        yield (..., *place), (..., *region)


def _adaptive_max_pool(axes: int, x: Any, output_size: Any, layout: str) -> tuple[Array, NDArray[np.int64]]:
    x, batched = _split(_array(x, "x"), axes, layout)
    spatial = x.shape[2:]
    out = _adaptive_lengths(spatial, output_size)
    places = np.arange(math.prod(spatial), dtype=np.int64).reshape(spatial)
    values = np.zeros((*x.shape[:2], *out), x.dtype)
    indices = np.zeros(values.shape, np.int64)
    for place, region in _regions(spatial, out):
        seen = x[region].reshape(*x.shape[:2], places[region].size)
        first = np.argmax(seen, axis=2)  # the first NaN, if there is one
        values[place] = np.take_along_axis(seen, first[..., np.newaxis], axis=2)[..., 0]
        indices[place] = places[region].ravel()[first]
    return _join(values, batched, layout), _join(indices, batched, layout)


def _adaptive_avg_pool(axes: int, x: Any, output_size: Any, layout: str) -> Array:
    x, batched = _split(_array(x, "x"), axes, layout)
    spatial = x.shape[2:]
    out = _adaptive_lengths(spatial, output_size)
    y = np.zeros((*x.shape[:2], *out))
    spatial_axes = tuple(range(2, x.ndim))
    with np.errstate(all="ignore"):
        for place, region in _regions(spatial, out):
            y[place] = x[region].mean(axis=spatial_axes, dtype=np.float64)
    return _join(_round(y, _average_dtype(x.dtype)), batched, layout)


def adaptive_max_pool1d(
    x: ArrayLike,
    output_size: Sizes,
    return_indices: bool = False,
    *,
    layout: str = "channels_first",
) -> Pooled:
    """Maximum of each of `output_size` regions of one axis; see `adaptive_max_pool2d`.

    Examples
    --------
    >>> adaptive_max_pool1d([[1, 5, 3, 4, 2]], 2, return_indices=True)
    (array([[5, 4]]), array([[1, 3]]))
    """
    values, indices = _adaptive_max_pool(1, x, output_size, layout)
    return (values, indices) if return_indices else values


def adaptive_max_pool2d(
    x: ArrayLike,
    output_size: Sizes,
    return_indices: bool = False,
    *,
    layout: str = "channels_first",
) -> Pooled:
    """Maximum of each of `output_size` regions of two axes.

    Region i of o over an axis of length L goes from ``floor(i * L / o)`` to
    ``ceil((i + 1) * L / o)``, exclusive.

    Parameters
    ----------
    x, return_indices, layout
        As in `max_pool2d`.
    output_size : int or None, or a sequence of them
        Regions of each axis; None keeps the length of the axis.

    Returns
    -------
    values : ndarray
        Spatial shape `output_size`, the dtype of `x`.
    indices : ndarray of int64
        Flat places in the spatial plane, if asked for.

    Raises
    ------
    ValueError
        If shapes or values do not fit.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> adaptive_max_pool2d(np.arange(12).reshape(1, 3, 4), (None, 1))
    array([[[ 3],
            [ 7],
            [11]]])
    """
    values, indices = _adaptive_max_pool(2, x, output_size, layout)
    return (values, indices) if return_indices else values


def adaptive_max_pool3d(
    x: ArrayLike,
    output_size: Sizes,
    return_indices: bool = False,
    *,
    layout: str = "channels_first",
) -> Pooled:
    """Maximum of each of `output_size` regions of three axes; see `adaptive_max_pool2d`.

    Examples
    --------
    >>> adaptive_max_pool3d(np.arange(12).reshape(1, 2, 2, 3), 1)
    array([[[[11]]]])
    """
    values, indices = _adaptive_max_pool(3, x, output_size, layout)
    return (values, indices) if return_indices else values


def adaptive_avg_pool1d(x: ArrayLike, output_size: Sizes, *, layout: str = "channels_first") -> Array:
    """Average of each of `output_size` regions of one axis; see `adaptive_avg_pool2d`.

    Examples
    --------
    >>> adaptive_avg_pool1d([[1, 5, 3, 4, 2]], 2)
    array([[3., 3.]])
    """
    return _adaptive_avg_pool(1, x, output_size, layout)


def adaptive_avg_pool2d(x: ArrayLike, output_size: Sizes, *, layout: str = "channels_first") -> Array:
    """Average of each of `output_size` regions of two axes.

    Parameters
    ----------
    x, output_size, layout
        As in `adaptive_max_pool2d`.

    Returns
    -------
    ndarray
        Spatial shape `output_size`; float64 for integers, else the dtype of `x`.

    Raises
    ------
    ValueError
        If shapes or values do not fit.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> adaptive_avg_pool2d(np.arange(12).reshape(1, 3, 4), (1, 2))
    array([[[4.5, 6.5]]])
    """
    return _adaptive_avg_pool(2, x, output_size, layout)


def adaptive_avg_pool3d(x: ArrayLike, output_size: Sizes, *, layout: str = "channels_first") -> Array:
    """Average of each of `output_size` regions of three axes; see `adaptive_avg_pool2d`.

    Examples
    --------
    >>> adaptive_avg_pool3d(np.arange(12).reshape(1, 2, 2, 3), (2, 1, 1))
    array([[[[2.5]],
    <BLANKLINE>
            [[8.5]]]])
    """
    return _adaptive_avg_pool(3, x, output_size, layout)


def _batched_axes(x: Array) -> int:
    if x.ndim not in (3, 4, 5):
        raise ValueError(f"x must have 3, 4 or 5 axes, batch included, got shape {x.shape}")
    return x.ndim - 2


def global_max_pool(x: ArrayLike, *, layout: str = "channels_first") -> Array:
    """Maximum over all spatial axes, which stay with length 1.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial) or (N, *spatial, C)
        Input with batch axis and one to three spatial axes.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.

    Returns
    -------
    ndarray
        The dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> global_max_pool([[[1, 3, 2], [4, 5, 6]]])
    array([[[3],
            [6]]])
    """
    x = _array(x, "x")
    values, _ = _adaptive_max_pool(_batched_axes(x), x, 1, layout)
    return values


def global_avg_pool(x: ArrayLike, *, layout: str = "channels_first") -> Array:
    """Average over all spatial axes, which stay with length 1.

    Parameters
    ----------
    x, layout
        As in `global_max_pool`.

    Returns
    -------
    ndarray
        float64 for integers, else the dtype of `x`.

    Raises
    ------
    ValueError, TypeError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> global_avg_pool([[[1, 3, 2], [4, 5, 6]]])
    array([[[2.],
            [5.]]])
    """
    x = _array(x, "x")
    return _adaptive_avg_pool(_batched_axes(x), x, 1, layout)


# Unpooling


def _unpooled_lengths(shape: Shape, kernel: Shape, stride: Shape, padding: Any, output_size: Any, layout: str) -> Shape:
    axes = len(kernel)
    batch, channels, lengths = _split_shape(shape, axes, layout)
    pads = _padding(padding, lengths, kernel, stride, (1,) * axes, _POOL_NAMES)
    if output_size is None:
        if isinstance(padding, str) and padding != "valid":
            raise ValueError(f"output_size must be given with padding={padding!r}, got None")
        out = tuple(
            (length - 1) * s - before - after + k
            for length, k, s, (before, after) in zip(lengths, kernel, stride, pads, strict=True)
        )
        return _positive(out, lengths, kernel)
    if _is_sequence(output_size) and len(output_size) == len(shape):
        full = _shape(output_size, "output_size")
        of_batch, of_channels, output_size = _split_shape(full, axes, layout, "output_size")
        if (of_batch, of_channels) != (batch, channels):
            raise ValueError(f"output_size must keep batch and channels, got {full} for x {shape}")
    return _ints(output_size, axes, "output_size")


def _max_unpool(
    axes: int,
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
    layout: str,
) -> Array:
    x, indices = _array(x, "x"), _array(indices, "indices")
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices must be of an integer dtype, got {indices.dtype}")
    if indices.shape != x.shape:
        raise ValueError(f"indices must have the shape of x, {x.shape}, got {indices.shape}")
    kernel = _ints(kernel_size, axes, "kernel_size")
    stride = kernel if stride is None else _ints(stride, axes, "stride")
    out = _unpooled_lengths(x.shape, kernel, stride, padding, output_size, layout)
    plane = math.prod(out)
    if np.any((indices < 0) | (indices >= plane)):
        raise ValueError(f"indices must be in [0, {plane}), got {indices.min()}..{indices.max()}")

    x, batched = _split(x, axes, layout)
    indices, _ = _split(indices, axes, layout)
    batch, channels = x.shape[:2]
    positions = math.prod(x.shape[2:])
    values = x.reshape(batch, channels, positions)
    places = indices.reshape(batch, channels, positions).astype(np.int64)
    y = np.zeros((batch, channels, plane), x.dtype)
    for position in range(positions):
        np.put_along_axis(y, places[:, :, position, np.newaxis], values[:, :, position, np.newaxis], axis=2)
    return _join(y.reshape(batch, channels, *out), batched, layout)


def max_unpool1d(
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    output_size: Ints | None = None,
    *,
    layout: str = "channels_first",
) -> Array:
    """Put maxima over one axis back to their places; see `max_unpool2d`.

    Examples
    --------
    >>> max_unpool1d([[7, 8]], [[1, 2]], 2)
    array([[0, 7, 8, 0]])
    """
    return _max_unpool(1, x, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool2d(
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    output_size: Ints | None = None,
    *,
    layout: str = "channels_first",
) -> Array:
    """Put maxima over two axes back to their places, with zeros elsewhere.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W) or (C, H, W)
        Values, as `max_pool2d` returns them.
    indices : array_like of int, the shape of `x`
        Their flat places in the output plane. Of several equal ones the last wins.
    kernel_size, stride, padding
        As in the pooling; they give the default output size.
    output_size : sequence of int, optional
        Spatial or full shape of the output.
    layout : {"channels_first", "channels_last"}
        Axis order of `x` and of the result.

    Returns
    -------
    ndarray
        The dtype of `x`. An axis of length L gives ``(L - 1) * stride - pads + k`` by default.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or an index is out of range.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> max_unpool2d([[[7, 8]]], [[[0, 6]]], 2)
    array([[[7, 0, 0, 0],
            [0, 0, 8, 0]]])
    """
    return _max_unpool(2, x, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool3d(
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    output_size: Ints | None = None,
    *,
    layout: str = "channels_first",
) -> Array:
    """Put maxima over three axes back to their places; see `max_unpool2d`.

    Examples
    --------
    >>> max_unpool3d([[[[9]]]], [[[[2]]]], (1, 2, 2))
    array([[[[0, 0],
             [9, 0]]]])
    """
    return _max_unpool(3, x, indices, kernel_size, stride, padding, output_size, layout)


# Lowering


def im2col(
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
) -> Array:
    """Write out what each window sees, as one column a window.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        Input with one to three spatial axes.
    kernel_size, stride, padding, dilation
        As in `conv2d`, with zero padding.

    Returns
    -------
    ndarray, shape (N, C * prod(kernel_size), L)
        L counts the windows in row-major order; rows run over channel, then tap. The dtype is
        that of `x`.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or an output length is not positive.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> im2col([[[1, 2, 3, 4]]], 2)
    array([[[1, 2, 3],
            [2, 3, 4]]])
    """
    x = _array(x, "x")
    axes = _batched_axes(x)
    (batch,), channels, lengths = _split_shape(x.shape, axes, "channels_first")
    kernel, steps = _ints(kernel_size, axes, "kernel_size"), _ints(stride, axes, "stride")
    gaps = _ints(dilation, axes, "dilation")
    pads = _padding(padding, lengths, kernel, steps, gaps, _CONV_NAMES)
    out = _conv_lengths(lengths, kernel, steps, gaps, pads)
    cols = np.zeros((batch, channels, *kernel, *out), x.dtype)
    for tap, seen in _taps(_pad(x, pads, "zeros"), kernel, steps, gaps, out):
        row: Any = (slice(None), slice(None), *tap)
        cols[row] = seen
    return cols.reshape(batch, channels * math.prod(kernel), math.prod(out))


def col2im(
    cols: ArrayLike,
    output_size: Sequence[int],
    kernel_size: Ints,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
) -> Array:
    """Add columns back to where `im2col` took them from: its adjoint.

    Parameters
    ----------
    cols : array_like, shape (N, C * prod(kernel_size), L)
        Columns, as `im2col` returns them.
    output_size : sequence of int
        Spatial shape of the output; its length is the number of axes.
    kernel_size, stride, padding, dilation
        As in `im2col`.

    Returns
    -------
    ndarray, shape (N, C, *output_size)
        Sums; of integers, int32 for up to 16 bits and int64 above, with sums that wrap.

    Raises
    ------
    ValueError
        If shapes or values do not fit.
    TypeError
        If a dtype is not supported, or an integer is asked for and something else given.

    Examples
    --------
    >>> col2im([[[1, 2, 3], [2, 3, 4]]], (4,), 2)
    array([[[1, 4, 6, 4]]])
    """
    cols = _array(cols, "cols")
    lengths = _shape(output_size, "output_size")
    axes = len(lengths)
    if axes not in (1, 2, 3):
        raise ValueError(f"output_size must have 1, 2 or 3 entries, got {output_size!r}")
    kernel, steps = _ints(kernel_size, axes, "kernel_size"), _ints(stride, axes, "stride")
    gaps = _ints(dilation, axes, "dilation")
    lengths = _ints(lengths, axes, "output_size")
    pads = _padding(padding, lengths, kernel, steps, gaps, _CONV_NAMES)
    out = _conv_lengths(lengths, kernel, steps, gaps, pads)
    taps, positions = math.prod(kernel), math.prod(out)
    if cols.ndim != 3 or cols.shape[1] % taps or cols.shape[1] < 1 or cols.shape[2] != positions:
        raise ValueError(f"cols must have shape (N, C * {taps}, {positions}), got {cols.shape}")
    batch, channels = cols.shape[0], cols.shape[1] // taps

    summed, result = _sum_dtypes(cols.dtype)
    cols = cols.astype(summed).reshape(batch, channels, *kernel, *out)
    padded_lengths = [b + length + a for length, (b, a) in zip(lengths, pads, strict=True)]
    padded = np.zeros((batch, channels, *padded_lengths), summed)
    with np.errstate(all="ignore"):
        for tap, seen in _taps(padded, kernel, steps, gaps, out):
            row: Any = (slice(None), slice(None), *tap)
            seen[...] += cols[row]
    inside: Any = tuple(slice(b, b + length) for length, (b, _) in zip(lengths, pads, strict=True))
    return np.ascontiguousarray(_round(padded[(..., *inside)], result))


# Shapes


def conv_output_shape(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    layout: str = "channels_first",
    transposed: bool = False,
    output_padding: Ints = 0,
) -> Shape:
    r"""Shape of the result of a convolution.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of `x` in `layout`, with or without batch axis.
    weight_shape : sequence of int
        (O, C / groups, \*kernel), or (C, O / groups, \*kernel) if transposed.
    stride, padding, dilation, groups, layout
        As in `conv2d`. A transposed convolution takes its padding as numbers only.
    transposed : bool
        Whether to describe the transposed convolution.
    output_padding : int or sequence of int
        Lengthens the transposed result, by less than the larger of stride and dilation.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If shapes or values do not fit, or an output length is not positive.
    TypeError
        If an integer is asked for and something else given.

    Examples
    --------
    >>> conv_output_shape((8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (8, 64, 112, 112)
    >>> conv_output_shape((64, 112), (64, 3, 7), 2, 3, transposed=True, output_padding=1)
    (3, 224)
    """
    input_shape = _shape(input_shape, "input_shape")
    weight_shape = _shape(weight_shape, "weight_shape")
    axes = len(weight_shape) - 2
    if axes not in (1, 2, 3):
        raise ValueError(f"weight_shape must have 3, 4 or 5 entries, got {weight_shape}")
    if transposed:
        return _transposed_shape(input_shape, weight_shape, stride, padding, dilation, groups, layout, output_padding)
    if any(_ints(output_padding, axes, "output_padding", 0)):
        raise ValueError(f"output_padding must be 0 unless transposed, got {output_padding!r}")
    *_, out = _conv_problem(input_shape, weight_shape, stride, padding, dilation, groups, layout)
    batch, _, _ = _split_shape(input_shape, axes, layout)
    return _join_shape(batch, weight_shape[0], out, layout)


def _transposed_shape(
    input_shape: Shape,
    weight_shape: Shape,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    layout: str,
    output_padding: Any,
) -> Shape:
    axes, kernel = len(weight_shape) - 2, weight_shape[2:]
    batch, channels, lengths = _split_shape(input_shape, axes, layout)
    groups = _int(groups, "groups", 1)
    if min(weight_shape) < 1:
        raise ValueError(f"weight_shape must not have an empty axis, got {weight_shape}")
    if channels != weight_shape[0]:
        raise ValueError(f"x must have {weight_shape[0]} channels, got {channels}")
    if channels % groups:
        raise ValueError(f"groups must divide the {channels} channels of x, got {groups}")
    stride, dilation = _ints(stride, axes, "stride"), _ints(dilation, axes, "dilation")
    pads = _padding(padding, lengths, kernel, stride, dilation, ())
    extra = _ints(output_padding, axes, "output_padding", 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(f"output_padding must be less than stride or dilation, got {output_padding!r}")
    out = tuple(
        (length - 1) * s - before - after + d * (k - 1) + 1 + e
        for length, k, s, d, e, (before, after) in zip(lengths, kernel, stride, dilation, extra, pads, strict=True)
    )
    return _join_shape(batch, weight_shape[1] * groups, _positive(out, lengths, kernel), layout)


def pool_output_shape(
    input_shape: Sequence[int],
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    *,
    layout: str = "channels_first",
) -> Shape:
    """Shape of the result of a pooling.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of `x` in `layout`. It has a batch axis if `kernel_size` is a single int; else the
        length of `kernel_size` tells.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        As in `max_pool2d`.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If shapes or values do not fit, or an output length is not positive.
    TypeError
        If an integer is asked for and something else given.

    Examples
    --------
    >>> pool_output_shape((8, 64, 112, 112), 3, 2, 1)
    (8, 64, 56, 56)
    >>> pool_output_shape((64, 7, 7), (2, 2), ceil_mode=True)
    (64, 4, 4)
    """
    input_shape = _shape(input_shape, "input_shape")
    axes = len(kernel_size) if _is_sequence(kernel_size) else len(input_shape) - 2
    if axes not in (1, 2, 3):
        raise ValueError(f"input_shape must have 1 to 3 spatial axes, got {input_shape}")
    batch, channels, lengths = _split_shape(input_shape, axes, layout)
    kernel = _ints(kernel_size, axes, "kernel_size")
    steps = kernel if stride is None else _ints(stride, axes, "stride")
    gaps = _ints(dilation, axes, "dilation")
    pads = _padding(padding, lengths, kernel, steps, gaps, _POOL_NAMES)
    out = _pool_lengths(lengths, kernel, steps, gaps, pads, ceil_mode)
    return _join_shape(batch, channels, out, layout)


class ReceptiveField(NamedTuple):
    """What one output of a stack of layers sees of the input, along one axis.

    Attributes
    ----------
    size : int
        Input positions from the first to the last one seen.
    stride : int
        Input positions between neighbouring outputs.
    start : int
        First input position seen by output 0; negative in the padding.
    """

    size: int
    stride: int
    start: int


def receptive_field(layers: Iterable[Sequence[int]]) -> ReceptiveField:
    """Receptive field of a stack of convolutions and poolings.

    Parameters
    ----------
    layers : iterable of (kernel, stride[, dilation[, padding]])
        From input to output; dilation is 1 and padding 0 where they are left out.

    Returns
    -------
    ReceptiveField

    Raises
    ------
    ValueError
        If a layer has the wrong length, or a number is too small.
    TypeError
        If a number is not an integer.

    Examples
    --------
    >>> receptive_field([(7, 2, 1, 3), (3, 2, 1, 1)])
    ReceptiveField(size=11, stride=4, start=-5)
    """
    size, jump, start = 1, 1, 0
    for layer in layers:
        if len(layer) not in (2, 3, 4):
            raise ValueError(f"a layer must have 2 to 4 numbers, got {layer!r}")
        kernel, stride, dilation, padding = (*layer, *(1, 0)[len(layer) - 2 :])
        size += _int(dilation, "dilation", 1) * (_int(kernel, "kernel", 1) - 1) * jump
        start -= _int(padding, "padding", 0) * jump
        jump *= _int(stride, "stride", 1)
    return ReceptiveField(size, jump, start)
