"""Pooling problems: one description, the shape rules written out a second time, and generators.

The rules here share no code with ``convkit.reference``, so that a test can say from the problem alone
whether a call must succeed, instead of comparing two outcomes of unknown worth.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from cases import LAYOUTS, covering_array

FLOATS = ("float32", "float64")
INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
LATTICE_LENGTHS = (*range(1, 10), 15, 16, 17, 31, 32, 33)
NAMED_PADDING = ("valid", "same", "same_lower")

Pair = tuple[int, int]


def named_pair(name: str, length: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Return the (before, after) padding that a name stands for on one axis."""
    if name == "valid":
        return 0, 0
    reach = dilation * (kernel - 1) + 1
    total = max((-(-length // stride) - 1) * stride + reach - length, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if name == "same" else (large, small)


def output_length(length: int, kernel: int, stride: int, pair: Pair, dilation: int, ceil_mode: bool) -> int:
    """Return the number of windows on one axis; zero or less means that there is no output."""
    room = length + sum(pair) - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    while ceil_mode and count > 0 and (count - 1) * stride >= length + pair[0]:
        count -= 1
    return count


@cache
def has_empty_window(length: int, kernel: int, stride: int, pair: Pair, dilation: int, count: int) -> bool:
    """Return whether one of `count` windows of an axis meets no element of the input."""
    return any(not any(0 <= o * stride - pair[0] + tap * dilation < length for tap in range(kernel)) for o in range(count))


def make_array(shape: Sequence[int], dtype: Any, seed: int, low: int = -9, high: int = 9) -> np.ndarray:
    """Return an array of small integers: sums of them are exact in every dtype, ties are frequent."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "u":
        low = 0
    return rng.integers(low, high + 1, shape).astype(dtype)


@dataclass(frozen=True)
class PoolProblem:
    """A pooling call without its data; every tuple has one entry for each spatial axis."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[Pair, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool = False
    batch: int | None = 1
    channels: int = 1
    layout: str = "channels_first"
    dtype: str = "float32"

    @property
    def ndim(self) -> int:
        return len(self.size)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        if isinstance(self.padding, str):
            axes = zip(self.size, self.kernel, self.stride, self.dilation, strict=True)
            return tuple(named_pair(self.padding, *axis) for axis in axes)
        return self.padding

    @property
    def id(self) -> str:
        """Return the one-line name that reproduces the problem."""
        return (
            f"{self.ndim}d n{self.batch} c{self.channels} i{list(self.size)} k{list(self.kernel)} "
            f"s{list(self.stride)} p{self.padding} d{list(self.dilation)} ceil={self.ceil_mode} "
            f"{self.layout} {self.dtype}"
        )

    def shape(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """Return the full shape of an array with these spatial axes."""
        first = self.layout == "channels_first"
        inner = (self.channels, *spatial) if first else (*spatial, self.channels)
        return inner if self.batch is None else (self.batch, *inner)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shape(self.size)

    @property
    def output_size(self) -> tuple[int, ...]:
        axes = zip(self.size, self.kernel, self.stride, self.pairs, self.dilation, strict=True)
        return tuple(output_length(*axis, self.ceil_mode) for axis in axes)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.shape(self.output_size)

    def is_valid(self, counts_padding: bool = False) -> bool:
        """Return whether the call must succeed (else: ValueError)."""
        if min(self.output_size) < 1:
            return False
        axes = zip(
            self.size,
            self.kernel,
            self.stride,
            self.pairs,
            self.dilation,
            self.output_size,
            strict=True,
        )
        return counts_padding or not any(has_empty_window(*axis) for axis in axes)

    def x(self, seed: int, low: int = -9, high: int = 9) -> np.ndarray:
        return make_array(self.input_shape, self.dtype, seed, low, high)

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that all windowed poolings share."""
        return {
            "kernel_size": self.kernel,
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "ceil_mode": self.ceil_mode,
            "layout": self.layout,
        }


def lattice_1d() -> Iterator[PoolProblem]:
    """Yield every problem of k 1-4, s 1-3, d 1-3, pads 0-3 x 0-3, both roundings, on some lengths.

    The lengths are 1 to 9 and those around one and two vectors of lanes.
    """
    for length, k, s, d, before, after, ceil_mode in itertools.product(
        LATTICE_LENGTHS, range(1, 5), (1, 2, 3), (1, 2, 3), range(4), range(4), (False, True)
    ):
        yield PoolProblem((length,), (k,), (s,), ((before, after),), (d,), ceil_mode)


AXIS_FACTORS: dict[str, Sequence[Any]] = {
    "size": (1, 2, 3, 5, 7, 8, 9, 15, 16, 17),
    "kernel": (1, 2, 3, 4, 5),
    "stride": (1, 2, 3),
    "dilation": (1, 2, 3),
    "pair": ((0, 0), (1, 1), (0, 1), (2, 0), (3, 2)),
}

WHOLE_FACTORS: dict[str, Sequence[Any]] = {
    "ceil_mode": (False, True),
    "named": (None, None, None, *NAMED_PADDING),
    "batch": (None, 0, 1, 2),
    "channels": (1, 2, 3, 7, 8, 17),
    "layout": LAYOUTS,
    "dtype": (*FLOATS, *FLOATS, *FLOATS, *INTEGERS),
}


def covering_problems(ndim: int, seed: int, extra: Mapping[str, Sequence[Any]]) -> Iterator[tuple[PoolProblem, dict[str, Any]]]:
    """Yield (problem, levels of `extra`) from one covering array over all parameters."""
    factors = dict(WHOLE_FACTORS)
    for axis in range(ndim):
        for name, levels in AXIS_FACTORS.items():
            small = [v for v in levels if v != 17 and v != 16] if ndim == 3 else levels
            factors[f"{name}{axis}"] = small
    factors.update(extra)
    for row in covering_array(factors, 2, seed):

        def axes(name: str, row: dict[str, Any] = row) -> tuple[Any, ...]:
            return tuple(row[f"{name}{axis}"] for axis in range(ndim))

        problem = PoolProblem(
            axes("size"),
            axes("kernel"),
            axes("stride"),
            row["named"] or axes("pair"),
            axes("dilation"),
            row["ceil_mode"],
            row["batch"],
            row["channels"],
            row["layout"],
            row["dtype"],
        )
        yield problem, {name: row[name] for name in extra}


def assert_same(actual: Any, expected: Any, repro: str) -> None:
    """Assert the same dtype, shape and values (NaN equals NaN), or fail with a one-line repro."""
    assert type(actual) is np.ndarray, f"{repro}: {type(actual).__name__} is not an ndarray"
    assert actual.dtype == expected.dtype, f"{repro}: dtype {actual.dtype}, not {expected.dtype}"
    assert actual.shape == expected.shape, f"{repro}: shape {actual.shape}, not {expected.shape}"
    if np.array_equal(actual, expected):
        return
    same = actual == expected
    if expected.dtype.kind == "f":
        same |= np.isnan(actual) & np.isnan(expected)
    wrong = np.argwhere(~same)
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        raise AssertionError(
            f"{repro}: {len(wrong)} of {actual.size} differ, first at {at}: {actual[at]!r}, not {expected[at]!r}"
        )


def assert_close(actual: Any, expected: Any, rtol: float, repro: str) -> None:
    """Assert the same shape and values within a relative bound, or fail with a one-line repro."""
    assert actual.shape == expected.shape, f"{repro}: shape {actual.shape}, not {expected.shape}"
    finite = np.isfinite(expected)
    assert_same(np.isfinite(actual), finite, repro)
    error = np.abs(actual[finite].astype(np.float64) - expected[finite])
    bound = rtol * np.abs(expected[finite])
    worst = float(np.max(error - bound, initial=0.0))
    assert worst <= 0.0, f"{repro}: off by {worst} beyond rtol={rtol}"
