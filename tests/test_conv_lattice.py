"""Every small 1-D convolution: lengths, kernels, strides, dilations, pads and groups, exactly."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from cases import (
    NARROW,
    PADDING_MODES,
    Case,
    Data,
    Problem,
    integers,
    lattice_1d,
    prepare,
    problem,
    repeats_with,
    skips_declined,
    verify,
)

import convkit

CHANNELS = ((2, 3, 1), (4, 6, 2), (3, 3, 3))


def test_worked_example(algorithm: str, isa: str) -> None:
    x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    weight = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    with skips_declined(algorithm):
        y = convkit.conv2d(x, weight, algorithm=algorithm)
    assert y.tolist() == [[[[19, 25], [37, 43]]]]


@cache
def lattice(seed: int) -> list[tuple[Case, Data]]:
    problems = (p for p in lattice_1d(CHANNELS) if p.valid)
    return [(case, prepare(case)) for case in (Case(p, seed=seed) for p in problems)]


def check_all(cases: list[tuple[Case, Data]], algorithms: tuple[str, ...]) -> Counter[str]:
    """Run each case with each algorithm; return how many each one accepted."""
    accepted: Counter[str] = Counter()
    for algorithm in algorithms:
        for case, data in cases:
            accepted[algorithm] += verify(replace(case, algorithm=algorithm), data)
    return accepted


def test_lattice_exact(algorithms: tuple[str, ...], isa: str, seed: int) -> None:
    cases = [(replace(case, isa=isa), data) for case, data in lattice(seed)]
    accepted = check_all(cases, algorithms)
    assert len({case.problem for case, _ in cases}) >= 10_000
    assert accepted["auto"] == len(cases)
    assert min(count for name, count in accepted.items() if name not in NARROW) >= 1_000, accepted


def test_lattice_phases(algorithms: tuple[str, ...], isa: str, seed: int) -> None:
    """Rows that fall into phases of the stride, some of whose columns lie in the padding."""
    axes = itertools.product((2, 4, 5, 8), (2, 3, 4), (1, 5), (9, 33, 66, 70), (0, 1, 3, 6), (0, 2, 3))
    problems = [
        problem(2, (3, length), 3, (1, kernel), stride=(1, stride), dilation=(1, dilation), pads=((0, 0), (before, after)))
        for kernel, stride, dilation, length, before, after in axes
    ]
    lines = (
        Case(p, dtype, seed=seed)
        for p, dtype in zip(problems, itertools.cycle(("float32", "float64")), strict=False)
        if p.valid
    )
    cases = [(replace(case, isa=isa), prepare(case)) for case in lines]
    accepted = check_all(cases, tuple(name for name in algorithms if name != "winograd"))
    assert accepted["auto"] == accepted["direct"] == len(cases) >= 1_000


@pytest.mark.parametrize("dtype", ["float64", "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
def test_lattice_dtypes(dtype: str, algorithms: tuple[str, ...], seed: int) -> None:
    problems = [p for p in lattice_1d(CHANNELS) if p.valid][::7]
    cases = [(case, prepare(case)) for case in (Case(p, dtype, seed=seed) for p in problems)]
    accepted = check_all(cases, algorithms)
    assert accepted["auto"] == len(cases) >= 1_500


def test_lattice_padding_modes(algorithms: tuple[str, ...], seed: int) -> None:
    problems = [p for p in lattice_1d(((2, 2, 1),)) if p.valid and sum(p.pads[0])]
    modes = itertools.cycle(PADDING_MODES[1:])
    lines = [Case(p, padding_mode=mode, seed=seed) for p, mode in zip(problems, modes, strict=False)]
    cases = [(case, prepare(case)) for case in lines]
    accepted = check_all(cases, algorithms)
    assert accepted["auto"] == len(cases) >= 4_000
    assert Counter(case.padding_mode for case, _ in cases).total() == len(cases)


def test_lattice_without_output(seed: int) -> None:
    count = 0
    for p in lattice_1d():
        if p.valid:
            continue
        case = Case(p, seed=seed)
        rng = np.random.default_rng(seed)
        x, weight = integers(rng, p.x_shape), integers(rng, p.weight_shape)
        with repeats_with(case.repro), pytest.raises(ValueError, match=r"\d"):
            convkit.conv1d(x, weight, **case.arguments)
        count += 1
    assert count >= 500


def test_problem_ids_round_trip() -> None:
    problems = [*lattice_1d(CHANNELS), Problem.from_id("n2g3ic6id4ih5iw6oc9kd1kh2kw3ph1+2pw2")]
    assert len({p.id for p in problems}) == len(problems) >= 15_000
    for p in problems:
        assert Problem.from_id(p.id) == p
