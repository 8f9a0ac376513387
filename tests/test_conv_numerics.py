"""Rounding errors within their bound, and NaN, infinities, zeros and subnormals at every tap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import (
    EDGE_PROBLEMS,
    NARROW,
    Array,
    Case,
    Problem,
    assert_same,
    functional,
    generator,
    problem,
    random_problem,
    repeats_with,
    run,
    skips_declined,
    to_layout,
)

import convkit
from convkit import reference
from convkit.selftest import APPROXIMATE

FLOATS = ("float32", "float64")


def gaussian(case: Case) -> tuple[Array, Array, Array | None]:
    """Return normally distributed operands of a case."""
    p, rng = case.problem, generator(case.problem.id, case.seed)
    x, weight, bias = (rng.standard_normal(shape).astype(case.dtype) for shape in (p.x_shape, p.weight_shape, (p.oc,)))
    return x, weight, bias if case.bias else None


def magnitude(case: Case, x: Array, weight: Array, bias: Array | None) -> Array:
    """Return sum |x||w| (+ |bias|) of each output element, in float64."""
    wide = [None if a is None else np.abs(a).astype(np.float64) for a in (x, weight, bias)]
    return functional(case, reference)(*wide, **case.arguments)


def bound(case: Case, x: Array, weight: Array, bias: Array | None) -> Array:
    """Return (K + 2) eps sum |x||w|: K products, the bias, and a rounding for each of them.

    Of an approximate algorithm: its share of the largest sum |x||w| (the largest result is too small a measure of a problem
    with few outputs).
    """
    eps = float(np.finfo(case.dtype).eps)
    sums = magnitude(case, x, weight, bias)
    if case.algorithm in APPROXIMATE:
        return np.full_like(sums, APPROXIMATE[case.algorithm][case.dtype] * np.max(sums, initial=0))
    return (case.problem.terms + 2) * eps * sums


@contextmanager
def repeats(case: Case) -> Iterator[None]:
    line = f"import test_conv_numerics as t; t.check_bound(t.Case.from_id('{case.id}'))"
    with repeats_with(f'PYTHONPATH=tests python -c "{line}"'):
        yield


def check_bound(case: Case) -> bool:
    """Compare a float32 result with the oracle's float64 one; False where it is declined."""
    x, weight, bias = gaussian(case)
    with repeats(case):
        try:
            y = run(case, x, weight, bias)
        except NotImplementedError:
            return False
        assert y.dtype == np.float32
        wide = [None if a is None else a.astype(np.float64) for a in (x, weight, bias)]
        error = np.abs(y - functional(case, reference)(*wide, **case.arguments))
        limit = bound(case, x, weight, bias)
        if not np.all(error <= limit):
            raise AssertionError(f"the error is up to {np.max(error / limit):.3g} of its bound")
    return True


def gaussian_problems(seed: int) -> list[Problem]:
    rng = np.random.default_rng([seed, 7])
    return [*EDGE_PROBLEMS.values(), *(random_problem(rng) for _ in range(60))]


def test_float32_errors_within_bound(algorithm: str, isa: str, seed: int) -> None:
    cases = [
        Case(p, bias=bool(number % 2), algorithm=algorithm, isa=isa, seed=seed)
        for number, p in enumerate(gaussian_problems(seed))
    ]
    accepted = sum(map(check_bound, cases))
    assert len(cases) >= 150
    assert accepted >= (150 if algorithm == "auto" else 1 if algorithm in NARROW else 30)


def exact_sum(p: Problem, x: Array, weight: Array, at: tuple[int, ...]) -> Fraction:
    """Return one output element without any rounding; `at` is (sample, channel, *position)."""
    sample, channel, *position = at
    first = channel // (p.oc // p.g) * (p.ic // p.g)
    total = Fraction(0)
    for c, *tap in np.ndindex(*p.weight_shape[1:]):
        source = [o * s - pad[0] + t * d for o, s, pad, t, d in zip(position, p.stride, p.pads, tap, p.dilation, strict=True)]
        if all(0 <= i < length for i, length in zip(source, p.size, strict=True)):
            value, factor = x[(sample, first + c, *source)], weight[(channel, c, *tap)]
            total += Fraction(float(value)) * Fraction(float(factor))
    return total


@pytest.mark.parametrize("dtype", FLOATS)
def test_errors_against_exact_rational_sums(dtype: str, algorithms: tuple[str, ...], isas: tuple[str, ...], seed: int) -> None:
    count = 0
    for p in gaussian_problems(seed)[::4]:
        if p.n == 0:
            continue
        case = Case(p, dtype=dtype, seed=seed)
        x, weight, _ = gaussian(case)
        limits = {name: bound(replace(case, algorithm=name), x, weight, None) for name in algorithms}
        rng = generator(p.id, seed + 1)
        points = [tuple(int(rng.integers(length)) for length in p.output_shape) for _ in range(4)]
        truth = [exact_sum(p, x, weight, at) for at in points]
        for algorithm, isa in itertools.product(algorithms, isas):
            line = Case(p, dtype=dtype, seed=seed, algorithm=algorithm, isa=isa)
            try:
                y = run(line, x, weight, None)
            except NotImplementedError:
                continue
            for at, exact in zip(points, truth, strict=True):
                error = abs(Fraction(float(y[at])) - exact)
                assert error <= Fraction(float(limits[algorithm][at])), f"{line.id} at {at}: {float(error)}"
                count += 1
    assert count >= 140 * len(isas)


def test_bound_is_sharp_enough_to_see_a_lost_term(seed: int) -> None:
    seen = 0
    problems = [p for p in gaussian_problems(seed) if p.n and p.terms > 1]
    for p in problems:
        case = Case(p, seed=seed)
        x, weight, _ = gaussian(case)
        y = run(case, x, weight, None)
        weight[0, 0].flat[weight[0, 0].size // 2] = 0
        lost = np.abs(y - run(case, x, weight, None))
        seen += bool(np.any(lost > bound(case, x, weight, None)))
    assert seen >= 0.8 * len(problems) >= 80


# Special values: maps wider than a vector with a tail, more output channels than a tile.
SPECIAL_PROBLEMS = (
    problem(2, (4, 37), 3, (2, 3)),
    problem(2, (5, 19), 18, 3, stride=(1, 2)),
    problem(3, (4, 21), 3, (3, 2), g=3),
    problem(2, (23,), 17, 3, dilation=2),
    problem(3, (2, 3, 18), 2, 2),
    problem(5, (2, 17), 9, 1),
    problem(18, 4, 20, 2),
)
SPECIAL_IDS = tuple(p.id for p in SPECIAL_PROBLEMS)


def positive_integers(case: Case) -> tuple[Array, Array]:
    rng = generator(case.problem.id, case.seed)
    x = rng.integers(1, 5, case.problem.x_shape).astype(case.dtype)
    return x, rng.integers(1, 5, case.problem.weight_shape).astype(case.dtype)


def check_special(case: Case, x: Array, weight: Array, what: str) -> bool:
    """Compare with the oracle, NaN equal to NaN; False where the algorithm declines or computes with transformed data.

    What such an algorithm makes of special values has tests of its own (test_winograd.py).
    """
    if case.algorithm in APPROXIMATE:
        return False
    with repeats_with(f"{case.repro}, with {what}"), np.errstate(all="ignore"):
        expected = functional(case, reference)(x, weight, **case.arguments)
        try:
            y = run(case, x, weight, None)
        except NotImplementedError:
            return False
        assert_same(y, expected)
    return True


@pytest.mark.parametrize("p", SPECIAL_PROBLEMS, ids=SPECIAL_IDS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values_at_each_tap(p: Problem, dtype: str, algorithms: tuple[str, ...], isa: str) -> None:
    tiny = float(np.finfo(dtype).smallest_subnormal)
    count = 0
    for value in (np.nan, np.inf, -np.inf, -0.0, tiny):
        for tap in np.ndindex(*p.weight_shape[1:]):
            for algorithm in algorithms:
                case = Case(p, dtype=dtype, algorithm=algorithm, isa=isa)
                x, weight = positive_integers(case)
                weight[(slice(None), *tap)] = value
                count += check_special(case, x, weight, f"{value} at tap {tap}")
    assert count >= 5 * p.terms


@pytest.mark.parametrize("p", SPECIAL_PROBLEMS, ids=SPECIAL_IDS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values_in_the_input(
    p: Problem, dtype: str, algorithms: tuple[str, ...], isa: str, rng: np.random.Generator
) -> None:
    """One special element reaches the outputs that see it and no other, also beside padding."""
    padded = Problem(p.n, p.ic, p.size, p.oc, p.kernel, p.stride, p.dilation, ((1, 2),) * p.ndim, p.g)
    count = 0
    for value in (np.nan, np.inf, -np.inf, -0.0):
        for _ in range(6):
            at = tuple(int(rng.integers(length)) for length in p.x_shape)
            for algorithm, q in itertools.product(algorithms, (p, padded)):
                case = Case(q, dtype=dtype, algorithm=algorithm, isa=isa)
                x, weight = positive_integers(case)
                x[at] = value
                count += check_special(case, x, weight, f"{value} at {at} of x")
    assert count >= 48


# Many channels on small planes: pixels are rows, and taps in the padding are left out. The last has several blocks of channels.
LEFT_OUT = (
    problem(40, 9, 48, 3, pads=2),
    problem(24, (5, 17), 32, (1, 7), pads=((0, 0), (3, 3))),
    problem(300, 7, 64, 3, pads=1),
)


@pytest.mark.parametrize("p", LEFT_OUT, ids=[p.id for p in LEFT_OUT])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("via", ["function", "plan"])
def test_weights_that_are_not_finite_meet_the_padding(p: Problem, layout: str, via: str, isa: str) -> None:
    """Zero times infinity is NaN, whether a tap in the padding is multiplied or left out; other channels stay as they are."""
    rng = np.random.default_rng(3)
    for value, algorithm, batch in itertools.product((np.nan, np.inf), ("direct", "im2col"), (1, 3)):
        case = Case(replace(p, n=batch), layout=layout, via=via, algorithm=algorithm, isa=isa)
        x, weight = positive_integers(case)
        taps = list(np.ndindex(*p.kernel))
        for channel in (0, 17, p.oc - 1):
            weight[(channel, int(rng.integers(p.ic)), *taps[int(rng.integers(len(taps)))])] = value
        assert check_special(case, to_layout(x, layout), weight, f"{value} in three channels")


@pytest.mark.parametrize("dtype", FLOATS)
def test_infinities_of_both_signs_make_nan(dtype: str, algorithm: str, isa: str) -> None:
    p = SPECIAL_PROBLEMS[0]
    case = Case(p, dtype=dtype, algorithm=algorithm, isa=isa)
    x, weight = positive_integers(case)
    x[0, 0, 1, 10], x[0, 1, 1, 11] = np.inf, -np.inf
    x[0, 0, 2, 25] = np.inf
    weight[:, 0, 0, 1] = 0
    if check_special(case, x, weight, "inf - inf and inf * 0"):
        y = run(case, x, weight, None)
        assert np.isnan(y[0, :, 1, 9]).all()  # sees both infinities
        assert np.isnan(y[0, :, 2, 24]).all()  # inf * 0
        assert np.isposinf(y[0, :, 2, 25]).all()
        assert np.isfinite(y[0, :, :, 30:]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_subnormals_are_kept(dtype: str, algorithms: tuple[str, ...], isa: str) -> None:
    """Sums of subnormals, subnormal products of normal numbers and sums across the border."""
    info = np.finfo(dtype)
    tiny, small = float(info.smallest_subnormal), float(info.smallest_normal)
    root = 2.0 ** (math.frexp(tiny)[1] // 2 + 4)
    count = 0
    for p, algorithm in itertools.product(SPECIAL_PROBLEMS, algorithms):
        case = Case(p, dtype=dtype, algorithm=algorithm, isa=isa)
        x, weight = positive_integers(case)
        for scale_x, scale_weight in ((tiny, 1.0), (1.0, tiny), (root, root), (small / 4, 1.0)):
            scaled_x = (x * scale_x).astype(dtype)
            scaled_weight = (weight * scale_weight).astype(dtype)
            scaled_weight[:, 0].flat[0] *= -1
            if check_special(case, scaled_x, scaled_weight, f"scales {scale_x}, {scale_weight}"):
                y = run(case, scaled_x, scaled_weight, None)
                assert np.count_nonzero(y) > 0.5 * y.size, f"{case.id}: flushed to zero"
                count += 1
    assert count >= 4 * len(SPECIAL_PROBLEMS), count


@pytest.mark.parametrize("dtype", FLOATS)
def test_overflow_becomes_infinite(dtype: str, algorithm: str, isa: str) -> None:
    huge = float(np.finfo(dtype).max)
    p = problem(1, (3, 20), 2, (1, 2))
    case = Case(p, dtype=dtype, algorithm=algorithm, isa=isa)
    x = np.full(p.x_shape, huge, dtype)
    weight = np.ones(p.weight_shape, dtype)
    weight[1] = -1
    with skips_declined(algorithm):
        y = run(case, x, weight, None)
    assert np.isposinf(y[:, 0]).all()
    assert np.isneginf(y[:, 1]).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_activation_of_special_values(activation: str, dtype: str, algorithms: tuple[str, ...], isa: str) -> None:
    values = np.array([np.nan, np.inf, -np.inf, -1.0, -0.0, 0.0, 0.5, 6.0, 6.5] * 5, dtype)
    expected = np.where(values < 0, 0, values)
    if activation == "relu6":
        expected = np.where(values > 6, 6, expected)
    expected = expected.astype(dtype)
    count = 0
    for ic, algorithm in itertools.product((1, 20), algorithms):
        x = np.broadcast_to(values, (1, ic, 3, values.size)).copy()
        x[:, 1:] = 0
        weight = np.ones((ic + 1, ic, 1, 1), dtype)
        with repeats_with(f"activation {activation} of {dtype}, {algorithm}, {isa}, ic {ic}"):
            try:
                y = convkit.conv2d(x, weight, activation=activation, algorithm=algorithm)
            except NotImplementedError:
                continue
            assert_same(y, np.broadcast_to(expected, y.shape))
            count += 1
    assert count >= 2


def test_promoted_operands_are_summed_in_float64(algorithm: str) -> None:
    """A float32 operand beside a float64 one loses nothing: 2**40 + 1 fits in float64 alone."""
    x = np.array([[[2.0**40, 1.0, 0.0]]], np.float32)
    with skips_declined(algorithm):
        y = convkit.conv1d(x, np.ones((1, 1, 2)), algorithm=algorithm)
    assert_same(y, np.array([[[2.0**40 + 1, 1.0]]]))


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("stride", [2**31, 2**60, 2**62, 2**63 - 1])
def test_strides_that_are_never_taken(stride: int, layout: str, algorithm: str, isa: str) -> None:
    """With one output along an axis its stride may be any: nothing is computed from it that could overflow."""
    for axis, kernel in itertools.product(range(3), (1, 3)):
        shape, strides = [2, 2, 2], [1, 1, 1]
        shape[axis], strides[axis] = kernel, stride
        window = [1, 1, 1]
        window[axis] = kernel
        x, weight = np.ones((1, 8, *shape), np.float32), np.ones((20, 8, *window), np.float32)
        arguments = {"stride": tuple(strides), "layout": layout}
        x = x if layout == "channels_first" else np.ascontiguousarray(np.moveaxis(x, 1, -1))
        try:
            y = convkit.conv3d(x, weight, algorithm=algorithm, **arguments)
        except NotImplementedError:
            assert algorithm not in ("auto", "direct", "im2col"), isa
            continue
        assert y.size == 20 * 4
        assert np.all(y == 8 * kernel)
