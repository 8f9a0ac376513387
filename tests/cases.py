"""Convolution problems, their data, and the one way in which the tests run and compare them.

A `Problem` is pure shape arithmetic with a one-line id. A `Case` adds everything else a call can
vary (dtype, layout, border, algorithm, instruction set, threads, memory) and an id that extends the
problem's. Both are rebuilt from their ids, so a failure prints one line that repeats it::

    PYTHONPATH=tests python -c "import cases; cases.replay('n1ic2ih5iw5oc3kh3kw3/dtype=int8')"

The data are small integers in floating point (every sum is exact, so results must be equal) and
full-range integers in integer types (sums wrap alike). Nothing here has a tolerance; results of the
algorithms in `APPROXIMATE` are rounded to integers first, within their bound (`settled`).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import convkit
from convkit import reference
from convkit.selftest import settled

Array = NDArray[Any]
Pads = tuple[tuple[int, int], ...]

LAYOUTS = ("channels_first", "channels_last")
PADDING_MODES = ("zeros", "edge", "reflect", "symmetric", "wrap")
AXES = "dhw"

# The share of a varied set of problems that an algorithm must serve, where that is not nearly all. One that serves a narrow class
# (0) has a test file of its own.
SERVES = {"winograd": 1 / 1000, "dot": 0}
NARROW = tuple(name for name, share in SERVES.items() if share == 0)


@dataclass(frozen=True)
class Problem:
    """The sizes of one convolution; spatial tuples have one entry an axis, 1 to 3 of them."""

    n: int
    ic: int
    size: tuple[int, ...]
    oc: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads
    g: int = 1

    @property
    def ndim(self) -> int:
        return len(self.size)

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.n, self.ic, *self.size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.oc, self.ic // self.g, *self.kernel)

    @property
    def extent(self) -> tuple[int, ...]:
        """Input positions that the dilated kernel spans."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def output_size(self) -> tuple[int, ...]:
        axes = zip(self.size, self.pads, self.extent, self.stride, strict=True)
        return tuple((i + sum(p) - e) // s + 1 for i, p, e, s in axes)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.n, self.oc, *self.output_size)

    @property
    def valid(self) -> bool:
        return min(self.output_size) >= 1

    @property
    def terms(self) -> int:
        """Number of products in one output element."""
        return math.prod(self.weight_shape[1:])

    @property
    def scale(self) -> float:
        """About the largest sum of `terms` products of inputs up to 8 and weights up to 4: three standard deviations."""
        return 3 * 4.9 * 2.6 * math.sqrt(self.terms)

    @property
    def id(self) -> str:
        """One-line name; groups, stride, pads and dilation appear where they are not default."""
        names = AXES[-self.ndim :]

        def each(letter: str, values: Sequence[object], default: object = None) -> str:
            if all(value == default for value in values):
                return ""
            return "".join(f"{letter}{a}{v}" for a, v in zip(names, values, strict=True))

        pads = [str(p[0]) if p[0] == p[1] else f"{p[0]}+{p[1]}" for p in self.pads]
        groups = "" if self.g == 1 else f"g{self.g}"
        return (
            f"n{self.n}{groups}ic{self.ic}{each('i', self.size)}oc{self.oc}"
            f"{each('k', self.kernel)}{each('s', self.stride, 1)}{each('p', pads, '0')}"
            f"{each('d', self.dilation, 1)}"
        )

    @classmethod
    def from_id(cls, text: str) -> Problem:
        """Rebuild a problem from its `id`."""
        tokens = dict(re.findall(r"([a-z]+)(\d+(?:\+\d+)?)", text))
        names = [a for a in AXES if f"i{a}" in tokens]

        def each(letter: str, default: int = 1) -> tuple[int, ...]:
            return tuple(int(tokens.get(letter + a, default)) for a in names)

        def pair(token: str) -> tuple[int, int]:
            before, _, after = token.partition("+")
            return int(before), int(after or before)

        return cls(
            n=int(tokens["n"]),
            ic=int(tokens["ic"]),
            size=each("i"),
            oc=int(tokens["oc"]),
            kernel=each("k"),
            stride=each("s"),
            dilation=each("d"),
            pads=tuple(pair(tokens.get("p" + a, "0")) for a in names),
            g=int(tokens.get("g", 1)),
        )


def problem(
    ic: int,
    size: int | tuple[int, ...],
    oc: int,
    kernel: int | tuple[int, ...],
    *,
    n: int = 1,
    stride: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
    pads: int | Pads = 0,
    g: int = 1,
    ndim: int = 2,
) -> Problem:
    """Make a `Problem`; a single integer stands for every spatial axis."""
    for value in (size, kernel, stride, dilation):
        ndim = len(value) if isinstance(value, tuple) else ndim

    def each(value: int | tuple[int, ...]) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * ndim

    return Problem(
        n=n,
        ic=ic,
        size=each(size),
        oc=oc,
        kernel=each(kernel),
        stride=each(stride),
        dilation=each(dilation),
        pads=pads if isinstance(pads, tuple) else ((pads, pads),) * ndim,
        g=g,
    )


EDGE_PROBLEMS: dict[str, Problem] = {
    "one_element": problem(1, 1, 1, 1),
    "one_pixel_many_channels": problem(67, 1, 35, 1),
    "one_pixel_in_padding": problem(3, 1, 4, 3, pads=1),
    "kernel_equals_input": problem(3, (5, 7), 4, (5, 7)),
    "kernel_equals_padded_input": problem(2, 3, 3, 5, pads=1),
    "kernel_larger_than_input": problem(2, 2, 3, 5, pads=3),
    "windows_in_the_padding_alone": problem(2, 3, 2, 2, pads=4),
    "dilated_taps_miss_the_input": problem(2, 3, 2, 3, dilation=4, pads=4),
    "stride_skips_the_input": problem(2, 3, 2, 1, stride=3, pads=((1, 4), (2, 3))),
    "stride_exceeds_kernel": problem(3, (11, 13), 5, 2, stride=(4, 5)),
    "stride_exceeds_output": problem(3, 6, 5, 3, stride=9),
    "pads_before_only": problem(2, 6, 3, 3, pads=((2, 0), (2, 0))),
    "pads_after_only": problem(2, 6, 3, 3, pads=((0, 2), (0, 2))),
    "pads_asymmetric": problem(2, (6, 9), 3, (2, 4), pads=((0, 3), (2, 1)), stride=(2, 1)),
    "empty_batch": problem(3, 6, 4, 3, n=0, pads=1),
    "batch_of_five": problem(3, (9, 6), 5, 3, n=5, pads=1),
    "prime_channels": problem(7, (11, 13), 13, 3, pads=1),
    "prime_channels_large": problem(37, 5, 53, 3, pads=1),
    "one_input_channel": problem(1, 19, 17, 3, pads=1),
    "one_output_channel": problem(19, (5, 21), 1, 3, pads=1),
    "image_filter": problem(1, (37, 71), 1, 5, pads=2),
    "image_separable_row": problem(1, (23, 70), 1, (1, 9), pads=((0, 0), (4, 4))),
    "image_separable_column": problem(1, (23, 70), 1, (9, 1), pads=((4, 4), (0, 0))),
    "first_layer": problem(3, 29, 20, 7, stride=2, pads=3),
    "patches": problem(3, 24, 9, 4, stride=4),
    "depthwise": problem(9, (10, 19), 9, 3, pads=1, g=9),
    "depthwise_stride": problem(8, (15, 34), 8, 3, stride=2, pads=1, g=8),
    "depthwise_dilated": problem(5, (9, 20), 5, 3, dilation=(2, 3), pads=2, g=5),
    "depthwise_narrow": problem(33, 7, 33, 5, pads=2, g=33),
    "depthwise_multiplier": problem(5, (6, 18), 15, 3, pads=1, g=5),
    "groups_of_one_output": problem(12, 7, 3, 3, pads=1, g=3),
    "groups_of_prime_size": problem(15, (6, 9), 21, 3, pads=1, g=3),
    "groups_many": problem(64, 7, 64, 3, pads=1, g=32),
    "pointwise": problem(16, (9, 11), 24, 1),
    "pointwise_stride": problem(18, (9, 14), 20, 1, stride=2),
    "pointwise_padded": problem(6, (4, 5), 7, 1, pads=((1, 0), (0, 2))),
    "small_maps": problem(40, 7, 48, 3, pads=1),
    "one_sum_block": problem(128, 4, 5, 3, pads=1),
    "above_one_sum_block": problem(129, 4, 5, 3, pads=1),
    "many_sum_blocks": problem(300, (3, 5), 4, 3, pads=1),
    "long_pointwise_sum": problem(1153, (2, 3), 3, 1),
    "power_of_two_planes": problem(8, 32, 6, 3, pads=1),
    "large_planes": problem(2, (130, 131), 3, 3, pads=1),
    "dilated": problem(4, (20, 37), 6, 3, dilation=(6, 12), pads=((6, 6), (12, 12))),
    "tall_kernel": problem(3, (19, 5), 4, (11, 1), pads=((5, 5), (0, 0))),
    "wide_kernel": problem(3, (5, 41), 4, (1, 11), pads=((0, 0), (5, 5))),
    "large_kernel": problem(2, 33, 2, 31, pads=15),
    "line_pointwise": problem(12, (133,), 20, 1),
    "line_causal": problem(8, (150,), 8, 2, dilation=16, pads=((16, 0),)),
    "line_depthwise": problem(17, (131,), 17, 3, dilation=8, pads=8, ndim=1, g=17),
    "line_long": problem(1, (4099,), 2, 7, stride=3, pads=3, ndim=1),
    "line_of_one": problem(3, (1,), 2, 3, pads=1, ndim=1),
    "volume": problem(3, (5, 6, 17), 5, 3, pads=1),
    "volume_stride": problem(2, (7, 8, 9), 4, 2, stride=(3, 2, 2), pads=((1, 0), (0, 1), (1, 1))),
    "volume_depthwise": problem(6, (4, 5, 9), 6, 3, pads=1, g=6),
    "volume_flat_kernel": problem(4, (3, 7, 11), 5, (1, 3, 3), pads=((0, 0), (1, 1), (1, 1))),
    "volume_deep_kernel": problem(4, (9, 3, 5), 5, (5, 1, 1), dilation=(2, 1, 1)),
    "volume_dilated": problem(2, (7, 9, 11), 3, 2, dilation=(3, 2, 4), pads=1),
}
for _lanes in (4, 8, 16, 32, 48, 64):
    for _size in (_lanes - 1, _lanes, _lanes + 1):
        EDGE_PROBLEMS[f"row_of_{_size}"] = problem(3, (3, _size), 5, 3, pads=1)
        EDGE_PROBLEMS[f"pixels_{_size}"] = problem(5, (1, _size), 6, 1)
        EDGE_PROBLEMS[f"channels_{_size}"] = problem(_size, 3, _size, 3, pads=1)
for _rows in (6, 8, 12, 14):
    for _size in (_rows - 1, _rows, _rows + 1, 2 * _rows + 1):
        EDGE_PROBLEMS[f"output_channels_{_size}"] = problem(4, (4, 18), _size, 3, pads=1)


@dataclass(frozen=True)
class Case:
    """One call: a problem, its data, and how it is run.

    The fields down to `seed` decide the values, the others must not change them.
    """

    problem: Problem
    dtype: str = "float32"
    weight_dtype: str = ""  # that of x
    layout: str = "channels_first"
    padding: str = "pads"  # the problem's pads, or one of the names that padding= takes
    padding_mode: str = "zeros"
    bias: bool = False
    activation: str = ""
    batched: bool = True
    seed: int = 0
    algorithm: str = "auto"
    isa: str = ""  # the default
    num_threads: int = 0  # the default
    out: str = "new"
    memory: str = "contiguous"
    via: str = "function"

    @property
    def id(self) -> str:
        """The problem's id and every field that is not the default."""
        parts = [self.problem.id]
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if value != field.default:
                parts.append(f"{field.name}={value}")
        return "/".join(parts)

    @classmethod
    def from_id(cls, text: str) -> Case:
        """Rebuild a case from its `id`."""
        name, *settings = text.split("/")
        kinds = {field.name: type(field.default) for field in dataclasses.fields(cls)[1:]}
        values: dict[str, Any] = {}
        for key, _, value in (setting.partition("=") for setting in settings):
            values[key] = value == "True" if kinds[key] is bool else kinds[key](value)
        return cls(Problem.from_id(name), **values)

    @property
    def repro(self) -> str:
        """The line that runs this case alone."""
        return f"""PYTHONPATH=tests python -c "import cases; cases.replay('{self.id}')\""""

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that decide the values, for the library and the oracle alike."""
        p = self.problem
        return {
            "stride": p.stride,
            "padding": p.pads if self.padding == "pads" else self.padding,
            "dilation": p.dilation,
            "groups": p.g,
            "padding_mode": self.padding_mode,
            "layout": self.layout,
            "activation": self.activation or None,
        }


@dataclass(frozen=True)
class Data:
    """The arrays of a case and the oracle's result."""

    x: Array
    weight: Array
    bias: Array | None
    expected: Array


@contextmanager
def repeats_with(line: str) -> Iterator[None]:
    """Append the repro line to whatever exception leaves the block."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"repro: {line}")
        raise


def generator(name: str, seed: int = 0) -> np.random.Generator:
    """Return the random generator that belongs to a name, independent of the order of the tests."""
    return np.random.default_rng([zlib.crc32(name.encode()), seed])


def integers(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: Any = np.float32,
    bound: int = 8,
    full_range: bool = False,
) -> Array:
    """Return integer values of any dtype: within the bound, or over the whole integer type."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    low, high = -bound, bound
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        low, high = (info.min, info.max) if full_range else (max(-bound, info.min), bound)
        return rng.integers(low, high, shape, dtype=dtype, endpoint=True)
    return rng.integers(low, high, shape, dtype=np.int8, endpoint=True).astype(dtype)


def to_layout(x: Array, layout: str) -> Array:
    """Reorder a channels-first batch."""
    if layout == "channels_last":
        return np.ascontiguousarray(np.moveaxis(x, 1, -1))
    return x


def operands(case: Case) -> tuple[Array, Array, Array | None]:
    """Return the contiguous x, weight and bias of a case; they depend on its id's values only."""
    p = case.problem
    rng = generator(p.id, case.seed)
    weight_dtype = case.weight_dtype or case.dtype
    exact = not np.issubdtype(np.result_type(case.dtype, weight_dtype), np.integer)
    x = to_layout(integers(rng, p.x_shape, case.dtype, full_range=not exact), case.layout)
    weight = integers(rng, p.weight_shape, weight_dtype, bound=4, full_range=not exact)
    bias = integers(rng, (p.oc,), weight_dtype, bound=60) if case.bias else None
    return (x if case.batched else x[0]), weight, bias


def functional(case: Case, module: Any) -> Callable[..., Array]:
    """Return conv1d, conv2d or conv3d of the library or of the oracle."""
    return getattr(module, f"conv{case.problem.ndim}d")  # type: ignore[no-any-return]


def prepare(case: Case) -> Data:
    """Return the data of a case with the oracle's result."""
    with repeats_with(case.repro):
        x, weight, bias = operands(case)
        return Data(x, weight, bias, functional(case, reference)(x, weight, bias, **case.arguments))


def _unaligned(x: Array) -> Array:
    buffer = np.zeros(x.nbytes + 1, np.uint8)
    y = np.ndarray(x.shape, x.dtype, buffer.data, offset=1)
    y[...] = x
    return y


def _sliced(x: Array) -> Array:
    wide = np.ones((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
    wide[..., 1::2] = x
    return wide[..., 1::2]


def _readonly(x: Array) -> Array:
    y = x.copy()
    y.flags.writeable = False
    return y


MEMORY: dict[str, Callable[[Array], Array]] = {
    "contiguous": lambda x: x,
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "rows_reversed": lambda x: np.flip(np.flip(x).copy()),
    "fortran": np.asfortranarray,
    "sliced": _sliced,
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "unaligned": _unaligned,
    "readonly": _readonly,
}

OUTS = ("new", "contiguous", "strided", "fortran", "overlap")
_GUARD = 77


def _place(case: Case, data: Data) -> tuple[Array, Array | None, Array | None]:
    """Return x as the case wants it in memory, `out`, and the bytes that must keep `_GUARD`."""
    x = MEMORY[case.memory](data.x)
    shape, dtype = data.expected.shape, data.expected.dtype
    if case.out == "new":
        return x, None, None
    if case.out == "overlap":
        offset = data.x.nbytes // 2 // dtype.itemsize * dtype.itemsize
        buffer = np.zeros(max(data.x.nbytes, offset + data.expected.nbytes) + 64, np.uint8)
        x = np.ndarray(data.x.shape, data.x.dtype, buffer.data)
        x[...] = data.x
        return x, np.ndarray(shape, dtype, buffer.data, offset), None
    if case.out == "strided":
        wide = np.full((*shape[:-1], 2 * shape[-1] + 1), _GUARD, dtype)
        return x, wide[..., 1::2][..., ::-1], wide[..., 0::2]
    return x, np.full(shape, _GUARD, dtype, order="F" if case.out == "fortran" else "C"), None


def run(case: Case, x: Array, weight: Array, bias: Array | None, out: Array | None = None) -> Array:
    """Call the library as the case says."""
    threads = case.num_threads or None
    name = f"conv{case.problem.ndim}d"
    with convkit.use_isa(case.isa) if case.isa else nullcontext():
        if case.via == "plan":
            make = getattr(convkit, name + "_plan")
            shape, dtype = x.shape, x.dtype.newbyteorder("=")
            plan = make(shape, weight, bias, **case.arguments, algorithm=case.algorithm, dtype=dtype)
            return plan(x, out=out, num_threads=threads)  # type: ignore[no-any-return]
        return functional(case, convkit)(
            x,
            weight,
            bias,
            **case.arguments,
            algorithm=case.algorithm,
            out=out,
            num_threads=threads,
        )


def assert_same(actual: Any, expected: Array) -> None:
    """Demand the same type, dtype, shape and values; NaN equals NaN."""
    if not isinstance(actual, np.ndarray):
        raise AssertionError(f"got a {type(actual).__name__}, expected an ndarray")
    if actual.dtype != expected.dtype:
        raise AssertionError(f"got dtype {actual.dtype}, expected {expected.dtype}")
    if actual.shape != expected.shape:
        raise AssertionError(f"got shape {actual.shape}, expected {expected.shape}")
    same = actual == expected
    if not np.all(same) and actual.dtype.kind == "f":
        same |= np.isnan(actual) & np.isnan(expected)
    if not np.all(same):
        wrong = np.argwhere(~same)
        at = tuple(wrong[0].tolist())
        raise AssertionError(
            f"{len(wrong)} of {same.size} elements differ, first at {at}: got {actual[at]!r}, expected {expected[at]!r}"
        )


def assert_same_bits(actual: Array, expected: Array) -> None:
    """Demand identical bytes: stricter than `assert_same` for zeros and NaN."""
    assert_same(actual, expected)
    if actual.tobytes() != expected.tobytes():
        raise AssertionError("equal values, but different bits (signs of zeros or NaN payloads)")


def verify(case: Case, data: Data | None = None) -> bool:
    """Run a case and compare it; False where the algorithm that it names declines.

    Also checked: inputs unchanged, `out` returned and nothing written around it, a fresh result
    contiguous. Only an algorithm asked for by name may decline.
    """
    data = data or prepare(case)
    with repeats_with(case.repro):
        x, out, guard = _place(case, data)
        before = [None if a is None else a.tobytes() for a in (x, data.weight, data.bias)]
        try:
            y = run(case, x, data.weight, data.bias, out)
        except NotImplementedError as error:
            if case.algorithm == "auto" or not str(error):
                raise
            return False
        assert_same(settled(case.algorithm, y, case.problem.scale), data.expected)
        after = [None if a is None else a.tobytes() for a in (x, data.weight, data.bias)]
        if case.out == "overlap":
            before[0] = after[0] = None
        if before != after:
            raise AssertionError("an input was modified")
        if out is None and not y.flags.c_contiguous:
            raise AssertionError(f"the result has strides {y.strides}, expected C-contiguous")
        if out is not None and y is not out:
            raise AssertionError("the result is not the out array")
        if guard is not None and not np.all(guard == _GUARD):
            raise AssertionError("elements beside out were overwritten")
    return True


@contextmanager
def skips_declined(algorithm: str) -> Iterator[None]:
    """Skip the test where an algorithm asked for by name does not serve the problem."""
    try:
        yield
    except NotImplementedError as error:
        if algorithm == "auto":
            raise
        pytest.skip(str(error))


def replay(case_id: str) -> None:
    """Run the case of that id again."""
    case = Case.from_id(case_id)
    print(f"{case.id}: {'equal' if verify(case) else 'declined'}")


def lattice_1d(channels: Sequence[tuple[int, int, int]] = ((1, 1, 1),)) -> Iterator[Problem]:
    """Yield every 1-D problem of the lattice, also those without an output; channels: ic, oc, g."""
    pads = tuple(itertools.product(range(4), range(4)))
    sizes = itertools.product(channels, range(1, 10), range(1, 5), range(1, 4), range(1, 4), pads)
    for number, ((ic, oc, g), length, k, s, d, pad) in enumerate(sizes):
        yield Problem(1 + number % 2, ic, (length,), oc, (k,), (s,), (d,), (pad,), g)


def covering_array(factors: Mapping[str, Sequence[Any]], strength: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows in which every combination of levels of any `strength` factors occurs.

    Greedy: a row starts from a combination that is still missing; the other factors follow in
    random order, each with the level that covers most of what is missing.
    """
    rng = np.random.default_rng(seed)
    names = list(factors)
    counts = [len(factors[name]) for name in names]
    missing: dict[tuple[tuple[int, int], ...], None] = {}
    for group in itertools.combinations(range(len(names)), strength):
        for levels in itertools.product(*(range(counts[f]) for f in group)):
            missing[tuple(zip(group, levels, strict=True))] = None
    rows = []
    while missing:
        row = dict(next(iter(missing)))
        rest = [f for f in range(len(names)) if f not in row]
        for f in rng.permutation(rest).tolist():
            known = sorted(row.items())
            others = list(itertools.combinations(known, strength - 1))
            gains = [sum(tuple(sorted((*other, (f, level)))) in missing for other in others) for level in range(counts[f])]
            best = [level for level, gain in enumerate(gains) if gain == max(gains)]
            row[f] = int(rng.choice(best))
        for group in itertools.combinations(sorted(row.items()), strength):
            missing.pop(group, None)
        rows.append({names[f]: factors[names[f]][level] for f, level in row.items()})
    return rows


def grown(p: Problem) -> Problem:
    """Return the problem with every axis long enough for one output."""
    axes = zip(p.size, p.extent, p.pads, strict=True)
    return replace(p, size=tuple(max(1, i, e - sum(pad)) for i, e, pad in axes))


def random_problem(rng: np.random.Generator, ndim: int = 0, *, plain: bool = False, max_size: int = 12) -> Problem:
    """Return a small valid problem; `plain`: without stride, dilation, pads and groups."""
    ndim = ndim or int(rng.integers(1, 4))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.integers(low, high, ndim, endpoint=True).tolist())

    g = 1 if plain else int(rng.choice([1, 1, 2, 3]))
    return grown(
        Problem(
            n=int(rng.integers(1, 4)),
            ic=g * int(rng.integers(1, 6)),
            size=each(1, max_size),
            oc=g * int(rng.integers(1, 6)),
            kernel=each(1, 4),
            stride=(1,) * ndim if plain else each(1, 3),
            dilation=(1,) * ndim if plain else each(1, 3),
            pads=((0, 0),) * ndim if plain else tuple(zip(each(0, 3), each(0, 3), strict=True)),
            g=g,
        )
    )
