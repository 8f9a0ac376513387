"""Shapes: output sizes of convolution and pooling, receptive fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from . import _arguments as arg
from . import _core
from ._arguments import Ints


def _split(name: str, value: Any, axes: int, layout: int) -> tuple[Ints, bool, int, Ints]:
    """Return batch, whether there was one, channels and sizes of a shape."""
    full = arg.shape(name, value)
    if len(full) not in (axes + 1, axes + 2):
        arg.fail(name, f"must have {axes + 2} entries, or {axes + 1} without the batch", full)
    has_batch = len(full) == axes + 2
    batched = full if has_batch else (1, *full)
    channels, sizes = arg.sizes_of(batched, layout)
    if channels < 1 or min(sizes) < 1:
        arg.fail(name, "must have at least 1 channel and at least 1 element on every spatial axis", full)
    return batched[:1], has_batch, channels, sizes


def _out(sizes: Ints, window: arg.Window, ceil_mode: bool, given: dict[str, Any]) -> Ints:
    status, out = _core.window_out(arg.flat(sizes, window), len(sizes), ceil_mode)
    if status:
        _core.check(status, given | {"output size": out, "x": sizes})
    return out


def conv_output_shape(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    layout: str = "channels_first",
    transposed: bool = False,
    output_padding: Any = 0,
) -> Ints:
    """Return the shape of a convolution's result.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of `x`, with or without the batch axis.
    weight_shape : sequence of int
        ``(out, in / groups, *kernel)``; transposed: ``(in, out / groups, *kernel)``.
    stride, padding, dilation, groups, layout
        As in `conv2d`.
    transposed : bool
        Of a transposed convolution.
    output_padding : int or sequence of int
        Transposed only: added to the end of each axis; less than stride or dilation.

    Returns
    -------
    tuple of int
        Each axis ``(in + before + after - dilation * (k - 1) - 1) // stride + 1``; transposed
        ``(in - 1) * stride - before - after + dilation * (k - 1) + 1 + output_padding``.

    Raises
    ------
    ValueError, TypeError
        As the convolution itself.

    Examples
    --------
    >>> import convkit
    >>> convkit.conv_output_shape((1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (1, 64, 112, 112)
    """
    w = arg.shape("weight_shape", weight_shape)
    axes = len(w) - 2
    if not 1 <= axes <= 3:
        arg.fail("weight_shape", "must have 3 to 5 entries", w)
    if min(w) < 1:
        arg.fail("weight_shape", "must have entries of at least 1", w)
    place = arg.choice("layout", layout, arg.LAYOUTS)
    number = arg.integer("groups", groups)
    batch, has_batch, channels, sizes = _split("input_shape", input_shape, axes, place)
    if number < 1 or channels % number or w[0] % number:
        arg.fail("groups", "must be at least 1 and divide the channels", groups)
    if (w[0] if transposed else w[1] * number) != channels:
        arg.fail("weight_shape", f"must fit {channels} input channels in {number} groups", w)
    extra = arg.integers("output_padding", output_padding, axes, least=0)
    if transposed:
        out = _transposed(sizes, w[2:], stride, padding, dilation, extra, output_padding)
        features = w[1] * number
    else:
        if any(extra):
            arg.fail("output_padding", "must be 0 unless transposed", output_padding)
        window = arg.window(axes, sizes, w[2:], stride, padding, dilation)
        out = _out(sizes, window, False, {"padding": padding, "stride": stride, "dilation": dilation})
        features = w[0]
    result = arg.shape_of(batch[0], features, out, place)
    return result if has_batch else result[1:]


def _transposed(sizes: Ints, kernel: Ints, stride: Any, padding: Any, dilation: Any, extra: Ints, given: Any) -> Ints:
    window = arg.window(len(sizes), sizes, kernel, stride, padding, dilation, names=())
    for e, s, d in zip(extra, window.stride, window.dilation, strict=True):
        if e >= max(s, d):
            arg.fail("output_padding", "must be less than stride or dilation on every axis", given)
    out = tuple(
        [
            (size - 1) * s - sum(p) + d * (k - 1) + 1 + e
            for size, k, s, d, p, e in zip(sizes, *window, extra, strict=True)
        ]
    )
    if min(out) < 1 or max(out) > arg.LARGEST:
        arg.fail("output size", "must be at least 1 and below 2**63 on every axis", out)
    return out


def pool_output_shape(
    input_shape: Sequence[int],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    layout: str = "channels_first",
) -> Ints:
    """Return the shape of a pooling's result.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of `x`; with a kernel that is one int, the batch axis is part of it.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        As in `max_pool2d`.

    Returns
    -------
    tuple of int
        Each axis ``floor((in + before + after - dilation * (k - 1) - 1) / stride) + 1``, or
        ``ceil`` with `ceil_mode`.

    Raises
    ------
    ValueError, TypeError
        As the pooling itself.

    Examples
    --------
    >>> import convkit
    >>> convkit.pool_output_shape((1, 64, 112, 112), 3, stride=2, padding=1)
    (1, 64, 56, 56)
    """
    place = arg.choice("layout", layout, arg.LAYOUTS)
    shape = arg.shape("input_shape", input_shape)
    axes = len(kernel_size) if arg.is_sequence(kernel_size) else len(shape) - 2
    if not 1 <= axes <= 3:
        if arg.is_sequence(kernel_size):
            arg.fail("kernel_size", "must have 1 to 3 entries", kernel_size)
        arg.fail("input_shape", "must have 3 to 5 entries", shape)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    batch, has_batch, channels, sizes = _split("input_shape", shape, axes, place)
    window = arg.window(axes, sizes, kernel, kernel if stride is None else stride, padding, dilation, arg.POOL_NAMES)
    given = {"padding": padding, "stride": stride, "dilation": dilation, "kernel_size": kernel_size}
    result = arg.shape_of(batch[0], channels, _out(sizes, window, bool(ceil_mode), given), place)
    return result if has_batch else result[1:]


class ReceptiveField(NamedTuple):
    """What one output element sees: `size` inputs, `stride` apart, the first at `start` for output 0."""

    size: int
    stride: int
    start: int


def receptive_field(layers: Iterable[Sequence[int]]) -> ReceptiveField:
    """Return the receptive field of a stack of layers along one axis.

    Parameters
    ----------
    layers : iterable of sequences
        ``(kernel, stride[, dilation[, padding]])`` of each layer, the first one first.

    Returns
    -------
    ReceptiveField
        ``size`` grows by ``dilation * (kernel - 1)`` times the stride so far.

    Raises
    ------
    ValueError, TypeError
        If an entry is not valid.

    Examples
    --------
    >>> import convkit
    >>> convkit.receptive_field([(3, 1), (3, 1)])
    ReceptiveField(size=5, stride=1, start=0)
    """
    size, step, start = 1, 1, 0
    if isinstance(layers, str) or not hasattr(layers, "__iter__"):
        raise TypeError(f"layers must be an iterable of (kernel, stride[, dilation[, padding]]), got {layers!r}")
    for layer in layers:
        if not arg.is_sequence(layer):
            raise TypeError(f"each layer must be a sequence of integers, got {layer!r}")
        if not 2 <= len(layer) <= 4:
            arg.fail("each layer", "must be (kernel, stride[, dilation[, padding]])", tuple(layer))
        names = ("kernel", "stride", "dilation", "padding")
        values = [arg.integer(name, entry) for name, entry in zip(names, layer, strict=False)]
        for name, value, least in zip(names, values, (1, 1, 1, 0), strict=False):
            if value < least:
                arg.fail(name, f"must be at least {least}", value)
        kernel, stride, dilation, padding = (*values, 1, 0)[:4] if len(values) == 2 else (*values, 0)[:4]
        size += dilation * (kernel - 1) * step
        start -= padding * step
        step *= stride
    return ReceptiveField(size, step, start)
