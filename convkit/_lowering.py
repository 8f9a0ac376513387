"""Lowering: windows written out as the columns of a matrix, and their sums brought back."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _arguments as arg
from . import _core
from ._arguments import Array, Ints


def _described(
    sizes: Ints, shape: Ints, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[_core.Window, Ints, Ints]:
    """Return the core's window, the kernel and the output size; raise where they do not fit."""
    axes = len(sizes)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    window = arg.flat(sizes, arg.window(axes, sizes, kernel, stride, padding, dilation))
    status, out = _core.window_out(window, axes)
    given = {"x": shape, "kernel_size": kernel_size, "stride": stride, "dilation": dilation, "padding": padding}
    _core.check(status, given | {"output size": out})
    return window, kernel, out


def im2col(x: ArrayLike, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    """Write out what each window of x sees, one column per window.

    Parameters
    ----------
    x : array_like, shape (n, c, spatial axes)
        float32, float64, integer or bool, channels first, with batch axis and 1 to 3 spatial axes.
        Any strides; never modified.
    kernel_size, stride, dilation : int or sequence of int
        Taps of a window, steps between windows (default 1) and between taps (default 1), for all
        spatial axes or for each.
    padding : int, sequence or str, default 0
        Zeros on both sides, in every form that `conv2d` takes.

    Returns
    -------
    ndarray, shape (n, c * prod(kernel_size), prod(out))
        The dtype of `x`. Rows run over channels, then taps; columns over the windows in row-major
        order, ``out = (in + before + after - dilation * (k - 1) - 1) // stride + 1`` on each axis.

    Raises
    ------
    ValueError
        For a value or shape that breaks a rule; the text names the argument.
    TypeError
        For an unsupported dtype or a number of the wrong type.
    MemoryError
        If the result cannot be allocated.

    Notes
    -----
    Elements are copied bit by bit. A convolution is the product of its weights, reshaped to
    (out_channels, c * prod(kernel_size)), and this matrix; `conv2d` does not build it.

    Examples
    --------
    >>> import convkit
    >>> convkit.im2col([[[1, 2, 3, 4]]], 2)
    array([[[1, 2, 3],
            [2, 3, 4]]])
    """
    a = arg.array("x", x)
    if a.ndim not in (3, 4, 5):
        arg.fail("x", "must have 3, 4 or 5 axes (batch, channels and 1 to 3 spatial)", a.shape)
    n, channels, sizes = a.shape[0], a.shape[1], a.shape[2:]
    if min(a.shape[1:]) < 1:
        arg.fail("x", "must have at least 1 channel and at least 1 element on every spatial axis", a.shape)
    window, kernel, out = _described(sizes, a.shape, kernel_size, stride, padding, dilation)
    rows, columns = channels * prod(kernel), prod(out)
    arg.check_count("x", a.shape, n, rows, columns)
    y = arg.empty((n, rows, columns), a.dtype)
    status = _core.lower(
        np.ascontiguousarray(a), y, window, n, channels, arg.DTYPES[a.dtype], False, arg.threads(None)
    )  # fmt: skip
    _core.check(status, {"x": a.shape})
    return y


def col2im(cols: ArrayLike, output_size: Any, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    """Add columns back to the places that `im2col` takes them from: its adjoint.

    Parameters
    ----------
    cols : array_like, shape (n, c * prod(kernel_size), windows)
        float32, float64, integer or bool, as `im2col` returns it. Never modified.
    output_size : sequence of int
        Spatial shape of the result; its length, 1 to 3, is the number of axes.
    kernel_size, stride, dilation : int or sequence of int
        Taps of a window, steps between windows (default 1) and between taps (default 1).
    padding : int, sequence or str, default 0
        As in `im2col`; what falls into it is dropped.

    Returns
    -------
    ndarray, shape (n, c, output size)
        Sums: float32 or float64 as `cols`; int32 for bool, 8 and 16 bits, else int64. Its windows,
        ``(size + before + after - dilation * (k - 1) - 1) // stride + 1`` on each axis, must be as
        many as `cols` has columns.

    Raises
    ------
    ValueError
        For a value or shape that breaks a rule; the text names the argument.
    TypeError
        For an unsupported dtype or a number of the wrong type.
    MemoryError
        If the result cannot be allocated.

    Notes
    -----
    Each element sums its taps in row-major order, in the dtype of the result, for any number of
    threads. Sums of integers wrap.

    Examples
    --------
    >>> import convkit
    >>> convkit.col2im([[[1, 2, 3], [2, 3, 4]]], (4,), 2)
    array([[[1, 4, 6, 4]]])
    """
    a = arg.array("cols", cols)
    sizes = arg.shape("output_size", output_size)
    if len(sizes) not in (1, 2, 3):
        arg.fail("output_size", "must have 1, 2 or 3 entries", output_size)
    if min(sizes) < 1:
        arg.fail("output_size", "must be at least 1 on every axis", output_size)
    window, kernel, out = _described(sizes, a.shape, kernel_size, stride, padding, dilation)
    taps, columns = prod(kernel), prod(out)
    if a.ndim != 3 or a.shape[1] < 1 or a.shape[1] % taps or a.shape[2] != columns:
        arg.fail("cols", f"must have shape (n, c * {taps}, {columns}) for this window and output_size", a.shape)
    n, channels = a.shape[0], a.shape[1] // taps
    arg.check_count("output_size", sizes, n, channels, *sizes)
    total = arg.SUMS[a.dtype]
    y = arg.empty((n, channels, *sizes), total)
    status = _core.lower(
        np.ascontiguousarray(a, total), y, window, n, channels, arg.DTYPES[total], True, arg.threads(None)
    )  # fmt: skip
    _core.check(status, {"x": a.shape})
    return y
