"""Tens of thousands of calls over changing shapes: memory stays flat, errors and threads included.

Each test measures a fresh interpreter, after a warm-up, so that neither other tests nor the first
fill of caches and arenas count.
"""

import os
import sys

import pytest
from test_threads_processes import run_python

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads resident memory from /proc")

TOOLS = """
    import gc, os, resource, sys, threading
    import numpy as np
    import convkit

    PAGE = resource.getpagesize()

    def resident():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * PAGE

    def expect_flat(call, warm, count, limit):
        for number in range(warm):
            call(number)
        blocks, before = sys.getallocatedblocks(), resident()
        for number in range(warm, warm + count):
            call(number)
        grown, more = resident() - before, sys.getallocatedblocks() - blocks
        assert grown < limit, f"{count} calls: resident memory grew by {grown} bytes"
        assert more < 2000, f"{count} calls: {more} more Python blocks"
        print(count)
"""


def measured(code: str) -> str:
    """Run the code with the tools. Freed memory, which AddressSanitizer would hold back for a while, goes at once."""
    asan = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
    return run_python(TOOLS, code, timeout=120, ASAN_OPTIONS=asan)


def test_twenty_thousand_calls() -> None:
    """Every operation, in turn, each time with another shape."""
    code = """
        rng = np.random.default_rng(0)
        stock = rng.integers(-9, 9, 40000).astype(np.float32)
        whole = stock.astype(np.int16)

        def array(n, source=stock):
            shape = (1 + n % 3, 2 * (1 + n % 4), 5 + n % 17, 5 + n // 17 % 23)
            return source[: int(np.prod(shape))].reshape(shape)

        def weight(x, k, source=stock):
            shape = (4, x.shape[1], k, k)
            return source[: int(np.prod(shape))].reshape(shape)

        def convolve(n):
            x = array(n)
            convkit.conv2d(x, weight(x, 1 + n % 4), padding=n % 3, stride=1 + n % 2)

        def convolve_wide(n):
            x = array(n)
            out = np.empty((x.shape[0], 4, *x.shape[2:]), np.float32)
            convkit.conv2d(
                x[..., ::-1], weight(x, 3), np.ones(4, np.float32), padding="same",
                padding_mode="reflect", activation="relu", out=out, num_threads=1 + n % 3,
            )

        def convolve_whole(n):
            x = array(n, whole)
            convkit.conv2d(x, weight(x, 2, whole), groups=1, layout="channels_first")

        def plan(n):
            x = array(n)
            made = convkit.conv2d_plan(x.shape, weight(x, 3))
            made(x)
            made(x[:1], num_threads=2)
            made.explain()

        def pool(n):
            x = array(n)
            values, indices = convkit.max_pool2d(x, 2, return_indices=True)
            convkit.max_unpool2d(values, indices, 2, output_size=x.shape)

        def average(n):
            x = array(n)
            convkit.avg_pool2d(x, 1 + n % 5, 1)
            convkit.max_pool2d(x, 1 + n % 2, 1, layout="channels_last")
            convkit.lp_pool2d(x, 2, 2)
            convkit.adaptive_avg_pool2d(x, 1 + n % 4)
            convkit.global_max_pool(x)

        def lower(n):
            x = array(n)
            columns = convkit.im2col(x, 2)
            convkit.col2im(columns, x.shape[2:], 2)

        def shapes(n):
            x = array(n)
            convkit.conv_output_shape(x.shape, (4, x.shape[1], 3, 3))
            convkit.pool_output_shape(x.shape, 2)
            convkit.receptive_field([(3, 1 + n % 4)] * (1 + n % 9))
            with convkit.threads(1 + n % 3):
                convkit.get_num_threads()

        def lists(n):
            convkit.max_pool1d(array(n)[0, 0].tolist(), 2)

        def explain(n):
            x = array(n)
            str(convkit.explain("conv2d", x.shape, (4, x.shape[1], 3, 3)))

        calls = [
            convolve, convolve_wide, convolve_whole, plan, pool, average, lower, shapes, lists, explain
        ]
        expect_flat(lambda n: calls[n % len(calls)](n // len(calls) * 7), 4000, 20000, 3 << 20)
    """
    assert measured(code) == "20000"


def test_errors_do_not_leak() -> None:
    """Five thousand refused calls, some after the arrays were already converted."""
    code = """
        x = np.ones((2, 4, 33, 35), np.float32)
        w = np.ones((8, 4, 3, 3), np.float32)
        far = np.full((2, 4, 33, 35), -1)
        bad = [
            lambda: convkit.conv2d(x, w, stride=0),
            lambda: convkit.conv2d(x, w[:, :3]),
            lambda: convkit.conv2d(x[..., ::2], w, np.ones(9, np.float32)),
            lambda: convkit.conv2d(x.astype(complex), w),
            lambda: convkit.conv2d(x, w, out=np.empty((1, 2, 3, 4), np.float32)),
            lambda: convkit.conv2d(x, w, padding="nonsense"),
            lambda: convkit.conv2d(x.tolist(), w, dilation=40),
            lambda: convkit.max_pool2d(x, 50),
            lambda: convkit.max_pool2d(np.ma.masked_array(x), 2),
            lambda: convkit.avg_pool2d(x[::-1], 2, 2, 9, count_include_pad=False),
            lambda: convkit.max_unpool2d(x, far, 2),
            lambda: convkit.im2col(x, 2, num_threads=3),
            lambda: convkit.conv2d_plan(x.shape, w)(x[:, :, 1:]),
            lambda: convkit.conv2d(np.broadcast_to(np.int8(1), (2**62, 1, 1)), w[:, :, 0]),
        ]

        def call(n):
            try:
                bad[n % len(bad)]()
            except (ValueError, TypeError, MemoryError):
                return
            raise AssertionError(f"call {n % len(bad)} was accepted")

        expect_flat(call, 1000, 5000, 2 << 20)
    """
    assert measured(code) == "5000"


def test_large_shapes_keep_one_bounded_workspace() -> None:
    """Hundreds of different large problems need no more than the largest of them."""
    code = """
        stock = np.ones((1, 32, 160, 160), np.float32)
        w = np.ones((48, 32, 3, 3), np.float32)

        def call(n):
            x = stock[:, :, : 100 + n % 60, : 100 + n // 3 % 60]
            for algorithm in convkit.algorithms():
                try:
                    convkit.conv2d(x, w, algorithm=algorithm, num_threads=2)
                except NotImplementedError:
                    pass
            convkit.max_pool2d(x, 3, 1)

        for n in (59, 177, 179):
            call(n)
        expect_flat(call, 60, 180, 16 << 20)
    """
    assert measured(code) == "180"


def test_release_workspace_gives_memory_back() -> None:
    code = """
        x = np.ones((1, 64, 128, 128), np.float32)
        w = np.ones((64, 64, 3, 3), np.float32)

        def call(n):
            convkit.conv2d(x, w, num_threads=2)
            assert convkit.release_workspace() > 0
            assert convkit.release_workspace() == 0

        call(0)
        before = resident()
        convkit.conv2d(x, w, num_threads=2)
        convkit.release_workspace()
        assert resident() - before < 4 << 20
        expect_flat(call, 20, 100, 4 << 20)
    """
    assert measured(code) == "100"


def test_kept_workspace_stays_mapped() -> None:
    """The workspace of the last calls is kept, whatever was kept before: a call that is repeated meets no new pages."""
    code = """
        stock = np.ones(512 * 256 * 9, np.float32)  # a thread keeps as many packed weights
        out = np.empty((3, 512, 1, 1), np.float32)

        def faults(channels):
            x = stock[: 3 * channels * 9].reshape(3, channels, 3, 3)
            w = stock[: 512 * channels * 9].reshape(512, channels, 3, 3)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            convkit.conv2d(x, w, out=out, algorithm="direct", num_threads=1)
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        for channels in range(96, 256, 8):
            faults(channels)
        first = faults(256)
        again = max(faults(256) for _ in range(5))
        assert again * 20 <= first, f"{again} new pages in a call that was just made, {first} in the first"
        assert convkit.release_workspace() >= stock.nbytes, "the test needs a call with a large workspace"
        print("kept")
    """
    assert measured(code) == "kept"


def test_threads_that_end_take_their_memory_along() -> None:
    """What a Python thread's calls kept is freed, or reused, when the thread has ended."""
    code = """
        x = np.ones((1, 32, 96, 96), np.float32)
        w = np.ones((32, 32, 3, 3), np.float32)

        def work():
            convkit.conv2d(x, w, num_threads=1)
            convkit.max_pool2d(x, 3, num_threads=1)

        def call(n):
            group = [threading.Thread(target=work) for _ in range(4)]
            for thread in group:
                thread.start()
            for thread in group:
                thread.join()

        expect_flat(call, 40, 120, 12 << 20)
    """
    assert measured(code) == "120"


def test_plans_are_freed() -> None:
    """A plan's packed weights go with it."""
    code = """
        x = np.ones((1, 64, 8, 8), np.float32)
        w = np.ones((256, 64, 3, 3), np.float32)

        def call(n):
            plan = convkit.conv2d_plan((1, 64, 8, 8 + n % 7), w)
            assert plan.packed_bytes >= 0

        expect_flat(call, 50, 400, 8 << 20)
    """
    assert measured(code) == "400"
