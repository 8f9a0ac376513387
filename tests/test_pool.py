"""Pooling against the oracle: exact on integer-valued data, for every window, layout and dtype."""

import itertools
from math import prod
from typing import Any

import numpy as np
import pytest
from cases_pool import (
    FLOATS,
    INTEGERS,
    LAYOUTS,
    NAMED_PADDING,
    PoolProblem,
    assert_close,
    assert_same,
    covering_problems,
    lattice_1d,
    make_array,
)
from hypothesis import given
from hypothesis import strategies as st

import convkit
from convkit import reference


def pool(module: Any, op: str, problem: PoolProblem, x: Any, **extra: Any) -> Any:
    function = getattr(module, f"{op}_pool{problem.ndim}d")
    return function(x, **problem.arguments(), **extra)


def assert_refused(op: str, problem: PoolProblem, x: Any, repro: str, **extra: Any) -> None:
    try:
        pool(convkit, op, problem, x, **extra)
    except ValueError:
        return
    raise AssertionError(f"{repro}: accepted, but there is no output or an empty window")


# ---------------------------------------------------------------------------- exhaustive, 1-D


def test_max_pool1d_lattice() -> None:
    """Every shape of the lattice: values, indices and refusals."""
    equal = refused = 0
    for problem in lattice_1d():
        x = problem.x(seed=equal, low=-3, high=3)
        repro = f"max {problem.id} seed={equal}"
        if not problem.is_valid():
            assert_refused("max", problem, x, repro)
            refused += 1
            continue
        expected, where = pool(reference, "max", problem, x, return_indices=True)
        assert expected.shape == problem.output_shape, repro
        values, indices = pool(convkit, "max", problem, x, return_indices=True)
        assert_same(values, expected, repro)
        assert_same(indices, where, f"{repro} indices")
        assert_same(pool(convkit, "max", problem, x), expected, f"{repro} without indices")
        equal += 1
    assert equal >= 10_000
    assert refused >= 5_000


def test_avg_pool1d_lattice() -> None:
    """Every shape of the lattice, with and without counted padding."""
    equal = refused = 0
    for problem in lattice_1d():
        for counted in (True, False):
            x = problem.x(seed=equal)
            repro = f"avg {problem.id} count_include_pad={counted} seed={equal}"
            if not problem.is_valid(counted):
                assert_refused("avg", problem, x, repro, count_include_pad=counted)
                refused += 1
                continue
            expected = pool(reference, "avg", problem, x, count_include_pad=counted)
            assert expected.shape == problem.output_shape, repro
            assert_same(pool(convkit, "avg", problem, x, count_include_pad=counted), expected, repro)
            equal += 1
    assert equal >= 20_000
    assert refused >= 5_000


def test_lp_pool1d_lattice_sample() -> None:
    """Every seventh shape of the lattice, p = 1, 2 and 3, within the rounding of powers."""
    checked = refused = 0
    for number, problem in enumerate(itertools.islice(lattice_1d(), 0, None, 7)):
        p = (1, 2, 3)[number % 3]
        x = problem.x(seed=number)
        repro = f"lp p={p} {problem.id} seed={number}"
        if not problem.is_valid():
            assert_refused("lp", problem, x, repro, norm_type=p)
            refused += 1
            continue
        actual = pool(convkit, "lp", problem, x, norm_type=p)
        assert actual.dtype == np.float32, repro
        expected = pool(reference, "lp", problem, x.astype(np.float64), norm_type=p)
        assert_close(actual, expected, 16 * np.finfo(np.float32).eps, repro)
        checked += 1
    assert checked >= 1_400
    assert refused >= 500


def test_adaptive_1d_lattice() -> None:
    """Every length 1-24 against every output size 1-28, also more outputs than inputs."""
    checked = 0
    for length, size in itertools.product(range(1, 25), range(1, 29)):
        x = make_array((2, 3, length), "float32", seed=checked, low=-3, high=3)
        repro = f"adaptive i{length} o{size} seed={checked}"
        expected, where = reference.adaptive_max_pool1d(x, size, return_indices=True)
        values, indices = convkit.adaptive_max_pool1d(x, size, return_indices=True)
        assert_same(values, expected, repro)
        assert_same(indices, where, f"{repro} indices")
        starts = [i * length // size for i in range(size)]
        stops = [-(-(i + 1) * length // size) for i in range(size)]
        windows = [x[..., a:b] for a, b in zip(starts, stops, strict=True)]
        naive = np.stack([w.max(axis=-1) for w in windows], axis=-1)
        assert_same(values, naive, f"{repro} against slices")
        average = np.stack([w.sum(axis=-1) / np.float32(w.shape[-1]) for w in windows], axis=-1)
        assert_same(convkit.adaptive_avg_pool1d(x, size), average, f"{repro} average")
        checked += 1
    assert checked == 24 * 28


# -------------------------------------------------------------------------- covering, 2-D, 3-D

RUN_FACTORS: dict[str, Any] = {
    "isa": tuple(convkit.isas()),
    "num_threads": (1, 2, 3),
    "out": (None, "fresh", "strided"),
    "order": ("C", "F", "reversed"),
}


def with_order(x: np.ndarray, order: str) -> np.ndarray:
    """Return the same values in other strides."""
    if order == "reversed":
        every = (slice(None, None, -1),) * x.ndim
        return np.ascontiguousarray(x[every])[every]
    return np.asarray(x, order="F" if order == "F" else "C")


def make_out(expected: np.ndarray, kind: str | None) -> np.ndarray | None:
    """Return an `out` for the result, filled with a value that must not stay."""
    if kind is None:
        return None
    if kind == "fresh":
        return np.full(expected.shape, 77, expected.dtype)
    wide = np.full(tuple(2 * n + 1 for n in expected.shape), 77, expected.dtype)
    return wide[tuple(slice(1, None, 2) for _ in expected.shape)]


@pytest.mark.parametrize(("ndim", "seeds", "least"), [(1, 10, 600), (2, 10, 600), (3, 10, 480)])
def test_max_pool_covering(ndim: int, seeds: int, least: int) -> None:
    equal = refused = 0
    for seed in range(seeds):
        extra = RUN_FACTORS | {"return_indices": (False, True)}
        for problem, run in covering_problems(ndim, seed, extra):
            x = problem.x(seed, low=-3, high=3)
            repro = f"max {problem.id} seed={seed} {run}"
            if not problem.is_valid():
                assert_refused("max", problem, x, repro)
                refused += 1
                continue
            values, indices = pool(reference, "max", problem, x, return_indices=True)
            assert values.dtype == x.dtype, repro
            expected: tuple[np.ndarray, ...] = (values, indices)
            if not run["return_indices"]:
                expected = (values,)
            out: Any = tuple(make_out(e, run["out"]) for e in expected)
            given_out = None if run["out"] is None else (out if len(out) == 2 else out[0])
            with convkit.use_isa(run["isa"]):
                actual = pool(
                    convkit,
                    "max",
                    problem,
                    with_order(x, run["order"]),
                    return_indices=run["return_indices"],
                    out=given_out,
                    num_threads=run["num_threads"],
                )
            actual = actual if run["return_indices"] else (actual,)
            assert len(actual) == len(expected), repro
            for got, want, target in zip(actual, expected, out, strict=True):
                assert_same(got, want, repro)
                assert target is None or got is target, f"{repro}: out is not what came back"
            equal += 1
    assert equal >= least  # the number of instruction sets changes what chance leaves valid
    assert refused >= 10


@pytest.mark.parametrize(("ndim", "seeds"), [(1, 10), (2, 10), (3, 8)])
def test_avg_pool_covering(ndim: int, seeds: int) -> None:
    equal = refused = 0
    for seed in range(seeds):
        extra = RUN_FACTORS | {"count_include_pad": (True, False), "divisor": (None, 1, 3, 8)}
        for problem, run in covering_problems(ndim, 100 + seed, extra):
            x = problem.x(seed)
            repro = f"avg {problem.id} seed={seed} {run}"
            how = {
                "count_include_pad": run["count_include_pad"],
                "divisor_override": run["divisor"],
            }
            if not problem.is_valid(run["count_include_pad"]):
                assert_refused("avg", problem, x, repro, **how)
                refused += 1
                continue
            expected = pool(reference, "avg", problem, x, **how)
            assert expected.dtype == (x.dtype if x.dtype.kind == "f" else np.float64), repro
            out = make_out(expected, run["out"])
            with convkit.use_isa(run["isa"]):
                actual = pool(
                    convkit,
                    "avg",
                    problem,
                    with_order(x, run["order"]),
                    out=out,
                    num_threads=run["num_threads"],
                    **how,
                )
            assert_same(actual, expected, repro)
            assert out is None or actual is out, f"{repro}: out is not what came back"
            equal += 1
    assert equal >= 60 * seeds
    assert refused >= 10


@pytest.mark.parametrize(("ndim", "seeds"), [(1, 4), (2, 4), (3, 3)])
def test_lp_pool_covering(ndim: int, seeds: int) -> None:
    checked = 0
    for seed in range(seeds):
        extra = RUN_FACTORS | {"p": (0.5, 1, 2, 2.5, 3, 8)}
        for problem, run in covering_problems(ndim, 200 + seed, extra):
            x = problem.x(seed)
            repro = f"lp {problem.id} seed={seed} {run}"
            if not problem.is_valid():
                assert_refused("lp", problem, x, repro, norm_type=run["p"])
                continue
            expected = pool(reference, "lp", problem, x.astype(np.float64), norm_type=run["p"])
            dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
            out = make_out(expected.astype(dtype), run["out"])
            with convkit.use_isa(run["isa"]):
                actual = pool(
                    convkit,
                    "lp",
                    problem,
                    with_order(x, run["order"]),
                    norm_type=run["p"],
                    out=out,
                    num_threads=run["num_threads"],
                )
            assert actual.dtype == dtype, repro
            assert out is None or actual is out, f"{repro}: out is not what came back"
            terms = prod(problem.kernel)
            assert_close(actual, expected, (terms + 16) * np.finfo(dtype).eps, repro)
            checked += 1
    assert checked >= 50 * seeds


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_adaptive_covering(ndim: int) -> None:
    checked = 0
    rng = np.random.default_rng(ndim)
    dtypes = (*FLOATS, *FLOATS, *INTEGERS)
    for number in range(260):
        size = tuple(int(n) for n in rng.integers(1, 20 if ndim < 3 else 9, ndim))
        target: Any = tuple(None if rng.random() < 0.2 else int(n) for n in rng.integers(1, 12 if ndim < 3 else 6, ndim))
        if number % 5 == 0:
            target = int(rng.integers(1, 6))
        problem = PoolProblem(
            size,
            (1,) * ndim,
            (1,) * ndim,
            "valid",
            (1,) * ndim,
            batch=(None, 1, 2, 0)[number % 4],
            channels=int(rng.integers(1, 18)),
            layout=LAYOUTS[number % 2],
            dtype=dtypes[number % len(dtypes)],
        )
        x = problem.x(number, low=-4, high=4)
        repro = f"adaptive {problem.id} output_size={target} seed={number}"
        run: dict[str, Any] = {"layout": problem.layout, "num_threads": number % 3 + 1}
        name = f"adaptive_max_pool{ndim}d"
        expected, where = getattr(reference, name)(x, target, return_indices=True, layout=problem.layout)
        values, indices = getattr(convkit, name)(x, target, return_indices=True, **run)
        assert_same(values, expected, repro)
        assert_same(indices, where, f"{repro} indices")
        assert values.dtype == x.dtype, repro
        name = f"adaptive_avg_pool{ndim}d"
        average = getattr(reference, name)(x, target, layout=problem.layout)
        out = make_out(average, (None, "fresh", "strided")[number % 3])
        assert_same(getattr(convkit, name)(x, target, out=out, **run), average, f"{repro} avg")
        assert average.dtype == (x.dtype if x.dtype.kind == "f" else np.float64), repro
        checked += 1
    assert checked == 260


def test_global_pool() -> None:
    """One output a channel, spatial axes kept with length 1, in both layouts and every dtype."""
    checked = 0
    for ndim, layout, dtype, channels in itertools.product((1, 2, 3), LAYOUTS, (*FLOATS, *INTEGERS), (1, 3, 8, 17)):
        size = ((31,), (7, 9), (3, 4, 5))[ndim - 1]
        first = layout == "channels_first"
        shape = (2, channels, *size) if first else (2, *size, channels)
        x = make_array(shape, dtype, seed=checked)
        repro = f"global {layout} {dtype} {shape} seed={checked}"
        axes = tuple(range(2, 2 + ndim)) if first else tuple(range(1, 1 + ndim))
        highest = convkit.global_max_pool(x, layout=layout)
        assert_same(highest, x.max(axis=axes, keepdims=True), repro)
        assert_same(reference.global_max_pool(x, layout=layout), highest, f"{repro} oracle")
        result = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        total = x.astype(result).sum(axis=axes, keepdims=True)
        average = convkit.global_avg_pool(x, layout=layout)
        assert_same(average, total / result.type(prod(size)), f"{repro} average")
        checked += 1
    assert checked == 3 * 2 * 11 * 4
    empty = convkit.global_max_pool(np.zeros((0, 3, 4, 5), np.float32), layout="channels_first")
    assert empty.shape == (0, 3, 1, 1)


def test_large_windows() -> None:
    """Windows far longer than a vector, where running maxima and running sums are tempting."""
    checked = 0
    for k, s, length in itertools.product(
        (5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 31, 32, 33, 64, 65), (1, 2, 3, 7), (65, 100, 257)
    ):
        problem = PoolProblem((length,), (k,), (s,), ((k - 1, k // 2),), (1,), channels=2)
        x = problem.x(seed=checked)
        repro = f"{problem.id} seed={checked}"
        expected, where = pool(reference, "max", problem, x, return_indices=True)
        values, indices = pool(convkit, "max", problem, x, return_indices=True)
        assert_same(values, expected, f"max {repro}")
        assert_same(indices, where, f"max {repro} indices")
        assert_same(pool(convkit, "max", problem, x), expected, f"max {repro} without indices")
        for counted in (True, False):
            assert_same(
                pool(convkit, "avg", problem, x, count_include_pad=counted),
                pool(reference, "avg", problem, x, count_include_pad=counted),
                f"avg {repro} count_include_pad={counted}",
            )
        checked += 1
    for kernel, stride, layout in itertools.product(((9, 9), (3, 31), (31, 3), (17, 16)), ((1, 1), (2, 1), (3, 5)), LAYOUTS):
        pads = tuple((k // 2, (k - 1) // 2) for k in kernel)
        problem = PoolProblem((40, 47), kernel, stride, pads, (1, 1), channels=3, layout=layout)
        x = problem.x(seed=checked, low=-50, high=50)
        repro = f"{problem.id} seed={checked}"
        expected, where = pool(reference, "max", problem, x, return_indices=True)
        values, indices = pool(convkit, "max", problem, x, return_indices=True)
        assert_same(values, expected, f"max {repro}")
        assert_same(indices, where, f"max {repro} indices")
        assert_same(pool(convkit, "max", problem, x), expected, f"max {repro} without indices")
        assert_same(pool(convkit, "avg", problem, x), pool(reference, "avg", problem, x), f"avg {repro}")
        checked += 1
    assert checked == 15 * 4 * 3 + 4 * 3 * 2


# ----------------------------------------------------------------------------- argument forms


def test_argument_forms_agree() -> None:
    """An int, a tuple, a list, NumPy integers and names describe the same window."""
    x = make_array((2, 3, 9, 11), "float32", seed=1)
    forms: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"kernel_size": 3}, {"kernel_size": (3, 3), "stride": (3, 3)}),
        ({"kernel_size": [3, 2]}, {"kernel_size": (3, 2), "stride": (3, 2)}),
        ({"kernel_size": 3, "stride": None}, {"kernel_size": 3, "stride": 3}),
        ({"kernel_size": np.int64(3)}, {"kernel_size": 3}),
        ({"kernel_size": np.array(3)}, {"kernel_size": 3}),
        ({"kernel_size": np.array([3, 2])}, {"kernel_size": (3, 2)}),
        ({"kernel_size": 3, "stride": np.uint8(2)}, {"kernel_size": 3, "stride": (2, 2)}),
        ({"kernel_size": 3, "padding": 1}, {"kernel_size": 3, "padding": ((1, 1), (1, 1))}),
        (
            {"kernel_size": 3, "padding": (1, 2)},
            {"kernel_size": 3, "padding": ((1, 1), (2, 2))},
        ),
        (
            {"kernel_size": 3, "padding": [[1, 0], [2, 1]], "stride": 1},
            {"kernel_size": 3, "padding": ((1, 0), (2, 1)), "stride": 1},
        ),
        ({"kernel_size": 3, "padding": "valid"}, {"kernel_size": 3, "padding": 0}),
        (
            {"kernel_size": (4, 3), "stride": 1, "padding": "same"},
            {"kernel_size": (4, 3), "stride": 1, "padding": ((1, 2), (1, 1))},
        ),
        (
            {"kernel_size": (4, 3), "stride": 1, "padding": "same_lower"},
            {"kernel_size": (4, 3), "stride": 1, "padding": ((2, 1), (1, 1))},
        ),
        (
            {"kernel_size": 3, "stride": 2, "padding": "same"},
            {"kernel_size": 3, "stride": 2, "padding": ((1, 1), (1, 1))},
        ),
        (
            {"kernel_size": 3, "stride": 1, "dilation": [2, 1], "padding": "same"},
            {"kernel_size": 3, "stride": 1, "dilation": (2, 1), "padding": (2, 1)},
        ),
    ]
    for one, two in forms:
        for op, extra in (("max", {}), ("avg", {}), ("lp", {"norm_type": 2})):
            function = getattr(convkit, f"{op}_pool2d")
            assert_same(function(x, **one, **extra), function(x, **two, **extra), f"{op} {one}")
    positional = convkit.max_pool2d(x, 3, 2, 1, 2, True, True)
    named = convkit.max_pool2d(x, kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True, return_indices=True)
    for one, two in zip(positional, named, strict=True):
        assert_same(one, two, "max_pool2d by position")
    assert_same(
        convkit.avg_pool2d(x, 3, 2, 1, True, False, 5),
        convkit.avg_pool2d(
            x,
            kernel_size=3,
            stride=2,
            padding=1,
            ceil_mode=True,
            count_include_pad=False,
            divisor_override=5,
        ),
        "avg_pool2d by position",
    )
    assert_same(
        convkit.lp_pool2d(x, 2, 3, 2, True),
        convkit.lp_pool2d(x, norm_type=2.0, kernel_size=3, stride=2, ceil_mode=True),
        "lp_pool2d by position",
    )


def test_named_padding_lengths() -> None:
    """ "same" and "same_lower" give ceil(length / stride) outputs for every window."""
    checked = 0
    for name, length, k, s, d in itertools.product(NAMED_PADDING[1:], range(1, 14), range(1, 6), (1, 2, 3), (1, 2)):
        problem = PoolProblem((length,), (k,), (s,), name, (d,))
        x = problem.x(seed=checked)
        repro = f"{problem.id} seed={checked}"
        average = pool(convkit, "avg", problem, x)
        assert average.shape == (1, 1, -(-length // s)), repro
        assert_same(average, pool(reference, "avg", problem, x), repro)
        if problem.is_valid():
            actual = pool(convkit, "max", problem, x)
            assert_same(actual, pool(reference, "max", problem, x), repro)
        checked += 1
    assert checked == 2 * 13 * 5 * 3 * 2


# ------------------------------------------------------------------------------ dtypes, values


def test_integer_extremes() -> None:
    """The ends of every integer type: maxima are exact, sums do not overflow their type."""
    for name in INTEGERS[1:]:
        info = np.iinfo(name)
        low, high = info.min, info.max
        x = np.array([[[low, high, low + 1, high - 1, low, low]]], dtype=name)
        values, indices = convkit.max_pool1d(x, 2, return_indices=True)
        assert_same(values, np.array([[[high, high - 1, low]]], dtype=name), f"max {name}")
        assert_same(indices, np.array([[[1, 3, 4]]]), f"max {name} indices")
        padded, where = convkit.max_pool1d(np.full((1, 1, 1), low, name), 3, 1, 1, return_indices=True)
        assert_same(padded, np.full((1, 1, 1), low, name), f"max {name}: padding never wins")
        assert_same(where, np.zeros((1, 1, 1), np.int64), f"max {name}: index in padding")
        if info.bits <= 32:
            full = np.full((1, 1, 8), high, name)
            mean = convkit.avg_pool1d(full, 8)
            assert_same(mean, np.full((1, 1, 1), float(high)), f"avg {name}")
            full = np.full((1, 1, 8), low, name)
            assert_same(convkit.avg_pool1d(full, 8), np.full((1, 1, 1), float(low)), f"avg {name}")
    top = np.array([[[2**63 + 1, 2**63, 5, 2**64 - 1]]], dtype=np.uint64)
    assert_same(convkit.max_pool1d(top, 2), np.array([[[2**63 + 1, 2**64 - 1]]], np.uint64), "uint64")
    near = np.array([[[2**62, 2**62 + 1, -(2**62), -(2**62) + 1]]], dtype=np.int64)
    assert_same(convkit.max_pool1d(near, 2), near[..., [1, 3]], "int64 beyond the precision of float64")


def test_bool_pooling() -> None:
    x = np.array([[[True, False, False, False, True, True]]])
    assert_same(convkit.max_pool1d(x, 2), np.array([[[True, False, True]]]), "max of bool")
    assert_same(convkit.avg_pool1d(x, 2), np.array([[[0.5, 0.0, 1.0]]]), "mean of bool")
    values, indices = convkit.max_pool1d(x, 3, return_indices=True)
    assert_same(values, np.array([[[True, True]]]), "max of bool")
    assert_same(indices, np.array([[[0, 4]]]), "index of bool")


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values_at_each_tap(dtype: str) -> None:
    """NaN, infinities, signed zeros and subnormals in every place of every window."""
    tiny = np.finfo(dtype).smallest_subnormal
    specials = (np.nan, np.inf, -np.inf, -0.0, tiny, -tiny, np.finfo(dtype).max)
    checked = 0
    for (kernel, stride), special, layout in itertools.product(
        (((3, 3), (1, 1)), ((2, 3), (2, 1)), ((4, 2), (3, 2)), ((9, 9), (1, 1))), specials, LAYOUTS
    ):
        problem = PoolProblem((9, 10), kernel, stride, ((1, 0), (0, 1)), (1, 1), layout=layout, dtype=dtype)
        for place in range(0, 90, 13 if kernel[0] < 9 else 4):
            x = problem.x(seed=place)
            x.reshape(-1)[place] = special
            repro = f"{problem.id} seed={place} x.flat[{place}]={special}"
            expected, where = pool(reference, "max", problem, x, return_indices=True)
            values, indices = pool(convkit, "max", problem, x, return_indices=True)
            assert_same(values, expected, f"max {repro}")
            assert_same(indices, where, f"max {repro} indices")
            assert_same(pool(convkit, "max", problem, x), expected, f"max {repro} no indices")
            if abs(special) == np.finfo(dtype).max:
                continue
            average = pool(convkit, "avg", problem, x)
            assert_same(average, pool(reference, "avg", problem, x), f"avg {repro}")
            if not np.isfinite(special) and kernel[0] < 9:
                p_norm = pool(convkit, "lp", problem, x, norm_type=2)
                reach = np.isfinite(average)
                assert np.array_equal(np.isfinite(p_norm), reach), f"lp {repro}"
                assert not np.isnan(special) or np.isnan(p_norm[~reach]).all(), f"lp {repro}"
                assert np.isnan(special) or (p_norm[~reach] == np.inf).all(), f"lp {repro}"
            checked += 1
    assert checked >= 400


@pytest.mark.parametrize("dtype", FLOATS)
def test_minus_infinity_and_nan_windows(dtype: str) -> None:
    """A window of -inf has the index of its first element; the first NaN wins over everything."""
    low = np.full((1, 1, 6, 7), -np.inf, dtype)
    values, indices = convkit.max_pool2d(low, 3, 1, 2, return_indices=True)
    expected, where = reference.max_pool2d(low, 3, 1, 2, return_indices=True)
    assert_same(values, expected, "all -inf")
    assert_same(indices, where, "all -inf, indices")
    assert (values == -np.inf).all()
    assert indices.min() == 0

    nans = np.full((1, 1, 6, 7), np.nan, dtype)
    values, indices = convkit.max_pool2d(nans, 3, 1, 2, return_indices=True)
    assert np.isnan(values).all()
    assert_same(indices, where, "all NaN: the first element of each window")

    mixed = np.array([[[1, np.nan, np.inf, np.nan, -np.inf, 2]]], dtype)
    values, indices = convkit.max_pool1d(mixed, 3, 1, return_indices=True)
    assert_same(values, np.array([[[np.nan, np.nan, np.nan, np.nan]]], dtype), "NaN beats inf")
    assert_same(indices, np.array([[[1, 1, 3, 3]]]), "the first NaN")
    for width in range(1, 40):
        for place in range(width):
            x = np.zeros((1, 1, width), dtype)
            x[..., place] = np.nan
            value, index = convkit.max_pool1d(x, width, return_indices=True)
            repro = f"width={width} place={place} {dtype}"
            assert np.isnan(value).all() and index.item() == place, repro
            assert np.isnan(convkit.max_pool1d(x, width)).all(), repro


def test_ties_take_the_first_in_row_major_order() -> None:
    checked = 0
    for dtype, layout, (kernel, stride, dilation) in itertools.product(
        (*FLOATS, *INTEGERS),
        LAYOUTS,
        (((2, 2), (2, 2), (1, 1)), ((3, 3), (1, 1), (1, 1)), ((3, 2), (2, 1), (2, 3))),
    ):
        problem = PoolProblem(
            (9, 19),
            kernel,
            stride,
            ((1, 1), (1, 1)),
            dilation,
            channels=5,
            layout=layout,
            dtype=dtype,
        )
        for high in (0, 1):
            x = problem.x(seed=checked, low=0, high=high)
            repro = f"{problem.id} high={high} seed={checked}"
            expected, where = pool(reference, "max", problem, x, return_indices=True)
            values, indices = pool(convkit, "max", problem, x, return_indices=True)
            assert_same(values, expected, repro)
            assert_same(indices, where, f"{repro} indices")
            checked += 1
    assert checked == 11 * 2 * 3 * 2
    zeros = np.array([[[-0.0, 0.0, 0.0, -0.0]]], np.float32)
    index = convkit.max_pool1d(zeros, 2, return_indices=True)[1]
    assert_same(index, np.array([[[0, 2]]]), "-0.0 and 0.0 are a tie")


def test_no_running_sum() -> None:
    """A huge element leaves no trace in the averages of windows that do not hold it."""
    for k in (2, 3, 5, 9, 16, 33):
        x = make_array((1, 1, 200), "float32", seed=k)
        x[0, 0, 100] = 3e38
        actual = convkit.avg_pool1d(x, k, 1)
        clean = x.copy()
        clean[0, 0, 100] = 0
        expected = reference.avg_pool1d(clean, k, 1)
        away = np.r_[0 : 101 - k, 101 : actual.shape[-1]]
        assert_same(actual[..., away], expected[..., away], f"k={k}")


# Windows on both sides of 128 additions in a chain, on every path: separable, in place, one by one, merged to one long row.
AVERAGES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    *[("avg_pool2d", (40, 41), {"kernel_size": k, "stride": 1, "padding": 1}) for k in ((2, 2), (3, 3), (7, 7), (13, 31))],
    ("avg_pool1d", (700,), {"kernel_size": 127, "stride": 2}),
    ("avg_pool1d", (700,), {"kernel_size": 128, "stride": 1, "padding": 60}),
    ("avg_pool1d", (700,), {"kernel_size": 300, "stride": 1}),
    ("avg_pool1d", (9000,), {"kernel_size": 300, "stride": 2, "dilation": 21, "count_include_pad": False, "padding": 9}),
    ("avg_pool2d", (90, 130), {"kernel_size": (80, 120), "stride": (1, 3)}),
    ("avg_pool2d", (300, 9), {"kernel_size": (290, 3), "stride": 1, "padding": 1}),
    ("avg_pool2d", (200, 210), {"kernel_size": (64, 70)}),
    ("avg_pool3d", (12, 20, 40), {"kernel_size": (10, 14, 16), "stride": 1}),
    ("adaptive_avg_pool2d", (301, 290), {"output_size": (3, 7)}),
    ("global_avg_pool", (512, 512), {}),
    ("global_avg_pool", (9, 9), {}),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", AVERAGES, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def test_average_bound(case: tuple[str, tuple[int, ...], dict[str, Any]], layout: str) -> None:
    """float32 averages are within (min(K, 128) + 2) eps/2 mean|x| of the exact ones, with the same bits everywhere."""
    name, size, arguments = case
    shape = (2, 3, *size) if layout == "channels_first" else (2, *size, 3)
    rng = np.random.default_rng(5)
    window = arguments.get("kernel_size", max(size) ** len(size))
    terms = min(128, prod(window) if isinstance(window, tuple) else window)
    signed = rng.standard_normal(shape).astype(np.float32)
    shades = rng.integers(0, 256, shape).astype(np.float32) / 255
    level = np.full(shape, 0.7, np.float32)  # rounded the same way over and over
    for x in (signed, shades, level):
        actual = getattr(convkit, name)(x, **arguments, layout=layout)
        exact = getattr(reference, name)(x.astype(np.float64), **arguments, layout=layout)
        bound = getattr(reference, name)(np.abs(x).astype(np.float64), **arguments, layout=layout)
        bound *= (terms + 2) * np.finfo(np.float32).eps / 2
        assert (np.abs(actual - exact) <= bound).all()
        for isa, threads in itertools.product(convkit.isas(), (1, 2, 3)):
            with convkit.use_isa(isa), convkit.threads(threads):
                again = getattr(convkit, name)(x, **arguments, layout=layout)
            assert again.tobytes() == actual.tobytes(), f"{isa} with {threads} threads"


def test_lp_special_orders() -> None:
    """p = 1 is the sum of |x|; a large p comes near the maximum; clipped windows are not rescaled."""
    x = make_array((2, 3, 8, 9), "float64", seed=3, low=-5, high=5)
    ones = convkit.lp_pool2d(x, 1, 2)
    assert_close(ones, convkit.avg_pool2d(np.abs(x), 2, divisor_override=1), 1e-14, "p=1")
    large = convkit.lp_pool2d(np.abs(x) + 1, 60, 2)
    assert_close(large, convkit.max_pool2d(np.abs(x) + 1, 2), 0.03, "p=60")
    line = np.array([[[3.0, 4.0, 5.0]]])
    assert_close(convkit.lp_pool1d(line, 2, 2, 2, True), np.array([[[5.0, 5.0]]]), 1e-15, "clipped")
    assert_close(
        convkit.lp_pool1d(-line, 2, 2, 1, padding=1),
        np.array([[[3.0, 5.0, np.sqrt(41.0), 5.0]]]),
        1e-15,
        "padded",
    )
    assert convkit.lp_pool1d(np.zeros((1, 1, 4), np.float32), 2, 2).tolist() == [[[0.0, 0.0]]]


def test_empty_batch() -> None:
    for layout, dtype in itertools.product(LAYOUTS, (*FLOATS, "uint8")):
        shape = (0, 3, 8, 9) if layout == "channels_first" else (0, 8, 9, 3)
        result = (0, 3, 4, 4) if layout == "channels_first" else (0, 4, 4, 3)
        x = np.empty(shape, dtype)
        values, indices = convkit.max_pool2d(x, 2, return_indices=True, layout=layout)
        assert (values.shape, values.dtype) == (result, x.dtype)
        assert (indices.shape, indices.dtype) == (result, np.int64)
        assert convkit.avg_pool2d(x, 2, layout=layout).shape == result
        assert convkit.lp_pool2d(x, 2, 2, layout=layout).shape == result
        assert convkit.adaptive_avg_pool2d(x, 4, layout=layout).shape == result
        assert convkit.max_unpool2d(values, indices, (2, 2), layout=layout).shape[0] == 0


# --------------------------------------------------------------------------------- max_unpool


def unpool_output_size(size: tuple[int, ...], kernel: Any, stride: Any, padding: Any) -> Any:
    axes = zip(size, kernel, stride, padding, strict=True)
    return tuple((n - 1) * s - sum(p) + k for n, k, s, p in axes)


def test_max_unpool_lattice() -> None:
    """Every small window: default output size, and each spatial and full `output_size`."""
    checked = 0
    for length, k, s, p in itertools.product(range(1, 12), range(1, 5), (1, 2, 3), (0, 1)):
        size = unpool_output_size((length,), (k,), (s,), ((p, p),))[0]
        if size < 1:
            continue
        rng = np.random.default_rng(checked)
        x = make_array((2, 3, length), "float32", seed=checked)
        indices = rng.integers(0, size, x.shape)
        repro = f"unpool i{length} k{k} s{s} p{p} seed={checked}"
        naive = np.zeros((2, 3, size), np.float32)
        for place in np.ndindex(x.shape):
            naive[(*place[:-1], indices[place])] = x[place]
        assert_same(convkit.max_unpool1d(x, indices, k, s, p), naive, repro)
        assert_same(reference.max_unpool1d(x, indices, k, s, p), naive, f"{repro} oracle")
        for output_size in ((size,), (2, 3, size), [size]):
            actual = convkit.max_unpool1d(x, indices, k, s, p, output_size)
            assert_same(actual, naive, f"{repro} output_size={output_size}")
        checked += 1
    assert checked >= 200


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_max_unpool_undoes_max_pool(ndim: int) -> None:
    checked = 0
    rng = np.random.default_rng(40 + ndim)
    dtypes = (*FLOATS, *FLOATS, *INTEGERS)
    for number in range(120):
        size = tuple(int(n) for n in rng.integers(3, 12 if ndim < 3 else 7, ndim))
        kernel = tuple(int(n) for n in rng.integers(1, 4, ndim))
        problem = PoolProblem(
            size,
            kernel,
            kernel,
            ((0, 0),) * ndim,
            (1,) * ndim,
            batch=(None, 1, 2)[number % 3],
            channels=int(rng.integers(1, 10)),
            layout=LAYOUTS[number % 2],
            dtype=dtypes[number % len(dtypes)],
        )
        x = problem.x(number)
        repro = f"unpool {problem.id} seed={number}"
        values, indices = pool(convkit, "max", problem, x, return_indices=True)
        run: dict[str, Any] = {"layout": problem.layout}
        name = f"max_unpool{ndim}d"
        back = getattr(convkit, name)(values, indices, kernel, output_size=size, **run)
        expected = getattr(reference, name)(values, indices, kernel, output_size=size, **run)
        assert_same(back, expected, repro)
        assert back.dtype == x.dtype, repro
        assert np.isin(back, [0]).sum() >= x.size - values.size, repro
        kept = back != 0
        assert (back[kept] == x[kept]).all(), repro
        full = getattr(convkit, name)(values, indices, kernel, output_size=x.shape, **run)
        assert_same(full, back, f"{repro} full output_size")
        out = np.full(x.shape, 7).astype(x.dtype)
        same = getattr(convkit, name)(values, indices, kernel, output_size=size, out=out, num_threads=2, **run)
        assert same is out, repro
        assert_same(out, back, f"{repro} out")
        checked += 1
    assert checked == 120


def test_max_unpool_last_of_equal_indices_wins() -> None:
    x = np.arange(1, 7, dtype=np.float32).reshape(1, 1, 2, 3)
    indices = np.zeros((1, 1, 2, 3), np.int64)
    expected = np.zeros((1, 1, 2, 3), np.float32)
    expected[0, 0, 0, 0] = 6
    for threads in (1, 2, 7):
        actual = convkit.max_unpool2d(x, indices, 1, num_threads=threads)
        assert_same(actual, expected, f"threads={threads}")


def test_max_unpool_shows_the_index_as_given() -> None:
    x = np.ones((1, 1, 2))
    for value in (2**63 + 1, 2**64 - 1):
        with pytest.raises(ValueError, match=rf"indices.*got {value}$"):
            convkit.max_unpool1d(x, np.array([[[0, value]]], np.uint64), 2)


def test_outs_that_share_memory_are_refused() -> None:
    """Values and indices cannot both be kept in one place; places between each other are not shared."""
    x = np.arange(64, dtype=np.int64).reshape(1, 1, 8, 8)
    values, indices = convkit.max_pool2d(x, 2, return_indices=True)
    room = np.zeros(17, np.int64)
    one, next_ = room[:16].reshape(1, 1, 4, 4), room[1:].reshape(1, 1, 4, 4)
    for outs in ((one, one), (one, next_), (one, one[..., ::-1])):
        with pytest.raises(ValueError, match=r"out must.*share"):
            convkit.max_pool2d(x, 2, return_indices=True, out=outs)
        with pytest.raises(ValueError, match=r"out must.*share"):
            convkit.adaptive_max_pool2d(x, 4, return_indices=True, out=outs)
    assert not room.any()
    pairs = np.zeros((1, 1, 4, 4, 2), np.int64)
    convkit.max_pool2d(x, 2, return_indices=True, out=(pairs[..., 0], pairs[..., 1]))
    assert_same(pairs[..., 0], values, "values")
    assert_same(pairs[..., 1], indices, "indices")


# --------------------------------------------------------------------------------- hypothesis


@st.composite
def problems(draw: st.DrawFn) -> PoolProblem:
    ndim = draw(st.integers(1, 3))
    longest = (40, 14, 7)[ndim - 1]

    def axes(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(values) for _ in range(ndim))

    size = axes(st.integers(1, longest))
    pair = st.tuples(st.integers(0, 4), st.integers(0, 4))
    return PoolProblem(
        size,
        tuple(draw(st.integers(1, min(6, n + 2))) for n in size),
        axes(st.integers(1, 4)),
        draw(st.sampled_from(NAMED_PADDING)) if draw(st.booleans()) else axes(pair),
        axes(st.integers(1, 3)),
        draw(st.booleans()),
        draw(st.sampled_from((None, 0, 1, 2, 3))),
        draw(st.integers(1, 9)),
        draw(st.sampled_from(LAYOUTS)),
        draw(st.sampled_from((*FLOATS, *INTEGERS))),
    )


SEEDS = st.integers(0, 2**31)


@given(problems(), SEEDS, st.integers(1, 4))
def test_random_max_pool(problem: PoolProblem, seed: int, threads: int) -> None:
    x = problem.x(seed, low=-4, high=4)
    repro = f"max {problem.id} seed={seed}"
    if not problem.is_valid():
        assert_refused("max", problem, x, repro)
        return
    expected, where = pool(reference, "max", problem, x, return_indices=True)
    values, indices = pool(convkit, "max", problem, x, return_indices=True, num_threads=threads)
    assert_same(values, expected, repro)
    assert_same(indices, where, f"{repro} indices")
    assert_same(pool(convkit, "max", problem, x), expected, f"{repro} without indices")


@given(problems(), SEEDS, st.integers(1, 4), st.booleans(), st.sampled_from((None, 1, 5)))
def test_random_avg_pool(problem: PoolProblem, seed: int, threads: int, counted: bool, divisor: int | None) -> None:
    x = problem.x(seed)
    how = {"count_include_pad": counted, "divisor_override": divisor}
    repro = f"avg {problem.id} {how} seed={seed}"
    if not problem.is_valid(counted):
        assert_refused("avg", problem, x, repro, **how)
        return
    expected = pool(reference, "avg", problem, x, **how)
    assert_same(pool(convkit, "avg", problem, x, num_threads=threads, **how), expected, repro)


@given(problems(), SEEDS, st.floats(0.25, 8))
def test_random_lp_pool(problem: PoolProblem, seed: int, p: float) -> None:
    x = problem.x(seed, low=-4, high=4)
    repro = f"lp p={p!r} {problem.id} seed={seed}"
    if not problem.is_valid():
        assert_refused("lp", problem, x, repro, norm_type=p)
        return
    actual = pool(convkit, "lp", problem, x, norm_type=p)
    expected = pool(reference, "lp", problem, x.astype(np.float64), norm_type=p)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    assert actual.dtype == dtype, repro
    # A relative error of a few eps in the sum of powers grows by 1/p in the root.
    bound = (prod(problem.kernel) + 16) * max(1.0, 1.0 / p) * np.finfo(dtype).eps
    assert_close(actual, expected, bound, repro)


@given(problems(), SEEDS, st.data())
def test_random_adaptive_pool(problem: PoolProblem, seed: int, data: st.DataObject) -> None:
    x = problem.x(seed, low=-4, high=4)
    target = tuple(data.draw(st.one_of(st.none(), st.integers(1, n + 3))) for n in problem.size)
    repro = f"adaptive {problem.id} output_size={target} seed={seed}"
    layout = problem.layout
    name = f"adaptive_max_pool{problem.ndim}d"
    expected = getattr(reference, name)(x, target, return_indices=True, layout=layout)
    actual = getattr(convkit, name)(x, target, return_indices=True, layout=layout)
    for got, want in zip(actual, expected, strict=True):
        assert_same(got, want, repro)
    name = f"adaptive_avg_pool{problem.ndim}d"
    average = getattr(convkit, name)(x, target, layout=layout)
    assert_same(average, getattr(reference, name)(x, target, layout=layout), f"{repro} avg")


@given(problems(), SEEDS)
def test_random_max_unpool(problem: PoolProblem, seed: int) -> None:
    size = unpool_output_size(problem.size, problem.kernel, problem.stride, problem.pairs)
    x = problem.x(seed)
    repro = f"unpool {problem.id} seed={seed}"
    arguments: dict[str, Any] = {
        "kernel_size": problem.kernel,
        "stride": problem.stride,
        "padding": problem.pairs,
        "layout": problem.layout,
    }
    name = f"max_unpool{problem.ndim}d"
    count = prod(size) if min(size) >= 1 else 1
    indices = np.random.default_rng(seed).integers(0, count, x.shape)
    if min(size) < 1:
        with pytest.raises(ValueError, match="output"):
            getattr(convkit, name)(x, indices, **arguments)
        return
    actual = getattr(convkit, name)(x, indices, **arguments)
    assert_same(actual, getattr(reference, name)(x, indices, **arguments), repro)


# -------------------------------------------------------------------------------- determinism


def test_threads_batches_and_strides_keep_the_bits() -> None:
    """The same bits for 1 to 7 threads, every split of the batch and several strides."""
    compared = 0
    rng = np.random.default_rng(77)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("max_pool2d", {"kernel_size": (2, 9), "stride": 1, "padding": (1, 4)}),
        ("avg_pool2d", {"kernel_size": 3, "stride": 1, "padding": 1}),
        ("avg_pool2d", {"kernel_size": (13, 5), "stride": (1, 2), "count_include_pad": False}),
        ("lp_pool2d", {"norm_type": 3, "kernel_size": 3, "stride": 2}),
        ("adaptive_avg_pool2d", {"output_size": (7, 5)}),
        ("adaptive_max_pool2d", {"output_size": (7, 5)}),
        ("global_avg_pool", {}),
    ]
    for (name, arguments), layout, dtype in itertools.product(calls, LAYOUTS, FLOATS):
        shape = (5, 6, 61, 67) if layout == "channels_first" else (5, 61, 67, 6)
        x = rng.standard_normal(shape).astype(dtype)
        function = getattr(convkit, name)
        with convkit.threads(1):
            first = function(x, layout=layout, **arguments)
        bits = first.tobytes()
        repro = f"{name} {arguments} {layout} {dtype}"
        for count in range(2, 8):
            with convkit.threads(count):
                again = function(x, layout=layout, **arguments)
            assert again.tobytes() == bits, f"{repro} threads={count}"
            compared += 1
        for cuts in ((1,), (2, 4), (1, 2, 3, 4)):
            parts = [function(part, layout=layout, **arguments) for part in np.split(x, cuts)]
            assert np.concatenate(parts).tobytes() == bits, f"{repro} batch cuts={cuts}"
            compared += 1
        for order in ("F", "reversed"):
            again = function(with_order(x, order), layout=layout, **arguments)
            assert again.tobytes() == bits, f"{repro} order={order}"
            compared += 1
    assert compared >= 300


# ------------------------------------------------------------------------------- metamorphic


def depthwise_ones(x: np.ndarray, kernel: tuple[int, int]) -> np.ndarray:
    return np.ones((x.shape[1], 1, *kernel), x.dtype)


def relation_shift(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    """A constant added before is a constant added after."""
    return convkit.max_pool2d(x + 5, k, s), convkit.max_pool2d(x, k, s) + 5


def relation_scale(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return convkit.max_pool2d(x * 4, k, s), convkit.max_pool2d(x, k, s) * 4


def relation_average_is_linear(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    y = x[:, ::-1] * 3 - x

    def summed(z: np.ndarray) -> Any:
        return convkit.avg_pool2d(z, k, s, divisor_override=1)

    return summed(2 * x + y), 2 * summed(x) + summed(y)


def relation_average_is_convolution(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    summed = convkit.conv2d(x, depthwise_ones(x, k), stride=s, padding=1, groups=x.shape[1])
    return convkit.avg_pool2d(x, k, s, 1), summed / x.dtype.type(prod(k))


def relation_average_is_lowered_mean(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    columns = convkit.im2col(x, k, s).reshape(*x.shape[:2], prod(k), -1)
    return (
        convkit.avg_pool2d(x, k, s).reshape(*x.shape[:2], -1),
        columns.sum(axis=2) / x.dtype.type(prod(k)),
    )


def relation_maximum_of_lowered(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    columns = convkit.im2col(x, k, s).reshape(*x.shape[:2], prod(k), -1)
    return convkit.max_pool2d(x, k, s).reshape(*x.shape[:2], -1), columns.max(axis=2)


def relation_pad_is_explicit_zeros(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    wide = np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 0)))
    return convkit.avg_pool2d(x, k, s, ((1, 2), (3, 0))), convkit.avg_pool2d(wide, k, s)


def relation_pad_is_explicit_lowest(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    wide = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1)), constant_values=-1000)
    return convkit.max_pool2d(x, k, s, ((1, 0), (0, 1))), convkit.max_pool2d(wide, k, s)


def relation_uncounted_is_a_ratio(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    summed = convkit.avg_pool2d(x, k, s, 1, divisor_override=1)
    counts = convkit.avg_pool2d(np.ones_like(x), k, s, 1, divisor_override=1)
    return convkit.avg_pool2d(x, k, s, 1, count_include_pad=False), summed / counts


def relation_divisor(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    whole = convkit.avg_pool2d(x, k, s, 1, divisor_override=1)
    return convkit.avg_pool2d(x, k, s, 1, divisor_override=8), whole / 8


def relation_layouts(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    last = convkit.max_pool2d(x.transpose(0, 2, 3, 1), k, s, 1, layout="channels_last")
    return convkit.max_pool2d(x, k, s, 1), np.ascontiguousarray(last.transpose(0, 3, 1, 2))


def relation_layouts_of_averages(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    last = convkit.avg_pool2d(x.transpose(0, 2, 3, 1), k, s, 1, layout="channels_last")
    return convkit.avg_pool2d(x, k, s, 1), np.ascontiguousarray(last.transpose(0, 3, 1, 2))


def relation_batch_permutation(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return convkit.max_pool2d(x[::-1], k, s), convkit.max_pool2d(x, k, s)[::-1]


def relation_channel_permutation(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    order = np.random.default_rng(0).permutation(x.shape[1])
    return convkit.avg_pool2d(x[:, order], k, s), convkit.avg_pool2d(x, k, s)[:, order]


def relation_stride_is_subsampling(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return convkit.max_pool2d(x, k, s), convkit.max_pool2d(x, k, 1)[..., ::s, ::s]


def relation_stride_is_subsampling_of_averages(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return convkit.avg_pool2d(x, k, s), convkit.avg_pool2d(x, k, 1)[..., ::s, ::s]


def relation_dilation_is_phases(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    actual = convkit.max_pool2d(x, k, 1, dilation=2)
    phases = np.empty_like(actual)
    for i, j in itertools.product((0, 1), (0, 1)):
        phases[..., i::2, j::2] = convkit.max_pool2d(x[..., i::2, j::2], k, 1)
    return actual, phases


def relation_separable(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    rows = convkit.max_pool2d(x, (k[0], 1), (s, 1))
    return convkit.max_pool2d(x, k, s), convkit.max_pool2d(rows, (1, k[1]), (1, s))


def relation_composition(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    twice = convkit.max_pool2d(convkit.max_pool2d(x, k, 1), (2, 2), 1)
    return twice, convkit.max_pool2d(x, (k[0] + 1, k[1] + 1), 1)


def relation_transposed(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    turned = convkit.avg_pool2d(x.swapaxes(2, 3), k[::-1], s)
    return convkit.avg_pool2d(x, k, s), np.ascontiguousarray(turned.swapaxes(2, 3))


def relation_mirrored(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return (
        convkit.max_pool2d(x[..., ::-1, ::-1], k, 1, 1)[..., ::-1, ::-1],
        convkit.max_pool2d(x, k, 1, 1),
    )


def relation_indices_gather_values(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    values, indices = convkit.max_pool2d(x, k, s, 1, return_indices=True)
    flat = x.reshape(*x.shape[:2], -1)
    gathered = np.take_along_axis(flat, indices.reshape(*x.shape[:2], -1), axis=-1)
    return values, gathered.reshape(values.shape)


def relation_adaptive_of_divisible_size(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    even = x[..., : x.shape[2] // k[0] * k[0], : x.shape[3] // k[1] * k[1]]
    size = (even.shape[2] // k[0], even.shape[3] // k[1])
    return convkit.adaptive_avg_pool2d(even, size), convkit.avg_pool2d(even, k)


def relation_global_is_adaptive_one(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return convkit.global_avg_pool(x), convkit.adaptive_avg_pool2d(x, 1)


def relation_global_is_one_window(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return convkit.global_max_pool(x), convkit.max_pool2d(x, x.shape[2:])


def relation_line_is_a_flat_plane(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    line = x[:, :, 0]
    plane = convkit.max_pool2d(line[:, :, None], (1, k[1]), (1, s))
    return convkit.max_pool1d(line, k[1], s), plane[:, :, 0]


def relation_plane_is_a_flat_volume(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    volume = convkit.avg_pool3d(x[:, :, None], (1, *k), (1, s, s))
    return convkit.avg_pool2d(x, k, s), volume[:, :, 0]


def relation_volume_is_planes_then_lines(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    volume = np.stack([x, x[::-1] - 1, x[:, ::-1] + 1], axis=2)
    planes = convkit.max_pool3d(volume, (1, *k), (1, s, s))
    return (
        convkit.max_pool3d(volume, (2, *k), (1, s, s)),
        np.maximum(planes[:, :, :-1], planes[:, :, 1:]),
    )


def relation_unbatched(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    return convkit.max_pool2d(x[0], k, s), convkit.max_pool2d(x, k, s)[0]


def relation_integers_agree_with_floats(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    whole = x.astype(np.int16)
    return (
        convkit.max_pool2d(whole, k, s).astype(x.dtype),
        convkit.max_pool2d(x, k, s),
    )


def relation_unpool_then_pool(x: np.ndarray, k: tuple[int, int], s: int) -> Any:
    positive = np.abs(x) + 1
    values, indices = convkit.max_pool2d(positive, k, return_indices=True)
    sparse = convkit.max_unpool2d(values, indices, k, output_size=x.shape)
    return convkit.max_pool2d(sparse, k), values


RELATIONS = [value for name, value in sorted(globals().items()) if name.startswith("relation_")]


def test_metamorphic_relations() -> None:
    checked = 0
    for relation, dtype in itertools.product(RELATIONS, FLOATS):
        for seed in range(12):
            rng = np.random.default_rng(seed)
            height, width = (int(n) for n in rng.integers(9, 38, 2))
            kernel = (int(rng.integers(2, 6)), int(rng.integers(2, 6)))
            stride = int(rng.integers(1, 4))
            channels = int(rng.integers(1, 6))
            x = make_array((2, channels, height, width), dtype, seed)
            repro = f"{relation.__name__} {dtype} {x.shape} k{kernel} s{stride} seed={seed}"
            left, right = relation(x, kernel, stride)
            assert left.size > 0, repro
            assert_same(np.ascontiguousarray(left), np.ascontiguousarray(right), repro)
            checked += 1
    assert len(RELATIONS) >= 15
    assert checked == len(RELATIONS) * 2 * 12


def test_pooling_is_monotone() -> None:
    """x <= y gives pool(x) <= pool(y), for every kind but the lp norm of signed data."""
    for seed in range(60):
        x = make_array((1, 2, 11, 13), "float32", seed)
        y = x + make_array(x.shape, "float32", seed + 1000, low=0, high=3)
        assert (convkit.max_pool2d(x, 3, 1, 1) <= convkit.max_pool2d(y, 3, 1, 1)).all(), seed
        assert (convkit.avg_pool2d(x, 3, 1, 1) <= convkit.avg_pool2d(y, 3, 1, 1)).all(), seed
        left, right = np.abs(x), np.abs(x) + np.abs(y)
        assert (convkit.lp_pool2d(left, 2, 3) <= convkit.lp_pool2d(right, 2, 3)).all(), seed
