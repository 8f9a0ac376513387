"""Sizes around 2**31, 2**63 and beyond: an error or the right answer, quickly, in little memory.

The calls run in a child whose address space is limited, so that a crash or a giant allocation is
seen and the test names the call. Giant arrays are zero-stride broadcasts of one element.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convkit

SPARE_BYTES = 3 << 29
LIMIT_SECONDS = 5.0
LIMIT_RSS = 400 << 20

LENGTHS = (2**31 - 1, 2**31, 2**31 + 1, 2**32, 2**32 + 3, 2**40, 2**60)
NUMBERS = (2**31 - 1, 2**31, 2**32, 2**32 + 1, 2**62, 2**63 - 1, 2**63, 2**64, 2**64 + 1, 10**30)
WINDOWED = ("max_pool1d", "avg_pool1d", "lp_pool1d")


@dataclass(frozen=True)
class Call:
    """A call, and its answer if it may give one; without answer it must raise."""

    id: str
    run: Callable[[], Any]
    answer: Any = None


def constant(shape: tuple[int, ...], dtype: Any = np.float32, value: int = 1) -> np.ndarray:
    return np.broadcast_to(np.array(value, dtype), shape)


def line(dtype: Any = np.float32) -> np.ndarray:
    return np.arange(1, 10, dtype=dtype).reshape(1, 1, 9)


def keywords(function: str) -> dict[str, Any]:
    return {"norm_type": 1} if function.startswith("lp") else {}


def giant_inputs() -> Iterator[Call]:
    one = np.full((1, 1, 1), 3, np.float32)
    for n in LENGTHS:
        wide, many = constant((1, 1, n)), constant((n, 1, 1))
        yield Call(f"conv1d width {n}", lambda x=wide: convkit.conv1d(x, one))
        yield Call(f"conv1d batch {n}", lambda x=many: convkit.conv1d(x, one))
        yield Call(
            f"conv1d width {n} stride {n}",
            lambda x=wide, n=n: convkit.conv1d(x, one, stride=n),
            np.full((1, 1, 1), 3, np.float32),
        )
        yield Call(
            f"conv1d depthwise {n}",
            lambda n=n: convkit.conv1d(constant((1, n, 1)), constant((n, 1, 1)), groups=n),
        )
        yield Call(
            f"conv1d out channels {n}",
            lambda n=n: convkit.conv1d(line(), constant((n, 1, 1))),
        )
        yield Call(f"im2col width {n}", lambda x=wide: convkit.im2col(x, 3))
        yield Call(
            f"im2col width {n} stride {n}",
            lambda x=wide, n=n: convkit.im2col(x, 2, stride=n),
            np.ones((1, 2, 1), np.float32),
        )
        yield Call(
            f"conv1d_plan width {n}",
            lambda n=n: convkit.conv1d_plan((1, 1, n), one).output_shape,
            (1, 1, n),
        )
        for name in WINDOWED:
            function, extra = getattr(convkit, name), keywords(name)
            yield Call(
                f"{name} width {n}",
                lambda f=function, x=wide, kw=extra: f(x, kernel_size=1, **kw),
            )
            yield Call(
                f"{name} width {n} stride {n}",
                lambda f=function, x=wide, n=n, kw=extra: f(x, kernel_size=1, stride=n, **kw),
                np.ones((1, 1, 1), np.float32),
            )
        yield Call(
            f"max_unpool1d width {n}",
            lambda x=wide, n=n: convkit.max_unpool1d(x, constant((1, 1, n), np.int64, 0), 1),
        )
    for dtype in (np.int8, np.bool_):
        for shape in ((1, 1, 2**63 - 1), (2**63 - 1, 1, 1), (2**31, 1, 2**31), (1, 2**62, 1)):
            x = constant(shape, dtype)
            weight = constant((1, shape[1], 1), dtype)
            name = np.dtype(dtype).name
            yield Call(f"conv1d {name} {shape}", lambda x=x, w=weight: convkit.conv1d(x, w))
            yield Call(f"max_pool1d {name} {shape}", lambda x=x: convkit.max_pool1d(x, 1))
            yield Call(f"avg_pool1d {name} {shape}", lambda x=x: convkit.avg_pool1d(x, 1))
            yield Call(f"im2col {name} {shape}", lambda x=x: convkit.im2col(x, 1))
    plane = constant((1, 1, 2**20, 2**40))
    cube = constant((1, 1, 2**20, 2**20, 2**20))
    yield Call("conv2d 2**60", lambda: convkit.conv2d(plane, constant((1, 1, 1, 1))))
    yield Call("conv3d 2**60", lambda: convkit.conv3d(cube, constant((1, 1, 1, 1, 1))))
    yield Call("max_pool2d 2**60", lambda: convkit.max_pool2d(plane, 2))
    yield Call("avg_pool3d 2**60", lambda: convkit.avg_pool3d(cube, 2))
    yield Call("max_pool2d 2**60 indices", lambda: convkit.max_pool2d(plane, 2, return_indices=True))
    yield Call(
        "conv2d 2**16 x 2**16",
        lambda: convkit.conv2d(constant((1, 1, 2**16, 2**16)), constant((1, 1, 1, 1))),
    )


def giant_windows() -> Iterator[Call]:
    x = line()
    for n in NUMBERS:
        if n < 2**61:
            kernel = constant((1, 1, n))
            yield Call(f"conv1d kernel {n}", lambda w=kernel: convkit.conv1d(x, w))
            yield Call(f"conv1d kernel {n} full", lambda w=kernel: convkit.conv1d(x, w, padding="full"))
        yield Call(f"im2col kernel {n}", lambda n=n: convkit.im2col(x, n))
        yield Call(f"col2im kernel {n}", lambda n=n: convkit.col2im(constant((1, 3, 7)), (9,), n))
        for name in WINDOWED:
            function, extra = getattr(convkit, name), keywords(name)
            yield Call(f"{name} kernel {n}", lambda f=function, kw=extra, n=n: f(x, kernel_size=n, **kw))
            yield Call(
                f"{name} kernel {n} padding {n}",
                lambda f=function, kw=extra, n=n: f(x, kernel_size=n, padding=n, stride=1, **kw),
            )
    for half in (2**30, 2**31, 2**40, 2**61):
        kernel = 2 * half + 1
        yield Call(
            f"max_pool1d kernel {kernel} over all",
            lambda k=kernel, h=half: convkit.max_pool1d(x, k, 1, h),
            np.full((1, 1, 9), 9, np.float32),
        )
        yield Call(
            f"avg_pool1d kernel {kernel} over all",
            lambda k=kernel, h=half: convkit.avg_pool1d(x, k, 1, h, count_include_pad=False),
            np.full((1, 1, 9), 5, np.float32),
        )


def giant_steps() -> Iterator[Call]:
    x, weight = line(), np.full((1, 1, 2), 1, np.float32)
    for n in NUMBERS:
        yield Call(
            f"conv1d stride {n}",
            lambda n=n: convkit.conv1d(x, weight, stride=n),
            np.array([[[3]]], np.float32),
        )
        yield Call(
            f"im2col stride {n}",
            lambda n=n: convkit.im2col(x, 2, stride=n),
            np.array([[[1], [2]]], np.float32),
        )
        yield Call(
            f"conv1d_plan stride {n}",
            lambda n=n: convkit.conv1d_plan(x.shape, weight, stride=n)(x),
            np.array([[[3]]], np.float32),
        )
        yield Call(
            f"max_pool1d stride {n}",
            lambda n=n: convkit.max_pool1d(x, 2, n),
            np.array([[[2]]], np.float32),
        )
        yield Call(
            f"max_pool1d stride {n} ceil",
            lambda n=n: convkit.max_pool1d(x, 2, n, ceil_mode=True),
            np.array([[[2]]], np.float32),
        )
        yield Call(
            f"avg_pool1d stride {n}",
            lambda n=n: convkit.avg_pool1d(x, 2, n),
            np.array([[[1.5]]], np.float32),
        )
        yield Call(
            f"max_pool1d stride {n} same",
            lambda n=n: convkit.max_pool1d(x, 2, n, "same"),
            np.array([[[2]]], np.float32),
        )
        yield Call(f"conv1d dilation {n}", lambda n=n: convkit.conv1d(x, weight, dilation=n))
        yield Call(
            f"conv1d dilation {n} of one tap",
            lambda n=n: convkit.conv1d(x, weight[..., :1], dilation=n),
            x,
        )
        yield Call(f"max_pool1d dilation {n}", lambda n=n: convkit.max_pool1d(x, 2, 1, 0, n))
        yield Call(f"avg_pool1d dilation {n}", lambda n=n: convkit.avg_pool1d(x, 3, dilation=n))
        yield Call(f"im2col dilation {n}", lambda n=n: convkit.im2col(x, 3, 1, 0, n))
        yield Call(
            f"conv1d full dilation {n}",
            lambda n=n: convkit.conv1d(x, weight, dilation=n, padding="full"),
        )
        for name in ("full", "causal", "same", "same_lower"):
            yield Call(
                f"conv1d {name} dilation {n} of 9 taps",
                lambda n=n, name=name: convkit.conv1d(x, np.ones((1, 1, 9), np.float32), dilation=n, padding=name),
                None if name == "full" else x,
            )
        yield Call(
            f"conv1d same dilation {n}",
            lambda n=n: convkit.conv1d(x, np.ones((1, 1, 3), np.float32), padding="same", dilation=n),
            x,
        )
        yield Call(f"conv1d groups {n}", lambda n=n: convkit.conv1d(x, weight, groups=n))
        yield Call(f"conv1d num_threads {n}", lambda n=n: convkit.conv1d(x, weight, num_threads=n))


def giant_paddings() -> Iterator[Call]:
    x, weight = line(), np.full((1, 1, 1), 2, np.float32)
    for n in NUMBERS:
        for pad in (n, ((n, 0),), ((0, n),), ((n, n),)):
            yield Call(f"conv1d padding {pad}", lambda p=pad: convkit.conv1d(x, weight, padding=p))
            yield Call(f"avg_pool1d padding {pad}", lambda p=pad: convkit.avg_pool1d(x, 1, 1, p))
        yield Call(f"max_pool1d padding {n}", lambda n=n: convkit.max_pool1d(x, 2, 1, n))
        yield Call(f"im2col padding {n}", lambda n=n: convkit.im2col(x, 2, 1, n))
        yield Call(
            f"col2im padding {n}",
            lambda n=n: convkit.col2im(constant((1, 2, 8)), (9,), 2, 1, n),
        )
        for mode in ("edge", "reflect", "symmetric", "wrap"):
            yield Call(
                f"conv1d {mode} padding {n}",
                lambda n=n, m=mode: convkit.conv1d(x, weight, padding=n, padding_mode=m),
            )
    for n in (2**31, 2**40, 2**61):
        far = np.array([[[0, 2, 0]]], np.float32)
        yield Call(
            f"conv1d padding {n} stride {n}",
            lambda n=n: convkit.conv1d(x, weight, stride=n, padding=n),
            far,
        )
        yield Call(
            f"avg_pool1d padding {n} stride {n}",
            lambda n=n: convkit.avg_pool1d(x, 1, n, n, count_include_pad=True),
            far / 2,
        )
        yield Call(
            f"conv1d edge padding {n} stride {n}",
            lambda n=n: convkit.conv1d(x, weight, stride=n, padding=n, padding_mode="edge"),
            np.array([[[2, 2, 18]]], np.float32),
        )
        yield Call(
            f"conv1d wrap padding {n} stride {n}",
            lambda n=n: convkit.conv1d(x, weight, stride=n, padding=n, padding_mode="wrap"),
            np.array([[[2 * (-n % 9 + 1), 2, 2 * (n % 9 + 1)]]], np.float32),
        )


def giant_results() -> Iterator[Call]:
    x = line()
    indices = np.zeros((1, 1, 9), np.int64)
    for n in NUMBERS:
        yield Call(f"adaptive_max {n}", lambda n=n: convkit.adaptive_max_pool1d(x, n))
        yield Call(f"adaptive_avg {n}", lambda n=n: convkit.adaptive_avg_pool1d(x, n))
        yield Call(
            f"adaptive_avg_pool2d {n}",
            lambda n=n: convkit.adaptive_avg_pool2d(x[..., None], (n, n)),
        )
        yield Call(
            f"max_unpool output_size {n}",
            lambda n=n: convkit.max_unpool1d(x, indices, 1, output_size=(n,)),
        )
        yield Call(f"max_unpool kernel {n}", lambda n=n: convkit.max_unpool1d(x, indices, n))
        yield Call(f"max_unpool stride {n}", lambda n=n: convkit.max_unpool1d(x, indices, 2, n))
        yield Call(
            f"col2im output_size {n}",
            lambda n=n: convkit.col2im(constant((1, 2, 8)), (n,), 2),
        )
        if n < 2**63:
            yield Call(
                f"max_unpool index {n}",
                lambda n=n: convkit.max_unpool1d(x, np.full((1, 1, 9), n), 1),
            )


def empty_times_giant() -> Iterator[Call]:
    """A zero beside a huge length: nothing to do, or nothing to see."""
    one, square = np.ones((1, 1, 1), np.float32), np.ones((1, 1, 1, 1), np.float32)
    for n in (2**31, 2**32 + 1, 2**40, 2**60):
        x = np.empty((0, 1, n), np.float32)
        yield Call(f"conv1d (0, 1, {n})", lambda x=x: convkit.conv1d(x, one), x)
        yield Call(f"max_pool1d (0, 1, {n})", lambda x=x: convkit.max_pool1d(x, 1), x)
        yield Call(f"avg_pool1d (0, 1, {n})", lambda x=x: convkit.avg_pool1d(x, 1), x)
        yield Call(f"im2col (0, 1, {n})", lambda x=x: convkit.im2col(x, 1), x)
        yield Call(
            f"global_avg_pool (0, 1, {n})",
            lambda x=x: convkit.global_avg_pool(x),
            np.empty((0, 1, 1), np.float32),
        )
        flat = np.empty((1, 1, 0, n), np.float32)
        none = np.empty((1, 0, n), np.float32)
        yield Call(f"conv2d (1, 1, 0, {n})", lambda x=flat: convkit.conv2d(x, square))
        yield Call(f"max_pool2d (1, 1, 0, {n})", lambda x=flat: convkit.max_pool2d(x, 1))
        yield Call(f"global_max (1, 1, 0, {n})", lambda x=flat: convkit.global_max_pool(x))
        yield Call(f"avg_pool1d (1, 0, {n})", lambda x=none: convkit.avg_pool1d(x, 1))
        yield Call(
            f"conv1d (1, 0, {n})",
            lambda x=none: convkit.conv1d(x, np.empty((1, 0, 1), np.float32)),
        )


def giant_shapes() -> Iterator[Call]:
    """Functions of shapes may compute with numbers of any size."""
    one = np.ones((1, 1, 3), np.float32)
    for n in NUMBERS:
        yield Call(
            f"conv_output_shape {n}",
            lambda n=n: convkit.conv_output_shape((1, 1, n), (1, 1, 3)),
            (1, 1, n - 2),
        )
        yield Call(
            f"conv_output_shape batch {n}",
            lambda n=n: convkit.conv_output_shape((n, 1, 5), (1, 1, 3)),
            (n, 1, 3),
        )
        yield Call(
            f"conv_output_shape transposed {n}",
            lambda n=n: convkit.conv_output_shape((1, 1, 3), (1, 1, 1), n, transposed=True),
            (1, 1, 2 * n + 1),
        )
        yield Call(
            f"pool_output_shape {n}",
            lambda n=n: convkit.pool_output_shape((1, 1, n), (3,), 1),
            (1, 1, n - 2),
        )
        yield Call(
            f"receptive_field {n}",
            lambda n=n: tuple(convkit.receptive_field([(n, n), (2, 1)])),
            (2 * n, n, 0),
        )
        yield Call(
            f"conv1d_plan batch {n}",
            lambda n=n: convkit.conv1d_plan((n, 1, 5), one).output_shape,
            (n, 1, 3),
        )
        yield Call(
            f"explain {n}",
            lambda n=n: type(convkit.explain("conv1d", (1, 1, n), (1, 1, 3))).__name__,
            "Explanation",
        )


GROUPS = (
    giant_inputs,
    giant_windows,
    giant_steps,
    giant_paddings,
    giant_results,
    empty_times_giant,
    giant_shapes,
)


def agrees(result: Any, answer: Any) -> bool:
    if isinstance(answer, np.ndarray):
        return bool(result.shape == answer.shape and np.array_equal(result, answer))
    return bool(result == answer)


def outcome(call: Call) -> str:
    try:
        result = call.run()
    except (ValueError, MemoryError) as error:
        return type(error).__name__ if str(error) else f"{type(error).__name__} without a text"
    except BaseException as error:
        return f"wrong class: {type(error).__name__}: {error}"
    if call.answer is None:
        return f"wrong: accepted, gave {str(getattr(result, 'shape', result))[:60]}"
    return "right" if agrees(result, call.answer) else f"wrong: gave {str(result)[:60]}"


def run_group(number: int) -> None:
    """Make the calls of a group under the limit, one line of JSON before and after each."""
    import resource

    calls = list(GROUPS[number]())
    convkit.conv1d(constant((1, 1, 4)), constant((1, 1, 1)))
    if "asan" not in os.environ.get("LD_PRELOAD", ""):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for call in calls:
        print(json.dumps({"id": call.id}), flush=True)
        start = time.perf_counter()
        result = outcome(call)
        print(json.dumps({"outcome": result, "seconds": time.perf_counter() - start}), flush=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"grown": grown}), flush=True)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux' /proc")
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_overflow(group: Callable[[], Iterator[Call]]) -> None:
    package = Path(convkit.__file__).parent.parent
    path = os.pathsep.join([str(Path(__file__).parent), str(package)])
    # AddressSanitizer reserves more addresses than any limit leaves; it has one of its own, for one allocation.
    asan = f"{os.environ.get('ASAN_OPTIONS', '')}:max_allocation_size_mb={SPARE_BYTES >> 20}"
    child = subprocess.run(
        [sys.executable, "-c", f"import test_overflow as t; t.run_group({GROUPS.index(group)})"],
        env=os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "OPENBLAS_NUM_THREADS": "1", "ASAN_OPTIONS": asan},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    ids = [line["id"] for line in lines if "id" in line]
    last = ids[-1] if ids else "the import"
    assert child.returncode == 0, f"exit {child.returncode} at {last}: {child.stderr[-2000:]}"
    results = [line for line in lines if "outcome" in line]
    assert len(results) == len(ids) >= 30
    complaints = []
    for name, result in zip(ids, results, strict=True):
        if result["outcome"] not in ("ValueError", "MemoryError", "right"):
            complaints.append(f"{name}: {result['outcome']}")
        if result["seconds"] > LIMIT_SECONDS:
            complaints.append(f"{name}: took {result['seconds']:.1f} s")
    assert not complaints, f"{len(complaints)} of {len(ids)}:\n" + "\n".join(complaints[:40])
    assert lines[-1]["grown"] < LIMIT_RSS, f"resident memory grew by {lines[-1]['grown']} bytes"


def test_overflow_counts() -> None:
    """There are hundreds of calls, and enough of them have an answer to compare."""
    calls = [call for group in GROUPS for call in group()]
    assert len({call.id for call in calls}) == len(calls) >= 400
    assert sum(call.answer is not None for call in calls) >= 100
