"""Every rule on arguments, broken once in every function: the class and the text of the error.

A row names a function, the arguments that differ from a valid call, the class that must be raised
and two patterns: the argument that the text must blame and the value that it must show. After each
error the valid call must still give the result it gave before.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cases_pool import make_array

import convkit

Errors = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Row:
    """One bad call."""

    function: str
    changes: dict[str, Any]
    error: Errors
    blamed: str
    shown: str

    @property
    def repro(self) -> str:
        given = ", ".join(f"{name}={short(value)}" for name, value in self.changes.items())
        return f"{self.function}(..., {given})"


def short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{type(value).__name__} {value.dtype} {value.shape}>"
    return repr(value)[:80]


def shown(value: Any) -> str:
    """Return a pattern for the value as the text may show it: whole, or its offending entry."""
    if isinstance(value, np.ndarray):
        return ".+"
    texts = [repr(value)]
    if isinstance(value, list):
        texts.append(repr(tuple(value)))
    if isinstance(value, tuple | list):
        texts += [repr(entry) for entry in value if not isinstance(entry, tuple | list)]
        texts += [str(len(value))] if not value else []
    if isinstance(value, np.generic):
        texts.append(str(value))
    return "|".join(re.escape(text) for text in texts)


def row(function: str, argument: str, value: Any, error: Errors, pattern: str = "") -> Row:
    return Row(function, {argument: value}, error, rf"\b{argument}\b", pattern or shown(value))


# ------------------------------------------------------------------------------- valid calls

SIZES = ((9,), (7, 9), (5, 6, 7))


def valid_calls() -> dict[str, dict[str, Any]]:
    """Return, for each function, keyword arguments that work."""
    calls: dict[str, dict[str, Any]] = {}
    for ndim, size in enumerate(SIZES, start=1):
        x = make_array((2, 4, *size), "float32", seed=ndim)
        weight = make_array((6, 4, *(3,) * ndim), "float32", seed=10 + ndim)
        calls[f"conv{ndim}d"] = {"x": x, "weight": weight}
        calls[f"conv{ndim}d_plan"] = {"input_shape": x.shape, "weight": weight}
        calls[f"max_pool{ndim}d"] = {"x": x, "kernel_size": 2}
        calls[f"avg_pool{ndim}d"] = {"x": x, "kernel_size": 2}
        calls[f"lp_pool{ndim}d"] = {"x": x, "norm_type": 2, "kernel_size": 2}
        calls[f"adaptive_max_pool{ndim}d"] = {"x": x, "output_size": 2}
        calls[f"adaptive_avg_pool{ndim}d"] = {"x": x, "output_size": 2}
        indices = np.zeros(x.shape, np.int64)
        calls[f"max_unpool{ndim}d"] = {"x": x, "indices": indices, "kernel_size": 2}
    x = calls["conv2d"]["x"]
    calls["global_max_pool"] = {"x": x}
    calls["global_avg_pool"] = {"x": x}
    calls["im2col"] = {"x": x, "kernel_size": 2}
    columns = make_array((2, 8, 6), "float32", seed=30)
    calls["col2im"] = {"cols": columns, "output_size": (3, 4), "kernel_size": 2}
    calls["conv_output_shape"] = {"input_shape": (2, 4, 7, 9), "weight_shape": (6, 4, 3, 3)}
    calls["pool_output_shape"] = {"input_shape": (2, 4, 7, 9), "kernel_size": (2, 2)}
    return calls


CALLS = valid_calls()


def result_bytes(value: Any) -> Any:
    """Return something comparable for the result of any function."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if callable(value):
        return value.output_shape
    return value


def dimensions(function: str) -> int:
    found = re.search(r"(\d)d", function)
    return int(found[1]) if found else 2


# -------------------------------------------------------------------------------------- rows

UNSUPPORTED = (
    ("complex64", np.complex64),
    ("complex128", np.complex128),
    ("object", object),
    ("float16", np.float16),
    ("<U|str", "U3"),
    ("S3|bytes", "S3"),
    ("datetime64", "M8[s]"),
    ("timedelta64", "m8[s]"),
    ("void|V4", "V4"),
)


def as_dtype(x: np.ndarray, dtype: Any) -> np.ndarray:
    return np.zeros(x.shape, dtype)


def dtype_rows(function: str, argument: str, x: np.ndarray) -> Iterator[Row]:
    for name, dtype in UNSUPPORTED:
        yield row(function, argument, as_dtype(x, dtype), TypeError, name)
    if np.dtype(np.longdouble).itemsize > 8:
        wide = as_dtype(x, np.longdouble)
        yield row(function, argument, wide, TypeError, f"{wide.dtype}|longdouble")
    fields = np.zeros(x.shape, [("a", "f4"), ("b", "f4")])
    yield row(function, argument, fields, TypeError, "void|'a'")
    yield row(function, argument, np.ma.masked_array(x), TypeError, "[Mm]asked")
    masked = np.ma.masked_array(x, mask=np.ones(x.shape, bool))
    yield row(function, argument, masked, TypeError, "[Mm]asked")


def number_rows(function: str, argument: str, minimum: int = 1) -> Iterator[Row]:
    """Bad values of an argument that takes an int, or one int per spatial axis."""
    ndim = dimensions(function)
    below = minimum - 1
    for value in (below, -1, -(2**31), -(2**63), -(2**64), np.int64(below), np.array(below)):
        yield row(function, argument, value, ValueError)
    for axis in range(ndim):
        entries = [minimum] * ndim
        entries[axis] = below
        yield row(function, argument, tuple(entries), ValueError)
        yield row(function, argument, list(entries), ValueError)
    for length in {ndim - 1, ndim + 1, ndim + 2, 7} - {1 if ndim > 1 else 0}:
        if length == 2 and ndim == 1 and argument == "padding":
            continue
        yield row(function, argument, (minimum,) * length, ValueError)
    for value in (1.0, 2.5, np.float32(2), float("nan"), float("inf"), "1", 1j, object(), {1}):
        yield row(function, argument, value, TypeError, ".+" if value.__class__ is object else "")
    yield row(function, argument, (1.0,) * ndim, TypeError)
    yield row(function, argument, [2.0] * ndim, TypeError)
    yield row(function, argument, ("1",) * ndim, TypeError)
    yield row(function, argument, (None,) * ndim, TypeError)
    yield row(function, argument, np.ones(ndim), TypeError)
    yield row(function, argument, np.array(1.0), TypeError)


def padding_rows(function: str, names: tuple[str, ...]) -> Iterator[Row]:
    ndim = dimensions(function)
    numbers = number_rows(function, "padding", minimum=0)
    yield from (r for r in numbers if not isinstance(r.changes["padding"], str))
    for axis, side in itertools.product(range(ndim), (0, 1)):
        pairs = [[0, 0] for _ in range(ndim)]
        pairs[axis][side] = -1
        yield row(function, "padding", tuple(map(tuple, pairs)), ValueError, "-1")
        pairs[axis][side] = 1.0  # type: ignore[call-overload]
        yield row(function, "padding", tuple(map(tuple, pairs)), TypeError, r"1\.0")
    yield row(function, "padding", ((1, 1),) * (ndim + 1), ValueError, r"\(1, 1\)")
    yield row(function, "padding", ((1, 1, 1),) * ndim, ValueError, r"\(1, 1, 1\)")
    yield row(function, "padding", ((1,),) * ndim, ValueError, r"\(1,\)")
    yield row(function, "padding", None, TypeError)
    if ndim == 1:
        for flat, text in (((1, 2), r"\(\(1, 2\),\)"), ([1, 2], r"\(\(1, 2\),\)|\[\[1, 2\]\]")):
            yield row(function, "padding", flat, ValueError, text)
        yield row(function, "padding", (0, 3), ValueError, r"\(\(0, 3\),\)")
    for name in ("SAME", "same_upper", "zeros", "", "Valid", "sam"):
        yield row(function, "padding", name, ValueError)
    for name in {"full", "causal"} - set(names):
        yield row(function, "padding", name, ValueError)


def layout_rows(function: str) -> Iterator[Row]:
    for value in ("NCHW", "NHWC", "channel_first", "CHANNELS_LAST", ""):
        yield row(function, "layout", value, ValueError)
    for value in (None, 1, ("channels_first",)):
        yield row(function, "layout", value, (ValueError, TypeError))


def thread_rows(function: str) -> Iterator[Row]:
    for value in (0, -1, 1025, 2**31, 2**32 + 1, 2**63, 2**64 + 1, np.int64(0)):
        yield row(function, "num_threads", value, ValueError)
    for bad in (1.5, 1.0, "2", (1,), float("nan"), np.float64(2)):
        yield row(function, "num_threads", bad, TypeError)


def shape_rows(function: str, argument: str, right: set[int]) -> Iterator[Row]:
    """Numbers of axes that are not right."""
    paired = "indices" in CALLS[function]
    for count in set(range(8)) - right:
        value = np.ones((2,) * count, np.float32)
        change = {argument: value} | ({"indices": value.astype(np.int64)} if paired else {})
        blamed = rf"\b{argument}\b"
        yield Row(function, change, ValueError, blamed, re.escape(str(value.shape)))
    change = {argument: 3.0} | ({"indices": 3} if paired else {})
    yield Row(function, change, ValueError, rf"\b{argument}\b", r"\(\)|3\.0")
    yield row(function, argument, None, TypeError, "None|object")


def conv_rows(ndim: int) -> Iterator[Row]:
    function = f"conv{ndim}d"
    x, weight = CALLS[function]["x"], CALLS[function]["weight"]
    ones = (1,) * (ndim - 1)
    for planned in (False, True):
        name = f"{function}_plan" if planned else function
        yield from number_rows(name, "stride")
        yield from number_rows(name, "dilation")
        yield row(name, "stride", None, TypeError)
        yield from padding_rows(name, ("full", "causal") if ndim == 1 else ("full",))
        yield from layout_rows(name)
        for value in (0, -1, -(2**63), 3, 5, 8, 2**31, 2**63):
            yield row(name, "groups", value, ValueError)
        for bad in (1.0, "1", None, (1,), 2.5, np.float32(1)):
            yield row(name, "groups", bad, TypeError)
        for other, ours in (
            ("replicate", "edge"),
            ("nearest", "edge"),
            ("circular", "wrap"),
            ("mirror", "reflect"),
        ):
            text = f"{other}.*{ours}|{ours}.*{other}"
            yield row(name, "padding_mode", other, ValueError, text)
        for unknown in ("constant", "ZEROS", "", "reflection"):
            yield row(name, "padding_mode", unknown, ValueError)
        yield row(name, "padding_mode", None, (ValueError, TypeError))
        for unknown in ("sigmoid", "RELU", "", "relu 6"):
            yield row(name, "activation", unknown, ValueError)
        yield row(name, "activation", 1, (ValueError, TypeError))
        for unknown in ("fft", "DIRECT", "", "auto "):
            yield row(name, "algorithm", unknown, ValueError)
        yield row(name, "algorithm", 1, (ValueError, TypeError))
        yield from dtype_rows(name, "weight", weight)
        yield from shape_rows(name, "weight", {ndim + 2})
        for shape in (
            (0, 4, 3, *ones),
            (6, 0, 3, *ones),
            (6, 4, 0, *ones),
            (6, 3, 3, *ones),
            (6, 5, 3, *ones),
            (6, 8, 3, *ones),
        ):
            bad_weight = np.ones(shape, np.float32)
            pattern = re.escape(str(shape)) + "|" + str(shape[1])
            blamed = Row(name, {"weight": bad_weight}, ValueError, r"\b(weight|x)\b", pattern)
            yield blamed
        for shape in ((5,), (7,), (0,), (), (1, 6), (6, 1), (2, 6, 1)):
            bias = np.ones(shape, np.float32)
            yield row(name, "bias", bias, ValueError, re.escape(str(shape)))
        yield row(name, "bias", 1.0, ValueError, r"\(\)|1\.0")
        yield row(name, "bias", "b", TypeError, "<U|str|'b'")
        yield from dtype_rows(name, "bias", np.zeros(6, np.float32))
        whole = {"weight": weight.astype(np.int8), "bias": np.ones(6, np.float32)}
        if planned:
            whole["dtype"] = np.int8
        else:
            whole["x"] = x.astype(np.int8)
        yield Row(name, whole, TypeError, r"\bbias\b", "float32")
        whole = whole | {"bias": np.ones(6)}
        yield Row(name, whole, TypeError, r"\bbias\b", "float64")
        wide = {"weight": np.ones((6, 4, 40, *ones), np.float32)}
        yield Row(name, wide, ValueError, r"\b(output|kernel|weight)\b", r"-?\d")
        far = {"dilation": (20, *ones)}
        yield Row(name, far, ValueError, r"\b(output|kernel|dilation)\b", r"-?\d")
    yield from dtype_rows(function, "x", x)
    yield from shape_rows(function, "x", {ndim + 1, ndim + 2})
    yield from thread_rows(function)
    for axis in range(1, ndim + 2):
        empty = np.ones(tuple(0 if i == axis else n for i, n in enumerate(x.shape)), np.float32)
        yield row(function, "x", empty, ValueError, re.escape(str(empty.shape)))
    bad_channels = {"x": np.ones((2, 5, *x.shape[2:]), np.float32)}
    yield Row(function, bad_channels, ValueError, r"\b(x|weight)\b", "5|4")
    last = {"layout": "channels_last"}
    yield Row(function, last, ValueError, r"\b(x|weight)\b", str(x.shape[-1]) + "|4")
    yield from out_rows(function, convkit_result(function))
    plan = f"{function}_plan"
    for bad_shape in ((), (4,), (2, 4), (2, 4, 9, 9, 9, 9, 9), (2, 0, *x.shape[2:])):
        yield Row(plan, {"input_shape": bad_shape}, ValueError, r"\b(input_shape|x|weight)\b", ".+")
    negative = (2, 4, *x.shape[2:-1], -1)
    yield row(plan, "input_shape", negative, ValueError, "-1")
    yield row(plan, "input_shape", (-2, *x.shape[1:]), ValueError, "-2")
    yield row(plan, "input_shape", (2.0, *x.shape[1:]), TypeError, r"2\.0")
    for not_a_shape in (None, 3.0, "abc"):
        yield row(plan, "input_shape", not_a_shape, TypeError, ".+")
    for dtype in ("complex64", "float16", "object", "U3"):
        pattern = f"{dtype}|<U3|str"
        yield row(plan, "dtype", dtype, TypeError, pattern)
    yield Row(plan, {"dtype": "nonsense"}, TypeError, "dtype|data type", "nonsense")


def out_rows(function: str, y: np.ndarray) -> Iterator[Row]:
    """Everything that `out` must not be."""
    for shape in ((), (1,), y.shape[1:], (1, *y.shape), (*y.shape[:-1], y.shape[-1] + 1)):
        if shape != y.shape:
            pattern = re.escape(str(shape))
            yield row(function, "out", np.empty(shape, y.dtype), ValueError, pattern)
    for dtype in (np.float16, np.int64 if y.dtype != np.int64 else np.int32, np.complex128):
        other = np.empty(y.shape, dtype)
        yield row(function, "out", other, TypeError, str(other.dtype))
    swapped = np.empty(y.shape, y.dtype.newbyteorder("S"))
    yield row(function, "out", swapped, TypeError, ".+")
    locked = np.empty(y.shape, y.dtype)
    locked.flags.writeable = False
    yield row(function, "out", locked, ValueError, ".+")
    yield row(function, "out", y.tolist(), TypeError, "list|\\[")
    yield row(function, "out", 1, TypeError, "1|int")
    yield row(function, "out", (np.empty_like(y),), TypeError, "tuple|\\(")
    yield row(function, "out", np.ma.masked_array(np.empty_like(y)), TypeError, "[Mm]asked")


def convkit_result(function: str) -> Any:
    return getattr(convkit, function)(**CALLS[function])


def pool_rows(function: str) -> Iterator[Row]:
    ndim = dimensions(function)
    x = CALLS[function]["x"]
    yield from dtype_rows(function, "x", x)
    yield from shape_rows(function, "x", {ndim + 1, ndim + 2})
    yield from layout_rows(function)
    yield from thread_rows(function)
    yield from out_rows(function, convkit_result(function))
    for axis in range(1, ndim + 2):
        empty = np.ones(tuple(0 if i == axis else n for i, n in enumerate(x.shape)), np.float32)
        change: dict[str, Any] = {"x": empty}
        if "indices" in CALLS[function]:
            change["indices"] = np.zeros(empty.shape, np.int64)
        yield Row(function, change, ValueError, r"\bx\b", re.escape(str(empty.shape)))


def windowed_rows(function: str) -> Iterator[Row]:
    ndim = dimensions(function)
    yield from pool_rows(function)
    yield from number_rows(function, "kernel_size")
    yield row(function, "kernel_size", None, TypeError)
    yield from number_rows(function, "stride")
    yield from number_rows(function, "dilation")
    yield row(function, "dilation", None, TypeError)
    yield from padding_rows(function, ())
    ones = (1,) * (ndim - 1)
    for change in ({"kernel_size": (40, *ones)}, {"kernel_size": 2, "dilation": (30, *ones)}):
        blamed = r"\b(output|kernel_size|dilation)\b"
        yield Row(function, change, ValueError, blamed, r"-?\d")
    zeros = ((0, 0),) * (ndim - 1)
    for pair in ((3, 0), (0, 3), (2, 0)):
        change = {"padding": (pair, *zeros), "stride": 1}
        if function.startswith("avg"):
            change["count_include_pad"] = False
        yield Row(function, change, ValueError, r"\b(padding|window)\b", re.escape(str(pair)))
    spread = {"kernel_size": 2, "dilation": (9, *ones), "padding": ((9, 9), *zeros), "stride": 1}
    small = CALLS[function]["x"][:, :, :3]
    change = spread | {"x": small}
    if function.startswith("avg"):
        change["count_include_pad"] = False
    yield Row(function, change, ValueError, r"\b(padding|window)\b", r"\(9, 9\)")
    if function.startswith("avg"):
        change = change | {"divisor_override": 3}
        yield Row(function, change, ValueError, r"\b(padding|window)\b", r"\(9, 9\)")
        yield row(function, "divisor_override", 0, ValueError)
        for bad in (1.5, 2.0, "2", (2,), float("nan")):
            yield row(function, "divisor_override", bad, TypeError)
    if function.startswith("lp"):
        for value in (0, -1, 0.0, -2.5, float("inf"), float("-inf"), float("nan")):
            yield row(function, "norm_type", value, ValueError)
        for bad in ("2", None, 1j, (2,), [2.0]):
            yield row(function, "norm_type", bad, TypeError)
    if function.startswith("max"):
        yield from pair_rows(function)


def pair_rows(function: str) -> Iterator[Row]:
    """`out` with `return_indices` is a pair."""
    y = convkit_result(function)
    good = np.empty_like(y), np.empty(y.shape, np.int64)
    with_indices: dict[str, Any] = {"return_indices": True}
    for bad, error in (
        (good[0], TypeError),
        ((good[0],), (TypeError, ValueError)),
        ((*good, good[1]), (TypeError, ValueError)),
        ((good[1], good[0]), TypeError),
        ((good[0], np.empty(y.shape, np.int32)), TypeError),
        ((good[0], np.empty((*y.shape, 1), np.int64)), ValueError),
        ((good[0][..., :-1], good[1]), ValueError),
        ((good[0], None), TypeError),
    ):
        yield Row(function, with_indices | {"out": bad}, error, r"\bout\b", ".+")
    yield Row(function, {"out": good}, TypeError, r"\bout\b", ".+")


def adaptive_rows(function: str) -> Iterator[Row]:
    ndim = dimensions(function)
    yield from pool_rows(function)
    for value in (0, -1, -(2**63), np.int8(0)):
        yield row(function, "output_size", value, ValueError)
    for axis in range(ndim):
        entries: list[Any] = [None] * ndim
        entries[axis] = 0
        yield row(function, "output_size", tuple(entries), ValueError, "0")
        entries[axis] = 2.0
        yield row(function, "output_size", tuple(entries), TypeError, r"2\.0")
    for length in (ndim + 1, ndim + 2, 7):
        yield row(function, "output_size", (2,) * length, ValueError)
    for bad in (2.0, 1.5, "2", 1j, {2}):
        yield row(function, "output_size", bad, TypeError)
    if function.startswith("adaptive_max"):
        yield from pair_rows(function)


def unpool_rows(function: str) -> Iterator[Row]:
    x = CALLS[function]["x"]
    yield from pool_rows(function)
    yield from number_rows(function, "kernel_size")
    yield from number_rows(function, "stride")
    yield from padding_rows(function, ())
    plane = 1
    for n in x.shape[2:]:
        plane *= 2 * n
    for value in (plane, plane + 1, -1, 2**31, -(2**31), 2**63 - 1, -(2**63)):
        for place in (0, x.size - 1):
            indices = np.zeros(x.shape, np.int64)
            indices.reshape(-1)[place] = value
            yield row(function, "indices", indices, ValueError, ".+")
    for shape in (x.shape[1:], x.shape[:-1], (1, *x.shape), (3, *x.shape[1:]), ()):
        yield row(function, "indices", np.zeros(shape, np.int64), ValueError, r"\d|\(\)")
    for dtype in (np.float32, np.float64, np.complex64, object, "U2"):
        yield row(function, "indices", np.zeros(x.shape, dtype), TypeError, ".+")
    masked = np.ma.masked_array(np.zeros(x.shape, np.int64))
    yield row(function, "indices", masked, TypeError, "[Mm]asked")
    spatial = tuple(2 * n for n in x.shape[2:])
    for bad_size in (
        (0, *spatial[1:]),
        (*spatial[1:], -1),
        (*spatial, 4, 4, 4),
        (3, 4, *spatial),
        (2, 5, *spatial),
    ):
        yield row(function, "output_size", bad_size, ValueError, r"\d")
    yield row(function, "output_size", tuple(map(float, spatial)), TypeError, r"\d\.0")
    yield row(function, "output_size", "ab", TypeError)


def lowering_rows() -> Iterator[Row]:
    for function in ("im2col", "col2im"):
        yield from number_rows(function, "kernel_size")
        yield from number_rows(function, "stride")
        yield from number_rows(function, "dilation")
        yield from padding_rows(function, ("full", "causal"))
        array = "x" if function == "im2col" else "cols"
        yield from dtype_rows(function, array, CALLS[function][array])
        far = {"dilation": 50}
        yield Row(function, far, ValueError, r"\b(output|kernel_size|dilation|cols)\b", r"\d")
    yield from shape_rows("im2col", "x", {3, 4, 5})
    for shape in ((8, 6), (2, 8), (2, 7, 6), (2, 8, 5), (2, 0, 6), (2, 8, 6, 1), ()):
        columns = np.ones(shape, np.float32)
        yield row("col2im", "cols", columns, ValueError, re.escape(str(shape)))
    for value in ((), (3, 4, 5, 6), (0, 4), (-3, 4), (3, 0)):
        yield row("col2im", "output_size", value, ValueError, r"\d|\(\)")
    for bad in ((3.0, 4), "34", None, (3, None)):
        yield row("col2im", "output_size", bad, TypeError, ".+")


def shape_function_rows() -> Iterator[Row]:
    for function in ("conv_output_shape", "pool_output_shape"):
        yield from number_rows(function, "stride")
        yield from number_rows(function, "dilation")
        yield from padding_rows(function, ("full",) if function.startswith("conv") else ())
        yield from layout_rows(function)
        for value in ((), (2,), (2, 4), (2, 4, 7, 9, 9), (2, 0, 7, 9), (-1, 4, 7, 9)):
            blamed = r"\b(input_shape|x)\b"
            yield Row(function, {"input_shape": value}, ValueError, blamed, ".+")
        for bad in ((2.0, 4, 7, 9), "abcd", None, 3, (2, 4, 7, None)):
            yield row(function, "input_shape", bad, TypeError, ".+")
    function = "conv_output_shape"
    for value in ((), (6,), (6, 4), (6, 4, 3, 3, 3, 3), (6, 4, 0, 3), (0, 4, 3, 3), (6, 3, 3, 3)):
        yield Row(function, {"weight_shape": value}, ValueError, r"\b(weight|weight_shape|x)\b", ".+")
    for bad in ((6.0, 4, 3, 3), "abcd", None, 3):
        yield row(function, "weight_shape", bad, TypeError, ".+")
    for value in (0, -1, 3, 5, 2**63):
        yield row(function, "groups", value, ValueError)
    for bad in (1.0, "1", None, (1,)):
        yield row(function, "groups", bad, TypeError)
    yield row(function, "output_padding", 1, ValueError)
    transposed: dict[str, Any] = {
        "transposed": True,
        "input_shape": (2, 6, 7, 9),
        "weight_shape": (6, 4, 3, 3),
    }
    for value in (1, -1, (0, 1), (0, 0, 0), 2**63):
        change = transposed | {"output_padding": value}
        yield Row(function, change, ValueError, r"\boutput_padding\b", r"\d")
    for bad in (0.0, "0", None):
        change = transposed | {"output_padding": bad}
        yield Row(function, change, TypeError, r"\boutput_padding\b", shown(bad))
    change = transposed | {"padding": "same"}
    yield Row(function, change, (ValueError, TypeError), r"\bpadding\b", "same")
    change = transposed | {"padding": 20}
    yield Row(function, change, ValueError, r"\boutput\b", r"-?\d")
    function = "pool_output_shape"
    for value in (0, -1, (2, 0), (2,), (2, 2, 2, 2), ()):
        change = {"kernel_size": value}
        yield Row(function, change, ValueError, r"\b(kernel_size|input_shape|x)\b", ".+")
    for bad in (2.0, "2", None, (2.0, 2)):
        yield row(function, "kernel_size", bad, TypeError)
    big = {"kernel_size": (40, 2)}
    yield Row(function, big, ValueError, r"\b(output|kernel_size)\b", r"-?\d")


def global_rows(function: str) -> Iterator[Row]:
    x = CALLS[function]["x"]
    yield from dtype_rows(function, "x", x)
    yield from layout_rows(function)
    for shape in ((), (3,), (3, 4), (2, 2, 2, 2, 2, 2), (2, 0, 4, 4), (2, 3, 0, 4), (2, 3, 4, 0)):
        value = np.ones(shape, np.float32)
        yield row(function, "x", value, ValueError, re.escape(str(shape)))


def all_rows(names: str) -> list[Row]:
    rows: list[Row] = []
    for ndim in (1, 2, 3):
        if names == "conv":
            rows += conv_rows(ndim)
        elif names == "windowed":
            for op in ("max", "avg", "lp"):
                rows += windowed_rows(f"{op}_pool{ndim}d")
        elif names == "adaptive":
            for op in ("max", "avg"):
                rows += adaptive_rows(f"adaptive_{op}_pool{ndim}d")
        elif names == "unpool":
            rows += unpool_rows(f"max_unpool{ndim}d")
    if names == "lowering":
        rows += lowering_rows()
    if names == "shapes":
        rows += shape_function_rows()
    if names == "global":
        rows += global_rows("global_max_pool")
        rows += global_rows("global_avg_pool")
    return rows


def complaint(bad: Row, function: Callable[..., Any]) -> str | None:
    """Return what is wrong with the answer to a bad call, or None."""
    try:
        result = function(**CALLS[bad.function] | bad.changes)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if type(error) not in (bad.error if isinstance(bad.error, tuple) else (bad.error,)):
            return f"{bad.repro}: raised {text}"
        if not re.search(bad.blamed, str(error)):
            return f"{bad.repro}: {bad.blamed!r} is not in {text}"
        if not re.search(bad.shown, str(error), re.DOTALL):
            return f"{bad.repro}: {bad.shown!r} is not in {text}"
        return None
    return f"{bad.repro}: accepted, gave {short(result)}"


@pytest.mark.parametrize(
    ("names", "least"),
    [
        ("conv", 1000),
        ("windowed", 1500),
        ("adaptive", 350),
        ("unpool", 350),
        ("lowering", 150),
        ("shapes", 150),
        ("global", 50),
    ],
)
def test_bad_arguments(names: str, least: int) -> None:
    before = {name: result_bytes(getattr(convkit, name)(**call)) for name, call in CALLS.items()}
    complaints: list[str] = []
    rows = all_rows(names)
    for bad in rows:
        function = getattr(convkit, bad.function)
        found = complaint(bad, function)
        if found:
            complaints.append(found)
        after = result_bytes(function(**CALLS[bad.function]))
        if after != before[bad.function]:
            complaints.append(f"{bad.repro}: the next valid call gave another result")
    assert len(rows) >= least
    listing = "\n".join(complaints[:40])
    assert not complaints, f"{len(complaints)} of {len(rows)} bad calls:\n{listing}"


def test_unsupported_dtypes_say_what_to_do() -> None:
    for name in ("conv2d", "max_pool2d", "avg_pool2d", "im2col", "global_avg_pool"):
        for dtype in (np.complex64, np.float16, object):
            change = {"x": as_dtype(CALLS[name]["x"], dtype)}
            with pytest.raises(TypeError, match="float32") as caught:
                getattr(convkit, name)(**CALLS[name] | change)
            text = str(caught.value)
            assert re.search("astype|convert|cast", text), f"{name} {dtype}: {text}"


def test_plan_calls() -> None:
    """A plan takes any batch of its sample's shape and dtype, and nothing else."""
    weight = CALLS["conv2d"]["weight"]
    x = CALLS["conv2d"]["x"]
    plan = convkit.conv2d_plan(x.shape, weight)
    expected = convkit.conv2d(x, weight)
    count = 0
    for bad, error, pattern in (
        (np.ones((2, 4, 7, 8), np.float32), ValueError, r"\(2, 4, 7, 8\)"),
        (np.ones((2, 4, 9, 7), np.float32), ValueError, r"\(2, 4, 9, 7\)"),
        (np.ones((2, 3, 7, 9), np.float32), ValueError, r"\(2, 3, 7, 9\)"),
        (np.ones((4, 7, 8), np.float32), ValueError, r"\(4, 7, 8\)"),
        (np.ones((1, 2, 4, 7, 9), np.float32), ValueError, r"\(1, 2, 4, 7, 9\)"),
        (np.ones(4, np.float32), ValueError, r"\(4,\)"),
        (x.astype(np.float64), TypeError, "float64"),
        (x.astype(np.int32), TypeError, "int32"),
        (x.astype(np.complex64), TypeError, "complex64"),
        (x.astype(np.float16), TypeError, "float16"),
        (x.astype(object), TypeError, "object"),
        (np.ma.masked_array(x), TypeError, "[Mm]asked"),
        (None, TypeError, "None|object"),
    ):
        with pytest.raises(error, match=pattern) as caught:
            plan(bad)
        assert re.search(r"\bx\b", str(caught.value)), str(caught.value)
        assert np.array_equal(plan(x), expected)
        count += 1
    for out in (
        np.empty(expected.shape, np.float64),
        np.empty((1, *expected.shape[1:]), np.float32),
        expected.tolist(),
    ):
        with pytest.raises((TypeError, ValueError), match=r"\bout\b"):
            plan(x, out=out)
        count += 1
    for number in (0, 1025, -1, 2**40):
        with pytest.raises(ValueError, match=rf"num_threads.*{number}"):
            plan(x, num_threads=number)
        count += 1
    for number in (1.0, "1"):
        with pytest.raises(TypeError, match="num_threads"):
            plan(x, num_threads=number)
        count += 1
    assert count == 22
    with pytest.raises((AttributeError, TypeError)):
        plan.algorithm = "direct"
    assert np.array_equal(plan(x[:1]), expected[:1])
    assert plan(x[:0]).shape == (0, *expected.shape[1:])


def test_machine_arguments() -> None:
    count = 0
    threads = convkit.get_num_threads()
    for value in (0, -1, 1025, 2**31, 2**63, 2**64):
        for function in (convkit.set_num_threads, convkit.threads):
            with pytest.raises(ValueError, match=rf"\b(n|num_threads)\b.*{value}"):
                enter(function(value))
            count += 1
    for bad in (1.5, 2.0, "2", None, (1,)):
        for function in (convkit.set_num_threads, convkit.threads):
            with pytest.raises(TypeError, match=rf"\b(n|num_threads)\b.*{re.escape(repr(bad))}"):
                enter(function(bad))
            count += 1
    assert convkit.get_num_threads() == threads
    for name in ("sse9", "", "AVX2", "auto"):
        with pytest.raises(ValueError, match=rf"\bname\b.*'{name}'"):
            enter(convkit.use_isa(name))
        count += 1
    for name in (None, 1):
        with pytest.raises((TypeError, ValueError), match=rf"\bname\b.*{name}"):
            enter(convkit.use_isa(name))
        count += 1
    for op in ("conv9d", "", "max_pool2d", "conv"):
        with pytest.raises(ValueError, match=rf"\bop\b.*'{op}'"):
            convkit.explain(op, (1, 4, 8, 8), (4, 4, 3, 3))
        count += 1
    for mode in ("", "json", "DICT"):
        with pytest.raises(ValueError, match=rf"\bmode\b.*'{mode}'"):
            convkit.show_config(mode)
        count += 1
    assert count == 35


def enter(context: Any) -> None:
    """Enter a context manager, if it is one: some check at the call, some on entry."""
    if hasattr(context, "__enter__"):
        with context:
            pass


def test_receptive_field_arguments() -> None:
    rows: list[tuple[Any, type[Exception], str]] = [
        ([(3,)], ValueError, r"\(3,\)"),
        ([(3, 1, 1, 0, 0)], ValueError, r"\(3, 1, 1, 0, 0\)"),
        ([()], ValueError, r"\(\)"),
        ([(0, 1)], ValueError, "kernel.*0"),
        ([(3, 0)], ValueError, "stride.*0"),
        ([(3, 1, 0)], ValueError, "dilation.*0"),
        ([(3, 1, 1, -1)], ValueError, "padding.*-1"),
        ([(3, 1), (3, -1)], ValueError, "stride.*-1"),
        ([(3.0, 1)], TypeError, r"kernel.*3\.0"),
        ([(3, 1.0)], TypeError, r"stride.*1\.0"),
        ([("3", 1)], TypeError, "kernel.*'3'"),
        ([(3, None)], TypeError, "stride.*None"),
        ([3], TypeError, "layer.*3"),
        (3, TypeError, "layers.*3"),
        (None, TypeError, "layers.*None"),
        (np.array(2), TypeError, r"layers.*array\(2\)"),
    ]
    for layers, error, pattern in rows:
        with pytest.raises(error, match=pattern):
            convkit.receptive_field(layers)
        assert convkit.receptive_field([(3, 1)]) == (3, 1, 0)


def test_bool_is_an_integer() -> None:
    """operator.index takes bool, and so does every integer argument."""
    x, weight = CALLS["conv2d"]["x"], CALLS["conv2d"]["weight"]
    plain = convkit.conv2d(x, weight, padding=1)
    same = convkit.conv2d(x, weight, None, True, True, True, True)
    assert np.array_equal(plain, same)
    assert np.array_equal(convkit.max_pool2d(x, True), x)


@pytest.mark.parametrize("padding", ["causal", "full", "same", "same_lower"])
def test_named_padding_beyond_int64(padding: str) -> None:
    """A name may stand for a padding that no int64 holds."""
    x, weight = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 5), np.float32)
    for dilation in (2**62, 2**63 - 1):
        for call in (
            lambda d: convkit.conv1d(x, weight, padding=padding, dilation=d),
            lambda d: convkit.conv1d_plan(x.shape, weight, padding=padding, dilation=d),
            lambda d: convkit.conv_output_shape(x.shape, weight.shape, 1, padding, d),
            lambda d: convkit.explain("conv1d", x.shape, weight.shape, padding=padding, dilation=d),
            lambda d: convkit.im2col(x, 5, 1, padding, d),
        ):
            with pytest.raises(ValueError, match=rf"dilation.*padding='{padding}'.*{dilation}"):
                call(dilation)
    if padding.startswith("same"):
        with pytest.raises(ValueError, match=rf"dilation.*padding='{padding}'"):
            convkit.max_pool1d(x, 5, 1, padding, 2**62)


def test_empty_batches_of_giant_samples() -> None:
    """NumPy refuses a shape by its non-zero axes: the text must name our argument, not NumPy's ``arr``."""
    x, places = np.ones((0, 1, 3)), np.zeros((0, 1, 3), np.int64)
    for size in (2**60, 2**62):
        with pytest.raises(ValueError, match=r"\bx must"):
            convkit.im2col(np.ones((0, 2, 3)), size, 1, size)
        with pytest.raises(ValueError, match=r"\bx must"):
            convkit.max_unpool1d(x, places, 1, output_size=size)
        with pytest.raises(ValueError, match="output_size must"):
            convkit.col2im(x[..., :2], (size,), 1, size // 2)


def test_arrays_where_a_word_or_a_truth_belongs() -> None:
    x, weight = CALLS["conv2d"]["x"], CALLS["conv2d"]["weight"]
    both = np.array([1, 0])
    for name, call in {
        "padding_mode": lambda: convkit.conv2d(x, weight, padding_mode=both),
        "ceil_mode": lambda: convkit.avg_pool2d(x, 2, ceil_mode=both),
        "return_indices": lambda: convkit.max_pool2d(x, 2, return_indices=both),
        "return_indices ": lambda: convkit.adaptive_max_pool2d(x, 2, return_indices=both),
        "count_include_pad": lambda: convkit.avg_pool2d(x, 2, count_include_pad=both),
        "ceil_mode ": lambda: convkit.pool_output_shape(x.shape, 2, ceil_mode=both),
        "transposed": lambda: convkit.conv_output_shape(x.shape, weight.shape, transposed=both),
        "plan": lambda: convkit.explain("conv2d", x.shape, weight.shape, plan=both),
        "mode": lambda: convkit.show_config(both),
    }.items():
        with pytest.raises(ValueError, match=rf"^{name.strip()} must"):
            call()
    assert convkit.avg_pool2d(x, 2, ceil_mode=np.True_).shape == convkit.avg_pool2d(x, 2, ceil_mode=True).shape


def test_ragged_lists_are_named() -> None:
    x, weight = CALLS["conv2d"]["x"], CALLS["conv2d"]["weight"]
    ragged = [1, [2, 3]]
    for name in ("x", "weight", "bias"):
        with pytest.raises(ValueError, match=rf"^{name} must.*inhomogeneous"):
            convkit.conv2d(**{"x": x, "weight": weight} | {name: ragged})
