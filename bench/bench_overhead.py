"""What a call costs beside the arithmetic: tiny problems, and the import of the package."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from workloads import by_name, make_inputs

import convkit
from convkit import reference

# Imports convkit after NumPy; prints the seconds that took and what must not come along.
IMPORT = """
import sys, time, numpy
start = time.perf_counter()
import convkit
seconds = time.perf_counter() - start
unwanted = {"argparse", "rich", "matplotlib", "convkit.bench", "convkit.selftest"}
print(seconds, *sorted(unwanted & set(sys.modules)))
"""


def _tiny(name: str) -> tuple[NDArray[Any], NDArray[Any], dict[str, Any], NDArray[Any]]:
    """Return inputs, options and expected result of a layer of workloads.py."""
    layer = by_name(name)
    x, weight = make_inputs(layer)
    options: dict[str, Any] = {"padding": layer.pad}
    return x, weight, options, reference.conv2d(x, weight, **options)


@pytest.mark.parametrize("name", ["tiny8", "tiny1"])
@pytest.mark.benchmark(group="overhead of a call")
def test_conv2d_call(name: str, benchmark: Any) -> None:
    x, weight, options, expected = _tiny(name)
    np.testing.assert_array_equal(convkit.conv2d(x, weight, **options), expected)
    benchmark(convkit.conv2d, x, weight, **options)
    _note_gflops(benchmark, name)


@pytest.mark.parametrize("name", ["tiny8", "tiny1"])
@pytest.mark.parametrize("reuse_out", [False, True], ids=["fresh", "out"])
@pytest.mark.benchmark(group="overhead of a call")
def test_plan_call(name: str, reuse_out: bool, benchmark: Any) -> None:
    x, weight, options, expected = _tiny(name)
    plan = convkit.conv2d_plan(x.shape, weight, **options)
    y = plan(x)
    np.testing.assert_array_equal(y, expected)
    if reuse_out:
        benchmark(plan, x, out=y)
    else:
        benchmark(plan, x)
    _note_gflops(benchmark, name)
    benchmark.extra_info["algorithm"] = plan.algorithm


@pytest.mark.benchmark(group="overhead of a call")
def test_max_pool2d_call(benchmark: Any) -> None:
    x = make_inputs(by_name("tiny8"))[0]
    np.testing.assert_array_equal(convkit.max_pool2d(x, 2), reference.max_pool2d(x, 2))
    benchmark(convkit.max_pool2d, x, 2)


@pytest.mark.benchmark(group="overhead of a call")
def test_numpy_add(benchmark: Any) -> None:
    """The measure: the cheapest call that takes two arrays and returns a fresh one."""
    x = make_inputs(by_name("tiny8"))[0]
    np.testing.assert_array_equal(np.add(x, x), 2 * x)
    benchmark(np.add, x, x)


@pytest.mark.benchmark(group="overhead of a plan")
def test_make_plan(benchmark: Any) -> None:
    x, weight, options, expected = _tiny("tiny8")
    plan = benchmark(convkit.conv2d_plan, x.shape, weight, **options)
    np.testing.assert_array_equal(plan(x), expected)


@pytest.mark.benchmark(group="import")
def test_import(benchmark: Any) -> None:
    """Time a whole process; the part that is convkit's own goes to ``import_ms``."""
    own: list[float] = []

    def start_python() -> None:
        command = [sys.executable, "-c", IMPORT]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, *unwanted = done.stdout.split()
        assert unwanted == []
        own.append(float(seconds))

    benchmark.pedantic(start_python, rounds=5, warmup_rounds=1)
    benchmark.extra_info["import_ms"] = round(1e3 * min(own), 2)


def _note_gflops(benchmark: Any, name: str) -> None:
    info = benchmark.extra_info
    info["threads"] = convkit.get_num_threads()
    if not benchmark.disabled:
        info["GFLOP/s"] = round(by_name(name).flops / benchmark.stats.stats.median / 1e9, 3)
