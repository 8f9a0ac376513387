"""Named edge problems, and 2-D and 3-D covering arrays over everything that a call can vary."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import (
    EDGE_PROBLEMS,
    LAYOUTS,
    MEMORY,
    OUTS,
    PADDING_MODES,
    SERVES,
    Case,
    Problem,
    covering_array,
    grown,
    prepare,
    verify,
)

import convkit

DTYPES = (
    "float32",
    "float64",
    "int8",
    "uint8",
    "int16",
    "int32",
    "int64",
    "bool",
    "float32 float64",
    "int8 float32",
    "uint8 int8",
)
CHANNELS = ((1, 1, 1), (3, 5, 1), (4, 6, 2), (5, 5, 5), (4, 8, 4), (17, 15, 1), (8, 33, 1))
PADS = ((0, 0), (1, 1), (0, 2), (3, 1))


def call_factors() -> dict[str, Sequence[Any]]:
    """The factors beside the sizes; algorithms and instruction sets as the library lists them."""
    return {
        "dtype": DTYPES,
        "layout": LAYOUTS,
        "padding_mode": PADDING_MODES,
        "bias": (False, True),
        "activation": ("", "relu", "relu6"),
        "out": OUTS,
        "memory": tuple(MEMORY),
        "num_threads": (0, 1, 2, 3, 7),
        "algorithm": ("auto", *convkit.algorithms()),
        "isa": tuple(convkit.isas()),
        "via": ("function", "plan"),
    }


FACTORS_2D: dict[str, Sequence[Any]] = {
    "n": (-1, 0, 1, 3),
    "channels": CHANNELS,
    "ih": (1, 4, 9),
    "iw": (1, 7, 16, 33),
    "kh": (1, 2, 3, 5),
    "kw": (1, 2, 3, 4),
    "sh": (1, 2, 3),
    "sw": (1, 2, 3),
    "dh": (1, 2, 3),
    "dw": (1, 2, 4),
    "ph": PADS,
    "pw": PADS,
}
FACTORS_LANES: dict[str, Sequence[Any]] = FACTORS_2D | {
    "n": (1, 2),
    "channels": (
        (3, 5, 1),
        (3, 6, 1),
        (5, 7, 1),
        (2, 13, 1),
        (9, 14, 1),
        (16, 16, 1),
        (17, 17, 17),
        (6, 66, 2),
        (65, 31, 1),
    ),
    "ih": (3, 6),
    "iw": (8, 15, 16, 17, 31, 33, 49, 65),
}
FACTORS_3D: dict[str, Sequence[Any]] = {
    "n": (-1, 1, 2),
    "channels": ((1, 3, 1), (3, 2, 1), (4, 6, 2), (3, 3, 3), (2, 17, 1)),
    "id": (1, 4),
    "ih": (1, 5),
    "iw": (3, 8, 17),
    "kd": (1, 2, 3),
    "kh": (1, 3),
    "kw": (1, 2, 3),
    "sd": (1, 2),
    "sh": (1, 2),
    "sw": (1, 2, 3),
    "dd": (1, 2),
    "dh": (1, 2),
    "dw": (1, 3),
    "pd": ((0, 0), (1, 0), (0, 2)),
    "ph": ((0, 0), (1, 1), (2, 0)),
    "pw": ((0, 0), (1, 1), (0, 3)),
}


def to_case(row: dict[str, Any], axes: str, seed: int) -> Case:
    """Turn a row into a case; sizes grow where the kernel would not fit."""
    row = dict(row)
    n = row.pop("n")
    ic, oc, g = row.pop("channels")
    size, kernel, stride, dilation, pads = (tuple(row.pop(letter + a) for a in axes) for letter in "iksdp")
    p = grown(Problem(abs(n), ic, size, oc, kernel, stride, dilation, pads, g))
    dtype, _, weight_dtype = row.pop("dtype").partition(" ")
    if weight_dtype:
        row["via"] = "function"
    return Case(p, dtype=dtype, weight_dtype=weight_dtype, batched=n >= 0, seed=seed, **row)


ARRAYS = {"plane": FACTORS_2D, "lanes": FACTORS_LANES, "volume": FACTORS_3D}


def covering_cases(array: str, strength: int, seed: int) -> list[Case]:
    rows = covering_array(call_factors() | ARRAYS[array], strength, seed)
    return [to_case(row, "dhw" if array == "volume" else "hw", seed) for row in rows]


@pytest.mark.parametrize(("array", "at_least"), [("plane", 700), ("lanes", 800), ("volume", 550)])
def test_covering_array_exact(array: str, at_least: int, seed: int) -> None:
    cases = covering_cases(array, 3, seed)
    accepted = Counter(case.algorithm for case in cases if verify(case))
    assert len(set(cases)) >= at_least
    for algorithm in ("auto", *convkit.algorithms()):
        assert accepted[algorithm] >= len(cases) * SERVES.get(algorithm, 1 / 20), accepted


def test_covering_array_covers() -> None:
    factors = {"a": (1, 2, 3), "b": "xyz", "c": (True, False), "d": range(4), "e": "pq"}
    for strength in (1, 2, 3):
        rows = covering_array(factors, strength)
        for names in itertools.combinations(factors, strength):
            seen = {tuple(row[name] for name in names) for row in rows}
            assert seen == set(itertools.product(*(factors[name] for name in names)))
    assert len(covering_array(factors, 2)) <= 20


@pytest.mark.parametrize("name", EDGE_PROBLEMS)
def test_edge_problem_exact(name: str, isas: tuple[str, ...], algorithms: tuple[str, ...]) -> None:
    accepted = 0
    for dtype in ("float32", "float64", "int8"):
        for layout in LAYOUTS:
            case = Case(EDGE_PROBLEMS[name], dtype=dtype, layout=layout, bias=layout == LAYOUTS[0])
            data = prepare(case)
            for algorithm, isa in itertools.product(algorithms, isas):
                accepted += verify(replace(case, algorithm=algorithm, isa=isa), data)
    assert accepted >= 6 * len(isas)


def test_ids_round_trip(seed: int) -> None:
    cases = covering_cases("volume", 2, seed) + covering_cases("plane", 2, seed)
    for case in (*cases, *map(Case, EDGE_PROBLEMS.values())):
        assert Case.from_id(case.id) == case
    assert len(cases) >= 120


def test_comparison_sees_a_difference() -> None:
    case = Case(EDGE_PROBLEMS["depthwise"])
    data = prepare(case)
    for change in (1.0, np.nan):
        wrong = data.expected.copy()
        wrong[0, -1, -1, -1] += change
        with pytest.raises(AssertionError, match="1 of 1710 elements differ") as error:
            verify(case, replace(data, expected=wrong))
        assert case.id in error.value.__notes__[0]
    for wrong in (data.expected.astype(np.float64), data.expected[0]):
        with pytest.raises(AssertionError, match="expected"):
            verify(case, replace(data, expected=wrong))
