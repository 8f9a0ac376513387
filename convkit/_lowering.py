"""Lowering: windows to columns and back."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _arguments as arg
from . import _core
from ._arguments import Array

NAMES = arg.CONV_NAMES


def im2col(x: ArrayLike, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    """Copy every window of `x` into a column (torch's ``unfold``, for 1-D to 3-D).

    Parameters
    ----------
    x : array_like, shape (n, c, *spatial)
        float32, float64, integer or bool, 1 to 3 spatial axes.
    kernel_size, stride, padding, dilation : int or sequence
        As in `conv2d`; padding is zeros.

    Returns
    -------
    ndarray, shape (n, c * prod(kernel), prod(out))
        dtype of `x`; ``out`` as in `conv_output_shape`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> convkit.im2col(np.arange(4.0).reshape(1, 1, 4), 2)
    array([[[0., 1., 2.],
            [1., 2., 3.]]])
    """
    a = np.ascontiguousarray(arg.array("x", x)) if np.ndim(x) else arg.array("x", x)
    axes = a.ndim - 2
    if not 1 <= axes <= 3:
        arg.fail("x", "must have 3 to 5 axes (batch, channels and 1 to 3 spatial)", a.shape)
    sizes = a.shape[2:]
    if min(a.shape[1:]) < 1:
        arg.fail("x", "must have at least 1 channel and at least 1 element on every spatial axis", a.shape)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    window = arg.window(axes, sizes, kernel, stride, padding, dilation, NAMES)
    flat = arg.flat(sizes, window)
    status, out = _core.window_out(flat, axes)
    given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    _core.check(status, given | {"x": a.shape, "output size": out})
    shape = (a.shape[0], a.shape[1] * prod(kernel), prod(out))
    if prod(shape) * a.itemsize > arg.LARGEST:
        raise MemoryError(f"x must lead to fewer than 2**63 bytes of columns, got shape {shape}")
    y: Array = np.empty(shape, a.dtype)
    if y.size:
        status = _core.lower(a, y, flat, a.shape[0], a.shape[1], arg.DTYPES[a.dtype], False, arg.threads(None))
        _core.check(status, {"x": a.shape})
    return y


def col2im(cols: ArrayLike, output_size: Any, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    """Add every column back to the window it came from (torch's ``fold``); the adjoint of `im2col`.

    Parameters
    ----------
    cols : array_like, shape (n, c * prod(kernel), prod(out))
        float32, float64, integer or bool.
    output_size : sequence of int
        Spatial sizes of the result; its length names the number of axes.
    kernel_size, stride, padding, dilation : int or sequence
        As in `im2col`.

    Returns
    -------
    ndarray, shape (n, c, *output_size)
        dtype of `cols`; sums wrap in it.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> convkit.col2im(np.ones((1, 2, 3)), (4,), 2)
    array([[[1., 2., 2., 1.]]])
    """
    a = arg.array("cols", cols)
    if not arg.is_sequence(output_size):
        raise TypeError(f"output_size must be a sequence of integers, got {output_size!r}")
    sizes = tuple([arg.integer("output_size", entry) for entry in output_size])
    axes = len(sizes)
    if not 1 <= axes <= 3 or min(sizes) < 1:
        arg.fail("output_size", "must have 1 to 3 entries of at least 1", output_size)
    kernel = arg.integers("kernel_size", kernel_size, axes)
    window = arg.window(axes, sizes, kernel, stride, padding, dilation, NAMES)
    flat = arg.flat(sizes, window)
    status, out = _core.window_out(flat, axes)
    given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    _core.check(status, given | {"x": sizes, "output size": out})
    taps = prod(kernel)
    if a.ndim != 3 or a.shape[1] < 1 or a.shape[1] % taps or a.shape[2] != prod(out):
        arg.fail("cols", f"must have shape (n, c * {taps}, {prod(out)})", a.shape)
    channels = a.shape[1] // taps
    y: Array = np.zeros((a.shape[0], channels, *sizes), a.dtype)
    if y.size:
        contiguous = np.ascontiguousarray(a)
        status = _core.lower(contiguous, y, flat, a.shape[0], channels, arg.DTYPES[a.dtype], True, arg.threads(None))
        _core.check(status, {"x": a.shape})
    return y
