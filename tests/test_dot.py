"""Convolution whose window is the whole input: exact results, the order of its sums, errors, bits, what it declines."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from cases import LAYOUTS, Array, Case, Problem, assert_same_bits, generator, problem, repeats_with, run, to_layout, verify

import convkit
from convkit import reference

SUMS = 16  # chains of multiply-adds an output
WHOLE = (
    *(
        problem(ic, (1, 1), oc, 1, n=2)
        for ic, oc in itertools.product((1, 3, 15, 16, 17, 33, 64, 100), (1, 2, 7, 8, 9, 17, 40))
    ),
    problem(3, (5, 7), 4, (5, 7), n=3),
    problem(8, (2, 3), 10, (2, 3), n=2, g=2),
    problem(24, (1, 1), 36, 1, n=3, g=4),
    problem(5, (19,), 6, (19,), n=2),
    problem(4, (2, 3, 4), 9, (2, 3, 4), n=2),
    problem(70, (7, 7), 33, 7),
)
FLOATS = ("float32", "float64")


def served(p: Problem, layout: str) -> bool:
    return layout == "channels_first" or p.size == (1,) * p.ndim


def gaussian(case: Case) -> tuple[Array, Array, Array]:
    p, rng = case.problem, generator(case.problem.id, case.seed)
    x = to_layout(rng.standard_normal(p.x_shape), case.layout).astype(case.dtype)
    return x, rng.standard_normal(p.weight_shape).astype(case.dtype), rng.standard_normal(p.oc).astype(case.dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("via", ["function", "plan"])
def test_exact(layout: str, via: str, isa: str) -> None:
    count = 0
    for number, (p, dtype) in enumerate(itertools.product(WHOLE, FLOATS)):
        activation = ("", "relu", "relu6")[number % 3]
        case = Case(p, dtype, layout=layout, bias=bool(number % 2), activation=activation, algorithm="dot", isa=isa, via=via)
        count += verify(case)
    assert count == 2 * sum(served(p, layout) for p in WHOLE) >= 110


def test_the_order_of_the_sums(isa: str) -> None:
    """Sixteen chains, over every sixteenth product, folded by halves: what docs/numerics.md says, step by step."""
    rng = np.random.default_rng(5)
    for k in (1, 5, 16, 31, 32, 47, 160):
        x, weight = rng.integers(-8, 8, (1, k, 1, 1)).astype(np.float32), rng.integers(-8, 8, (3, k, 1, 1)).astype(np.float32)
        x *= (2.0 ** rng.integers(-14, 14, x.shape)).astype(np.float32)  # products are exact, sums are not
        sums = np.zeros((3, SUMS), np.float32)
        for n in range(k):
            sums[:, n % SUMS] += weight[:, n, 0, 0] * x[0, n, 0, 0]
        while sums.shape[1] > 1:
            half = sums.shape[1] // 2
            sums = sums[:, :half] + sums[:, half:]
        with repeats_with(f"k = {k} with {isa}"):
            assert_same_bits(convkit.conv2d(x, weight, algorithm="dot").reshape(3), sums[:, 0])


def test_errors_are_smaller_than_those_of_a_chain(isa: str) -> None:
    u = np.finfo(np.float32).eps / 2
    for p in WHOLE:
        case = Case(p, algorithm="dot", isa=isa)
        x, weight, bias = gaussian(case)
        exact = getattr(reference, f"conv{p.ndim}d")
        wide = [a.astype(np.float64) for a in (x, weight, bias)]
        error = np.abs(run(case, x, weight, bias) - exact(*wide, groups=p.g))
        most = exact(*(np.abs(a) for a in wide), groups=p.g)
        roundings = (-(-p.terms // SUMS) + 5) * (2 if isa == "scalar" else 1)
        assert np.all(error <= roundings * u * 1.01 * most), case.id


@pytest.mark.parametrize("dtype", FLOATS)
def test_bits_do_not_depend_on_threads_batch_or_instruction_set(dtype: str, isas: tuple[str, ...]) -> None:
    fused = [name for name in isas if name != "scalar"] or ["scalar"]
    count = 0
    for p in WHOLE[::3] + WHOLE[-6:]:
        case = Case(replace(p, n=5), dtype, algorithm="dot")
        x, weight, bias = gaussian(case)
        expected = run(replace(case, isa=fused[0], num_threads=1), x, weight, bias)
        for isa, threads in itertools.product(fused, (1, 2, 3, 7)):
            line = replace(case, isa=isa, num_threads=threads)
            with repeats_with(line.repro):
                assert_same_bits(run(line, x, weight, bias), expected)
                assert_same_bits(np.concatenate([run(line, x[:2], weight, bias), run(line, x[2:], weight, bias)]), expected)
            count += 2
    assert count >= 200


def test_special_values_reach_the_outputs_that_see_them() -> None:
    x, weight = np.ones((1, 40, 1, 1), np.float32), np.ones((9, 40, 1, 1), np.float32)
    weight[3, 35], weight[7, 2] = np.nan, -np.inf
    y = convkit.conv2d(x, weight, algorithm="dot", activation="relu6").reshape(9)
    assert np.isnan(y[3])
    assert y[7] == 0
    assert np.all(np.delete(y, (3, 7)) == 6)


def test_what_it_declines() -> None:
    declined = {
        "whole input": {"x": (1, 3, 4, 4), "weight": (2, 3, 3, 3)},
        "whole": {"x": (1, 3, 3, 3), "weight": (2, 3, 3, 3), "padding": 1},
        "order": {"x": (1, 3, 3, 3), "weight": (2, 3, 3, 3), "layout": "channels_last"},
    }
    for reason, arguments in declined.items():
        shape, weight = arguments.pop("x"), np.ones(arguments.pop("weight"), np.float32)
        with pytest.raises(NotImplementedError, match=reason):
            convkit.conv2d(np.ones(shape, np.float32), weight, algorithm="dot", **arguments)
    with pytest.raises(NotImplementedError, match="integers"):
        convkit.conv2d(np.ones((1, 3, 1, 1), np.int8), np.ones((2, 3, 1, 1), np.int8), algorithm="dot")


def test_auto_takes_it() -> None:
    assert convkit.explain("conv2d", (1, 672, 1, 1), (28, 672, 1, 1)).algorithm == "dot"
    assert convkit.explain("conv2d", (1, 512, 7, 7), (4096, 512, 7, 7)).algorithm == "dot"
