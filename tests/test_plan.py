"""Plans: what they know, what they refuse, and that they give what the function gives."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from cases import (
    EDGE_PROBLEMS,
    LAYOUTS,
    NARROW,
    Array,
    Case,
    Problem,
    assert_same,
    functional,
    integers,
    prepare,
    problem,
    repeats_with,
    settled,
    skips_declined,
    verify,
)

import convkit
from convkit import reference

PROPERTIES = ("algorithm", "output_shape", "workspace_bytes", "shared_bytes", "packed_bytes", "flops")
PROBLEMS = {
    1: problem(6, (40,), 9, 3, n=2, pads=2, stride=2, ndim=1, g=3),
    2: problem(5, (9, 17), 7, 3, n=2, pads=1),
    3: problem(4, (4, 5, 9), 6, 2, n=2, dilation=(1, 2, 1)),
}


def make_plan(p: Problem, weight: Array, bias: Array | None = None, **changes: Any) -> Any:
    make = getattr(convkit, f"conv{p.ndim}d_plan")
    return make(changes.pop("shape", p.x_shape), weight, bias, **Case(p).arguments | changes)


@pytest.fixture(params=PROBLEMS, ids=lambda ndim: f"conv{ndim}d")
def p(request: pytest.FixtureRequest) -> Problem:
    return PROBLEMS[request.param]


@pytest.fixture
def weight(p: Problem, rng: np.random.Generator) -> Array:
    return integers(rng, p.weight_shape, bound=4)


@pytest.fixture
def x(p: Problem, rng: np.random.Generator) -> Array:
    return integers(rng, p.x_shape)


@pytest.fixture
def expected(p: Problem, x: Array, weight: Array) -> Array:
    return functional(Case(p), reference)(x, weight, **Case(p).arguments)


def test_equals_the_function_exactly(algorithms: tuple[str, ...], isas: tuple[str, ...]) -> None:
    accepted: Counter[str] = Counter()
    for number, (algorithm, p) in enumerate(itertools.product(algorithms, EDGE_PROBLEMS.values())):
        for dtype in ("float32", "float64", "int8", "int32"):
            layout = LAYOUTS[number % 2]
            isa = isas[number % len(isas)]
            case = Case(p, dtype, layout=layout, bias=True, activation="relu", isa=isa)
            case = replace(case, algorithm=algorithm, via="plan")
            data = prepare(case)
            planned = verify(case, data)
            called = verify(replace(case, via="function"), data)
            assert planned == called, f"only one of plan and function declines {case.id}"
            accepted[algorithm] += planned
    assert accepted["auto"] == 4 * len(EDGE_PROBLEMS) >= 300
    assert min(count for name, count in accepted.items() if name not in NARROW) >= 100, accepted


def test_properties(p: Problem, weight: Array, algorithm: str) -> None:
    with skips_declined(algorithm):
        plan = make_plan(p, weight, algorithm=algorithm)
    assert plan.algorithm in convkit.algorithms()
    assert algorithm in ("auto", plan.algorithm)
    assert plan.output_shape == p.output_shape
    assert type(plan.output_shape) is tuple
    assert plan.flops == 2 * np.prod(p.output_shape) * p.terms
    for name in ("workspace_bytes", "packed_bytes", "flops"):
        assert type(getattr(plan, name)) is int
        assert getattr(plan, name) >= 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_output_shape_is_that_of_the_result(layout: str, rng: np.random.Generator) -> None:
    for p in EDGE_PROBLEMS.values():
        case = Case(p, layout=layout)
        data = prepare(case)
        plan = make_plan(p, data.weight, shape=data.x.shape, layout=layout)
        assert plan.output_shape == plan(data.x).shape == data.expected.shape, case.id
        arguments = {k: v for k, v in case.arguments.items() if k not in ("padding_mode",)}
        del arguments["activation"]
        shape = convkit.conv_output_shape(data.x.shape, data.weight.shape, **arguments)
        assert plan.output_shape == tuple(shape), case.id


def test_workspace_does_not_depend_on_the_batch(algorithms: tuple[str, ...]) -> None:
    count = 0
    for name, algorithm in itertools.product(EDGE_PROBLEMS, algorithms):
        p = EDGE_PROBLEMS[name]
        weight = np.ones(p.weight_shape, np.float32)
        try:
            plans = [make_plan(replace(p, n=n), weight, algorithm=algorithm) for n in (0, 1, 2, 64)]
        except NotImplementedError:
            continue
        for what in ("workspace_bytes", "packed_bytes", "algorithm"):
            assert len({getattr(plan, what) for plan in plans}) == 1, (name, algorithm, what)
        count += 1
    assert count >= len(EDGE_PROBLEMS)


@pytest.mark.parametrize("name", PROPERTIES)
def test_is_immutable(name: str, p: Problem, weight: Array, x: Array, expected: Array) -> None:
    plan = make_plan(p, weight)
    value = getattr(plan, name)
    with pytest.raises(AttributeError):
        setattr(plan, name, value)
    with pytest.raises(AttributeError):
        delattr(plan, name)
    assert getattr(plan, name) == value
    assert_same(plan(x), expected)


def test_takes_no_new_attributes(p: Problem, weight: Array) -> None:
    with pytest.raises(AttributeError):
        make_plan(p, weight).anything = 1


def test_later_changes_of_the_weight_are_not_seen(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    bias = np.full(p.oc, 3, np.float32)
    plan = make_plan(p, weight, bias)
    weight[...] = np.nan
    bias[...] = np.nan
    assert_same(plan(x), expected + 3)


def test_calls_leave_no_trace(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    """Other inputs in between, also NaN and failing ones, do not change a later result."""
    plan = make_plan(p, weight)
    assert_same(plan(x), expected)
    assert np.isnan(plan(np.full_like(x, np.nan))).any()
    with pytest.raises(ValueError, match="x"):
        plan(x[:, :-1])
    with pytest.raises(TypeError):
        plan(x.astype(np.float64))
    assert_same(plan(x), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_batch_lengths(layout: str, p: Problem, algorithm: str) -> None:
    count = 0
    for planned in (0, 1, 3):
        data = prepare(Case(replace(p, n=planned), layout=layout))
        with skips_declined(algorithm):
            plan = make_plan(p, data.weight, shape=data.x.shape, layout=layout, algorithm=algorithm)
        for n in (0, 1, 2, 5, 17):
            case = Case(replace(p, n=n), layout=layout)
            x = prepare(case).x
            with repeats_with(f"plan for {planned} samples with {algorithm}, called as {case.id}"):
                expected = functional(case, convkit)(x, data.weight, **case.arguments, algorithm="direct")
                assert_same(settled(algorithm, plan(x)), expected)
                assert_same(settled(algorithm, plan(x, out=np.empty_like(expected))), expected)
            count += 1
    assert count == 15


def test_unbatched(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    plan = make_plan(p, weight, shape=p.x_shape[1:])
    assert plan.output_shape == p.output_shape[1:]
    assert_same(plan(x[0]), expected[0])


def test_wrong_shape(p: Problem, weight: Array, x: Array) -> None:
    plan = make_plan(p, weight)
    wrong = [x[:, :-1], np.concatenate([x, x], axis=1), x[None], x[..., 0], np.moveaxis(x, 1, -1)]
    for axis in range(2, x.ndim):
        wrong.append(np.delete(x, 0, axis))
        wrong.append(np.concatenate([x, x], axis))
    for array in wrong:
        with pytest.raises(ValueError, match=re.escape(str(array.shape))):
            plan(array)
    assert len(wrong) == 5 + 2 * p.ndim


@pytest.mark.parametrize("dtype", ["float64", "int8", "int32", "bool", "complex64", "object"])
def test_wrong_dtype(dtype: str, p: Problem, weight: Array, x: Array) -> None:
    with pytest.raises(TypeError) as error:
        make_plan(p, weight)(x.astype(dtype))
    assert dtype in str(error.value)


def test_dtype_argument(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    wide = make_plan(p, weight, dtype=np.float64)
    assert_same(wide(x.astype(np.float64)), expected.astype(np.float64))
    with pytest.raises(TypeError):
        wide(x)
    assert_same(make_plan(p, weight, dtype="float32")(x), expected)
    for dtype in ("complex64", object):
        with pytest.raises(TypeError):
            make_plan(p, weight, dtype=dtype)


@pytest.mark.parametrize(
    ("dtype", "weight_dtype"),
    [("float32", "float64"), ("float64", "float32"), ("int8", "float32"), ("int8", "int32"), ("int32", "int8"), (">f4", ">f8")],
)
def test_dtype_argument_beside_other_weights(dtype: str, weight_dtype: str, p: Problem, weight: Array, x: Array) -> None:
    """The dtype is that of the arrays to come, whatever the weights make of it: the plan does what a call does."""
    weight, x = weight.astype(weight_dtype), x.astype(dtype)
    plan = make_plan(p, weight, dtype=dtype, algorithm="direct")
    expected = functional(Case(p), reference)(x, weight, **Case(p).arguments)
    assert_same(plan(x), expected)
    out = np.empty_like(expected)
    assert plan(x, out=out) is out
    assert_same(out, expected)
    with pytest.raises(TypeError, match="must have the plan's dtype"):
        plan(x.astype("uint16"))


def test_dtype_of_another_byte_order(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    """As arrays: ``dtype=x.dtype`` holds for every x that the plan takes."""
    swapped = x.astype(x.dtype.newbyteorder())
    assert_same(make_plan(p, weight, dtype=swapped.dtype)(swapped), expected)
    assert_same(make_plan(p, weight, dtype=swapped.dtype)(x), expected)


def test_copies(p: Problem, weight: Array) -> None:
    """What never changes need not be copied, alone or in the object that holds it; it is bound to this process."""
    plan = make_plan(p, weight)
    assert copy.copy(plan) is plan
    assert copy.deepcopy({"layer": plan})["layer"] is plan
    with pytest.raises(TypeError, match="plan cannot be pickled"):
        pickle.dumps(plan)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64"])
def test_integer_plans(dtype: str, p: Problem) -> None:
    assert verify(Case(p, dtype=dtype, bias=dtype != "bool", via="plan"))


def test_out(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    plan = make_plan(p, weight)
    out = np.full_like(expected, np.nan)
    assert plan(x, out=out) is out
    assert_same(out, expected)
    strided = np.full((*expected.shape[:-1], 3 * expected.shape[-1]), np.nan, np.float32)[..., ::3]
    assert plan(x, out=strided) is strided
    assert_same(strided, expected)


def test_wrong_out(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    plan = make_plan(p, weight)
    readonly = np.zeros_like(expected)
    readonly.flags.writeable = False
    for out in (np.zeros_like(expected[:1]), np.zeros_like(expected[..., 1:]), readonly):
        before = out.copy()
        with pytest.raises(ValueError, match="out"):
            plan(x, out=out)
        assert_same(out, before)
    for out in (expected.astype(np.float64), expected.astype(">f4"), expected.tolist()):
        with pytest.raises(TypeError, match="out"):
            plan(x, out=out)


def test_num_threads(p: Problem, weight: Array, x: Array, expected: Array) -> None:
    plan = make_plan(p, weight)
    for threads in (None, 1, 2, 3, 8, 1024, np.int64(2)):
        assert_same(plan(x, num_threads=threads), expected)
    for threads in (0, -1, 1025, 2**70):
        with pytest.raises(ValueError, match="num_threads"):
            plan(x, num_threads=threads)
    for threads in (1.0, "2", np.float32(2)):
        with pytest.raises(TypeError, match="num_threads"):
            plan(x, num_threads=threads)


def test_shared_by_eight_threads(algorithm: str) -> None:
    """Eight Python threads start together and call one plan with inputs of their own."""
    rng = np.random.default_rng(8)
    workers, rounds = 8, 12
    p = problem(19, (23, 29), 21, 3, pads=1)
    weight = integers(rng, p.weight_shape, bound=4)
    inputs = [integers(rng, (1 + i % 3, *p.x_shape[1:])) for i in range(workers)]
    with skips_declined(algorithm):
        plan = make_plan(p, weight, algorithm=algorithm)
    expected = [reference.conv2d(x, weight, padding=1) for x in inputs]
    barrier = Barrier(workers)

    def work(i: int) -> int:
        out = np.empty_like(expected[i])
        barrier.wait(60)
        for turn in range(rounds):
            threads = 1 + (i + turn) % 3
            assert_same(settled(algorithm, plan(inputs[i], num_threads=threads)), expected[i])
            assert_same(settled(algorithm, plan(inputs[i], out=out, num_threads=threads)), expected[i])
        return 2 * rounds

    with ThreadPoolExecutor(workers) as pool:
        assert sum(pool.map(work, range(workers))) >= 190


def test_explain_names_the_algorithm_and_the_shapes(p: Problem, weight: Array, algorithm: str) -> None:
    with skips_declined(algorithm):
        plan = make_plan(p, weight, algorithm=algorithm)
    text = str(plan.explain())
    assert plan.algorithm in text
    assert str(plan.output_shape) in text


def test_activation_bias_and_border(rng: np.random.Generator) -> None:
    p = PROBLEMS[2]
    count = 0
    for mode, activation in itertools.product(("zeros", "edge", "reflect", "symmetric", "wrap"), ("", "relu", "relu6")):
        case = Case(p, padding_mode=mode, activation=activation, bias=True, via="plan")
        count += verify(case)
    assert count == 15


def test_bad_arguments_of_the_plan(p: Problem, weight: Array) -> None:
    bad: list[tuple[type[Exception], dict[str, Any]]] = [
        (ValueError, {"algorithm": "fastest"}),
        (ValueError, {"stride": 0}),
        (ValueError, {"dilation": 0}),
        (ValueError, {"padding": -1}),
        (ValueError, {"groups": 7}),
        (ValueError, {"padding_mode": "replicate"}),
        (ValueError, {"layout": "NCHW"}),
        (ValueError, {"activation": "tanh"}),
        (ValueError, {"shape": p.x_shape[2:]}),
        (TypeError, {"stride": 1.0}),
        (TypeError, {"groups": 1.0}),
    ]
    for error, changes in bad:
        with repeats_with(f"plan for {p.id} with {changes}"), pytest.raises(error):
            make_plan(p, weight, **changes)
    with pytest.raises(ValueError, match="bias"):
        make_plan(p, weight, np.zeros(p.oc + 1, np.float32))
    with pytest.raises(ValueError, match="weight"):
        make_plan(p, weight[:, :, ..., 0])
