"""A quick check of an installation: what ``python -m convkit selftest`` runs.

Every instruction set of this CPU, every algorithm, a choice of dtypes, both layouts, call and
plan, one and two threads, on a few dozen small problems in one, two and three dimensions. The
data are small integers, so each result must equal that of `convkit.reference`, bit for bit (Winograd's: within its bound).

A check has a name, ``conv2d[3]/avx2/direct/float32/channels_last/plan/t2``, which is also how to
run it again: ``python -m convkit selftest --only NAME``.
"""

from __future__ import annotations

import fnmatch
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import convkit
from convkit import reference

__all__ = ["Failure", "SelfTest", "run"]

Array = NDArray[Any]

CONV_DTYPES = ("float32", "float64", "int8", "int64")
POOL_DTYPES = ("float32", "float64", "uint8", "int64")
LAYOUTS = ("channels_first", "channels_last")

# Algorithms that compute with transformed data, and the bound of their error relative to the largest result. Where the exact
# result is integers, theirs must be the same after rounding.
APPROXIMATE = {"winograd": {"float32": 3e-6, "float64": 1e-13}}

# Input (n, c, *size), weight (oc, c/g, *kernel), options. Sizes sit next to multiples of 4, 8, 16
# and 32, where vectors and tiles end; the last ones are large enough for every tile size.
CONV_PROBLEMS: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((1, 1, 1), (1, 1, 1), {}),
    ((2, 3, 17), (5, 3, 3), {"padding": 1}),
    ((1, 4, 33), (6, 2, 4), {"stride": 2, "groups": 2, "bias": True}),
    ((3, 2, 65), (7, 2, 3), {"dilation": 5, "padding": "causal"}),
    ((1, 17, 40), (33, 17, 1), {"activation": "relu", "bias": True}),
    ((2, 8, 31), (8, 1, 5), {"groups": 8, "padding": "same"}),
    ((1, 1, 3, 3), (1, 1, 2, 2), {}),
    ((1, 1, 5, 5), (1, 1, 5, 5), {}),
    ((2, 3, 9, 16), (4, 3, 3, 3), {"padding": 1, "bias": True}),
    ((1, 8, 8, 8), (8, 8, 3, 3), {"padding": 1}),
    ((1, 5, 15, 7), (7, 5, 3, 2), {"padding": ((0, 2), (1, 0)), "stride": (2, 1)}),
    ((0, 3, 6, 6), (2, 3, 3, 3), {}),
    ((1, 4, 11, 13), (4, 1, 3, 3), {"groups": 4, "padding": 1, "activation": "relu6"}),
    ((1, 6, 12, 19), (12, 1, 5, 5), {"groups": 6, "padding": "same", "stride": 2}),
    ((2, 6, 10, 10), (4, 3, 3, 3), {"groups": 2, "dilation": 2, "padding": "full"}),
    ((1, 3, 23, 29), (16, 3, 7, 7), {"stride": 2, "padding": 3, "bias": True}),
    ((1, 2, 6, 5), (3, 2, 3, 3), {"padding": 4, "padding_mode": "reflect"}),
    ((1, 2, 7, 6), (3, 2, 3, 3), {"padding": (2, 3), "padding_mode": "wrap"}),
    ((1, 64, 7, 7), (49, 64, 1, 1), {"bias": True, "activation": "relu"}),
    ((1, 33, 1, 1), (17, 33, 1, 1), {}),
    ((1, 19, 14, 14), (37, 19, 3, 3), {"padding": 1}),
    ((1, 40, 16, 34), (48, 40, 3, 3), {"padding": 1, "bias": True}),
    ((1, 160, 6, 9), (32, 160, 3, 3), {"padding": 1}),
    ((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), {}),
    ((1, 3, 5, 6, 7), (4, 3, 3, 3, 3), {"padding": 1, "bias": True}),
    ((2, 4, 4, 9, 8), (6, 2, 2, 3, 1), {"groups": 2, "stride": (1, 2, 1), "padding": "same_lower"}),
    ((1, 4, 5, 5, 17), (4, 1, 3, 3, 3), {"groups": 4, "dilation": (1, 1, 2), "padding": 2}),
)

# Function without the axes, input, arguments after x. Everything that is divided is divided by a
# power of two, and p is 1, so that results are exact.
POOL_PROBLEMS: tuple[tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any]], ...] = (
    ("max_pool", (2, 3, 33), (3,), {"stride": 2, "padding": 1, "return_indices": True}),
    ("max_pool", (1, 5, 9, 17), (3,), {"stride": 2, "padding": 1}),
    ("max_pool", (1, 3, 14, 15), (2,), {"ceil_mode": True, "return_indices": True}),
    ("max_pool", (2, 2, 20, 40), (13,), {"stride": 1, "padding": 6}),
    ("max_pool", (1, 2, 9, 31), ((1, 5),), {"stride": 1, "dilation": (1, 3)}),
    ("max_pool", (1, 2, 5, 6, 19), (2,), {"stride": 1, "return_indices": True}),
    ("avg_pool", (2, 3, 31), (4,), {"stride": 1}),
    ("avg_pool", (1, 4, 12, 33), (2,), {}),
    ("avg_pool", (1, 3, 9, 11), (2,), {"stride": 1, "padding": 1, "count_include_pad": False}),
    ("avg_pool", (1, 2, 17, 18), (9,), {"stride": 1, "padding": 4, "divisor_override": 4}),
    ("avg_pool", (1, 2, 5, 6, 9), (2,), {"ceil_mode": True}),
    ("lp_pool", (1, 3, 8, 21), (1, 2), {}),
    ("adaptive_max_pool", (1, 3, 10, 23), ((3, 7),), {"return_indices": True}),
    ("adaptive_avg_pool", (2, 3, 12, 16), ((6, None),), {}),
    ("adaptive_avg_pool", (1, 2, 4, 8, 8), (2,), {}),
    ("global_max_pool", (2, 17, 5, 7), (), {}),
    ("global_avg_pool", (2, 17, 4, 8), (), {}),
)


@dataclass(frozen=True)
class Failure:
    """A check that did not pass."""

    check: str
    message: str

    @property
    def repro(self) -> str:
        """Command that runs this check alone."""
        return f"python -m convkit selftest --only '{self.check}'"


@dataclass
class SelfTest:
    """What a self-test found; true if everything passed."""

    passed: int = 0
    declined: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.passed > 0 and not self.failures

    def __str__(self) -> str:
        lines = [
            f"{self.passed} checks passed, {len(self.failures)} failed in {self.seconds:.1f} s "
            f"({self.declined} not served by the algorithm)"
        ]
        for failure in self.failures[:20]:
            lines += [f"FAILED {failure.check}: {failure.message}", f"  {failure.repro}"]
        if len(self.failures) > 20:
            lines.append(f"and {len(self.failures) - 20} more")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "ok": bool(self),
            "passed": self.passed,
            "declined": self.declined,
            "seconds": self.seconds,
            "failures": [
                {"check": failure.check, "message": failure.message, "repro": failure.repro} for failure in self.failures
            ],
        }


class _Check(NamedTuple):
    """One call: its name, what to run and how, what must come out."""

    name: str
    isa: str
    may_decline: bool
    call: Callable[[], Any]
    expected: Callable[[], tuple[Array, ...]]


def _integers(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    low = 0 if dtype.startswith("u") else -4
    values = np.random.default_rng(seed).integers(low, 5, size=shape, dtype=np.int8)
    return values.astype(dtype)


def _to_layout(array: Array, layout: str) -> Array:
    if layout == "channels_last":
        return np.ascontiguousarray(np.moveaxis(array, 1, -1))
    return array


def _conv_checks(isas: tuple[str, ...], threads: Iterator[int]) -> Iterator[_Check]:
    for index, (x_shape, weight_shape, options) in enumerate(CONV_PROBLEMS):
        function = f"conv{len(x_shape) - 2}d"
        keywords = dict(options)
        has_bias = keywords.pop("bias", False)
        for dtype in CONV_DTYPES:
            x, weight = _integers(x_shape, dtype, index), _integers(weight_shape, dtype, index + 1)
            bias = _integers((weight_shape[0],), dtype, index + 2) if has_bias else None
            oracle = getattr(reference, function)
            wanted = cache(partial(oracle, x, weight, bias, **keywords))
            for layout in LAYOUTS:
                seen = _to_layout(x, layout)
                choices = itertools.product(isas, _algorithms(), ("call", "plan"))
                for isa, algorithm, kind in choices:
                    count = next(threads)
                    chosen = {**keywords, "layout": layout, "algorithm": algorithm}
                    name = f"{function}[{index}]/{isa}/{algorithm}/{dtype}/{layout}/{kind}/t{count}"
                    arrays = (seen, weight, bias)
                    call = partial(_conv_call, function, kind, arrays, chosen, count)
                    expected = partial(_in_layout, wanted, layout)
                    yield _Check(name, isa, algorithm != "auto", call, expected)


def _conv_call(
    function: str,
    kind: str,
    arrays: tuple[Array, Array, Array | None],
    options: dict[str, Any],
    threads: int,
) -> Any:
    x, weight, bias = arrays
    if kind == "call":
        y = getattr(convkit, function)(x, weight, bias, num_threads=threads, **options)
    else:
        y = getattr(convkit, f"{function}_plan")(x.shape, weight, bias, **options)(x, num_threads=threads)
    return settled(options["algorithm"], y)


def _pool_checks(isas: tuple[str, ...], threads: Iterator[int]) -> Iterator[_Check]:
    for index, (kind, x_shape, arguments, options) in enumerate(POOL_PROBLEMS):
        function = kind if kind.startswith("global") else f"{kind}{len(x_shape) - 2}d"
        oracle, pool = getattr(reference, function), getattr(convkit, function)
        for dtype in POOL_DTYPES:
            if kind == "lp_pool" and not dtype.startswith("float"):
                continue
            x = _integers(x_shape, dtype, index)
            wanted = cache(partial(oracle, x, *arguments, **options))
            for layout, isa in itertools.product(LAYOUTS, isas):
                count = next(threads)
                keywords = {**options, "layout": layout}
                if not kind.startswith("global"):
                    keywords["num_threads"] = count
                seen = _to_layout(x, layout)

                call = partial(pool, seen, *arguments, **keywords)
                name = f"{function}[{index}]/{isa}/{dtype}/{layout}/t{count}"
                yield _Check(name, isa, False, call, partial(_in_layout, wanted, layout))


def _in_layout(wanted: Callable[[], Any], layout: str) -> tuple[Array, ...]:
    return tuple(_to_layout(array, layout) for array in _as_tuple(wanted()))


def _as_tuple(result: Any) -> tuple[Array, ...]:
    return result if isinstance(result, tuple) else (result,)


def _algorithms() -> list[str]:
    return ["auto", *(name for name in convkit.algorithms() if name != "auto")]


def settled(algorithm: str, y: Array, scale: float = 1.0) -> Array:
    """Round what an approximate algorithm, or "auto", made of integers; within its bound of them, else leave it.

    Parameters
    ----------
    algorithm : str
        Value of the argument `algorithm`.
    y : ndarray
        The result of a convolution whose exact result is integers.
    scale : float, optional
        The largest sum, where that may not be the largest of `y`: an activation may have cut it off, or there are few and their
        terms cancel.

    Returns
    -------
    ndarray
        `y`, or integers of its dtype.
    """
    names = APPROXIMATE if algorithm == "auto" else [algorithm] if algorithm in APPROXIMATE else []
    if not names or y.dtype.kind != "f" or not y.size:
        return y
    whole: Array = np.round(y)
    most = max(APPROXIMATE[name][y.dtype.name] for name in names) * max(float(np.max(np.abs(whole))), scale)
    return whole if np.max(np.abs(y - whole)) <= most else y


def _difference(found: Any, expected: tuple[Array, ...]) -> str | None:
    """Say how the results differ, or None."""
    for y, wanted in zip(_as_tuple(found), expected, strict=True):
        if (y.shape, y.dtype) != (wanted.shape, wanted.dtype):
            return f"expected {wanted.dtype} {wanted.shape}, got {y.dtype} {y.shape}"
        if not np.array_equal(y, wanted):
            place = tuple(int(i) for i in np.argwhere(y != wanted)[0])
            count = np.count_nonzero(y != wanted)
            return f"{count} of {y.size} differ, first at {place}: {wanted[place]}, got {y[place]}"
    return None


def run(only: str | None = None) -> SelfTest:
    """Run the self-test.

    Parameters
    ----------
    only : str, optional
        Name of the check to run, or a pattern of names (as in `fnmatch`).

    Returns
    -------
    SelfTest
        True if at least one check ran and all passed.

    Examples
    --------
    >>> from convkit import selftest
    >>> bool(selftest.run(only="conv2d*/float32/*"))
    True

    """
    start = time.perf_counter()
    outcome = SelfTest()
    isas = tuple(convkit.isas())
    # Seven: no number of combinations below divides it, so each combination meets both counts.
    threads = itertools.cycle((1, 2, 1, 2, 2, 1, 2))
    for check in itertools.chain(_conv_checks(isas, threads), _pool_checks(isas, threads)):
        if only not in (None, check.name) and not fnmatch.fnmatchcase(check.name, str(only)):
            continue
        try:
            with convkit.use_isa(check.isa):
                found = check.call()
            difference = _difference(found, check.expected())
        except Exception as error:
            if isinstance(error, NotImplementedError) and check.may_decline:
                outcome.declined += 1
                continue
            difference = f"{type(error).__name__}: {error}"
        if difference is None:
            outcome.passed += 1
        else:
            outcome.failures.append(Failure(check.name, difference))
    outcome.seconds = time.perf_counter() - start
    return outcome
