"""Relations between convolutions that hold whatever the oracle says, exactly on integers.

A relation takes `Run` (the convolution under test and a generator) and a problem, and returns pairs
that must be equal. Each runs over random problems of one to three axes with every algorithm.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from cases import (
    PADDING_MODES,
    SERVES,
    Array,
    Pads,
    Problem,
    assert_same,
    generator,
    grown,
    integers,
    random_problem,
    repeats_with,
    settled,
)

import convkit
from convkit import reference

Pairs = Iterator[tuple[Array, Array]]
Relation = Callable[["Run"], Pairs]
RELATIONS: dict[str, Relation] = {}
PROBLEMS_EACH = 48


def relation(function: Relation) -> Relation:
    RELATIONS[function.__name__] = function
    return function


@dataclass
class Run:
    """A problem with its operands and the convolution to call."""

    p: Problem
    algorithm: str
    seed: int

    @cached_property
    def rng(self) -> np.random.Generator:
        return generator(self.p.id, self.seed)

    @cached_property
    def x(self) -> Array:
        return integers(self.rng, self.p.x_shape)

    @cached_property
    def w(self) -> Array:
        return integers(self.rng, self.p.weight_shape, bound=4)

    @property
    def spatial(self) -> tuple[int, ...]:
        return tuple(range(2, 2 + self.p.ndim))

    def __call__(self, x: Array, w: Array, bias: Array | None = None, **changes: Any) -> Array:
        """Convolve with the problem's arguments but for `changes`; w decides how many axes."""
        p = self.p
        arguments: dict[str, Any] = {
            "stride": p.stride,
            "padding": p.pads,
            "dilation": p.dilation,
            "groups": p.g,
        }
        function = getattr(convkit, f"conv{w.ndim - 2}d")
        arguments |= changes
        y = function(x, w, bias, algorithm=self.algorithm, **arguments)
        return settled(self.algorithm, y, p.scale)

    @cached_property
    def y(self) -> Array:
        return self(self.x, self.w)


def plain(p: Problem) -> Problem:
    """Without stride, dilation and pads."""
    ones = (1,) * p.ndim
    return grown(replace(p, stride=ones, dilation=ones, pads=((0, 0),) * p.ndim))


def window(starts: Sequence[int | None], steps: Sequence[int | None] = ()) -> tuple[Any, ...]:
    """Index of the spatial axes that begins at `starts` with `steps`."""
    steps = steps or [None] * len(starts)
    return (..., *(slice(a, None, b) for a, b in zip(starts, steps, strict=True)))


def explicit(x: Array, pads: Pads, mode: str = "zeros") -> Array:
    kind: Any = "constant" if mode == "zeros" else mode
    return np.pad(x, ((0, 0), (0, 0), *pads), mode=kind)


@relation
def linear_in_x(f: Run) -> Pairs:
    other = integers(f.rng, f.p.x_shape)
    yield f(3 * f.x - 2 * other, f.w), 3 * f.y - 2 * f(other, f.w)


@relation
def linear_in_weight(f: Run) -> Pairs:
    other = integers(f.rng, f.p.weight_shape, bound=4)
    yield f(f.x, 3 * f.w - 2 * other), 3 * f.y - 2 * f(f.x, other)


@relation
def shift_by_the_stride(f: Run) -> Pairs:
    for axis in range(f.p.ndim):
        longer = list(f.p.size)
        longer[axis] += 2 * f.p.stride[axis]
        x = integers(f.rng, (*f.p.x_shape[:2], *longer))
        x = explicit(x, f.p.pads)
        starts: list[int | None] = [None] * f.p.ndim
        starts[axis] = 2 * f.p.stride[axis]
        after: list[int | None] = [None] * f.p.ndim
        after[axis] = 2
        yield f(x[window(starts)], f.w, padding=0), f(x, f.w, padding=0)[window(after)]


@relation
def batch_permutation(f: Run) -> Pairs:
    order = f.rng.permutation(f.p.n)
    yield f(f.x[order], f.w), f.y[order]


@relation
def batch_concatenation(f: Run) -> Pairs:
    yield f.y, np.concatenate([f(sample[None], f.w) for sample in f.x])
    yield f(f.x[:0], f.w), f.y[:0]


@relation
def input_channel_permutation(f: Run) -> Pairs:
    order = f.rng.permutation(f.p.ic // f.p.g)
    grouped = f.x.reshape(f.p.n, f.p.g, -1, *f.p.size)
    yield f(grouped[:, :, order].reshape(f.x.shape), f.w[:, order]), f.y


@relation
def output_channel_permutation(f: Run) -> Pairs:
    per_group = f.p.oc // f.p.g
    order = f.rng.permutation(per_group)
    w = f.w.reshape(f.p.g, per_group, *f.w.shape[1:])[:, order].reshape(f.w.shape)
    y = f.y.reshape(f.p.n, f.p.g, per_group, *f.p.output_size)[:, :, order].reshape(f.y.shape)
    yield f(f.x, w), y


@relation
def input_channels_add_up(f: Run) -> Pairs:
    xs = np.split(f.x, f.p.g, axis=1)
    for x, w, y in zip(xs, np.split(f.w, f.p.g), np.split(f.y, f.p.g, axis=1), strict=True):
        single = [f(x[:, c : c + 1], w[:, c : c + 1], groups=1) for c in range(x.shape[1])]
        yield np.sum(single, axis=0, dtype=np.float32), y


@relation
def groups_are_blocks(f: Run) -> Pairs:
    xs, ws = np.split(f.x, f.p.g, axis=1), np.split(f.w, f.p.g)
    yield f.y, np.concatenate([f(x, w, groups=1) for x, w in zip(xs, ws, strict=True)], axis=1)


@relation
def groups_are_a_block_diagonal(f: Run) -> Pairs:
    dense = np.zeros((f.p.oc, f.p.ic, *f.p.kernel), np.float32)
    rows, columns = f.p.oc // f.p.g, f.p.ic // f.p.g
    for g in range(f.p.g):
        block = slice(g * rows, (g + 1) * rows)
        dense[block, g * columns : (g + 1) * columns] = f.w[block]
    yield f(f.x, dense, groups=1), f.y


@relation
def layouts_agree(f: Run) -> Pairs:
    last = f(np.moveaxis(f.x, 1, -1), f.w, layout="channels_last")
    yield np.moveaxis(last, -1, 1), f.y


@relation
def padding_is_explicit(f: Run) -> Pairs:
    for mode in PADDING_MODES:
        padded = explicit(f.x, f.p.pads, mode)
        yield f(f.x, f.w, padding_mode=mode), f(padded, f.w, padding="valid")
        axes = zip(f.p.pads, f.p.size, strict=True)
        wide = tuple((before + size, after + 2 * size) for (before, after), size in axes)
        padded = explicit(f.x, wide, mode)
        yield f(f.x, f.w, padding=wide, padding_mode=mode), f(padded, f.w, padding=0)


@relation
def same_is_its_explicit_pads(f: Run) -> Pairs:
    less, more = [], []
    for size, extent, s in zip(f.p.size, f.p.extent, f.p.stride, strict=True):
        total = max((-(-size // s) - 1) * s + extent - size, 0)
        less.append((total // 2, total - total // 2))
        more.append((total - total // 2, total // 2))
    for name, pads in (("same", less), ("same_lower", more)):
        y = f(f.x, f.w, padding=name)
        yield y, f(f.x, f.w, padding=pads)
        size = tuple(-(-i // s) for i, s in zip(f.p.size, f.p.stride, strict=True))
        yield np.array(y.shape[2:]), np.array(size)


@relation
def full_is_its_explicit_pads(f: Run) -> Pairs:
    pads = tuple((e - 1, e - 1) for e in f.p.extent)
    yield f(f.x, f.w, padding="full"), f(explicit(f.x, pads), f.w, padding=0)


@relation
def valid_is_no_padding(f: Run) -> Pairs:
    x = explicit(f.x, f.p.pads)
    yield f(x, f.w, padding="valid"), f.y
    yield f(x, f.w, padding=0), f.y


@relation
def causal_is_its_explicit_pads(f: Run) -> Pairs:
    """Also: an output does not depend on later inputs."""
    lines = f.x.reshape(f.p.n, f.p.ic, -1)
    w = np.ascontiguousarray(f.w[(..., *(0,) * (f.p.ndim - 1), slice(None))])
    s, d = f.p.stride[-1], f.p.dilation[-1]
    before = d * (w.shape[-1] - 1)

    def causal(x: Array) -> Array:
        return f(x, w, stride=s, dilation=d, padding="causal")

    y = causal(lines)
    yield y, f(lines, w, stride=s, dilation=d, padding=((before, 0),))
    later = lines.copy()
    half = lines.shape[-1] // 2
    later[..., half:] += 1
    seen = -(-half // s)
    yield causal(later)[..., :seen], y[..., :seen]


@relation
def dilation_is_a_zero_stuffed_kernel(f: Run) -> Pairs:
    stuffed = np.zeros((*f.w.shape[:2], *f.p.extent), np.float32)
    stuffed[window([None] * f.p.ndim, f.p.dilation)] = f.w
    yield f(f.x, stuffed, dilation=1), f.y


@relation
def stride_is_subsampling(f: Run) -> Pairs:
    yield f(f.x, f.w, stride=1)[window([None] * f.p.ndim, f.p.stride)], f.y


@relation
def bias_is_separable(f: Run) -> Pairs:
    bias = integers(f.rng, (f.p.oc,), bound=50)
    column = bias.reshape(-1, *(1,) * f.p.ndim)
    yield f(f.x, f.w, bias), f.y + column
    yield f(0 * f.x, f.w, bias), np.broadcast_to(column, f.y.shape)


@relation
def activation_is_separable(f: Run) -> Pairs:
    bias = integers(f.rng, (f.p.oc,), bound=50)
    y = f(f.x, f.w, bias)
    yield f(f.x, f.w, bias, activation="relu"), np.maximum(y, 0)
    yield f(f.x, f.w, bias, activation="relu6"), np.clip(y, 0, 6)


@relation
def unbatched_is_a_batch_of_one(f: Run) -> Pairs:
    yield f(f.x[0], f.w), f.y[0]
    last = np.moveaxis(f.x[0], 0, -1)
    yield np.moveaxis(f(last, f.w, layout="channels_last"), -1, 0), f.y[0]


@relation
def a_unit_axis_changes_nothing(f: Run) -> Pairs:
    """A line is a plane and a plane is a volume, wherever the axis of length 1 stands."""
    if f.p.ndim == 3:
        flat = replace(f.p, size=f.p.size[1:], kernel=f.p.kernel[1:], stride=f.p.stride[1:])
        p = grown(replace(flat, dilation=f.p.dilation[1:], pads=f.p.pads[1:]))
        yield from a_unit_axis_changes_nothing(Run(p, f.algorithm, f.seed))
        return
    for at in range(f.p.ndim + 1):

        def insert(values: tuple[Any, ...], value: Any, at: int = at) -> tuple[Any, ...]:
            return (*values[:at], value, *values[at:])

        y = f(
            np.expand_dims(f.x, 2 + at),
            np.expand_dims(f.w, 2 + at),
            stride=insert(f.p.stride, 2),
            dilation=insert(f.p.dilation, 3),
            padding=insert(f.p.pads, (0, 0)),
        )
        yield np.squeeze(y, 2 + at), f.y


@relation
def unit_kernel_is_a_matrix_product(f: Run) -> Pairs:
    w = f.w[(..., *(slice(1),) * f.p.ndim)].copy()
    x = explicit(f.x, f.p.pads)[window([None] * f.p.ndim, f.p.stride)]
    columns = x.reshape(f.p.n, f.p.g, f.p.ic // f.p.g, -1)
    product = w.reshape(f.p.g, f.p.oc // f.p.g, -1) @ columns
    yield f(f.x, w), product.reshape(f.p.n, f.p.oc, *x.shape[2:])


@relation
def kernel_as_large_as_the_input_is_an_inner_product(f: Run) -> Pairs:
    w = integers(f.rng, (f.p.oc, f.p.ic, *f.p.size), bound=4)
    y = f(f.x, w, padding=0, dilation=1, groups=1)
    product = f.x.reshape(f.p.n, -1) @ w.reshape(f.p.oc, -1).T
    yield y.reshape(f.p.n, f.p.oc), product


@relation
def unit_impulse_copies(f: Run) -> Pairs:
    """The kernel that is 1 at one tap moves the input there."""
    x = explicit(f.x, f.p.pads)
    for tap in np.ndindex(*f.p.kernel):
        w = np.zeros((f.p.ic, 1, *f.p.kernel), np.float32)
        w[(slice(None), 0, *tap)] = 1
        starts = [t * d for t, d in zip(tap, f.p.dilation, strict=True)]
        axes = zip(starts, f.p.output_size, f.p.stride, strict=True)
        picks = [slice(a, a + (o - 1) * s + 1, s) for a, o, s in axes]
        yield f(f.x, w, groups=f.p.ic), x[(..., *picks)]


@relation
def impulse_response_is_the_flipped_kernel(f: Run) -> Pairs:
    p = plain(f.p)
    x = np.zeros((1, 1, *(2 * k - 1 for k in p.kernel)), np.float32)
    x[(0, 0, *(k - 1 for k in p.kernel))] = 1
    w = f.w[:, :1].copy()
    y = f(x, w, stride=1, dilation=1, padding=0, groups=1)
    yield y[0], np.flip(w[:, 0], tuple(range(1, 1 + p.ndim)))


@relation
def reflection(f: Run) -> Pairs:
    pads = tuple((after, before) for before, after in f.p.pads)
    whole = f(f.x, f.w, stride=1)
    mirrored = f(np.flip(f.x, f.spatial), np.flip(f.w, f.spatial), stride=1, padding=pads)
    yield np.flip(mirrored, f.spatial), whole


@relation
def transposition(f: Run) -> Pairs:
    for order in itertools.permutations(range(f.p.ndim)):
        axes = (0, 1, *(2 + a for a in order))

        def pick(values: Sequence[Any], order: tuple[int, ...] = order) -> tuple[Any, ...]:
            return tuple(values[a] for a in order)

        y = f(
            f.x.transpose(axes),
            f.w.transpose(axes),
            stride=pick(f.p.stride),
            dilation=pick(f.p.dilation),
            padding=pick(f.p.pads),
        )
        yield y, f.y.transpose(axes)


@relation
def zero_taps_add_nothing(f: Run) -> Pairs:
    w = np.pad(f.w, ((0, 0), (0, 0), *((1, 2),) * f.p.ndim))
    pads = tuple((b + d, a + 2 * d) for (b, a), d in zip(f.p.pads, f.p.dilation, strict=True))
    yield f(f.x, w, padding=pads), f.y


@relation
def full_convolution_commutes(f: Run) -> Pairs:
    a, b = f.x[:1, :1], f.w[:1, :1]
    kwargs: dict[str, Any] = {"stride": 1, "dilation": 1, "groups": 1, "padding": "full"}
    yield (
        f(a, np.flip(b, f.spatial), **kwargs),
        f(b, np.flip(a, f.spatial), **kwargs),
    )


@relation
def two_in_a_row_are_one(f: Run) -> Pairs:
    """Convolving with two kernels is convolving with their full convolution."""
    p = plain(f.p)
    kwargs: dict[str, Any] = {"stride": 1, "dilation": 1, "groups": 1}
    x = integers(f.rng, (2, 1, *(i + k for i, k in zip(p.size, p.kernel, strict=True))), bound=3)
    a = integers(f.rng, (1, 1, *p.kernel), bound=2)
    b = integers(f.rng, (1, 1, *(2,) * p.ndim), bound=2)
    both = f(a, np.flip(b, f.spatial), padding="full", **kwargs)
    yield f(f(x, a, padding=0, **kwargs), b, padding=0, **kwargs), f(x, both, padding=0, **kwargs)


@relation
def average_pooling_is_a_constant_kernel(f: Run) -> Pairs:
    pool = getattr(convkit, f"avg_pool{f.p.ndim}d")
    kernel = (2, 4, 1)[: f.p.ndim]
    pads = tuple((min(b, k), min(a, k)) for (b, a), k in zip(f.p.pads, kernel, strict=True))
    x = integers(f.rng, (*f.p.x_shape[:2], *(i + 4 for i in f.p.size)))
    w = np.ones((f.p.ic, 1, *kernel), np.float32)
    yield (
        pool(x, kernel, f.p.stride, pads) * w[0].size,
        f(x, w, dilation=1, groups=f.p.ic, padding=pads),
    )


@relation
def integers_agree_with_floats(f: Run) -> Pairs:
    for dtype, result in ((np.int8, np.int32), (np.int16, np.int32), (np.int64, np.int64)):
        yield f(f.x.astype(dtype), f.w.astype(dtype)), f.y.astype(result)
    yield f(f.x.astype(np.float64), f.w.astype(np.float64)), f.y.astype(np.float64)


def relate(name: str, problem_id: str, algorithm: str, seed: int = 0) -> int | None:
    """Check one relation on one problem; the number of pairs, or None where it is declined."""
    f = Run(Problem.from_id(problem_id), algorithm, seed)
    call = f"t.relate('{name}', '{problem_id}', '{algorithm}', {seed})"
    count = 0
    with repeats_with(f'PYTHONPATH=tests python -c "import test_conv_metamorphic as t; {call}"'):
        try:
            for actual, expected in RELATIONS[name](f):
                assert_same(actual, np.asarray(expected))
                count += 1
        except NotImplementedError:
            if algorithm == "auto":
                raise
            return None
    return count


@pytest.mark.parametrize("name", RELATIONS)
def test_relation(name: str, algorithms: tuple[str, ...], seed: int) -> None:
    rng = generator(name, seed)
    problems = [random_problem(rng, 1 + number % 3) for number in range(PROBLEMS_EACH)]
    for algorithm in algorithms:
        counts = [relate(name, p.id, algorithm, seed) for p in problems]
        held = [count for count in counts if count is not None]
        assert min(held, default=1) >= 1
        least = PROBLEMS_EACH if algorithm == "auto" else int(PROBLEMS_EACH * SERVES.get(algorithm, 1 / 4))
        assert len(held) >= least


def test_number_of_relations() -> None:
    assert len(RELATIONS) >= 30


@pytest.mark.parametrize("name", ["edge", "line"])
def test_average_of_three_is_within_rounding(name: str, rng: np.random.Generator) -> None:
    """With a kernel whose 1/k is not a float, pooling and convolution differ by rounding alone."""
    shape, kernel = ((2, 3, 17, 19), (3, 3)) if name == "edge" else ((2, 3, 40), (7,))
    x = rng.standard_normal(shape).astype(np.float32)
    area = int(np.prod(kernel))
    w = np.full((3, 1, *kernel), 1 / np.float32(area), np.float32)
    conv, pool = (getattr(convkit, f"{op}{len(kernel)}d") for op in ("conv", "avg_pool"))
    y = conv(x, w, padding=1, groups=3)
    limit = (area + 3) * np.finfo(np.float32).eps * conv(np.abs(x), w, padding=1, groups=3)
    assert np.all(np.abs(y - pool(x, kernel, 1, 1)) <= limit)
    assert np.abs(y).max() > 0.1


@pytest.mark.parametrize("channels", [2, 16])
def test_taps_far_apart_take_no_longer(channels: int, rng: np.random.Generator) -> None:
    """Along a line, as many taps as ever are read: not all that lies between them, again for every few outputs."""
    x = rng.integers(-4, 5, (1, channels, 150_000)).astype(np.float32)
    weight = rng.integers(-3, 4, (channels, channels, 3)).astype(np.float32)

    def seconds(dilation: int, algorithm: str) -> float:
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            convkit.conv1d(x, weight, padding=dilation, dilation=dilation, algorithm=algorithm, num_threads=1)
            best = min(best, time.perf_counter() - start)
        return best

    for algorithm in ("auto", "direct", "im2col"):
        near, far = seconds(1, algorithm), seconds(50_000, algorithm)
        assert far < 20 * near, f"{algorithm} takes {far / near:.0f} times as long"
    y = convkit.conv1d(x, weight, padding=50_000, dilation=50_000, algorithm="direct")
    assert_same(y, reference.conv1d(x, weight, padding=50_000, dilation=50_000))


@pytest.mark.parametrize("kernel", [(12, 1), (9, 2), (6, 7)], ids=str)
@pytest.mark.parametrize("dilation", [13, 32])
def test_parts_of_rows_are_the_rows(kernel: tuple[int, int], dilation: int, isa: str, rng: np.random.Generator) -> None:
    """Kernels so high that a group of pixels is a part of an output row, or just one: `direct` and `im2col` agree."""
    high = (kernel[0] - 1) * dilation
    weight = rng.integers(-3, 4, (9, 10, *kernel)).astype(np.float32)
    with convkit.use_isa(isa):
        for width in range(15, 110, 9):
            x = rng.integers(-4, 5, (1, 10, high + 2, width)).astype(np.float32)
            options: dict[str, Any] = {"dilation": (dilation, 1), "padding": ((0, 0), (3, 17)), "num_threads": width % 3 + 1}
            y = [convkit.conv2d(x, weight, algorithm=algorithm, **options) for algorithm in ("direct", "im2col")]
            assert_same(*y)
