"""Convolution: coerce the arguments, describe the problem, call the core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _arguments as arg
from . import _core
from ._arguments import Array, Ints

ALGORITHMS: dict[str, int] = {"auto": -1} | {name: code for code, name in enumerate(_core.algorithm_names())}

# What "auto" chooses from: in a context, else in the process; None: all.
_context_defaults: ContextVar[tuple[str, ...] | None] = ContextVar("convkit_algorithms", default=None)
_process_defaults: tuple[str, ...] | None = None


def default_names() -> tuple[str, ...] | None:
    """Return the algorithms that ``"auto"`` chooses from; None for all."""
    return _context_defaults.get() or _process_defaults


def set_default_names(names: tuple[str, ...]) -> None:
    """Let ``"auto"`` choose from these in the whole process."""
    global _process_defaults
    _process_defaults = None if names == _core.algorithm_names() else names


@contextmanager
def with_default_names(names: tuple[str, ...]) -> Iterator[None]:
    """Let ``"auto"`` choose from these within a block."""
    token = _context_defaults.set(names)
    try:
        yield
    finally:
        _context_defaults.reset(token)


class Weights(NamedTuple):
    """Weights and bias in the dtype of the sums, contiguous, and the dtype to read x in."""

    weight: Array
    bias: Array | None
    x_dtype: np.dtype[Any]


def coerce_weights(x_dtype: np.dtype[Any], weight: Any, bias: Any, axes: int) -> Weights:
    """Combine the dtypes of x, weight and bias; bring weight and bias into the result's."""
    w = arg.array("weight", weight)
    if w.ndim != axes + 2:
        arg.fail("weight", f"must have {axes + 2} axes (out, in / groups and {axes} of the kernel)", w.shape)
    if x_dtype is not w.dtype and x_dtype != w.dtype:
        combined = np.result_type(x_dtype, w.dtype)
        if combined.kind == "f" or arg.SUMS[x_dtype] != arg.SUMS[combined]:
            x_dtype = combined if combined.kind == "f" else arg.SUMS[combined]
    total = arg.SUMS[x_dtype]
    if w.dtype is not total or not w.flags.c_contiguous:
        w = np.ascontiguousarray(w, total)
    return Weights(w, None if bias is None else coerce_bias(bias, w.shape[0], total), x_dtype)


def coerce_bias(bias: Any, channels: int, total: np.dtype[Any]) -> Array:
    """Return the bias in the result's dtype."""
    b = arg.array("bias", bias)
    if b.shape != (channels,):
        arg.fail("bias", f"must have shape ({channels},), one element per output channel", b.shape)
    if b.dtype.kind == "f" and total.kind != "f":
        raise TypeError(f"bias must be an integer array where x and weight are integers, got dtype {b.dtype}")
    return np.ascontiguousarray(b, total)


class Problem(NamedTuple):
    """A described convolution."""

    conv: _core.Conv
    pads: arg.Pairs | None  # to be added to x beforehand, for a padding_mode other than zeros
    layout: int
    sample: Ints  # shape of the result without its batch axis


def describe(
    x_shape: Ints,
    x_dtype: np.dtype[Any],
    weight_shape: Ints,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    layout: Any,
    activation: Any,
    algorithm: Any,
    prepared: bool,
    defaults: tuple[str, ...] | None = None,
) -> Problem:
    """Plan a convolution of batched x, by one of `defaults` where it is for ``"auto"``; raise where an argument is not valid."""
    axes = len(weight_shape) - 2
    place = arg.choice("layout", layout, arg.LAYOUTS)
    wanted = arg.choice("algorithm", algorithm, ALGORITHMS)
    after = arg.choice("activation", activation, arg.ACTIVATIONS)
    number_of_groups = arg.integer("groups", groups)
    channels, sizes = arg.sizes_of(x_shape, place)
    kernel = weight_shape[2:]
    if min(weight_shape) < 1:
        arg.fail("weight", "must have at least 1 output channel, 1 input channel and 1 tap on every axis", weight_shape)
    if min(sizes) < 1 or channels < 1:
        arg.fail("x", "must have at least 1 channel and at least 1 element on every spatial axis", x_shape)
    window = arg.window(axes, sizes, kernel, stride, padding, dilation)
    pads = None
    if arg.padding_mode(padding_mode) != "zeros":
        pads = window.padding
        sizes = tuple([size + before + end for size, (before, end) in zip(sizes, pads, strict=True)])
        if max(sizes) > arg.LARGEST:
            arg.fail("padding", "must lead to sizes below 2**63", padding)
        window = window._replace(padding=((0, 0),) * axes)
    candidates = [ALGORITHMS[name] for name in defaults] if defaults and wanted < 0 else [wanted]
    fixed = (
        axes, x_shape[0], number_of_groups, channels, weight_shape[0], arg.flat(sizes, window), arg.DTYPES[x_dtype], place, after,
    )  # fmt: skip
    convs = [_core.Conv(*fixed, candidate, prepared) for candidate in candidates]
    conv = convs[0] if len(convs) == 1 else min(convs, key=lambda conv: (conv.status != 0, conv.cost))
    if conv.status or weight_shape[1] * number_of_groups != channels:
        if conv.status:
            given = {"groups": groups, "x": x_shape, "weight": weight_shape, "stride": stride, "dilation": dilation}
            given |= {"padding": padding, "output size": conv.out, "algorithm": algorithm}
            _core.check(conv.status, given, conv.reason)
        arg.fail(
            "weight", f"must have x's channels ({channels}) divided by groups ({number_of_groups}) on axis 1", weight_shape
        )
    return Problem(conv, pads, place, arg.shape_of(0, weight_shape[0], conv.out, place)[1:])


@lru_cache(maxsize=256)
def _described_on(isa: int, arguments: tuple[Any, ...]) -> Problem:
    """Describe a problem for the instruction set in use."""
    return describe(*arguments)


def _plain(value: Any) -> Any:
    """Return a number, a word, or a sequence of integers or of such sequences as something that can be remembered; else None.

    Only integers themselves: 1.0 and True equal 1, but they are not valid, or not for long.
    """
    kind = type(value)
    if kind is int or kind is str:
        return value
    if kind is not tuple and kind is not list:
        return None
    for entry in value:
        if type(entry) is not int:
            pairs = tuple([_plain(entry) if type(entry) is tuple or type(entry) is list else None for entry in value])
            return None if None in pairs else pairs
    return value if kind is tuple else tuple(value)


def _described(
    x_shape: Ints, x_dtype: np.dtype[Any], weight_shape: Ints, stride: Any, padding: Any, dilation: Any, groups: Any,
    padding_mode: Any, layout: Any, activation: Any, algorithm: Any,
) -> Problem:  # fmt: skip
    """As `describe`, for a functional call: the last few problems are remembered."""
    problem = x_shape, x_dtype, weight_shape
    others = groups, padding_mode, layout, activation, algorithm, False, default_names()
    plain = _plain(stride), _plain(padding), _plain(dilation)
    if (
        None not in plain
        and type(groups) is int
        and type(padding_mode) is str
        and type(layout) is str
        and (activation is None or type(activation) is str)
        and type(algorithm) is str
    ):
        try:
            return _described_on(_core.isa_current(), (*problem, *plain, *others))
        except ValueError:
            pass  # to be raised with the arguments as they were given
    return describe(*problem, stride, padding, dilation, *others)


def pad(x: Array, pads: arg.Pairs, layout: int, mode: str) -> Array:
    """Return x with its borders continued."""
    full = [(0, 0), *pads, (0, 0)] if layout else [(0, 0), (0, 0), *pads]
    return np.pad(x, full, mode=mode)  # type: ignore[call-overload,no-any-return]


def execute(problem: Problem, x: Array, w: Weights, padding_mode: str, out: Any, num_threads: Any, has_batch: bool) -> Array:
    """Run a described problem on batched x."""
    conv, pads, layout, sample = problem
    weight, bias, x_dtype = w
    threads = arg.threads(num_threads)
    shape = (x.shape[0], *sample)
    if out is not None:
        arg.check_out("out", out, shape if has_batch else sample, weight.dtype)
    source = x if x.dtype == x_dtype else x.astype(x_dtype)
    if pads is not None:
        source = pad(source, pads, layout, padding_mode)
    source = arg.samples(source)
    inputs = [x, weight] if bias is None else [x, weight, bias]
    y = arg.into(out, shape, weight.dtype, inputs, lambda dst: conv.run(source, weight, bias, dst, threads))
    return y if has_batch or out is not None else y[0]


def _conv(
    axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any,
    padding_mode: Any, layout: Any, activation: Any, algorithm: Any, out: Any, num_threads: Any,
) -> Array:  # fmt: skip
    a = arg.array("x", x)
    batched, has_batch = arg.batched("x", a, axes)
    w = coerce_weights(batched.dtype, weight, bias, axes)
    problem = _described(
        batched.shape, w.x_dtype, w.weight.shape, stride, padding, dilation, groups,
        padding_mode, layout, activation, algorithm,
    )  # fmt: skip
    return execute(problem, batched, w, padding_mode, out, num_threads, has_batch)


_DOC = """{title}

    The kernel is not flipped (cross-correlation): each output element is the sum over channels and
    taps of input times weight, plus bias.

    Parameters
    ----------
    x : array_like, shape ({x_shape}) or without the batch axis
        float32, float64, integer or bool; any strides. Never modified.
    weight : array_like, shape (out_channels, in_channels / groups, {kernel})
        The kernels. Combined with `x` by ``np.result_type``.
    bias : array_like, shape (out_channels,), optional
        Added to every element of its channel; converted to the result's dtype.
    stride, dilation : int or {axes}-tuple of int, default 1
        Steps of the window and between its taps.
    padding : int, sequence or str, default 0
        Zeros (see `padding_mode`) added on both sides: an int, one int per spatial axis, one
        ``(before, after)`` pair per spatial axis, or ``"valid"``, ``"same"``, ``"same_lower"``,
        ``"full"``{causal}.
    groups : int, default 1
        Groups of channels that see only each other.
    padding_mode : {{"zeros", "edge", "reflect", "symmetric", "wrap"}}
        What stands in the padding, with the names of ``np.pad``.
    layout : {{"channels_first", "channels_last"}}
        Axis order of `x` and of the result; weights keep theirs.
    activation : {{None, "relu", "relu6"}}
        Applied to the finished sums; NaN stays NaN.
    algorithm : str, default "auto"
        ``"auto"`` or one of `convkit.algorithms`.
    out : ndarray, optional
        Receives the result; exact shape and dtype, any strides.
    num_threads : int, optional
        Threads of this call, 1 to 1024; default `convkit.get_num_threads`.

    Returns
    -------
    ndarray
        Shape ({y_shape}) with ``out = (in + before + after - dilation * (k - 1) - 1) // stride + 1``
        on each axis. float32 or float64 as the inputs; integers: int32 for bool, 8 and 16 bits,
        else int64.

    Raises
    ------
    ValueError
        For a value or shape that breaks a rule; the text names the argument.
    TypeError
        For an unsupported dtype or a number of the wrong type.
    NotImplementedError
        If the `algorithm` asked for does not serve the problem.
    MemoryError
        If result or workspace cannot be allocated.

    Notes
    -----
    Direct and im2col convolution sum each element in one fixed order that starts from the bias, so
    that the bits do not depend on the number of threads or on how a batch is split. The error is at
    most ``(K + 2) * eps * sum(|x| * |w|)`` for K terms. Winograd convolution (2 to 12 taps in each
    phase of a stride, at most 5 where the kernel has depth, 256 in all; Lavin and Gray 2015)
    computes with transformed tiles: on normally distributed and on rectified data its error is at
    most 3e-6 of the largest result in float32, 1e-13 in float64, and more where large terms cancel.
    Where the window is the whole input, dot products in 16 partial sums are taken, with a smaller
    error. The full im2col matrix of Chellapilla, Puri and Simard (2006) is never formed.

    Examples
    --------
{example}
    """


def conv1d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, padding_mode: str = "zeros", layout: str = "channels_first", activation: str | None = None,
    algorithm: str = "auto", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _conv(
        1, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out, num_threads
    )


def conv2d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, padding_mode: str = "zeros", layout: str = "channels_first", activation: str | None = None,
    algorithm: str = "auto", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _conv(
        2, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out, num_threads
    )


def conv3d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, padding_mode: str = "zeros", layout: str = "channels_first", activation: str | None = None,
    algorithm: str = "auto", out: Array | None = None, num_threads: int | None = None,
) -> Array:  # fmt: skip
    return _conv(
        3, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out, num_threads
    )


conv1d.__doc__ = _DOC.format(
    title="Convolve signals: 1-D convolution of a batch of multi-channel sequences.",
    x_shape="n, in_channels, length", kernel="k", axes=1, causal=' or ``"causal"``', y_shape="n, out_channels, out",
    example="""    >>> import convkit
    >>> convkit.conv1d([[1.0, 2.0, 3.0, 4.0]], [[[1.0, -1.0]]])
    array([[-1., -1., -1.]])""",
)  # fmt: skip
conv2d.__doc__ = _DOC.format(
    title="Convolve images: 2-D convolution of a batch of multi-channel planes.",
    x_shape="n, in_channels, height, width", kernel="kh, kw", axes=2, causal="", y_shape="n, out_channels, out_h, out_w",
    example="""    >>> import convkit
    >>> x = [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]]
    >>> convkit.conv2d(x, [[[[0.0, 1.0], [2.0, 3.0]]]])
    array([[[19., 25.],
            [37., 43.]]])""",
)  # fmt: skip
conv3d.__doc__ = _DOC.format(
    title="Convolve volumes: 3-D convolution of a batch of multi-channel volumes or films.",
    x_shape="n, in_channels, depth, height, width", kernel="kd, kh, kw", axes=3, causal="",
    y_shape="n, out_channels, out_d, out_h, out_w",
    example="""    >>> import convkit
    >>> import numpy as np
    >>> convkit.conv3d(np.ones((1, 2, 2, 2)), np.ones((1, 1, 2, 2, 2)))
    array([[[[8.]]]])""",
)  # fmt: skip
