"""The right results: every layer of the table in float64, and how far a library may be from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convkit import reference

from ..workloads import Layer, make_inputs

__all__ = ["TOLERANCE", "error_text", "expected", "relative_error"]

Array = NDArray[Any]

# Largest error, relative to max|y|, of a result that is right. On normal data a float32 sum in any order is off by up to 2e-6
# on the layers of the table, and Winograd's F(6,3) by up to 8e-6. One operand rounded to half precision, whose unit roundoff
# is 2**-11, puts every product off by about 2e-4 of itself and max|y| by as much (TF32 rounds alike, bfloat16 to 2**-8). The
# bound for float32 stands between, a factor 4 above and 6 below; that for float64 is far below what float32 arithmetic gives.
TOLERANCE = {"float32": 3e-5, "float64": 1e-12}


def expected(layer: Layer, arrays: tuple[Array, ...] | None = None) -> tuple[Array, ...]:
    """Return what the layer gives for `arrays`, channels first; ``maxidx`` gives two arrays.

    By default they are those of `make_inputs` with normal values, in float64.
    """
    arrays = make_inputs(layer, np.float64, values="normal") if arrays is None else arrays
    axes = len(layer.size)
    if layer.op in ("convt", "dgrad"):
        return (_scatter(layer, arrays[0], arrays[1], layer.output_size if layer.op == "convt" else layer.size),)
    if layer.op == "wgrad":
        return (_weight_gradient(layer, arrays[0], arrays[1]),)
    if layer.op == "conv":
        options = {"stride": layer.stride, "padding": layer.pad, "dilation": layer.dil, "groups": layer.g}
        return (getattr(reference, f"conv{axes}d")(*arrays, **options),)
    if layer.op == "maxidx":
        options = {"stride": layer.stride, "padding": layer.pad, "dilation": layer.dil, "return_indices": True}
        return tuple(getattr(reference, f"max_pool{axes}d")(arrays[0], layer.kernel, **options))
    return (_pool(layer, arrays[0]),)


def _pool(layer: Layer, x: Array) -> Array:
    """One axis after the other: a window of 31 x 31 would take half a minute."""
    axes = len(layer.size)
    pool = getattr(reference, f"{layer.op}_pool{axes}d")
    for axis in range(axes):
        kernel, stride, pad, dilation = (
            tuple(values[axis] if i == axis else other for i in range(axes))
            for values, other in ((layer.kernel, 1), (layer.stride, 1), (layer.pad, 0), (layer.dil, 1))
        )
        x = pool(x, kernel, stride=stride, padding=pad, dilation=dilation)
    return x


def _taps(layer: Layer, out: tuple[int, ...]) -> Iterator[tuple[Any, Any]]:
    """Yield the index of each tap in the weights, and that of what it multiplies in the padded input."""
    for tap in np.ndindex(*layer.kernel):
        axes = zip(tap, layer.dil, layer.stride, out, strict=True)
        yield (..., *tap), (..., *(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in axes))


def _scatter(layer: Layer, y: Array, weight: Array, size: tuple[int, ...]) -> Array:
    """Transposed convolution, which is the gradient of convolution with regard to its input."""
    n, g, out = y.shape[0], layer.g, y.shape[2:]
    axes = zip(out, layer.stride, layer.dil, layer.kernel, layer.pad, size, strict=True)
    lengths = [max((o - 1) * s + d * (k - 1) + 1, p + i) for o, s, d, k, p, i in axes]
    padded = np.zeros((n, g, weight.shape[1], *lengths))
    rows = y.reshape(n, g, y.shape[1] // g, -1)
    for tap, where in _taps(layer, out):
        factors = weight[tap].reshape(g, -1, weight.shape[1]).swapaxes(1, 2)
        padded[where] += (factors @ rows).reshape(n, g, -1, *out)
    inner: Any = (..., *(slice(p, p + i) for p, i in zip(layer.pad, size, strict=True)))
    result: Array = padded[inner].reshape(n, -1, *size)
    return result


def _weight_gradient(layer: Layer, x: Array, gradient: Array) -> Array:
    n, g, out = x.shape[0], layer.g, gradient.shape[2:]
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in layer.pad)])
    rows = gradient.reshape(n, g, layer.k // g, -1)
    result = np.empty(layer.weight_shape)
    for tap, where in _taps(layer, out):
        columns = padded[where].reshape(n, g, layer.c // g, -1).swapaxes(2, 3)
        result[tap] = (rows @ columns).sum(axis=0).reshape(layer.k, -1)
    return result


def relative_error(found: Array, wanted: Array) -> float:
    """Return the largest error of a result, relative to the largest value that is right."""
    return float(np.abs(found.astype(np.float64) - wanted).max() / np.abs(wanted).max())


def error_text(layer: Layer, found: tuple[Any, ...], wanted: tuple[Array, ...], layout: str, dtype: str) -> str:
    """Tell what is wrong with a result; empty if nothing is."""
    for y, right in zip(found, wanted, strict=True):
        if not isinstance(y, np.ndarray):
            return f"the result is a {type(y).__name__}, not an array"
        if layout == "channels_last" and layer.op != "wgrad":
            y = np.moveaxis(y, -1, 1)
        if y.shape != right.shape:
            return f"the result has shape {y.shape}, not {right.shape}"
        if right.dtype.kind == "i":
            # Some libraries count within the plane, others within the whole tensor.
            if not np.array_equal(y % np.prod(layer.size), right):
                return "the indices are wrong"
            continue
        if y.dtype != np.dtype(dtype):
            return f"the result has dtype {y.dtype}, not {dtype}"
        error = relative_error(y, right)
        if not error <= TOLERANCE[dtype]:
            return f"the error is {error:.2g} of max|y|, more than {TOLERANCE[dtype]:.0e}"
    return ""
