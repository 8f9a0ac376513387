"""Every pooling layer of workloads.py in both layouts, and the poolings that it has no layer of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from probes import ISA, THREADS
from workloads import Layer, family

import convkit
from convkit import bench, reference


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("layer", family("pool"), ids=lambda layer: layer.name)
@pytest.mark.benchmark(max_time=0.2, min_rounds=5)
def test_pool(layer: Layer, layout: str, benchmark: Any, time_case: Callable[[bench.Case], None]) -> None:
    benchmark.group = f"{layer.name} {layer.id}"
    benchmark.extra_info["source"] = layer.source
    variant = bench.Variant("auto", ISA, THREADS, layout=layout)
    time_case(bench.Case(bench.Layer.of(layer), variant))


# Exact in float32: p is 1, and what is divided is divided by a power of two.
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("lp_pool2d", (1, 2)),
        ("adaptive_max_pool2d", (7,)),
        ("adaptive_avg_pool2d", (7,)),
        ("global_max_pool", ()),
        ("global_avg_pool", ()),
    ],
)
@pytest.mark.benchmark(group="n1c256h56w56", max_time=0.2, min_rounds=5)
def test_other_pool(function: str, arguments: tuple[int, ...], time_bytes: Callable[..., None]) -> None:
    size = 64 if function == "global_avg_pool" else 56
    x = np.random.default_rng(0).integers(-4, 5, (1, 256, size, size)).astype(np.float32)
    expected = getattr(reference, function)(x, *arguments)
    pool = getattr(convkit, function)
    np.testing.assert_array_equal(pool(x, *arguments), expected)
    time_bytes(x.nbytes + expected.nbytes, pool, x, *arguments)


@pytest.mark.benchmark(group="n1c64h112w112", max_time=0.2, min_rounds=5)
def test_max_unpool(time_bytes: Callable[..., None]) -> None:
    x = np.random.default_rng(0).integers(-4, 5, (1, 64, 112, 112)).astype(np.float32)
    values, indices = reference.max_pool2d(x, 2, return_indices=True)
    expected = reference.max_unpool2d(values, indices, 2)
    np.testing.assert_array_equal(convkit.max_unpool2d(values, indices, 2), expected)
    nbytes = values.nbytes + indices.nbytes + expected.nbytes
    time_bytes(nbytes, convkit.max_unpool2d, values, indices, 2)
