"""Random convolutions against the oracle; `--hypothesis-profile=deep` runs many more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import (
    LAYOUTS,
    MEMORY,
    OUTS,
    PADDING_MODES,
    Case,
    Problem,
    assert_same,
    functional,
    grown,
    operands,
    prepare,
    repeats_with,
    verify,
)
from hypothesis import given
from hypothesis import strategies as st

import convkit

INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")
FLOATS = ("float32", "float64")


@st.composite
def problems(draw: st.DrawFn, ndim: int, most: int) -> Problem:
    """Valid problems of that many spatial axes, with up to about `most` positions an axis."""

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(ndim))

    g = draw(st.sampled_from((1, 1, 1, 2, 3, 5)))
    return grown(
        Problem(
            n=draw(st.integers(0, 3)),
            ic=g * draw(st.integers(1, 6)),
            size=each(1, most),
            oc=g * draw(st.integers(1, 18)),
            kernel=each(1, 4),
            stride=each(1, 4),
            dilation=each(1, 3),
            pads=tuple(zip(each(0, 4), each(0, 4), strict=True)),
            g=g,
        )
    )


@st.composite
def cases(draw: st.DrawFn, ndim: int, most: int, dtypes: tuple[str, ...]) -> Case:
    p = draw(problems(ndim, most))
    named = ("same", "same_lower", "full", "valid", *(("causal",) if ndim == 1 else ()))
    padding = draw(st.sampled_from(("pads",) * 3 + named))
    if padding != "pads":
        p = grown(replace(p, pads=((0, 0),) * ndim))
    return Case(
        p,
        dtype=draw(st.sampled_from(dtypes)),
        layout=draw(st.sampled_from(LAYOUTS)),
        padding=padding,
        padding_mode=draw(st.sampled_from(("zeros", *PADDING_MODES))),
        bias=draw(st.booleans()),
        activation=draw(st.sampled_from(("", "relu", "relu6"))),
        batched=p.n == 0 or draw(st.booleans()),
        seed=draw(st.integers(0, 999)),
        algorithm=draw(st.sampled_from(("auto", *convkit.algorithms()))),
        isa=draw(st.sampled_from(("", *convkit.isas()))),
        num_threads=draw(st.integers(0, 5)),
        out=draw(st.sampled_from(OUTS)),
        memory=draw(st.sampled_from(tuple(MEMORY))),
        via=draw(st.sampled_from(("function", "plan"))),
    )


@pytest.mark.parametrize(
    ("ndim", "most", "dtypes"),
    [(1, 70, FLOATS), (2, 20, FLOATS), (3, 9, FLOATS), (2, 14, INTEGERS)],
    ids=("conv1d", "conv2d", "conv3d", "integers"),
)
def test_random_cases_equal_the_oracle(ndim: int, most: int, dtypes: tuple[str, ...]) -> None:
    accepted = declined = 0

    @given(cases(ndim, most, dtypes))
    def compare(case: Case) -> None:
        nonlocal accepted, declined
        if verify(case):
            accepted += 1
        else:
            declined += 1

    compare()
    assert accepted + declined >= 500
    assert accepted >= 300, f"{declined} declined"


def spellings(p: Problem) -> list[dict[str, Any]]:
    """The shorter ways to write the arguments of a problem whose axes agree."""
    s, d, (before, after) = p.stride[0], p.dilation[0], p.pads[0]
    ways: list[dict[str, Any]] = [
        {"stride": s, "dilation": d, "padding": [[before, after]] * p.ndim},
        {"stride": list(p.stride), "dilation": np.array(p.dilation), "padding": np.array(p.pads)},
        {"stride": np.int64(s), "dilation": np.array(d), "padding": list(p.pads)},
    ]
    if before == after:
        ways.append({"stride": s, "dilation": d, "padding": before})
        ways.append({"stride": s, "dilation": d, "padding": np.uint8(before)})
        if p.ndim > 1:
            ways.append({"stride": s, "dilation": d, "padding": (before,) * p.ndim})
    return ways


def test_spellings_of_the_arguments_agree(rng: np.random.Generator) -> None:
    count = 0
    for _ in range(60):
        ndim = int(rng.integers(1, 4))
        k, s, d, before, after = (int(v) for v in rng.integers((1, 1, 1, 0, 0), (4, 4, 4, 3, 3)))
        pads = ((before, after if rng.integers(2) else before),) * ndim
        p = grown(Problem(2, 3, (7,) * ndim, 4, (k,) * ndim, (s,) * ndim, (d,) * ndim, pads))
        case = Case(p)
        data = prepare(case)
        for way in spellings(p):
            with repeats_with(f"{case.repro}, but with {way}"):
                y = functional(case, convkit)(data.x, data.weight, **way)
                assert_same(y, data.expected)
            count += 1
    assert count >= 200


def test_positional_arguments_keep_their_order(rng: np.random.Generator) -> None:
    case = Case(Problem.from_id("n2g2ic4ih9iw8oc6kh3kw2sh2sw1ph1+2pw0dh1dw2"), bias=True)
    p = case.problem
    x, weight, bias = operands(case)
    y = convkit.conv2d(x, weight, bias, p.stride, p.pads, p.dilation, p.g)
    assert_same(y, prepare(case).expected)
    plan = convkit.conv2d_plan(x.shape, weight, bias, p.stride, p.pads, p.dilation, p.g)
    assert_same(plan(x), prepare(case).expected)


def test_array_likes_are_taken() -> None:
    case = Case(Problem.from_id("n1ic2ih4iw5oc3kh2kw3"), dtype="float64")
    data = prepare(case)

    class Wrapped:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return self.array

    for take in (np.ndarray.tolist, memoryview, Wrapped):
        y = convkit.conv2d(take(data.x), take(data.weight))
        assert_same(y, data.expected)
