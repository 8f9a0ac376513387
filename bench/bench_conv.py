"""Every convolution of workloads.py: functional call, plan, plan with channels last."""

from collections.abc import Callable
from typing import Any

import pytest
from probes import ISA, THREADS
from workloads import LAYERS, Layer

from convkit import bench

CONVOLUTIONS = [layer for layer in LAYERS if layer.op == "conv"]
FORMS = {
    "call": (False, "channels_first"),
    "plan": (True, "channels_first"),
    "plan-last": (True, "channels_last"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=lambda layer: layer.name)
@pytest.mark.benchmark(max_time=0.2, min_rounds=5)
def test_conv(layer: Layer, form: str, benchmark: Any, time_case: Callable[[bench.Case], None]) -> None:
    benchmark.group = f"{layer.name} {layer.id}"
    benchmark.extra_info["source"] = layer.source
    plan, layout = FORMS[form]
    variant = bench.Variant("auto", ISA, THREADS, layout=layout, plan=plan)
    time_case(bench.Case(bench.Layer.of(layer), variant))
