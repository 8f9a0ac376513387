"""Shapes of results and receptive fields, without computing anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _arguments as arg
from . import _core
from ._arguments import Ints
from ._conv import describe


class _Input(NamedTuple):
    """The parts of a shape with or without batch axis."""

    batch: Ints
    channels: int
    sizes: Ints


def _split(shape: Ints, axes: int, place: int) -> _Input:
    if len(shape) not in (axes + 1, axes + 2):
        arg.fail("input_shape", f"must have {axes + 2} entries, or {axes + 1} without the batch", shape)
    batch, inner = shape[: -1 - axes], shape[-1 - axes :]
    if min(inner) < 1:
        arg.fail("input_shape", "must have at least 1 channel and at least 1 element on every spatial axis", shape)
    return _Input(batch, inner[-1], inner[:-1]) if place else _Input(batch, inner[0], inner[1:])


def _join(batch: Ints, channels: int, sizes: Ints, place: int) -> Ints:
    return (*batch, *sizes, channels) if place else (*batch, channels, *sizes)


def conv_output_shape(
    input_shape: Sequence[int], weight_shape: Sequence[int], stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, layout: str = "channels_first", transposed: bool = False, output_padding: Any = 0,
) -> Ints:  # fmt: skip
    """Return the shape of the result of a convolution.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of x in `layout`, with or without batch axis.
    weight_shape : sequence of int
        (out_channels, in_channels / groups, kernel axes); transposed
        (in_channels, out_channels / groups, kernel axes).
    stride, dilation : int or sequence of int, default 1
        As in `conv2d`.
    padding : int, sequence or str, default 0
        As in `conv2d`; for a transposed convolution integers or pairs only.
    groups : int, default 1
        Groups of channels that see only each other.
    layout : {"channels_first", "channels_last"}
        Axis order of `input_shape` and of the result.
    transposed : bool, default False
        Describe the transposed convolution.
    output_padding : int or sequence of int, default 0
        What a transposed result is longer at its end, less than the larger of stride and dilation.

    Returns
    -------
    tuple of int
        With ``out = (in + before + after - dilation * (k - 1) - 1) // stride + 1`` on each axis;
        transposed ``(in - 1) * stride - before - after + dilation * (k - 1) + 1 + output_padding``.

    Raises
    ------
    ValueError
        For a value or shape that breaks a rule; the text names the argument.
    TypeError
        If a number is not an integer.

    Notes
    -----
    The sizes of a convolution come from the same check that the convolution itself makes.

    Examples
    --------
    >>> import convkit
    >>> convkit.conv_output_shape((8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (8, 64, 112, 112)
    >>> convkit.conv_output_shape((64, 112), (64, 3, 7), 2, 3, transposed=True, output_padding=1)
    (3, 224)
    """
    given, weight = arg.shape("input_shape", input_shape), arg.shape("weight_shape", weight_shape)
    place = arg.choice("layout", layout, arg.LAYOUTS)
    axes = len(weight) - 2
    if axes not in (1, 2, 3):
        arg.fail("weight_shape", "must have 3, 4 or 5 entries", weight)
    if min(weight) < 1:
        arg.fail("weight_shape", "must have at least 1 output channel, 1 input channel and 1 tap on every axis", weight)
    parts = _split(given, axes, place)
    extra = arg.integers("output_padding", output_padding, axes, least=0)
    if arg.flag("transposed", transposed):
        return _transposed(parts, weight, stride, padding, dilation, groups, place, extra, output_padding)
    if any(extra):
        arg.fail("output_padding", "must be 0 unless transposed", output_padding)
    batched = _join(parts.batch or (1,), parts.channels, parts.sizes, place)
    dtype = np.dtype(np.float32)
    problem = describe(batched, dtype, weight, stride, padding, dilation, groups, "zeros", layout, None, "direct", False)
    return _join(parts.batch, weight[0], problem.conv.out, place)


def _transposed(
    parts: _Input, weight: Ints, stride: Any, padding: Any, dilation: Any, groups: Any, place: int, extra: Ints,
    output_padding: Any,
) -> Ints:  # fmt: skip
    number_of_groups = arg.integer("groups", groups)
    if number_of_groups < 1 or parts.channels % number_of_groups:
        arg.fail("groups", f"must be at least 1 and divide the number of input channels ({parts.channels})", groups)
    if weight[0] != parts.channels:
        arg.fail("weight_shape", f"must have x's channels ({parts.channels}) on axis 0", weight)
    if isinstance(padding, str):
        arg.fail("padding", "must be integers or pairs for a transposed convolution", padding)
    window = arg.window(len(extra), parts.sizes, weight[2:], stride, padding, dilation)
    if any(e >= max(s, d) for e, s, d in zip(extra, window.stride, window.dilation, strict=True)):
        arg.fail("output_padding", "must be at least 0 and less than stride or dilation on every axis", output_padding)
    return _join(parts.batch, weight[1] * number_of_groups, arg.transposed_sizes(parts.sizes, window, extra), place)


def pool_output_shape(
    input_shape: Sequence[int], kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, *, layout: str = "channels_first",
) -> Ints:  # fmt: skip
    """Return the shape of the result of a pooling.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of x in `layout`.
    kernel_size : int or sequence of int
        Taps of a window. The length of a sequence tells the number of spatial axes; with an int,
        `input_shape` must have its batch axis.
    stride : int or sequence of int, optional
        Steps from window to window; the kernel size if left out.
    padding : int, sequence or str, default 0
        As in `max_pool2d`.
    dilation : int or sequence of int, default 1
        Steps between the taps of a window.
    ceil_mode : bool, default False
        Also count a last window that sticks out, unless it starts behind the input.
    layout : {"channels_first", "channels_last"}
        Axis order of `input_shape` and of the result.

    Returns
    -------
    tuple of int
        With ``out = (in + before + after - dilation * (k - 1) - 1) / stride + 1`` on each axis,
        rounded down, or up with `ceil_mode`.

    Raises
    ------
    ValueError
        For a value or shape that breaks a rule; the text names the argument.
    TypeError
        If a number is not an integer.

    Notes
    -----
    Whether every window has an element depends on the kind of pooling and is not checked here.

    Examples
    --------
    >>> import convkit
    >>> convkit.pool_output_shape((8, 64, 112, 112), 3, 2, 1)
    (8, 64, 56, 56)
    >>> convkit.pool_output_shape((64, 7, 7), (2, 2), ceil_mode=True)
    (64, 4, 4)
    """
    given = arg.shape("input_shape", input_shape)
    place = arg.choice("layout", layout, arg.LAYOUTS)
    if arg.is_sequence(kernel_size):
        axes = len(kernel_size)
        if axes not in (1, 2, 3):
            arg.fail("kernel_size", "must have 1, 2 or 3 entries", kernel_size)
    else:
        axes = len(given) - 2
        if axes not in (1, 2, 3):
            arg.fail("input_shape", "must have 3, 4 or 5 entries (batch, channels and 1 to 3 spatial)", given)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    batch, channels, sizes = _split(given, axes, place)
    window = arg.window(axes, sizes, kernel, kernel if stride is None else stride, padding, dilation, arg.POOL_NAMES)
    status, out = _core.window_out(arg.flat(sizes, window), axes, arg.flag("ceil_mode", ceil_mode))
    names = {"x": given, "kernel_size": kernel_size, "stride": stride, "dilation": dilation, "padding": padding}
    _core.check(status, names | {"output size": out})
    return _join(batch, channels, out, place)


class ReceptiveField(NamedTuple):
    """What one output of a stack of layers sees of the input, along one axis.

    Attributes
    ----------
    size : int
        Input positions from the first one seen to the last.
    stride : int
        Input positions from one output's field to the next one's.
    start : int
        First input position that output 0 sees; negative where it lies in the padding.

    Examples
    --------
    >>> import convkit
    >>> convkit.receptive_field([(3, 2)]).stride
    2
    """

    size: int
    stride: int
    start: int


def _number(name: str, value: Any, least: int) -> int:
    number = arg.integer(name, value)
    if number < least:
        arg.fail(name, f"must be at least {least}", value)
    return number


def receptive_field(layers: Iterable[Sequence[int]]) -> ReceptiveField:
    """Return the receptive field of a stack of convolutions and poolings along one axis.

    Parameters
    ----------
    layers : iterable of (kernel, stride[, dilation[, padding]])
        From the input to the output; a dilation left out is 1, a padding (before) left out is 0.

    Returns
    -------
    ReceptiveField
        ``(size, stride, start)``: each layer adds ``dilation * (kernel - 1)`` and takes away
        ``padding`` steps of the stride so far.

    Raises
    ------
    ValueError
        If a layer has not 2 to 4 numbers, or one of them is too small.
    TypeError
        If a layer is not a sequence, or a number is not an integer.

    Notes
    -----
    Computed with Python's integers, which do not overflow.

    Examples
    --------
    >>> import convkit
    >>> convkit.receptive_field([(7, 2, 1, 3), (3, 2, 1, 1)])
    ReceptiveField(size=11, stride=4, start=-5)
    """
    if (
        isinstance(layers, (str, bytes))
        or not isinstance(layers, Iterable)
        or (isinstance(layers, np.ndarray) and not layers.ndim)
    ):
        raise TypeError(f"layers must be an iterable of (kernel, stride[, dilation[, padding]]), got {layers!r}")
    size, jump, start = 1, 1, 0
    for layer in layers:
        if not arg.is_sequence(layer):
            raise TypeError(f"layers must hold sequences, one per layer, got {layer!r}")
        if len(layer) not in (2, 3, 4):
            arg.fail("layers", "must hold 2 to 4 numbers per layer", layer)
        kernel, stride, dilation, padding = (*layer, *(1, 0)[len(layer) - 2 :])
        size += _number("dilation", dilation, 1) * (_number("kernel", kernel, 1) - 1) * jump
        start -= _number("padding", padding, 0) * jump
        jump *= _number("stride", stride, 1)
    return ReceptiveField(size, jump, start)
