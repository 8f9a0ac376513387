"""Convolutions of well-known networks, exactly on integers.

Small layers are compared with the oracle element by element. For large ones the oracle would take
minutes, so it computes the layer with the output channels of each group weighed by random integers
and added up: by linearity that is one output channel a group, it must equal the same sum over
the result, and an error anywhere in the map escapes one such check with a chance below 1/1000.
A few output rows of some channels follow element by element, at both borders and between.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import workloads
from cases import (
    Array,
    Case,
    Problem,
    assert_same,
    functional,
    generator,
    integers,
    operands,
    repeats_with,
    run,
    settled,
)

from convkit import reference

SMALL = 20_000_000  # multiplications


LAYERS = {layer.name: layer for layer in workloads.LAYERS if layer.op == "conv"}


def to_problem(layer: Any) -> Problem:
    return Problem(
        n=layer.n,
        ic=layer.c,
        size=tuple(layer.size),
        oc=layer.k,
        kernel=tuple(layer.kernel),
        stride=tuple(layer.stride),
        dilation=tuple(layer.dil),
        pads=tuple((pad, pad) for pad in layer.pad),
        g=layer.g,
    )


def multiplications(p: Problem) -> int:
    return int(np.prod(p.output_shape)) * p.terms


def check_sums(case: Case, x: Array, weight: Array, y: Array, rng: np.random.Generator) -> None:
    """Compare a random integer combination of the channels of each group with the oracle's."""
    p = case.problem
    factors = rng.integers(1, 2_000, (p.g, p.oc // p.g)).astype(np.float64)
    one = np.einsum("gk,gk...->g...", factors, weight.reshape(p.g, -1, *weight.shape[1:]))
    expected = functional(case, reference)(x.astype(np.float64), one, **case.arguments)
    groups = y.reshape(p.n, p.g, p.oc // p.g, -1)
    sums = np.stack([factors[g] @ groups[:, g] for g in range(p.g)], axis=1)
    assert_same(sums.reshape(expected.shape), expected)


def check_rows(case: Case, x: Array, weight: Array, y: Array) -> None:
    """Compare the first, a middle and the last output row of the first group's outer channels."""
    p = case.problem
    channels = sorted({0, (p.oc // p.g) // 2, p.oc // p.g - 1})
    before, after = p.pads[0]
    x = np.pad(x[:, : p.ic // p.g], ((0, 0), (0, 0), (before, after), *((0, 0),) * (p.ndim - 1)))
    rows = p.output_size[0]
    for row in sorted({0, rows // 2, rows - 1}):
        start = row * p.stride[0]
        part = x[:, :, start : start + p.extent[0]]
        arguments = case.arguments | {"padding": ((0, 0), *p.pads[1:]), "groups": 1}
        expected = functional(case, reference)(part, weight[channels], **arguments)
        assert_same(y[:, channels, row : row + 1], expected)


def check_layer(name: str, algorithms: tuple[str, ...]) -> int:
    """Check one layer; the number of algorithms that served it."""
    p = to_problem(LAYERS[name])
    case = Case(p)
    x, weight, _ = operands(case)
    rng = generator(name)
    results = {}
    call = f"import test_network_layers as t; t.check_layer('{name}', {algorithms})"
    with repeats_with(f'PYTHONPATH=tests:bench python -c "{call}"'):
        for algorithm in algorithms:
            try:
                line = replace(case, algorithm=algorithm)
                results[algorithm] = settled(algorithm, run(line, x, weight, None))
            except NotImplementedError:
                assert algorithm != "auto"
        first, *others = results.values()
        if multiplications(p) <= SMALL:
            assert_same(first, functional(case, reference)(x, weight, **case.arguments))
        else:
            assert first.dtype == np.float32
            assert first.shape == p.output_shape
            check_sums(case, x, weight, first, rng)
            check_rows(case, x, weight, first)
        for other in others:
            assert_same(other, first)
    return len(results)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_exact(name: str, algorithms: tuple[str, ...]) -> None:
    assert check_layer(name, algorithms) >= 2


def test_layers_are_the_workload_list() -> None:
    assert len(LAYERS) >= 57
    for layer in LAYERS.values():
        p = to_problem(layer)
        assert p.id == layer.id
        assert p.output_shape == layer.output_shape
        assert Problem.from_id(layer.id) == p
    large = [name for name in LAYERS if multiplications(to_problem(LAYERS[name])) > SMALL]
    assert len(large) >= 25
    assert {to_problem(layer).ndim for layer in LAYERS.values()} == {1, 2, 3}


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_checks_of_large_layers_see_one_wrong_element(ndim: int) -> None:
    p = Problem(2, 6, (9,) * ndim, 10, (3,) * ndim, (2,) * ndim, (1,) * ndim, ((1, 1),) * ndim, 2)
    case, rng = Case(p), np.random.default_rng(ndim)
    x, weight = integers(rng, p.x_shape), integers(rng, p.weight_shape, bound=4)
    y = functional(case, reference)(x, weight, **case.arguments)
    check_sums(case, x, weight, y, rng)
    check_rows(case, x, weight, y)
    for _ in range(20):
        at = tuple(int(rng.integers(length)) for length in y.shape)
        wrong = y.copy()
        wrong[at] += 1
        with pytest.raises(AssertionError, match="1 of"):
            check_sums(case, x, weight, wrong, rng)
    wrong = y.copy()
    wrong[:, 0, -1] += 1
    with pytest.raises(AssertionError, match="elements differ"):
        check_rows(case, x, weight, wrong)
