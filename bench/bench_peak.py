"""How near the micro-kernels come to the FMA peak, on one thread, for every instruction set.

The problems leave a kernel nothing to do but multiply: 1x1 convolutions with prepared weights, all
of whose operands stay in the L2 cache, with sizes that every register tile divides. What they miss
of the peak is lost in the kernels and their loops, not in edges, packing of weights or memory.
"""

from collections.abc import Callable
from typing import Any

import pytest

import convkit
from convkit import bench, runtime

DTYPES = ("float32", "float64")
KERNELS = {
    "pixels": bench.Layer("peak", "pixels", "conv", 1, 128, (24, 32), 168, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "channels": bench.Layer("peak", "channels", "conv", 1, 128, (12, 14), 384, (1, 1), (1, 1), (0, 0), (1, 1), 1),
}


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", convkit.isas())
@pytest.mark.benchmark(group="peak", max_time=0.2, min_rounds=5)
def test_kernel_peak(isa: str, dtype: str, kernel: str, layout: str, time_case: Callable[[bench.Case], None]) -> None:
    variant = bench.Variant("direct", isa, 1, layout, dtype, plan=True, reuse_out=True)
    time_case(bench.Case(KERNELS[kernel], variant))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", convkit.isas())
@pytest.mark.benchmark(group="probe")
def test_probe(isa: str, dtype: str, benchmark: Any) -> None:
    """Time the probe that every percentage rests on; three results show how it scatters."""
    with convkit.use_isa(isa):
        found = [runtime.probe_fma_peak(num_threads=1, dtype=dtype) for _ in range(3)]
        assert min(found) > 0
        benchmark.pedantic(runtime.probe_fma_peak, kwargs={"num_threads": 1, "dtype": dtype}, rounds=3)
    benchmark.extra_info.update(isa=isa, threads=1, dtype=dtype)
    benchmark.extra_info["GFLOP/s"] = [round(value, 1) for value in found]
