"""Fixtures of the benchmarks."""

from collections.abc import Callable
from typing import Any

import pytest
from probes import ISA, THREADS, bandwidth, fma_peak

import convkit
from convkit import bench


@pytest.fixture
def time_case(benchmark: Any) -> Callable[[bench.Case], None]:
    """Return a function that checks a `convkit.bench.Case`, times it and notes the rates."""

    def run(case: bench.Case) -> None:
        case.check()
        isa, threads, dtype = case.variant.isa, case.variant.threads, case.variant.dtype
        info = benchmark.extra_info
        info.update(algorithm=case.algorithm, isa=isa, threads=threads, dtype=dtype)
        with convkit.use_isa(isa):
            benchmark(case.call)
        if benchmark.disabled:
            return
        seconds = benchmark.stats.stats.median
        gflops, gbytes = case.flops / seconds / 1e9, case.nbytes / seconds / 1e9
        info["GFLOP/s"], info["GB/s"] = round(gflops, 2), round(gbytes, 2)
        if case.layer.op in bench.POOL_OPS:
            info["% of bandwidth"] = round(100 * gbytes / bandwidth(), 1)
        else:
            info["% of FMA peak"] = round(100 * gflops / fma_peak(isa, threads, dtype), 1)

    return run


@pytest.fixture
def time_bytes(benchmark: Any) -> Callable[..., None]:
    """Return a function that times a call which moves a number of bytes, and notes the rate."""

    def run(nbytes: int, function: Callable[..., Any], *arguments: Any) -> None:
        info = benchmark.extra_info
        info.update(isa=ISA, threads=THREADS)
        benchmark(function, *arguments)
        if benchmark.disabled:
            return
        gbytes = nbytes / benchmark.stats.stats.median / 1e9
        info["GB/s"] = round(gbytes, 2)
        info["% of bandwidth"] = round(100 * gbytes / bandwidth(), 1)

    return run
