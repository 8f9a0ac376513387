"""From what a caller may pass to what the core takes: numbers, windows, layouts, dtypes, arrays.

Python coerces types here and names the argument in every error; whether a number is *valid* is for
the C core to decide, except for rules about Python forms (names, lengths of sequences).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from operator import index
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from . import _core

Array = NDArray[Any]
Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

LAYOUTS = {"channels_first": 0, "channels_last": 1}
ACTIVATIONS = {None: 0, "relu": 1, "relu6": 2}
#: np.pad modes, and the names that other libraries give to them
PADDING_MODES = ("zeros", "edge", "reflect", "symmetric", "wrap")
FOREIGN_MODES = {"replicate": "edge", "nearest": "edge", "circular": "wrap", "mirror": "reflect"}

LARGEST = 2**63 - 1
#: bytes of a result from which it begins on a cache line; what is smaller stays in L2, and the two microseconds would show
ALIGNED_FROM = 1 << 16

_NAMES = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
#: dtype -> code of the core; bool is read as uint8
DTYPES: dict[np.dtype[Any], int] = {np.dtype(name): code for code, name in enumerate(_NAMES)}
DTYPES[np.dtype(bool)] = DTYPES[np.dtype("uint8")]
#: dtype -> dtype in which its sums are taken and returned
SUMS: dict[np.dtype[Any], np.dtype[Any]] = {
    dtype: dtype if dtype.kind == "f" else np.dtype("int32" if dtype.itemsize < 4 else "int64") for dtype in DTYPES
}


# ---------------------------------------------------------------------------------- numbers


def fail(argument: str, rule: str, value: object) -> NoReturn:
    """Raise the ValueError of a broken rule."""
    raise ValueError(f"{argument} {rule}, got {value!r}")


def integer(name: str, value: Any) -> int:
    """Return what ``operator.index`` makes of `value`, if the core can hold it."""
    if type(value) is int:
        number: int = value
    else:
        try:
            number = index(value)
        except TypeError:
            raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not -LARGEST - 1 <= number <= LARGEST:
        fail(name, "must lie between -2**63 and 2**63 - 1", value)
    return number


def is_sequence(value: Any) -> bool:
    """Tell whether `value` counts as one entry per axis."""
    if isinstance(value, (tuple, list)):
        return True
    if isinstance(value, (str, bytes, set, frozenset, dict)):
        return False
    return isinstance(value, Sequence) or (isinstance(value, np.ndarray) and value.ndim > 0)


def integers(name: str, value: Any, axes: int, least: int = 1) -> Ints:
    """Return one integer per spatial axis."""
    if type(value) is int:
        numbers: Ints = (value,) * axes
    elif is_sequence(value):
        if len(value) != axes:
            fail(name, f"must have one entry per spatial axis ({axes})", value)
        numbers = tuple([integer(name, entry) if type(entry) is not int else entry for entry in value])
    else:
        numbers = (integer(name, value),) * axes
    for number in numbers:
        if number < least:
            fail(name, f"must be at least {least} on every axis", value)
        if number > LARGEST:
            fail(name, "must be less than 2**63", value)
    return numbers


def shape(name: str, value: Any) -> Ints:
    """Return a shape given as a sequence of integers."""
    if not is_sequence(value):
        raise TypeError(f"{name} must be a sequence of integers, got {value!r}")
    sizes = tuple([integer(name, entry) for entry in value])
    for size in sizes:
        if size < 0:
            fail(name, "must not have a negative entry", sizes)
    return sizes


def number_of_threads(value: Any, name: str = "num_threads") -> int:
    """Return a checked number of threads."""
    number = integer(name, value)
    if not 1 <= number <= 1024:
        fail(name, "must be from 1 to 1024", value)
    return number


def flag(name: str, value: Any) -> bool:
    """Return the truth of `value`, if it has one."""
    try:
        return bool(value)
    except ValueError:
        fail(name, "must be True or False", value)


def choice(name: str, value: Any, table: Any) -> Any:
    """Look `value` up among the words that `name` may be."""
    try:
        return table[value]
    except (KeyError, TypeError):
        words = ", ".join(repr(word) for word in table)
        fail(name, f"must be one of {words}", value)


def padding_mode(value: Any) -> str:
    """Return a checked padding mode; for another library's name the error tells ours."""
    if isinstance(value, str):
        if value in PADDING_MODES:
            return value
        if value in FOREIGN_MODES:
            fail("padding_mode", f"must be {FOREIGN_MODES[value]!r} (NumPy's name) for this border", value)
    fail("padding_mode", f"must be one of {', '.join(map(repr, PADDING_MODES))}", value)


# ---------------------------------------------------------------------------------- windows


class Window(NamedTuple):
    """Kernel, stride, dilation and padding, one entry per spatial axis."""

    kernel: Ints
    stride: Ints
    dilation: Ints
    padding: Pairs


def _pair(value: Any, whole: Any) -> tuple[int, int]:
    if len(value) != 2:
        fail("padding", "must be (before, after) pairs, one per spatial axis", whole)
    before, after = integer("padding", value[0]), integer("padding", value[1])
    if before < 0 or after < 0:
        fail("padding", "must be at least 0 on every side", whole)
    return before, after


def _named_padding(
    name: str, axes: int, sizes: Ints, kernel: Ints, stride: Ints, dilation: Ints, names: Sequence[str]
) -> Pairs:
    if name not in names or (name == "causal" and axes != 1):
        words = ", ".join(repr(word) for word in names if word != "causal" or axes == 1)
        fail("padding", f"must be integers, pairs or one of {words}", name)
    reach = tuple([d * (k - 1) for d, k in zip(dilation, kernel, strict=True)])
    if name == "valid":
        return ((0, 0),) * axes
    pairs = []
    for size, r, s in zip(sizes, reach, stride, strict=True):
        total = max((-(-size // s) - 1) * s + r + 1 - size, 0)
        half = total // 2
        pairs.append({"full": (r, r), "causal": (r, 0), "same": (half, total - half), "same_lower": (total - half, half)}[name])
        if max(pairs[-1]) > LARGEST:
            fail("dilation", f"must lead to padding below 2**63 with padding={name!r}", dilation)
    return tuple(pairs)


CONV_NAMES = ("valid", "same", "same_lower", "full", "causal")
POOL_NAMES = ("valid", "same", "same_lower")


def pads(value: Any, axes: int, sizes: Ints, kernel: Ints, stride: Ints, dilation: Ints, names: Sequence[str]) -> Pairs:
    """Return (before, after) for each axis from any form of the padding argument."""
    if type(value) is int and 0 <= value <= LARGEST:
        return ((value, value),) * axes
    if isinstance(value, str):
        return _named_padding(value, axes, sizes, kernel, stride, dilation, names)
    if is_sequence(value) and any(is_sequence(entry) for entry in value):
        if len(value) != axes:
            fail("padding", f"must have one entry per spatial axis ({axes})", value)
        if not all(is_sequence(entry) for entry in value):
            raise TypeError(f"padding must be all integers or all pairs, got {value!r}")
        return tuple([_pair(entry, value) for entry in value])
    if axes == 1 and is_sequence(value) and len(value) == 2:
        [integer("padding", entry) for entry in value]
        fail(
            "padding",
            f"must have one entry per spatial axis; for one asymmetric axis write (({value[0]!r}, {value[1]!r}),)",
            value,
        )
    return tuple([(p, p) for p in integers("padding", value, axes, least=0)])


def window(
    axes: int,
    sizes: Ints,
    kernel: Ints,
    stride: Any,
    padding: Any,
    dilation: Any,
    names: Sequence[str] = CONV_NAMES,
) -> Window:
    """Return the checked window of a call."""
    strides = integers("stride", stride, axes)
    dilations = integers("dilation", dilation, axes)
    return Window(kernel, strides, dilations, pads(padding, axes, sizes, kernel, strides, dilations, names))


def flat(sizes: Ints, w: Window) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
    """Return the window as the core takes it: three axes, unused ones of length 1 in front."""
    ones = (1,) * (3 - len(sizes))
    zeros = (0,) * len(ones)
    before = zeros + tuple([p[0] for p in w.padding])
    after = zeros + tuple([p[1] for p in w.padding])
    return ones + sizes, ones + w.kernel, ones + w.stride, ones + w.dilation, before, after


# ---------------------------------------------------------------------------------- arrays


def array(name: str, value: Any) -> Array:
    """Return `value` as an array of a supported dtype: native, aligned, with any strides."""
    if type(value) is np.ndarray:
        x: Array = value
    elif isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array (fill it first: {name}.filled(0)), got {type(value)!r}")
    elif not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
        x = np.from_dlpack(value)
    else:
        try:
            x = np.asarray(value)
        except ValueError as error:  # a ragged list
            raise ValueError(f"{name} must be an array or convertible to one: {error}") from error
    if x.dtype not in DTYPES:
        native = x.dtype.newbyteorder("=")
        if native not in DTYPES:
            raise TypeError(
                f"{name} must be float32, float64, integer or bool (convert it with astype('float32')), got dtype {x.dtype}"
            )
        x = x.astype(native)
    if not x.flags.aligned:
        x = x.copy()
    return x


def batched(name: str, x: Array, axes: int) -> tuple[Array, bool]:
    """Return the array with its batch axis and whether it had one."""
    if x.ndim == axes + 2:
        return x, True
    if x.ndim == axes + 1:
        return x[None], False
    fail(name, f"must have {axes + 2} axes (batch, channels and {axes} spatial) or {axes + 1} without the batch", x.shape)


def batched_shape(name: str, value: Any, axes: int) -> tuple[Ints, bool]:
    """Return a given shape of x with its batch axis and whether it had one."""
    given = shape(name, value)
    if len(given) == axes + 2:
        return given, True
    if len(given) == axes + 1:
        return (1, *given), False
    fail(name, f"must have {axes + 2} entries, or {axes + 1} without the batch", given)


def data_type(value: Any) -> np.dtype[Any]:
    """Return a supported dtype given by anything that np.dtype takes."""
    try:
        dtype: np.dtype[Any] = np.dtype(value).newbyteorder("=")  # arrays are taken in either order
    except TypeError:
        raise TypeError(f"dtype must be a data type, got {value!r}") from None
    if dtype not in DTYPES:
        raise TypeError(f"dtype must be float32, float64, integer or bool (convert with astype('float32')), got {dtype}")
    return dtype


def sizes_of(x_shape: Ints, layout: int) -> tuple[int, Ints]:
    """Return channels and spatial sizes of a batched shape."""
    return (x_shape[-1], x_shape[1:-1]) if layout else (x_shape[1], x_shape[2:])


def shape_of(n: int, channels: int, sizes: Ints, layout: int) -> Ints:
    """Return the batched shape of an array."""
    return (n, *sizes, channels) if layout else (n, channels, *sizes)


def samples(x: Array) -> Array:
    """Return `x` with each sample contiguous; only the batch axis may keep a stride of its own."""
    if x.flags.c_contiguous:
        return x
    if x.shape[0] and x.strides[0] % x.itemsize == 0 and x[0].flags.c_contiguous:
        return x
    return np.ascontiguousarray(x)


def check_out(name: str, out: Any, shape: Ints, dtype: np.dtype[Any]) -> None:
    """Raise unless `out` can take a result of this shape and dtype."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        kind = "a masked array" if isinstance(out, np.ma.MaskedArray) else repr(out)
        raise TypeError(f"{name} must be a plain ndarray, got {kind}")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"{name} must have dtype {dtype} in native byte order, got {out.dtype!r}")
    if out.shape != shape:
        fail(name, f"must have the result's shape {shape}", out.shape)
    if not out.flags.writeable:
        fail(name, "must be writeable", "a read-only array")


def empty(shape: Ints, dtype: np.dtype[Any]) -> Array:
    """Return an array for a result: uninitialised, and if it is large, beginning on a cache line.

    Where NumPy lets an array begin, most vectors that a kernel stores lie across two lines, which can
    double the time of a layer that writes more than it multiplies.
    """
    size = prod(shape)
    if size * dtype.itemsize < ALIGNED_FROM:
        return np.empty(shape, dtype)
    try:
        spare = np.empty(size + _core.ALIGNMENT // dtype.itemsize, dtype)
    except MemoryError:
        return np.empty(shape, dtype)  # it fits, or the error tells the shape
    first = _core.to_alignment(spare) // dtype.itemsize
    return spare[first : first + size].reshape(shape)


def into(
    out: Array | None, shape: Ints, dtype: np.dtype[Any], inputs: Sequence[Array], compute: Callable[[Array], None]
) -> Array:
    """Let `compute` fill a contiguous array of `shape` and bring it into `out`, or return it.

    `compute` gets `out` itself where it can be written directly: contiguous, aligned, and without
    an overlap with an input.
    """
    if out is None:
        y = empty(shape, dtype)
        compute(y)
        return y
    direct = out.flags.c_contiguous and out.flags.aligned
    if direct and not any(np.may_share_memory(out, x) for x in inputs):
        compute(out.reshape(shape))
        return out
    y = empty(shape, dtype)
    compute(y)
    out[...] = y.reshape(out.shape)
    return out


def threads(num_threads: Any) -> int:
    """Return the number of threads of a call."""
    if num_threads is None:
        return _core.default_threads()
    return number_of_threads(num_threads)


# -------------------------------------------------------------------------- pooling, shapes


def real(name: str, value: Any) -> float:
    """Return a real number as a float."""
    if not isinstance(value, (str, bytes)) and not is_sequence(value):
        try:
            return float(value)
        except OverflowError:
            fail(name, "must be finite", value)
        except TypeError:
            pass
    raise TypeError(f"{name} must be a real number, got {value!r}")


def transposed_sizes(sizes: Ints, w: Window, extra: Ints) -> Ints:
    """Return the spatial output size of a transposed window: the inverse of the window's own."""
    out = tuple(
        [
            (size - 1) * s - before - after + d * (k - 1) + 1 + e
            for size, k, s, d, (before, after), e in zip(sizes, *w, extra, strict=True)
        ]
    )
    if min(out) < 1:
        fail("output size", "must be at least 1 on every axis", out)
    return out


def check_count(name: str, given: Ints, *factors: int) -> None:
    """Raise unless an array of so many elements can be counted in bytes."""
    if 16 * prod([max(factor, 1) for factor in factors]) > LARGEST:  # NumPy refuses such a shape even where it is empty
        fail(name, "must lead to fewer than 2**63 bytes (input, output and workspace)", given)
