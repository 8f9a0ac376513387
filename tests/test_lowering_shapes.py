"""im2col and col2im against the oracle, their adjoint identity, and the shape functions."""

import itertools
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest
from cases import LAYOUTS, covering_array
from cases_pool import (
    FLOATS,
    INTEGERS,
    PoolProblem,
    assert_same,
    lattice_1d,
    make_array,
    output_length,
)
from hypothesis import given
from hypothesis import strategies as st

import convkit
from convkit import reference

Pair = tuple[int, int]


def lowering_problems(ndim: int, count: int) -> list[PoolProblem]:
    """Return random windows that have an output; the description is that of a pooling."""
    rng = np.random.default_rng(ndim)
    longest = (40, 13, 7)[ndim - 1]
    found: list[PoolProblem] = []
    dtypes = (*FLOATS, *FLOATS, *INTEGERS)

    def axes(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.integers(low, high, ndim))

    while len(found) < count:
        number = len(found)
        problem = PoolProblem(
            axes(1, longest),
            axes(1, 5),
            axes(1, 4),
            tuple(zip(axes(0, 4), axes(0, 4), strict=True)) if number % 4 else ("same", "same_lower", "valid")[number // 4 % 3],
            axes(1, 4),
            batch=int(rng.integers(0, 4)) if number % 7 == 0 else int(rng.integers(1, 4)),
            channels=int(rng.integers(1, 8)),
            dtype=dtypes[number % len(dtypes)],
        )
        if min(problem.output_size) >= 1:
            found.append(problem)
    return found


def lowering(problem: PoolProblem) -> dict[str, Any]:
    return {
        "kernel_size": problem.kernel,
        "stride": problem.stride,
        "padding": problem.padding,
        "dilation": problem.dilation,
    }


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which sums of a type are exact and come back."""
    if dtype.kind == "f":
        return dtype
    return np.dtype(np.int32 if dtype.itemsize <= 2 else np.int64)


def test_im2col_lattice() -> None:
    """Every other 1-D shape, against a loop over the definition."""
    checked = 0
    for problem in itertools.islice(lattice_1d(), 0, None, 2):
        if problem.output_size[0] < 1 or problem.size[0] > 17:
            continue
        x = problem.x(seed=checked)
        repro = f"im2col {problem.id} seed={checked}"
        actual = convkit.im2col(x, **lowering(problem))
        assert_same(actual, reference.im2col(x, **lowering(problem)), repro)
        if checked % 5 == 0:
            ((before, after),) = problem.pairs
            wide = np.pad(x[0, 0], (before, after))
            k, s, d = problem.kernel[0], problem.stride[0], problem.dilation[0]
            naive = [[wide[o * s + t * d] for o in range(problem.output_size[0])] for t in range(k)]
            assert_same(actual, np.array([naive], np.float32), f"{repro} against a loop")
        checked += 1
    assert checked >= 4_000


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_im2col_and_col2im_against_the_oracle(ndim: int) -> None:
    """Exact in every dtype; im2col keeps the dtype, col2im sums like a convolution."""
    problems = lowering_problems(ndim, 260)
    for seed, problem in enumerate(problems):
        repro = f"{problem.id} seed={seed}"
        x = problem.x(seed)
        columns = convkit.im2col(x, **lowering(problem))
        assert_same(columns, reference.im2col(x, **lowering(problem)), f"im2col {repro}")
        assert columns.dtype == x.dtype, repro
        shape = (x.shape[0], x.shape[1] * prod(problem.kernel), prod(problem.output_size))
        assert columns.shape == shape, repro
        assert columns.flags.c_contiguous, repro
        values = make_array(shape, problem.dtype, seed + 1)
        folded = convkit.col2im(values, problem.size, **lowering(problem))
        expected = reference.col2im(values, problem.size, **lowering(problem))
        assert_same(folded, expected, f"col2im {repro}")
        assert folded.dtype == sum_dtype(x.dtype), repro
        assert folded.shape == x.shape, repro
    assert len(problems) == 260


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_adjoint_identity(ndim: int) -> None:
    """<im2col(x), c> == <x, col2im(c)>, exactly, because all sums are of small integers."""
    checked = 0
    for seed, drawn in enumerate(lowering_problems(ndim, 400)):
        problem = replace(drawn, dtype=FLOATS[seed % 2])
        x = problem.x(seed)
        columns = convkit.im2col(x, **lowering(problem))
        other = make_array(columns.shape, problem.dtype, seed + 1)
        folded = convkit.col2im(other, problem.size, **lowering(problem))
        left = float((columns.astype(np.float64) * other).sum())
        right = float((x.astype(np.float64) * folded).sum())
        assert left == right, f"{problem.id} seed={seed}: {left} != {right}"
        checked += left != 0.0
    assert checked >= 300


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_convolution_is_weight_times_im2col(ndim: int) -> None:
    checked = 0
    convolve = getattr(convkit, f"conv{ndim}d")
    for seed, drawn in enumerate(lowering_problems(ndim, 150)):
        problem = replace(drawn, dtype=FLOATS[seed % 2])
        x = problem.x(seed)
        weight = make_array((5, problem.channels, *problem.kernel), problem.dtype, seed + 1)
        columns = convkit.im2col(x, **lowering(problem))
        product = np.matmul(weight.reshape(5, -1), columns)
        window = {k: v for k, v in lowering(problem).items() if k != "kernel_size"}
        actual = convolve(x, weight, **window)
        expected = product.reshape(actual.shape)
        assert_same(actual, expected, f"conv{ndim}d {problem.id} seed={seed}")
        checked += 1
    assert checked == 150


def test_integer_sums_of_col2im() -> None:
    """Eight overlapping extremes: exact in the wide type, and wrapping where NumPy wraps."""
    for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32"):
        for extreme in (np.iinfo(dtype).min, np.iinfo(dtype).max):
            columns = np.full((1, 8, 1), extreme, dtype)
            wide = np.repeat(columns, 8, axis=2)
            folded = convkit.col2im(wide, (15,), 8)
            counts = np.convolve(np.ones(8, int), np.ones(8, int))
            expected = (counts * int(extreme)).reshape(1, 1, 15).astype(folded.dtype)
            assert_same(folded, expected, f"{dtype} {extreme}")
            assert folded.dtype == sum_dtype(np.dtype(dtype)), dtype
    top = np.full((1, 2, 2), 2**63 - 1, np.int64)
    expected = np.array([[[2**63 - 1, -2, 2**63 - 1]]], np.int64)
    assert_same(convkit.col2im(top, (3,), 2), expected, "int64 wraps")
    ones = np.ones((1, 2, 3), bool)
    assert_same(convkit.col2im(ones, (4,), 2), np.array([[[1, 2, 2, 1]]], np.int32), "bool")


def test_round_trip_counts_the_windows() -> None:
    """col2im(im2col(x)) is x times the number of windows that see each element."""
    checked = 0
    for seed, drawn in enumerate(lowering_problems(2, 60)):
        problem = replace(drawn, dtype=FLOATS[seed % 2])
        x = problem.x(seed)
        arguments = lowering(problem)
        ones = np.ones_like(x)
        counts = convkit.col2im(convkit.im2col(ones, **arguments), problem.size, **arguments)
        back = convkit.col2im(convkit.im2col(x, **arguments), problem.size, **arguments)
        assert_same(back, counts * x, f"{problem.id} seed={seed}")
        checked += 1
    assert checked == 60


def test_special_values_pass_through_im2col() -> None:
    """Every bit pattern is kept: NaN payloads, signed zeros, infinities."""
    bits = np.array([0x7FC00001, 0xFF800000, 0x80000000, 0x00000001, 0x7F7FFFFF], np.uint32)
    x = bits.view(np.float32).reshape(1, 1, 5)
    columns = convkit.im2col(x, 2)
    expected = np.stack([bits[:-1], bits[1:]])[None]
    assert_same(columns.view(np.uint32), expected, "bit patterns")


@given(
    st.integers(1, 3).flatmap(
        lambda ndim: st.tuples(
            st.tuples(*[st.integers(1, 9)] * ndim),
            st.tuples(*[st.integers(1, 4)] * ndim),
            st.tuples(*[st.integers(1, 3)] * ndim),
            st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * ndim),
            st.tuples(*[st.integers(1, 3)] * ndim),
        )
    ),
    st.integers(0, 2**31),
)
def test_random_lowering(axes: tuple[Any, ...], seed: int) -> None:
    problem = PoolProblem(*axes, batch=2, channels=3)
    x = problem.x(seed)
    repro = f"{problem.id} seed={seed}"
    if min(problem.output_size) < 1:
        with pytest.raises(ValueError, match=r"output|kernel"):
            convkit.im2col(x, **lowering(problem))
        return
    columns = convkit.im2col(x, **lowering(problem))
    assert_same(columns, reference.im2col(x, **lowering(problem)), f"im2col {repro}")
    folded = convkit.col2im(columns, problem.size, **lowering(problem))
    expected = reference.col2im(columns, problem.size, **lowering(problem))
    assert_same(folded, expected, f"col2im {repro}")


# --------------------------------------------------------------------------------------- shapes


def resolve(padding: Any, axis: tuple[int, int, int, int]) -> Pair:
    """Return the pair of one axis (length, kernel, stride, dilation), written out once more."""
    length, k, s, d = axis
    if padding in ("same", "same_lower"):
        total = max((-(-length // s) - 1) * s + d * (k - 1) + 1 - length, 0)
        small = total // 2
        return (small, total - small) if padding == "same" else (total - small, small)
    named = {"valid": (0, 0), "full": (d * (k - 1),) * 2, "causal": (d * (k - 1), 0)}
    return named[padding] if isinstance(padding, str) else (padding, padding)


def test_conv_output_shape_is_the_shape_of_the_result() -> None:
    checked = refused = 0
    factors: dict[str, Any] = {
        "ndim": (1, 2, 3),
        "length": (1, 2, 5, 8),
        "k": (1, 2, 3),
        "s": (1, 2, 3),
        "d": (1, 2),
        "padding": (0, 1, 2, "valid", "same", "same_lower", "full"),
        "groups": (1, 2),
        "batch": (None, 0, 1, 3),
        "layout": LAYOUTS,
    }
    for seed, row in itertools.product(range(12), covering_array(factors, 2, seed=3)):
        ndim, groups, length = row["ndim"], row["groups"], row["length"] + seed
        sizes = tuple(length + axis for axis in range(ndim))
        inner = (4, *sizes) if row["layout"] == "channels_first" else (*sizes, 4)
        x_shape = inner if row["batch"] is None else (row["batch"], *inner)
        weight_shape = (6, 4 // groups, *(row["k"],) * ndim)
        arguments = {
            "stride": row["s"],
            "padding": row["padding"],
            "dilation": row["d"],
            "groups": groups,
            "layout": row["layout"],
        }
        pads = [resolve(row["padding"], (n, row["k"], row["s"], row["d"])) for n in sizes]
        lengths = [output_length(n, row["k"], row["s"], p, row["d"], False) for n, p in zip(sizes, pads, strict=True)]
        if min(lengths) < 1:
            with pytest.raises(ValueError, match="output"):
                convkit.conv_output_shape(x_shape, weight_shape, **arguments)
            refused += 1
            continue
        result = convkit.conv_output_shape(x_shape, weight_shape, **arguments)
        first = row["layout"] == "channels_first"
        expected = (6, *lengths) if first else (*lengths, 6)
        expected = expected if row["batch"] is None else (row["batch"], *expected)
        assert result == expected, f"{x_shape} {weight_shape} {arguments}"
        assert type(result) is tuple and all(type(n) is int for n in result), result
        convolve = getattr(convkit, f"conv{ndim}d")
        y = convolve(np.ones(x_shape, np.float32), np.ones(weight_shape, np.float32), **arguments)
        assert y.shape == result, f"{x_shape} {weight_shape} {arguments}"
        checked += 1
    assert checked >= 300
    assert refused >= 5
    assert convkit.conv_output_shape((2, 3, 9), (4, 3, 3), padding="causal", dilation=2) == (
        2,
        4,
        9,
    )


def test_conv_output_shape_transposed() -> None:
    """(i - 1) * s - before - after + d * (k - 1) + 1 + output_padding, and its inverse."""
    checked = 0
    for length, k, s, d, before, after, extra in itertools.product(
        (1, 2, 5), (1, 2, 3), (1, 2, 3), (1, 2), (0, 1), (0, 2), (0, 1, 2)
    ):
        size = (length - 1) * s - before - after + d * (k - 1) + 1 + extra
        arguments: dict[str, Any] = {
            "stride": s,
            "padding": ((before, after),),
            "dilation": d,
            "transposed": True,
            "output_padding": extra,
        }
        repro = f"i{length} k{k} {arguments}"
        if extra >= max(s, d) or size < 1:
            with pytest.raises(ValueError, match="output"):
                convkit.conv_output_shape((2, 4, length), (4, 3, k), **arguments)
            continue
        shape = convkit.conv_output_shape((2, 4, length), (4, 3, k), **arguments)
        assert shape == (2, 3, size), repro
        if extra < s:
            back = convkit.conv_output_shape(shape, (4, 3, k), s, ((before, after),), d)
            assert back == (2, 4, length), repro
        last = convkit.conv_output_shape((length, 4), (4, 3, k), layout="channels_last", groups=2, **arguments)
        assert last == (size, 6), repro
        checked += 1
    assert checked >= 200
    shape = convkit.conv_output_shape((1, 8, 7, 7), (8, 4, 3, 3), 2, 1, transposed=True, output_padding=(1, 0))
    assert shape == (1, 4, 14, 13)


def test_pool_output_shape_is_the_shape_of_the_result() -> None:
    checked = refused = 0
    for problem in itertools.islice(lattice_1d(), 0, None, 3):
        arguments = problem.arguments()
        repro = problem.id
        if problem.output_size[0] < 1:
            with pytest.raises(ValueError, match="output"):
                convkit.pool_output_shape(problem.input_shape, **arguments)
            refused += 1
            continue
        shape = convkit.pool_output_shape(problem.input_shape, **arguments)
        assert shape == problem.output_shape, repro
        assert type(shape) is tuple and all(type(n) is int for n in shape), repro
        if problem.is_valid(True):
            y = convkit.avg_pool1d(problem.x(0), **arguments)
            assert y.shape == shape, repro
        checked += 1
    assert checked >= 4_000
    assert refused >= 300
    for layout, batch, ceil_mode in itertools.product(LAYOUTS, (None, 0, 2), (False, True)):
        problem = PoolProblem(
            (9, 10, 11),
            (2, 3, 4),
            (2, 1, 3),
            ((1, 0), (1, 1), (0, 2)),
            (1, 2, 1),
            ceil_mode,
            batch,
            5,
            layout,
        )
        shape = convkit.pool_output_shape(problem.input_shape, **problem.arguments())
        assert shape == problem.output_shape, problem.id
        assert convkit.max_pool3d(problem.x(1), **problem.arguments()).shape == shape, problem.id
    assert convkit.pool_output_shape((8, 64, 112, 112), 3, 2, 1) == (8, 64, 56, 56)
    assert convkit.pool_output_shape((8, 112, 112, 64), 2, layout="channels_last") == (
        8,
        56,
        56,
        64,
    )
    assert convkit.pool_output_shape((3, 10), [3], ceil_mode=True) == (3, 4)
    assert convkit.pool_output_shape((1, 3, 10), 4, 3, "same") == (1, 3, 4)


def seen_by(output: int, layers: list[tuple[int, int, int, int]]) -> set[int]:
    """Return the input positions that one output sees, layer by layer."""
    positions = {output}
    for kernel, stride, dilation, padding in reversed(layers):
        positions = {p * stride - padding + tap * dilation for p in positions for tap in range(kernel)}
    return positions


def test_receptive_field() -> None:
    checked = 0
    rng = np.random.default_rng(8)
    for _ in range(300):
        layers: list[tuple[int, int, int, int]] = [
            tuple(int(n) for n in rng.integers((1, 1, 1, 0), (5, 4, 4, 4))) for _layer in range(rng.integers(1, 5))
        ]
        field = convkit.receptive_field(layers)
        zero, one = seen_by(0, layers), seen_by(1, layers)
        repro = f"receptive_field({layers})"
        assert field.size == max(zero) - min(zero) + 1, repro
        assert field.start == min(zero), repro
        assert field.stride == min(one) - min(zero), repro
        assert tuple(field) == (field.size, field.stride, field.start), repro
        checked += 1
    assert checked == 300
    assert convkit.receptive_field([(3, 1), (3, 1)]) == (5, 1, 0)
    assert convkit.receptive_field([(3, 2, 2)]) == (5, 2, 0)
    assert convkit.receptive_field([[7, 2, 1, 3], [3, 2, 1, 1]]) == (11, 4, -5)
    assert convkit.receptive_field([(np.int64(3), 1)]) == (3, 1, 0)
    assert convkit.receptive_field([]) == (1, 1, 0)
    assert "size=3" in repr(convkit.receptive_field([(3, 1)]))
