"""The bits of a result: the same for any threads, batch split, memory, call, plan and FMA set."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from cases import (
    EDGE_PROBLEMS,
    LAYOUTS,
    MEMORY,
    Array,
    Case,
    assert_same_bits,
    generator,
    problem,
    random_problem,
    repeats_with,
    run,
    to_layout,
)

import convkit

FMA_ISAS = {"avx2", "avx512", "neon"}
THREADS = (1, 2, 3, 4, 5, 6, 7)
SPLITS = ((5,), (1, 4), (2, 3), (1, 1, 1, 1, 1))

# Enough multiplications to occupy several threads, in every shape class that may be split anew.
PROBLEMS = {
    "dense": problem(24, (17, 19), 32, 3, n=5, pads=1),
    "deep_sum": problem(150, (5, 9), 20, 3, n=5, pads=1),
    "small_maps": problem(64, 7, 80, 3, n=5, pads=1),
    "pointwise": problem(67, (13, 16), 71, 1, n=5),
    "first_layer": problem(3, 37, 19, 5, n=5, stride=2, pads=2),
    "depthwise": problem(32, (33, 35), 32, 3, n=5, pads=1, g=32),
    "groups": problem(24, (15, 17), 36, 3, n=5, pads=1, g=3),
    "image": problem(1, (130, 141), 2, 5, n=5, pads=2),
    "dilated": problem(9, (23, 31), 21, 3, n=5, dilation=3, pads=((3, 1), (0, 4))),
    "line": problem(20, (601,), 24, 5, n=5, stride=2, pads=((4, 0),)),
    "volume": problem(6, (7, 11, 13), 16, 3, n=5, pads=1),
}


def gaussian(case: Case) -> tuple[Array, Array, Array]:
    p, rng = case.problem, generator(case.problem.id, case.seed)
    x = to_layout(rng.standard_normal(p.x_shape), case.layout).astype(case.dtype)
    weight = rng.standard_normal(p.weight_shape).astype(case.dtype)
    return x, weight, rng.standard_normal(p.oc).astype(case.dtype)


def in_parts(case: Case, split: tuple[int, ...], x: Array, weight: Array, bias: Array) -> Array:
    """Convolve the batch in consecutive parts."""
    parts = np.split(x, np.cumsum(split)[:-1])
    return np.concatenate([run(case, MEMORY[case.memory](part), weight, bias) for part in parts])


def varied(case: Case) -> int:
    """Compare every thread count with every split, the memory forms taking turns."""
    x, weight, bias = gaussian(case)
    expected = run(replace(case, num_threads=1), x, weight, bias)
    assert np.std(expected) > 0.1
    memory = itertools.cycle(MEMORY)
    count = 0
    for threads, split in itertools.product(THREADS, SPLITS):
        line = replace(case, num_threads=threads, memory=next(memory))
        with repeats_with(
            'PYTHONPATH=tests python -c "import test_conv_determinism as t; '
            f"t.varied(t.Case.from_id('{case.id}'))\" at threads {threads}, split {split}, "
            f"memory {line.memory}"
        ):
            assert_same_bits(in_parts(line, split, x, weight, bias), expected)
        count += 1
    return count


@pytest.mark.parametrize("name", PROBLEMS)
def test_threads_splits_and_memory(name: str, algorithms: tuple[str, ...], isa: str) -> None:
    count = 0
    for algorithm, dtype in itertools.product(algorithms, ("float32", "float64")):
        layout = LAYOUTS[(len(name) + len(algorithm)) % 2]
        case = Case(PROBLEMS[name], dtype, layout=layout, algorithm=algorithm, isa=isa)
        try:
            count += varied(case)
        except NotImplementedError:
            assert algorithm != "auto"
    assert count >= 2 * len(THREADS) * len(SPLITS)
    assert count * len(PROBLEMS) >= 600


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_memory_form(layout: str, algorithms: tuple[str, ...], seed: int) -> None:
    """Weights and inputs in every memory form, against contiguous ones."""
    count = 0
    names = ("dense", "depthwise", "line", "volume")
    for name, algorithm, memory in itertools.product(names, algorithms, MEMORY):
        case = Case(PROBLEMS[name], layout=layout, algorithm=algorithm, seed=seed)
        x, weight, bias = gaussian(case)
        with repeats_with(f"{case.id} with x, weight and bias {memory}"):
            try:
                expected = run(case, x, weight, bias)
                form = MEMORY[memory]
                assert_same_bits(run(case, form(x), form(weight), form(bias)), expected)
            except NotImplementedError:
                continue
        count += 1
    assert count >= len(names) * len(MEMORY)


def test_zero_strides(algorithms: tuple[str, ...], seed: int) -> None:
    case = Case(replace(PROBLEMS["dense"], n=1), seed=seed)
    x, weight, bias = gaussian(case)
    for shape, axis in (((5, *x.shape[1:]), 0), (x.shape, 1), (x.shape, 3)):
        broadcast = np.broadcast_to(np.take(x, [0], axis), shape)
        assert 0 in broadcast.strides
        for algorithm in algorithms:
            line = replace(case, algorithm=algorithm)
            with repeats_with(f"{line.id} with stride 0 on axis {axis} of x"):
                try:
                    expected = run(line, broadcast.copy(), weight, bias)
                except NotImplementedError:
                    continue
                assert_same_bits(run(line, broadcast, weight, bias), expected)


def test_default_thread_count_changes_nothing(algorithms: tuple[str, ...], seed: int) -> None:
    for name, algorithm in itertools.product(("dense", "image", "small_maps"), algorithms):
        case = Case(PROBLEMS[name], algorithm=algorithm, seed=seed)
        operands = gaussian(case)
        try:
            expected = run(replace(case, num_threads=1), *operands)
        except NotImplementedError:
            continue
        for threads in THREADS:
            with repeats_with(f"{case.id} within threads({threads})"), convkit.threads(threads):
                assert_same_bits(run(case, *operands), expected)


def test_fma_instruction_sets_agree(algorithms: tuple[str, ...], isas: tuple[str, ...]) -> None:
    names = [isa for isa in isas if isa in FMA_ISAS]
    if len(names) < 2:
        pytest.skip(f"this machine runs {', '.join(names) or 'none'} of the FMA sets")
    rng = np.random.default_rng(0)
    problems = [*PROBLEMS.values(), *EDGE_PROBLEMS.values()]
    problems += [random_problem(rng, max_size=40 if i % 3 else 12) for i in range(60)]
    count = 0
    # 8 to 16 channels at 56 x 56: on its own costs one instruction set would take winograd, another direct.
    problems.append(problem(8, 56, 16, 3, n=2, pads=1))
    for p, algorithm, dtype in itertools.product(problems, algorithms, ("float32", "float64")):
        case = Case(p, dtype, algorithm=algorithm)
        operands = gaussian(case)
        results = []
        for isa in names:
            line = replace(case, isa=isa)
            try:
                results.append(run(line, *operands))
            except NotImplementedError:
                break
            with repeats_with(f"{line.id}, against {names[0]}"):
                assert_same_bits(results[-1], results[0])
        count += len(results) - 1
    assert count >= 300


@pytest.mark.parametrize("algorithm", ["direct", "im2col"])
def test_layouts_have_the_same_bits(algorithm: str, isa: str) -> None:
    """Both sum over blocks of channels, taps, channels: also where a layout leaves out taps in the padding."""
    problems = [*PROBLEMS.values(), problem(300, (9, 7), 40, 3, pads=1), problem(40, 12, 33, 3, pads=5, dilation=5, n=2)]
    for p, dtype in itertools.product(problems, ("float32", "float64")):
        case = Case(p, dtype, algorithm=algorithm, isa=isa)
        x, weight, bias = gaussian(case)
        other = replace(case, layout="channels_last")
        with repeats_with(f"{case.id}, in both layouts"):
            y = run(other, to_layout(x, "channels_last"), weight, bias)
            assert_same_bits(np.moveaxis(y, -1, 1).copy(), run(case, x, weight, bias))


def test_repeated_calls_and_plans(algorithms: tuple[str, ...], isa: str) -> None:
    """A call repeats itself; so do two plans and two calls of one plan; and with out=."""
    count = 0
    for p, algorithm in itertools.product(PROBLEMS.values(), algorithms):
        case = Case(p, algorithm=algorithm, isa=isa)
        x, weight, bias = gaussian(case)
        try:
            once, planned = (run(replace(case, via=v), x, weight, bias) for v in ("function", "plan"))
        except NotImplementedError:
            continue
        make = getattr(convkit, f"conv{p.ndim}d_plan")
        plan = make(x.shape, weight, bias, **case.arguments, algorithm=algorithm)
        with repeats_with(f"{case.id}, called again"):
            for _ in range(3):
                assert_same_bits(run(case, x, weight, bias), once)
                assert_same_bits(plan(x), planned)
            assert_same_bits(run(case, x, weight, bias, np.full_like(once, np.nan)), once)
            assert_same_bits(plan(x, out=np.full_like(once, np.nan)), planned)
            for threads, split in zip(THREADS, itertools.cycle(SPLITS), strict=False):
                parts = np.split(x, np.cumsum(split)[:-1])
                y = np.concatenate([plan(part, num_threads=threads) for part in parts])
                assert_same_bits(y, planned)
        count += 8 + len(THREADS)
    assert count >= 15 * len(PROBLEMS)


def placed(x: Array, elements: int) -> Array:
    """Return a copy of x that begins so many elements after a line of cache."""
    buffer = np.zeros(x.nbytes + 128, np.uint8)
    y: Array = np.ndarray(x.shape, x.dtype, buffer.data, -buffer.ctypes.data % 64 + elements * x.itemsize)
    y[...] = x
    return y


@pytest.mark.parametrize("size", [8, 14, 28])
def test_wherever_arrays_begin(size: int, isa: str) -> None:
    """Parts and tiles of planes that are read in place begin where a vector does: the bits do not show where."""
    case = Case(problem(96, size, 40, 1, n=2), algorithm="direct", isa=isa)
    x, weight, bias = gaussian(case)
    expected = run(replace(case, num_threads=1), x, weight, bias)
    for at, threads in itertools.product(range(16), (1, 2, 3, 5)):
        with repeats_with(f"{case.id}, x {at} elements after a line, {threads} threads"):
            assert_same_bits(run(replace(case, num_threads=threads), placed(x, at), placed(weight, at), bias), expected)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_strided_rows_that_are_shorter_than_a_vector(width: int, isa: str) -> None:
    """Rows that are read in place begin anywhere in a vector, and there are more threads than rows fill vectors."""
    case = Case(problem(2000, (64, width), 8, 1, stride=(3, 1)), algorithm="direct", isa=isa)
    x, weight, bias = gaussian(case)
    expected = run(replace(case, num_threads=1), x, weight, bias)
    for at, threads in itertools.product((0, 1, 4, 7), (2, 3, 8, 16, 32)):
        with repeats_with(f"{case.id}, x {at} elements after a line, {threads} threads"):
            assert_same_bits(run(replace(case, num_threads=threads), placed(x, at), weight, bias), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_does_not_change_the_choice(layout: str, isa: str, seed: int) -> None:
    """Another algorithm could have other bits: neither it nor its estimated cost may depend on the batch."""
    rng, sizes = np.random.default_rng(seed), (1, 2, 3, 8, 64)
    for _ in range(1500):
        kernel = tuple(int(k) for k in rng.choice((1, 1, 2, 3, 3, 5, 7, 11), 2))
        ic, oc = (int(2 ** rng.uniform(0, 11)) for _ in range(2))
        size = tuple(max(k, int(2 ** rng.uniform(0, 7))) for k in kernel)
        p = problem(ic, size, oc, kernel, stride=int(rng.choice((1, 1, 2, 4))), pads=int(rng.integers(3)))
        if ic * oc * kernel[0] * kernel[1] > 2**24:
            continue
        x, weight = np.broadcast_to(np.float32(0), to_layout(np.empty((1, *p.x_shape[1:]), bool), layout).shape), p.weight_shape
        costs = {
            convkit._conv.describe(
                (n, *x.shape[1:]), x.dtype, weight, p.stride, p.pads, 1, 1, "zeros", layout, None, "auto", False
            ).conv.cost
            for n in sizes
        }
        with repeats_with(f"{p.id} {layout}"):
            assert len(costs) == 1


def test_calls_with_other_weights(isa: str) -> None:
    """Threads keep packed weights during a call, in workspace that the next one takes over."""
    p = problem(24, (15, 17), 36, 3, n=4, pads=1, g=3)
    for algorithm, threads in itertools.product(("direct", "im2col"), (1, 2, 5)):
        case = Case(p, algorithm=algorithm, isa=isa, num_threads=threads)
        x, weight, bias = gaussian(case)
        with repeats_with(f"{case.id}, with weights of another sign"):
            y = run(case, x, weight, bias)
            assert_same_bits(run(case, x, -weight, -bias), np.where(y == 0, y, -y))
            assert_same_bits(run(case, x, weight, bias), y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_that_underflow_beside_padding(dtype: str, isas: tuple[str, ...]) -> None:
    """Negative products round to -0: whether zeros of the padding are added to them, or left out, must not show."""
    count = 0
    alike = [isa for isa in isas if isa in FMA_ISAS] or isas[:1]
    small = np.sqrt(np.finfo(dtype).tiny) * np.finfo(dtype).eps
    for channels, layout in itertools.product((3, 32, 64), LAYOUTS):
        case = Case(problem(channels, (13, 14), channels, 3, pads=((1, 2), (2, 1))), dtype, layout=layout)
        x, weight, _ = gaussian(case)
        x, weight = np.abs(x) * x.dtype.type(small), weight * weight.dtype.type(small)
        results = {
            (isa, algorithm, via): run(replace(case, isa=isa, algorithm=algorithm, via=via), x, weight, None)
            for isa, algorithm, via in itertools.product(alike, ("direct", "im2col"), ("function", "plan"))
        }
        for name, y in results.items():
            with repeats_with(f"{case.id} with x and weights times {small}: {name}"):
                assert_same_bits(y, next(iter(results.values())))
            count += 1
    assert count >= 24


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sign_of_zero_does_not_depend_on_how_padding_is_met(layout: str, isas: tuple[str, ...]) -> None:
    """Products that underflow leave -0; padding that is multiplied would make +0 of it, padding that is left out would not."""
    for oc, size in itertools.product((1, 32), (4, 40)):
        p = problem(8, size, oc, 3, pads=2)
        x = np.full(p.x_shape, -1e-30, np.float32)
        weight = np.full(p.weight_shape, 1e-30, np.float32)
        for algorithm, isa in itertools.product(("direct", "im2col"), isas):
            case = Case(p, layout=layout, algorithm=algorithm, isa=isa)
            with repeats_with(case.repro):
                y = run(case, to_layout(x, layout), weight, np.zeros(oc, np.float32))
                assert not y.any()
                assert not np.signbit(y).any()
