"""Inputs that have crashed other libraries: one test each."""

from pathlib import Path

import numpy as np
import pytest
from cases_pool import assert_same
from test_threads_processes import run_python

import convkit


def test_stride_zero() -> None:
    """CVE-2025-2953: a pooling with stride 0 divided by zero in PyTorch."""
    x, w = np.ones((1, 1, 6, 6), np.float32), np.ones((1, 1, 3, 3), np.float32)
    for zero in (0, (0, 0), (1, 0), (0, 1)):
        for call in (
            lambda s=zero: convkit.max_pool2d(x, 2, s),
            lambda s=zero: convkit.avg_pool2d(x, 2, s),
            lambda s=zero: convkit.lp_pool2d(x, 2, 2, s),
            lambda s=zero: convkit.conv2d(x, w, stride=s),
            lambda s=zero: convkit.conv2d_plan(x.shape, w, stride=s),
            lambda s=zero: convkit.im2col(x, 2, s),
            lambda s=zero: convkit.col2im(np.ones((1, 4, 25), np.float32), (6, 6), 2, s),
            lambda s=zero: convkit.max_unpool2d(x, np.zeros((1, 1, 6, 6), int), 2, s),
            lambda s=zero: convkit.pool_output_shape(x.shape, 2, s),
            lambda s=zero: convkit.explain("conv2d", x.shape, w.shape, stride=s),
        ):
            with pytest.raises(ValueError, match=r"\bstride\b.*0"):
                call()


def available_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))


@pytest.mark.skipif(available_bytes() < 6 << 30, reason="needs 2.3 GB and takes no risk below 6")
def test_im2col_index_past_2_to_31() -> None:
    """More than 2**31 elements of columns: every one of them in its place."""
    code = """
        import numpy as np
        import convkit

        taps, pixels = 64, 2**25 + 3
        x = (np.arange(pixels + taps - 1) % 251).astype(np.uint8)
        columns = convkit.im2col(x.reshape(1, 1, -1), taps)
        assert columns.shape == (1, taps, pixels) and columns.dtype == np.uint8
        assert columns.size > 2**31
        for tap in (0, 1, 31, 62, 63):
            assert np.array_equal(columns[0, tap], x[tap : tap + pixels]), tap
        print("right")
    """
    assert run_python(code, timeout=120) == "right"


def test_argmax_of_windows_of_nan() -> None:
    """All-NaN windows left the index at -1 or unset, and unpooling wrote there."""
    for dtype in (np.float32, np.float64):
        for layout, shape in (
            ("channels_first", (1, 2, 7, 37)),
            ("channels_last", (1, 7, 37, 2)),
        ):
            x = np.full(shape, np.nan, dtype)
            for k, s, p in ((2, 2, 0), (3, 1, 1), (3, 2, 2), (7, 1, 3)):
                values, indices = convkit.max_pool2d(x, k, s, p, return_indices=True, layout=layout)
                assert np.isnan(values).all()
                assert indices.min() == 0
                assert indices.max() < 7 * 37
                back = convkit.max_unpool2d(values, indices, k, output_size=(7, 37), layout=layout)
                assert np.isnan(back).any()
            _, indices = convkit.adaptive_max_pool2d(x, (3, 5), return_indices=True, layout=layout)
            assert indices.min() == 0


def test_unpool_index_out_of_range() -> None:
    """Indices from elsewhere wrote outside the output."""
    x = np.ones((2, 3, 4, 5), np.float32)
    for wrong in (-1, 8 * 10, 8 * 10 + 1, 2**31, 2**32, 2**62, -(2**31), -(2**63), 2**63 - 1):
        for place in ((0, 0, 0, 0), (1, 2, 3, 4), (0, 1, 2, 3)):
            indices = np.zeros(x.shape, np.int64)
            indices[place] = wrong
            out = np.full((2, 3, 8, 10), 7, np.float32)
            with pytest.raises(ValueError, match=r"\bindices\b"):
                convkit.max_unpool2d(x, indices, 2, out=out)
            assert (out == 7).all(), "wrote before it checked"
    small = np.full(x.shape, 79)
    assert convkit.max_unpool2d(x, small, 2)[0, 0, 7, 9] == 1
    with pytest.raises(ValueError, match=r"\bindices\b"):
        convkit.max_unpool2d(x, small, 2, output_size=(7, 9))


def test_kernel_larger_than_input() -> None:
    """The output length became negative, and an allocation of it enormous."""
    x = np.ones((1, 1, 3), np.float32)
    for kernel in (4, 5, 1000):
        w = np.ones((1, 1, kernel), np.float32)
        for call in (
            lambda w=w: convkit.conv1d(x, w),
            lambda w=w: convkit.conv1d_plan(x.shape, w),
            lambda k=kernel: convkit.max_pool1d(x, k),
            lambda k=kernel: convkit.avg_pool1d(x, k),
            lambda k=kernel: convkit.im2col(x, k),
        ):
            with pytest.raises(ValueError, match="output"):
                call()
    y = convkit.conv1d(x, np.ones((1, 1, 5), np.float32), padding=1)
    assert_same(y, np.array([[[3]]], np.float32), "the kernel fits the padded input")


def test_size_zero_beside_a_huge_size() -> None:
    """A product of sizes overflowed although one of them was zero."""
    huge = 2**40
    x = np.empty((0, 1, huge), np.float32)
    y = convkit.conv1d(x, np.ones((1, 1, 1), np.float32))
    assert (y.shape, y.dtype) == ((0, 1, huge), np.float32)
    assert convkit.max_pool1d(x, 1).shape == (0, 1, huge)
    flat = np.empty((1, 1, 0, huge), np.float32)
    for call in (
        lambda: convkit.conv2d(flat, np.ones((1, 1, 1, 1), np.float32)),
        lambda: convkit.max_pool2d(flat, 1),
        lambda: convkit.global_avg_pool(flat),
    ):
        with pytest.raises(ValueError, match=r"\bx\b"):
            call()
