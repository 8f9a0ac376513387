"""Inputs and outputs of every memory layout: the same bits, nothing changed that is not `out`."""

import mmap
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from cases_pool import assert_same, make_array
from numpy.lib.stride_tricks import as_strided

import convkit

Array = np.ndarray

DTYPES = ("float32", "float64", "int16", "uint8")


class Wrapped:
    """An array behind `__array__`, as tensors of other libraries offer it."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.values if dtype is None else self.values.astype(dtype)


class Interface:
    """An array behind `__array_interface__`."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.__array_interface__ = values.__array_interface__


class Subclass(np.ndarray):
    """An ndarray subclass that must not leak into the result."""


def in_buffer(x: Array, offset: int) -> Array:
    """Return a copy of x that starts at a byte offset."""
    buffer = np.zeros(x.nbytes + offset + 64, np.uint8)
    y: Array = np.ndarray(x.shape, x.dtype, buffer.data, offset)
    y[...] = x
    return y


def in_steps(x: Array, steps: tuple[int, ...]) -> Array:
    """Return a copy of x with gaps between its elements."""
    wide = np.full(tuple(n * s + 1 for n, s in zip(x.shape, steps, strict=True)), 99, x.dtype)
    y = wide[tuple(slice(1 if s > 1 else 0, n * s + (s > 1), s) for n, s in zip(x.shape, steps, strict=True))]
    y[...] = x
    return y


def in_order(x: Array, axes: tuple[int, ...]) -> Array:
    """Return a copy of x whose axes follow each other in memory in the given order."""
    back = tuple(int(i) for i in np.argsort(axes))
    return np.ascontiguousarray(x.transpose(axes)).transpose(back)


def flipped(x: Array, *axes: int) -> Array:
    return np.flip(np.flip(x, axes).copy(), axes)


def locked(x: Array) -> Array:
    y = x.copy()
    y.flags.writeable = False
    return y


def repeated(x: Array, axis: int) -> Array:
    """Return an array that repeats one slice of x with stride zero (other values than x)."""
    return np.broadcast_to(np.take(x, [0], axis), x.shape)


def sliding(x: Array) -> Array:
    """Return an array whose rows overlap in memory (other values than x)."""
    base = np.ascontiguousarray(x.reshape(-1)[: max(1, sum(x.shape))]).copy()
    base = np.resize(base, sum(x.shape))
    return as_strided(base, x.shape, (x.itemsize,) * x.ndim, writeable=False)


def in_field(x: Array) -> Array:
    """Return a copy of x as one field of packed records: odd strides, unaligned."""
    records = np.zeros(x.shape, np.dtype([("tag", "u1"), ("value", x.dtype), ("rest", "u1", 2)]))
    records["value"] = x
    return records["value"]


def in_complex(x: Array) -> Array:
    """Return a copy of x as the real part of complex numbers (a plain copy for integers)."""
    if x.dtype.kind != "f":
        return x.copy()
    return (x + 1j * (x + 1)).astype(np.result_type(x, np.complex64)).real


def in_mapping(x: Array) -> Array:
    mapping = mmap.mmap(-1, x.nbytes + mmap.PAGESIZE)
    y: Array = np.ndarray(x.shape, x.dtype, mapping, 0)
    y[...] = x
    return y


def swapped(x: Array) -> Array:
    return x.astype(x.dtype.newbyteorder("S"))


LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "contiguous": lambda x: x.copy(),
    "fortran": np.asfortranarray,
    "last axis reversed": lambda x: flipped(x, -1),
    "first axis reversed": lambda x: flipped(x, 0),
    "all axes reversed": lambda x: flipped(x, *range(x.ndim)),
    "every second element": lambda x: in_steps(x, (*[1] * (x.ndim - 1), 2)),
    "steps on every axis": lambda x: in_steps(x, tuple(range(2, 2 + x.ndim))),
    "steps reversed": lambda x: flipped(in_steps(x, (2,) * x.ndim), -1),
    "rows with a gap": lambda x: in_steps(x, (1,) * x.ndim),
    "rotated axes": lambda x: in_order(x, (*range(1, x.ndim), 0)),
    "swapped inner axes": lambda x: (
        in_order(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)[-x.ndim :]) if x.ndim > 1 else x.copy()
    ),
    "offset in a buffer": lambda x: in_buffer(x, 8 * 5),
    "offset by one element": lambda x: in_buffer(x, x.itemsize),
    "unaligned by one byte": lambda x: in_buffer(x, 1),
    "unaligned by three bytes": lambda x: in_buffer(x, 3),
    "read-only": locked,
    "bytes object": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "byte-swapped": swapped,
    "byte-swapped, unaligned": lambda x: in_buffer(swapped(x), 1),
    "byte-swapped, reversed, read-only": lambda x: locked(flipped(swapped(x), -1)),
    "zero stride, first axis": lambda x: repeated(x, 0),
    "zero stride, last axis": lambda x: repeated(x, -1),
    "zero stride, all axes": lambda x: np.broadcast_to(x.reshape(-1)[:1].reshape(()), x.shape),
    "overlapping rows": sliding,
    "field of records": in_field,
    "real part": in_complex,
    "memory map": in_mapping,
    "subclass": lambda x: x.copy().view(Subclass),
    "list": lambda x: x.tolist() if x.dtype in (np.float64, np.int64) else x.copy(),
    "list of arrays": lambda x: list(x.copy()),
    "memoryview": lambda x: memoryview(x.copy()),
    "__array__": lambda x: Wrapped(x.copy()),
    "__array_interface__": lambda x: Interface(x.copy()),
}


def root(x: Any) -> Any:
    """Return something whose bytes hold everything behind x."""
    if isinstance(x, Wrapped | Interface):
        x = x.values
    while isinstance(x, np.ndarray) and isinstance(x.base, np.ndarray):
        x = x.base
    if isinstance(x, np.ndarray):
        return x if x.flags.forc else np.asarray(x)
    return x


def image(x: Any) -> Any:
    base = root(x)
    if isinstance(base, list):
        return np.asarray(base).tobytes(), len(base)
    if isinstance(base, np.ndarray):
        return base.tobytes("A"), base.shape, base.dtype, base.flags.writeable
    return bytes(base)


# -------------------------------------------------------------------------------- operations


def operations(dtype: str) -> Iterator[tuple[str, Callable[..., Any], tuple[Array, ...]]]:
    """Yield (name, function of arrays alone, arrays) for every operation."""
    line = make_array((3, 4, 19), dtype, seed=1)
    plane = make_array((2, 4, 9, 11), dtype, seed=2)
    space = make_array((2, 2, 5, 6, 7), dtype, seed=3)
    last = np.ascontiguousarray(plane.transpose(0, 2, 3, 1))
    weights = [make_array((6, 2, *(3,) * n), dtype, seed=10 + n) for n in (1, 2, 3)]
    sums = np.dtype(np.int32 if dtype in ("int16", "uint8") else dtype)
    bias = make_array((6,), sums, seed=4)
    one = make_array((1, 4, 1, 1), dtype, seed=5)

    def conv1d(x: Any, w: Any, b: Any, **kw: Any) -> Any:
        return convkit.conv1d(x, w, b, padding=2, dilation=2, groups=2, **kw)

    def conv2d(x: Any, w: Any, b: Any, **kw: Any) -> Any:
        return convkit.conv2d(x, w, b, stride=(1, 2), padding=1, groups=2, **kw)

    def conv2d_edge(x: Any, w: Any, b: Any, **kw: Any) -> Any:
        return convkit.conv2d(x, w, b, padding=2, groups=2, padding_mode="edge", **kw)

    def conv2d_last(x: Any, w: Any, b: Any, **kw: Any) -> Any:
        return convkit.conv2d(x, w, b, padding=1, groups=2, layout="channels_last", **kw)

    def conv3d(x: Any, w: Any, b: Any, **kw: Any) -> Any:
        return convkit.conv3d(x, w, b, padding=1, **kw)

    def pointwise(x: Any, w: Any, **kw: Any) -> Any:
        return convkit.conv2d(x, w, **kw)

    def depthwise(x: Any, w: Any, **kw: Any) -> Any:
        return convkit.conv2d(x, w, groups=4, padding=1, **kw)

    def planned(x: Any, w: Any, b: Any, **kw: Any) -> Any:
        plan = convkit.conv2d_plan((2, 4, 9, 11), w, b, padding=1, groups=2, dtype=np.dtype(dtype))
        return plan(x, **kw)

    yield "conv1d", conv1d, (line, weights[0], bias)
    yield "conv2d", conv2d, (plane, weights[1], bias)
    yield "conv2d edge", conv2d_edge, (plane, weights[1], bias)
    yield "conv2d channels_last", conv2d_last, (last, weights[1], bias)
    yield "conv3d", conv3d, (space, weights[2], bias)
    yield "conv2d 1x1", pointwise, (plane, one)
    yield "conv2d depthwise", depthwise, (plane, make_array((4, 1, 3, 3), dtype, seed=6))
    yield "conv2d_plan", planned, (plane, weights[1], bias)
    for algorithm in convkit.algorithms():

        def chosen(x: Any, w: Any, a: str = algorithm, **kw: Any) -> Any:
            return convkit.conv2d(x, w, padding=1, algorithm=a, **kw)

        square = make_array((5, 4, 3, 3), dtype, seed=7)
        accepts = {
            c.name: c.accepts for c in convkit.explain("conv2d", plane.shape, square.shape, padding=1, dtype=dtype).candidates
        }
        if accepts.get(algorithm, True):
            yield f"conv2d {algorithm}", chosen, (plane, square)
    yield "max_pool1d", lambda x, **kw: convkit.max_pool1d(x, 3, 2, 1, **kw), (line,)
    yield "max_pool2d", lambda x, **kw: convkit.max_pool2d(x, 3, 2, 1, **kw), (plane,)
    yield (
        "max_pool2d channels_last",
        lambda x, **kw: convkit.max_pool2d(x, 3, 1, 1, layout="channels_last", **kw),
        (last,),
    )
    yield "max_pool3d", lambda x, **kw: convkit.max_pool3d(x, 2, **kw), (space,)
    yield "avg_pool1d", lambda x, **kw: convkit.avg_pool1d(x, 4, 1, **kw), (line,)
    yield "avg_pool2d", lambda x, **kw: convkit.avg_pool2d(x, 3, 1, 1, **kw), (plane,)
    yield "avg_pool3d", lambda x, **kw: convkit.avg_pool3d(x, 2, 1, **kw), (space,)
    yield "lp_pool2d", lambda x, **kw: convkit.lp_pool2d(x, 2, 3, 2, **kw), (plane,)
    yield (
        "adaptive_max_pool2d",
        lambda x, **kw: convkit.adaptive_max_pool2d(x, (4, 5), **kw),
        (plane,),
    )
    yield (
        "adaptive_avg_pool3d",
        lambda x, **kw: convkit.adaptive_avg_pool3d(x, 3, **kw),
        (space,),
    )
    indices = np.random.default_rng(9).integers(0, 18 * 22, plane.shape)
    yield (
        "max_unpool2d",
        lambda x, i, **kw: convkit.max_unpool2d(x, i, 2, **kw),
        (plane, indices),
    )


def without_out(dtype: str) -> Iterator[tuple[str, Callable[..., Any], tuple[Array, ...]]]:
    """Yield the operations that have no `out`."""
    plane = make_array((2, 4, 9, 11), dtype, seed=2)
    yield "global_max_pool", convkit.global_max_pool, (plane,)
    yield "global_avg_pool", convkit.global_avg_pool, (plane,)
    yield (
        "max_pool2d indices",
        lambda x: convkit.max_pool2d(x, 3, 2, 1, return_indices=True)[1],
        (plane,),
    )
    yield "im2col", lambda x: convkit.im2col(x, 3, 2, 1), (plane,)
    columns = make_array((2, 4 * 6, 8 * 9), dtype, seed=8)
    yield "col2im", lambda c: convkit.col2im(c, (9, 11), (2, 3)), (columns,)


def contiguous(x: Any) -> Array:
    """Return the values of x as a fresh plain array in native byte order."""
    values = np.array(np.asarray(x), order="C", subok=False)
    return values.astype(values.dtype.newbyteorder("="))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_layout_of_every_input(dtype: str) -> None:
    """One input at a time, then all at once, in each layout: bits and inputs stay the same."""
    checked = 0
    layouts_seen = set()
    for name, function, arrays in [*operations(dtype), *without_out(dtype)]:
        for layout, place in LAYOUTS.items():
            positions = [{i} for i in range(len(arrays))] + [set(range(len(arrays)))]
            for moved in positions if len(arrays) > 1 else positions[:1]:
                inputs = [place(a) if i in moved else a.copy() for i, a in enumerate(arrays)]
                repro = f"{name} {dtype}: input {sorted(moved)} {layout}"
                plain = [contiguous(a) for a in inputs]
                expected = function(*plain)
                before = [image(a) for a in inputs]
                actual = function(*inputs)
                assert_same(actual, expected, repro)
                assert actual.tobytes() == expected.tobytes(), f"{repro}: other bits"
                assert actual.flags.c_contiguous and actual.flags.writeable, repro
                assert [image(a) for a in inputs] == before, f"{repro}: an input changed"
                assert not any(np.shares_memory(actual, root(a)) for a in inputs if isinstance(root(a), np.ndarray)), (
                    f"{repro}: the result is a view of an input"
                )
                checked += 1
                layouts_seen.add(layout)
    assert len(layouts_seen) >= 20
    assert checked >= 1200


# ------------------------------------------------------------------------------------- out=

OUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": lambda y: np.full_like(y, 99),
    "fortran": lambda y: np.full_like(y, 99, order="F"),
    "last axis reversed": lambda y: flipped(y, -1),
    "all axes reversed": lambda y: flipped(y, *range(y.ndim)),
    "steps": lambda y: in_steps(np.zeros_like(y), (2,) * y.ndim),
    "steps reversed": lambda y: in_steps(np.zeros_like(y), (3,) * y.ndim)[..., ::-1],
    "rotated axes": lambda y: in_order(np.zeros_like(y), (*range(1, y.ndim), 0)),
    "rows with a gap": lambda y: in_steps(np.zeros_like(y), (1,) * y.ndim),
    "unaligned": lambda y: in_buffer(np.zeros_like(y), 1),
    "field of records": lambda y: in_field(np.zeros_like(y)),
    "memory map": lambda y: in_mapping(np.zeros_like(y)),
}


def outside(base: Array, out: Array) -> Array:
    """Return a mask of the bytes of base (contiguous) that belong to no element of out."""
    start = base.__array_interface__["data"][0]
    first = out.__array_interface__["data"][0] - start
    grids = np.ogrid[tuple(slice(n) for n in out.shape)]
    places = np.full(out.shape, first)
    for grid, stride in zip(grids, out.strides, strict=True):
        places = places + grid * stride
    free = np.ones(base.nbytes, bool)
    for byte in range(out.itemsize):
        free[places.reshape(-1) + byte] = False
    return free


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_of_any_strides(dtype: str) -> None:
    """`out` comes back, holds the result, and not a byte beside it is written."""
    checked = 0
    for name, function, arrays in operations(dtype):
        expected = function(*arrays)
        for layout, place in OUTS.items():
            out = place(expected)
            repro = f"{name} {dtype}: out {layout}"
            out[...] = 99
            base = root(out)
            base = base if isinstance(base, np.ndarray) and base.flags.c_contiguous else out
            plain = base.flags.c_contiguous
            before = np.frombuffer(base.tobytes(), np.uint8) if plain else None
            result = function(*arrays, out=out)
            assert result is out, f"{repro}: did not come back"
            assert_same(out, expected, repro)
            assert np.array(out).tobytes() == expected.tobytes(), f"{repro}: other bits"
            if before is not None:
                after = np.frombuffer(base.tobytes(), np.uint8)
                free = outside(base, out)
                assert np.array_equal(after[free], before[free]), f"{repro}: wrote beside out"
            checked += 1
    assert checked >= 200


def test_pair_of_outs() -> None:
    """`out` of a pooling with indices is a pair, each of its own strides."""
    checked = 0
    for seed, (dtype, size) in enumerate([(d, n) for d in DTYPES for n in ((5, 7), (9, 11), (16, 33))]):
        x = make_array((2, 3, *size), dtype, seed)
        values, indices = convkit.max_pool2d(x, 3, 2, 1, return_indices=True)
        for one in OUTS.values():
            for two in (OUTS["contiguous"], OUTS["steps"], OUTS["all axes reversed"]):
                out = (one(values), two(indices))
                result = convkit.max_pool2d(x, 3, 2, 1, return_indices=True, out=out)
                assert result[0] is out[0] and result[1] is out[1], f"{dtype} {size}"
                assert_same(out[0], values, f"{dtype} {size} values")
                assert_same(out[1], indices, f"{dtype} {size} indices")
                checked += 1
    assert checked == len(DTYPES) * 3 * len(OUTS) * 3


def test_out_of_size_one_and_zero() -> None:
    x = np.ones((0, 3, 8, 8), np.float32)
    out = np.empty((0, 3, 4, 4), np.float32)
    assert convkit.max_pool2d(x, 2, out=out) is out
    assert convkit.conv2d(x, np.ones((3, 3, 5, 5), np.float32), out=out) is out
    one = np.empty((1, 1, 1, 1), np.float32)
    assert convkit.max_pool2d(np.ones((1, 1, 2, 2), np.float32), 2, out=one) is one
    assert one.item() == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_results_begin_on_a_cache_line(dtype: str) -> None:
    """Vectors of a result then lie in one line each. Many calls: an array begins there by chance too."""
    weight, plane = np.ones((4, 3, 3, 3), dtype), np.ones((3, 64, 67), dtype)
    kept = []
    for width in range(32, 64):
        x = np.ones((2, 3, 64, width), dtype)
        plan = convkit.conv2d_plan(x.shape, weight, padding=1, dtype=dtype)
        values, indices = convkit.max_pool2d(x, 2, 1, return_indices=True)
        kept += [convkit.conv2d(x, weight), plan(x), convkit.avg_pool2d(x, 2, 1), values, indices]
        kept += [convkit.max_unpool2d(values, indices, 2, 1), convkit.conv2d(plane, weight), convkit.im2col(x, 3)]
        kept.append(convkit.col2im(kept[-1], (64, width), 3))
    for y in kept:
        large = y.nbytes >= 1 << 16
        assert y.flags.c_contiguous and y.flags.writeable, y.shape
        assert not large or y.__array_interface__["data"][0] % 64 == 0, y.shape
    assert sum(y.nbytes >= 1 << 16 for y in kept) >= 100


def test_a_result_that_cannot_be_allocated_tells_its_shape() -> None:
    x, weight = np.ones((1, 3, 20, 20), np.float32), np.ones((4, 3, 3, 3), np.float32)
    with pytest.raises(MemoryError, match=re.escape("(1, 4, 33554450, 33554450)")):
        convkit.conv2d(x, weight, padding=2**24)


# ------------------------------------------------------------------------- overlapping memory


def overlaps(x: Array, y: Array) -> Iterator[tuple[str, Array, Array]]:
    """Yield (name, input holding x's values, out like y) that share memory in several ways."""
    itemsize = max(x.itemsize, y.itemsize)
    room = x.nbytes + y.nbytes + 64 * itemsize
    for name, at_x, at_y in (
        ("same start", 0, 0),
        ("out one element later", 0, y.itemsize),
        ("out one element before", itemsize, itemsize - y.itemsize),
        ("out in the middle", 0, x.nbytes // 2 // itemsize * itemsize),
        ("out ends in the input", y.nbytes // 2 // itemsize * itemsize, 0),
        ("last byte of the input", 0, x.nbytes - y.itemsize),
        ("one byte apart", 0, 1),
    ):
        buffer = np.zeros(room, np.uint8)
        inside: Array = np.ndarray(x.shape, x.dtype, buffer.data, at_x)
        out: Array = np.ndarray(y.shape, y.dtype, buffer.data, at_y)
        inside[...] = x
        yield name, inside, out
    buffer = np.zeros(room, np.uint8)
    inside = np.ndarray(x.shape, x.dtype, buffer.data)
    inside[...] = x
    out = np.ndarray(y.shape, y.dtype, buffer.data)[::-1]
    yield "reversed batch", inside, out
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    if y.dtype == x.dtype and wide.shape[-1] > y.shape[-1] and wide.shape[:-1] == y.shape[:-1]:
        yield "interleaved", wide[..., ::2], wide[..., 1 : 1 + y.shape[-1]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_overlaps_an_input(dtype: str) -> None:
    """Whichever input shares memory with `out`, and however, the result is right."""
    checked = 0
    for name, function, arrays in operations(dtype):
        expected = function(*arrays)
        for position, array in enumerate(arrays):
            for how, inside, out in overlaps(array, expected):
                inputs = list(arrays)
                inputs[position] = inside
                repro = f"{name} {dtype}: out overlaps input {position}, {how}"
                result = function(*inputs, out=out)
                assert result is out, f"{repro}: did not come back"
                assert_same(np.array(out), expected, repro)
                checked += 1
    assert checked >= 300


def keeping_shape(layout: str, ndim: int) -> Iterator[Callable[..., Any]]:
    """Yield operations whose result has the shape of their input of four channels."""
    weight = make_array((4, 4, *(3,) * ndim), "float32", seed=2)
    single = make_array((4, 4, *(1,) * ndim), "float32", seed=3)
    convolve = getattr(convkit, f"conv{ndim}d")
    yield lambda a, **kw: convolve(a, weight, padding=1, layout=layout, **kw)
    yield lambda a, **kw: convolve(a, single, layout=layout, **kw)
    for op in ("max", "avg"):
        function = getattr(convkit, f"{op}_pool{ndim}d")
        yield lambda a, f=function, **kw: f(a, 3, 1, 1, layout=layout, **kw)
    adaptive = getattr(convkit, f"adaptive_max_pool{ndim}d")
    yield lambda a, **kw: adaptive(a, (None,) * ndim, layout=layout, **kw)


def test_in_place() -> None:
    """Operations that keep the shape may write over their own input."""
    checked = 0
    for layout, shape in (
        ("channels_first", (3, 4, 12, 13)),
        ("channels_last", (3, 12, 13, 4)),
        ("channels_first", (3, 4, 50)),
    ):
        x = make_array(shape, "float32", seed=1)
        for function in keeping_shape(layout, len(shape) - 2):
            expected = function(x)
            assert expected.shape == x.shape
            place = x.copy()
            assert function(place, out=place) is place
            assert_same(place, expected, f"in place {layout} {shape}")
            mirrored = x.copy()
            function(mirrored, out=mirrored[::-1])
            assert_same(mirrored[::-1], expected, f"mirrored in place {layout} {shape}")
            checked += 1
    assert checked == 15


# ------------------------------------------------------------------------------ plans, scalars


def test_plans_keep_their_own_weights() -> None:
    """A plan is immutable: what happens to the arrays it was made from does not reach it."""
    checked = 0
    x = make_array((2, 4, 9, 11), "float32", seed=1)
    for algorithm in ("auto", *convkit.algorithms()):
        for shape in ((6, 4, 3, 3), (6, 4, 1, 1), (1, 4, 3, 3)):
            weight, bias = make_array(shape, "float32", 2), make_array(shape[:1], "float32", 3)
            try:
                plan = convkit.conv2d_plan(x.shape, weight, bias, algorithm=algorithm)
            except NotImplementedError:
                continue
            expected = plan(x)
            weight[...] = 77
            bias[...] = 77
            assert_same(plan(x), expected, f"plan {algorithm} {shape} after a change of weights")
            checked += 1
    assert checked >= 3


def test_scalars_as_zero_dimensional_arrays() -> None:
    """Integers may be 0-d arrays, of any integer dtype and byte order."""
    x = make_array((2, 3, 9, 9), "float32", seed=1)
    weight = make_array((4, 3, 3, 3), "float32", seed=2)
    expected = convkit.conv2d(x, weight, stride=2, padding=1)
    for dtype in ("int8", "uint64", ">i4", "<i2"):
        two, one = np.array(2, dtype), np.array(1, dtype)
        actual = convkit.conv2d(x, weight, stride=two, padding=one, dilation=one, groups=one)
        assert_same(actual, expected, dtype)
    locked_two = locked(np.array(2))
    assert_same(convkit.conv2d(x, weight, stride=locked_two, padding=1), expected, "read-only")


def test_nested_lists_of_python_numbers() -> None:
    x = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    w = [[0, 1], [2, 3]]
    y = convkit.conv2d([[x]], [[w]])
    assert_same(y, np.array([[[[19, 25], [37, 43]]]]), "the worked example, integers")
    floats = [[float(v) for v in r] for r in x]
    y = convkit.conv2d([[floats]], [[w]])
    assert_same(y, np.array([[[[19.0, 25.0], [37.0, 43.0]]]]), "the worked example, floats")
    assert_same(convkit.max_pool2d([x], 2, 1), np.array([[[4, 5], [7, 8]]]), "max of lists")
    assert convkit.avg_pool1d(((1, 2, 3, 4),), 2).tolist() == [[1.5, 3.5]]
    assert convkit.max_pool1d(range_of_arrays(), 2).tolist() == [[1, 3]]


def range_of_arrays() -> list[Array]:
    return [np.arange(4)]


def test_inputs_are_unchanged_after_an_error() -> None:
    x = make_array((2, 3, 9, 9), "float32", seed=1)
    weight = make_array((4, 3, 3, 3), "float32", seed=2)
    before = x.tobytes(), weight.tobytes()
    out = np.full((2, 4, 7, 7), 5, np.float32)
    for arguments in ({"stride": 0}, {"padding": "causal"}, {"groups": 2}, {"num_threads": 0}):
        with pytest.raises(ValueError, match="got"):
            convkit.conv2d(x, weight, out=out, **arguments)
    assert (x.tobytes(), weight.tobytes()) == before
    assert (out == 5).all()
