"""Memory of a call beside its arrays: bounded for each thread at any size, told by the plan, and seen in the resident set."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
import workloads

import convkit
from convkit import _conv

MB = 1 << 20

# x, weight, stride, padding, dilation, groups: beside the layers of networks, whatever is large in one way.
LARGE: tuple[tuple[Any, ...], ...] = (
    ((1, 64, 4096, 4096), (64, 64, 3, 3), 1, 1, 1, 1),
    ((1, 2048, 256, 256), (2048, 2048, 3, 3), 1, 1, 1, 1),
    ((1, 1, 20000, 20000), (1, 1, 31, 31), 1, 15, 1, 1),
    ((1, 3, 1, 10**7), (8, 3, 1, 9), 1, 0, 1, 1),
    ((1, 512, 64, 64, 64), (512, 512, 3, 3, 3), 1, 1, 1, 1),
    ((1, 16, 10**6), (16, 16, 101), 1, 0, 7, 1),
    ((1, 4096, 7, 7), (4096, 4096, 7, 7), 1, 0, 1, 1),
    ((1, 256, 1000, 1000), (256, 256, 5, 5), 3, 2, 2, 1),
    ((1, 640, 12000), (8, 640, 3), 3, 1, 1, 1),
    ((1, 620, 24446), (22, 620, 2), 6, 0, 1363, 1),
    ((1, 61, 129, 3451), (128, 61, 2, 2), 1, 0, (1, 183), 1),
    ((1, 2, 8192), (128, 2, 3), 1, 2048, 2048, 1),
    ((1, 176, 51, 85, 120), (436, 176, 3, 2, 5), 1, (2056, 0, 2), (2056, 1, 1), 1),
    ((1, 2, 1, 19), (1, 2, 4, 1), 1, ((0, 3 * 10**6), (0, 0)), (10**6, 1), 1),
    ((1, 2, 1, 19), (1, 2, 4, 1), (1, 4), ((0, 3 * 2**32), (0, 0)), (2**32, 1), 1),
    ((1, 1811, 47, 91, 20), (86, 1811, 2, 2, 3), 1, (1, 0, 10), (2, 1, 10), 1),
)
LAYERS = tuple(
    (
        (layer.n, layer.c, *layer.size),
        (layer.k, layer.c // layer.g, *layer.kernel),
        *(tuple(layer.stride), tuple(layer.pad), tuple(layer.dil), layer.g),
    )
    for layer in workloads.LAYERS
    if layer.op == "conv"
)


def planned(problem: tuple[Any, ...], layout: str, algorithm: str, dtype: str, prepared: bool) -> Any:
    x, *others = problem
    shape = x if layout == "channels_first" else (x[0], *x[2:], x[1])
    return _conv.describe(shape, np.dtype(dtype), *others, "zeros", layout, None, algorithm, prepared).conv


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("prepared", [True, False])
def test_workspace_is_bounded(layout: str, dtype: str, prepared: bool) -> None:
    """At most 8 MB a thread, with the packed weights of a call, and 2 with plans of Winograd, whose shared tiles take 16.

    In float64 and with narrow vectors a fourth or a half more.
    """
    most, winograd_most = (8 * MB, 2 * MB) if dtype == "float32" else (10 * MB, 3 * MB)
    for problem in (*LAYERS, *LARGE):
        for algorithm in convkit.algorithms():
            try:
                conv = planned(problem, layout, algorithm, dtype, prepared)
            except NotImplementedError:
                continue
            assert conv.thread_bytes <= most, (problem, algorithm)
            if algorithm != "winograd":
                assert conv.shared_bytes == 0, (problem, algorithm)
            elif prepared:
                assert conv.thread_bytes <= winograd_most, problem
                assert conv.shared_bytes <= 16 * MB, problem


@pytest.mark.parametrize("algorithm", ["direct", "im2col"])
def test_workspace_of_few_inputs_and_many_outputs(algorithm: str) -> None:
    """A call does not keep packed weights where the sums of many channels take a thread's memory already."""
    for kernel, padding, dilation in (((5, 32), (0, 64), (3, 1)), ((11, 11), 0, 1), ((3, 3), 1, 1)):
        problem = ((1, 8, 224, 112), (8000, 1, *kernel), 1, padding, dilation, 8)
        conv = planned(problem, "channels_last", algorithm, "float32", False)
        assert conv.thread_bytes <= 8 * MB, kernel


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_auto_takes_no_large_transformed_weights(layout: str) -> None:
    """What Winograd makes of the weights in a call is bounded too, unless it is asked for."""
    for problem in (*LAYERS, *LARGE):
        conv = planned(problem, layout, "auto", "float32", False)
        assert conv.shared_bytes <= 96 * MB, problem


@pytest.mark.skipif(sys.platform != "linux", reason="reads VmHWM")
@pytest.mark.parametrize("algorithm", ["direct", "im2col", "winograd"])
def test_resident_memory_of_a_call(algorithm: str) -> None:
    """A layer whose lowered matrix would be 1.2 GB: the peak of the process rises by no more than the plan told, and some pages."""
    code = f"""
        import numpy as np, convkit
        def peak():
            with open("/proc/self/status") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024
        small = np.ones((1, 64, 16, 16), np.float32)
        x, weight = np.ones((1, 64, 720, 720), np.float32), np.ones((64, 64, 3, 3), np.float32)
        out = np.ones((1, 64, 720, 720), np.float32)
        plan = convkit.conv2d_plan(x.shape, weight, padding=1, algorithm="{algorithm}")
        convkit.conv2d_plan(small.shape, weight, padding=1, algorithm="{algorithm}")(small, num_threads=2)  # threads are there
        before = peak()
        plan(x, out=out, num_threads=2)
        grown = peak() - before
        told = 2 * plan.workspace_bytes + plan.shared_bytes
        assert grown <= told + 2 * 2**20, (grown, told)
        assert told <= 2 * 8 * 2**20
        print("held")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "held" in done.stdout, done.stderr
