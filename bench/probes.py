"""What the benchmarks run on: instruction set, threads, and the limits of this machine."""

import functools

import convkit
from convkit import bench, runtime

__all__ = ["ISA", "THREADS", "bandwidth", "fma_peak"]

ISA = bench.current_isa()
THREADS = convkit.get_num_threads()


@functools.cache
def fma_peak(isa: str, threads: int, dtype: str) -> float:
    """GFLOP/s of nothing but FMA; probed once."""
    with convkit.use_isa(isa):
        return runtime.probe_fma_peak(num_threads=threads, dtype=dtype)


@functools.cache
def bandwidth() -> float:
    """GB/s from memory; probed once."""
    return runtime.probe_bandwidth(num_threads=THREADS)
