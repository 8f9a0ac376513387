"""Tests of the oracle itself: hand-worked numbers, loops in plain Python, NumPy and SciPy.

The loops below know a window by where it starts, and look values up one at a time: no padded
array, no strided view and no formula for an output length is shared with the oracle.
"""

import ast
import doctest
import inspect
import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

import convkit
from convkit import reference

MODES = ("zeros", "edge", "reflect", "symmetric", "wrap")
INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
CONV = {axes: getattr(reference, f"conv{axes}d") for axes in (1, 2, 3)}
MAX_POOL = {axes: getattr(reference, f"max_pool{axes}d") for axes in (1, 2, 3)}
AVG_POOL = {axes: getattr(reference, f"avg_pool{axes}d") for axes in (1, 2, 3)}
LP_POOL = {axes: getattr(reference, f"lp_pool{axes}d") for axes in (1, 2, 3)}
ADAPTIVE_MAX = {axes: getattr(reference, f"adaptive_max_pool{axes}d") for axes in (1, 2, 3)}
ADAPTIVE_AVG = {axes: getattr(reference, f"adaptive_avg_pool{axes}d") for axes in (1, 2, 3)}
UNPOOL = {axes: getattr(reference, f"max_unpool{axes}d") for axes in (1, 2, 3)}


def assert_same(got, want, repro):
    """Equal in shape, dtype and every value; NaN equals NaN."""
    want = np.asarray(want)
    assert got.shape == want.shape, f"{repro}: shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"{repro}: dtype {got.dtype}, expected {want.dtype}"
    floats = got.dtype.kind == "f"
    assert np.array_equal(got, want, equal_nan=floats), f"{repro}: got\n{got}\nexpected\n{want}"
    assert got.flags.c_contiguous, f"{repro}: not C-contiguous"


# The definitions, in plain Python


def source_index(i, length, mode):
    """Where position `i` of a padded axis comes from; None for a zero."""
    if 0 <= i < length:
        return i
    if mode == "edge":
        return min(max(i, 0), length - 1)
    if mode == "wrap":
        return i % length
    if mode == "symmetric":
        return min(i % (2 * length), 2 * length - 1 - i % (2 * length))
    if mode == "reflect":
        period = max(2 * (length - 1), 1)
        return min(i % period, period - i % period) if length > 1 else 0
    return None


def window_starts(length, k, s, d, pads, ceil_mode=False):
    """The first input position of each window along one axis."""
    before, after = pads
    last = length + after - 1
    reach = d * (k - 1)
    starts = []
    start = -before
    while start + reach <= last or (ceil_mode and start - s + reach < last):
        if ceil_mode and start >= length:
            break
        starts.append(start)
        start += s
    return starts


def same_pads(length, k, s, d, *, lower=False):
    """The shortest padding with ceil(length / s) windows, the odd element after (or before)."""
    for total in itertools.count():
        less, more = total // 2, total - total // 2
        pads = (more, less) if lower else (less, more)
        if len(window_starts(length, k, s, d, pads)) >= math.ceil(length / s):
            return pads
    raise AssertionError


def loop_conv(x, weight, bias, stride, pads, dilation, groups, mode):
    """Convolve (N, C, *spatial) in Python numbers."""
    lengths, kernel = x.shape[2:], weight.shape[2:]
    starts = [window_starts(*axis) for axis in zip(lengths, kernel, stride, dilation, pads, strict=True)]
    oc, group_ic = weight.shape[:2]
    y = np.zeros((len(x), oc, *map(len, starts)), object)
    for place in itertools.product(*[range(size) for size in y.shape]):
        n, o, *spot = place
        total = 0 if bias is None else bias[o].item()
        for c in range(group_ic):
            channel = (o * groups // oc) * group_ic + c
            for tap in itertools.product(*map(range, kernel)):
                at = [source_index(starts[a][spot[a]] + tap[a] * dilation[a], lengths[a], mode) for a in range(len(kernel))]
                if None not in at:
                    total += x[(n, channel, *at)].item() * weight[(o, c, *tap)].item()
        y[place] = total
    return y


def loop_windows(lengths, kernel, stride, dilation, pads, ceil_mode):
    """For each output position: the input positions seen, and how many taps may count."""
    axes = range(len(lengths))
    starts = [window_starts(lengths[a], kernel[a], stride[a], dilation[a], pads[a], ceil_mode) for a in axes]
    out = tuple(map(len, starts))
    seen, counted = {}, {}
    for spot in itertools.product(*map(range, out)):
        seen[spot], counted[spot] = [], 0
        for tap in itertools.product(*map(range, kernel)):
            at = tuple(starts[a][spot[a]] + tap[a] * dilation[a] for a in axes)
            if all(0 <= at[a] < lengths[a] for a in axes):
                seen[spot].append(at)
            if all(-pads[a][0] <= at[a] < lengths[a] + pads[a][1] for a in axes):
                counted[spot] += 1
    return out, seen, counted


def first_maximum(values):
    """Index of the first NaN, or else of the first maximum."""
    for i, value in enumerate(values):
        if math.isnan(value):
            return i
    return values.index(max(values))


def as_modular(y, dtype):
    """Python integers as the values an integer dtype holds after wrapping."""
    bits = np.dtype(dtype).itemsize * 8
    half = 2 ** (bits - 1)
    wrapped = [(int(v) + half) % 2**bits - half for v in y.ravel()]
    return np.array(wrapped, dtype).reshape(y.shape)


def draw_problem(seed, axes, pooling=False):
    """Draw a small random problem; output lengths may turn out empty."""
    rng = np.random.default_rng(seed)
    longest = {1: 9, 2: 6, 3: 4}[axes]

    def draw(high):
        return tuple(int(v) for v in rng.integers(1, high + 1, axes))

    lengths, kernel, stride, dilation = draw(longest), draw(3), draw(3), draw(2)
    pads = [tuple(int(v) for v in rng.integers(0, 3, 2)) for _ in range(axes)]
    groups = int(rng.integers(1, 4))
    group_ic, group_oc = (int(v) for v in rng.integers(1, 3, 2))
    batch = int(rng.integers(1, 3))
    channels = group_ic if pooling else groups * group_ic
    x = rng.integers(-9, 10, (batch, channels, *lengths))
    weight = rng.integers(-9, 10, (groups * group_oc, group_ic, *kernel))
    return rng, x, weight, lengths, kernel, stride, dilation, pads, groups


# The module


def test_doctests():
    result = doctest.testmod(reference)
    assert result.attempted > 30, f"doctest.testmod(reference): only {result.attempted} examples"
    assert result.failed == 0, f"doctest.testmod(reference): {result.failed} examples failed"


def test_imports_numpy_only():
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    allowed = {"numpy", *sys.stdlib_module_names}
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            roots.add("." * node.level + (node.module or "").partition(".")[0])
    assert "numpy" in roots, f"ast.parse(reference): found only {roots}"
    assert roots <= allowed, f"ast.parse(reference): imports {roots - allowed}"


@pytest.mark.parametrize("name", reference.__all__)
def test_public_functions_are_documented(name):
    thing = getattr(reference, name)
    assert thing.__doc__, f"{name}: no docstring"
    if inspect.isfunction(thing):
        assert "Examples\n" in thing.__doc__, f"{name}: no example"
        assert ">>>" in thing.__doc__, f"{name}: no example"


CONV_ARGUMENTS = (
    "x weight bias=None stride=1 padding=0 dilation=1 groups=1 * padding_mode='zeros' layout='channels_first' activation=None"
)
SIGNATURES = {
    "conv{}d": CONV_ARGUMENTS,
    "max_pool{}d": "x kernel_size stride=None padding=0 dilation=1 ceil_mode=False "
    "return_indices=False * layout='channels_first'",
    "avg_pool{}d": "x kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True "
    "divisor_override=None * dilation=1 layout='channels_first'",
    "lp_pool{}d": "x norm_type kernel_size stride=None ceil_mode=False * padding=0 dilation=1 layout='channels_first'",
    "adaptive_max_pool{}d": "x output_size return_indices=False * layout='channels_first'",
    "adaptive_avg_pool{}d": "x output_size * layout='channels_first'",
    "max_unpool{}d": "x indices kernel_size stride=None padding=0 output_size=None * layout='channels_first'",
    "global_max_pool": "x * layout='channels_first'",
    "global_avg_pool": "x * layout='channels_first'",
    "im2col": "x kernel_size stride=1 padding=0 dilation=1",
    "col2im": "cols output_size kernel_size stride=1 padding=0 dilation=1",
    "conv_output_shape": "input_shape weight_shape stride=1 padding=0 dilation=1 groups=1 * "
    "layout='channels_first' transposed=False output_padding=0",
    "pool_output_shape": "input_shape kernel_size stride=None padding=0 dilation=1 ceil_mode=False * layout='channels_first'",
    "receptive_field": "layers",
}


def test_signatures():
    checked = set()
    for pattern, expected in SIGNATURES.items():
        for name in {pattern.format(axes) for axes in (1, 2, 3)}:
            words, star = [], False
            for p in inspect.signature(getattr(reference, name)).parameters.values():
                if p.kind is p.KEYWORD_ONLY and not star:
                    words.append("*")
                    star = True
                words.append(p.name if p.default is p.empty else f"{p.name}={p.default!r}")
            assert " ".join(words) == expected, f"inspect.signature(reference.{name})"
            checked.add(name)
    assert checked == set(reference.__all__) - {"ReceptiveField"}


# Convolution


def test_conv_worked_examples():
    x = np.arange(9).reshape(1, 3, 3)
    kernel = np.array([[[[0, 1], [2, 3]]]])
    row = np.array([[1, 2, 3, 4, 5]])
    ten = np.array([[[1, 10]]])
    two = np.array([[1, 2, 3], [4, 5, 6]])
    nan = math.nan
    cases = [
        ("2d", CONV[2](x, kernel), [[[19, 25], [37, 43]]]),
        ("not flipped", CONV[1](row, ten), [[21, 32, 43, 54]]),
        ("stride", CONV[1](row, ten, stride=2), [[21, 43]]),
        ("dilation", CONV[1](row, ten, dilation=3), [[41, 52]]),
        ("padding", CONV[1](row, ten, padding=1), [[10, 21, 32, 43, 54, 5]]),
        ("pairs", CONV[1](row, ten, padding=((0, 2),)), [[21, 32, 43, 54, 5, 0]]),
        ("valid", CONV[1](row, ten, padding="valid"), [[21, 32, 43, 54]]),
        ("same", CONV[1](row, ten, padding="same"), [[21, 32, 43, 54, 5]]),
        ("same_lower", CONV[1](row, ten, padding="same_lower"), [[10, 21, 32, 43, 54]]),
        ("same, stride", CONV[1](row, ten, stride=2, padding="same"), [[21, 43, 5]]),
        ("full", CONV[1](row, ten, padding="full"), [[10, 21, 32, 43, 54, 5]]),
        (
            "full, dilation",
            CONV[1](row, ten, padding="full", dilation=2),
            [[10, 20, 31, 42, 53, 4, 5]],
        ),
        ("causal", CONV[1](row, ten, padding="causal"), [[10, 21, 32, 43, 54]]),
        ("edge", CONV[1](row, ten, padding=2, padding_mode="edge")[:, :2], [[11, 11]]),
        ("reflect", CONV[1](row, ten, padding=2, padding_mode="reflect")[:, :2], [[23, 12]]),
        ("symmetric", CONV[1](row, ten, padding=2, padding_mode="symmetric")[:, :2], [[12, 11]]),
        ("wrap", CONV[1](row, ten, padding=2, padding_mode="wrap")[:, :2], [[54, 15]]),
        ("channels", CONV[1](two, [[[1], [10]]]), [[41, 52, 63]]),
        ("groups", CONV[1](two, [[[1]], [[10]]], groups=2), [[1, 2, 3], [40, 50, 60]]),
        ("bias", CONV[1](row[:, :2], [[[1]], [[2]]], [5, -5]), [[6, 7], [-3, -1]]),
        ("relu", CONV[1]([[-2, 0, 3]], [[[1]]], activation="relu"), [[0, 0, 3]]),
        ("relu6", CONV[1]([[-2, 5, 7]], [[[1]]], activation="relu6"), [[0, 5, 6]]),
        ("relu, nan", CONV[1]([[nan, -1.0]], [[[1]]], activation="relu"), [[nan, 0.0]]),
        ("relu6, nan", CONV[1]([[nan, 7.0]], [[[1]]], activation="relu6"), [[nan, 6.0]]),
        ("relu6 after bias", CONV[1]([[4]], [[[1]]], [3], activation="relu6"), [[6]]),
        ("batch", CONV[1]([[[1, 2]], [[3, 4]]], ten), [[[21]], [[43]]]),
        (
            "channels_last",
            CONV[1](two.T, [[[1], [10]]], layout="channels_last"),
            [[41], [52], [63]],
        ),
        (
            "3d",
            CONV[3](np.arange(8).reshape(1, 2, 2, 2), np.ones((1, 1, 2, 2, 2), int)),
            [[[[28]]]],
        ),
    ]
    for name, got, want in cases:
        assert_same(got, want, f"test_conv_worked_examples {name!r}")


def test_conv_against_loops():
    compared = 0
    for axes, cases in ((1, 500), (2, 250), (3, 120)):
        for seed in range(cases):
            problem = draw_problem(seed, axes)
            rng, x, weight, _, _, stride, dilation, pads, groups = problem
            bias = rng.integers(-9, 10, len(weight)) if seed % 2 else None
            mode = MODES[seed % 5]
            repro = f"draw_problem({seed}, {axes}), mode {mode}"
            arguments = (bias, stride, pads, dilation, groups)
            want = loop_conv(x, weight, *arguments, mode)
            if want.size == 0:
                with pytest.raises(ValueError, match="output size"):
                    CONV[axes](x, weight, *arguments, padding_mode=mode)
                continue
            want = want.astype(np.int64)
            got = CONV[axes](x, weight, *arguments, padding_mode=mode)
            assert_same(got, want, repro)
            got = CONV[axes](x[0], weight, *arguments, padding_mode=mode)
            assert_same(got, want[0], repro + ", unbatched")
            last = np.moveaxis(x, 1, -1).astype(np.float32)
            got = CONV[axes](last, weight, *arguments, padding_mode=mode, layout="channels_last")
            want_last = np.moveaxis(want, 1, -1).astype(np.float64)
            assert_same(got, want_last, repro + ", channels last")
            compared += 1
    assert compared > 600, f"only {compared} problems had an output"


def test_conv_padding_names_on_a_lattice():
    compared = 0
    lattice = itertools.product(range(1, 8), range(1, 5), range(1, 5), range(1, 4))
    for length, k, s, d in lattice:
        x = np.arange(1, length + 1).reshape(1, length)
        weight = (10 ** np.arange(k)).reshape(1, 1, k)
        reach = d * (k - 1)
        pairs = {
            "same": same_pads(length, k, s, d),
            "same_lower": same_pads(length, k, s, d, lower=True),
            "full": (reach, reach),
            "causal": (reach, 0),
        }
        for name, pair in pairs.items():
            repro = f"conv1d(length {length}, k {k}, stride={s}, padding={name!r}, dilation={d})"
            got = reference.conv1d(x, weight, None, s, name, d)
            assert_same(got, reference.conv1d(x, weight, None, s, (pair,), d), repro)
            if name.startswith("same"):
                assert got.shape == (1, math.ceil(length / s)), repro
            compared += 1
    assert compared == 7 * 4 * 4 * 3 * 4


def test_padding_modes_repeat_like_numpy():
    compared = 0
    for length, before, after, mode in itertools.product(range(1, 6), range(13), range(13), MODES):
        x = np.arange(1, length + 1)
        got = reference.conv1d([x], [[[1]]], padding=((before, after),), padding_mode=mode)
        sources = [source_index(i, length, mode) for i in range(-before, length + after)]
        want = [0 if i is None else int(x[i]) for i in sources]
        assert got.tolist() == [want], f"length {length}, pads {(before, after)}, mode {mode!r}"
        compared += 1
    assert compared == 5 * 13 * 13 * 5


def test_conv_against_scipy():
    rng = np.random.default_rng(0)
    to_scipy = {
        "zeros": "constant",
        "edge": "nearest",
        "reflect": "mirror",
        "symmetric": "reflect",
        "wrap": "wrap",
    }
    for axes in (1, 2, 3):
        x = rng.integers(-50, 50, (5,) * axes)
        kernel = rng.integers(-50, 50, (3,) * axes)
        weight = kernel[None, None]
        for name in ("valid", "full", "same"):
            got = CONV[axes](x[None], weight, padding=name)[0]
            want = scipy.signal.correlate(x, kernel, name, method="direct")
            assert_same(got, want, f"scipy.signal.correlate {axes}-D {name!r}")
        for mode, scipy_mode in to_scipy.items():
            got = CONV[axes](x[None], weight, padding="same", padding_mode=mode)[0]
            want = scipy.ndimage.correlate(x, kernel, mode=scipy_mode)
            assert_same(got, want, f"scipy.ndimage.correlate {axes}-D {mode!r}")
    real = rng.standard_normal(40), rng.standard_normal(7)
    got = reference.conv1d(real[0][None], real[1][None, None, ::-1], padding="full")[0]
    np.testing.assert_allclose(got, np.convolve(*real), rtol=0, atol=1e-13)


def test_conv_float32_is_rounded_once():
    x = np.array([[1e8, 1.0, -1e8]], np.float32)
    ones = np.ones((1, 1, 3), np.float32)
    assert_same(reference.conv1d(x, ones), np.float32([[1.0]]), "conv1d([1e8, 1, -1e8], ones)")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((5, 33)).astype(np.float32)
    weight = rng.standard_normal((2, 5, 7)).astype(np.float32)
    bias = rng.standard_normal(2).astype(np.float32)
    y = reference.conv1d(x, weight, bias)
    for o, p in np.ndindex(y.shape):
        products = x[:, p : p + 7].astype(float) * weight[o].astype(float)
        want = np.float32(math.fsum([*products.ravel(), float(bias[o])]))
        assert abs(y[o, p] - want) <= np.spacing(abs(want)), f"rng 1, y[{o}, {p}]"


def test_conv_special_values():
    inf, nan = math.inf, math.nan
    x = np.array([[1.0, inf, -inf, nan, 2.0]])
    repro = "conv1d([1, inf, -inf, nan, 2], ones(2))"
    assert_same(reference.conv1d(x, np.ones((1, 1, 2))), [[inf, nan, nan, nan]], repro)
    top = np.float32([[3e38, 3e38]])
    with np.errstate(all="raise"):
        got = reference.conv1d(top, np.float32([[[1, 1]]]))
    assert_same(got, np.float32([[inf]]), "conv1d([3e38, 3e38], ones(2))")


# Dtypes


def test_conv_dtypes():
    compared = 0
    names = (*INTEGERS, "float32", "float64")
    for left, right in itertools.product(names, names):
        repro = f"conv1d({left}, {right})"
        combined = np.result_type(left, right)
        if combined.kind == "f":
            want = combined
        else:
            want = np.dtype("int32") if combined.itemsize <= 2 else np.dtype("int64")
        got = reference.conv1d(np.ones((1, 3), left), np.ones((1, 1, 2), right))
        assert_same(got, np.full((1, 2), 2, want), repro)
        compared += 1
    assert compared == 121


def test_integer_sums_wrap():
    rng = np.random.default_rng(2)
    compared = 0
    for name in INTEGERS:
        if name == "bool":
            x, weight = np.ones((2, 40), bool), np.ones((1, 2, 30), bool)
        else:
            info = np.iinfo(name)
            x = rng.integers(info.min, info.max, (2, 40), name, endpoint=True)
            weight = rng.integers(info.min, info.max, (1, 2, 30), name, endpoint=True)
            x[:, :31], weight[0] = info.max, info.max
        bias = np.array([2**31 - 1])
        exact = loop_conv(x[None], weight, bias, (1,), [(2, 1)], (1,), 1, "zeros")[0]
        result = "int32" if np.dtype(name).itemsize <= 2 else "int64"
        want = as_modular(exact, result)
        got = reference.conv1d(x, weight, bias, padding=((2, 1),))
        assert_same(got, want, f"integer_sums_wrap {name}")
        compared += name != "int8" and bool((want != exact).any())
    assert compared >= 6, f"only {compared} of the dtypes overflowed"


def test_integers_beyond_float64_are_exact():
    x = np.array([[2**53 + 1, -(2**53)]])
    assert reference.conv1d(x, [[[1, 1]]]).tolist() == [[1]]
    assert reference.max_pool1d(x[:, ::-1], 2).tolist() == [[2**53 + 1]]
    assert reference.max_pool1d([[2**53, 2**53 + 1]], 2, return_indices=True)[1].tolist() == [[1]]
    cols = reference.im2col(x[None], 2)
    assert cols.tolist() == [[[2**53 + 1], [-(2**53)]]]
    assert reference.col2im(cols, (2,), 2).tolist() == [x.tolist()]


def test_pool_dtypes():
    for name in (*INTEGERS, "float32", "float64"):
        x = np.ones((1, 1, 4, 4), name)
        average = np.dtype(name) if name.startswith("float") else np.dtype("float64")
        cases = [
            ("max_pool2d", reference.max_pool2d(x, 2), np.ones((1, 1, 2, 2), name)),
            ("avg_pool2d", reference.avg_pool2d(x, 2), np.ones((1, 1, 2, 2), average)),
            ("lp_pool2d", reference.lp_pool2d(x, 1, 2), np.full((1, 1, 2, 2), 4, average)),
            ("adaptive_max", reference.adaptive_max_pool2d(x, 3), np.ones((1, 1, 3, 3), name)),
            ("adaptive_avg", reference.adaptive_avg_pool2d(x, 3), np.ones((1, 1, 3, 3), average)),
            ("global_max", reference.global_max_pool(x), np.ones((1, 1, 1, 1), name)),
            ("global_avg", reference.global_avg_pool(x), np.ones((1, 1, 1, 1), average)),
            (
                "unpool",
                reference.max_unpool1d(x[0, 0, :1, :1], [[1]], 2),
                np.eye(2, dtype=name)[1:],
            ),
            ("im2col", reference.im2col(x, 4), np.ones((1, 16, 1), name)),
        ]
        for function, got, want in cases:
            assert_same(got, want, f"{function} of {name}")
        summed = reference.col2im(np.ones((1, 2, 1), name), (2,), 2).dtype
        kind = "int32" if np.dtype(name).itemsize <= 2 else "int64"
        assert summed == (name if name.startswith("float") else kind), f"col2im of {name}"


def test_extreme_integers_stay_right():
    low, high = np.iinfo("int8").min, np.iinfo("int8").max
    x = np.array([[low, low, high]], "int8")
    got = reference.max_pool1d(x, 2, 1, padding=1)
    assert_same(got, np.array([[low, low, high, high]], "int8"), "max_pool1d(int8 extremes)")
    assert reference.lp_pool1d(x, 1, 3).tolist() == [[383.0]]
    assert reference.avg_pool1d(np.array([[2**64 - 1]], "uint64"), 1).tolist() == [[2.0**64]]
    wide = np.full((1, 70000), 32767, "int16")
    assert reference.avg_pool1d(wide, 70000).tolist() == [[32767.0]]


def test_bias_is_converted():
    x, weight = np.float32([[0.0]]), np.float32([[[1.0]]])
    got = reference.conv1d(x, weight, np.array([0.1]))
    assert_same(got, np.float32([[0.1]]), "float64 bias on float32")
    got = reference.conv1d(x + 1, weight, np.array([2.0**24 + 1]))
    assert_same(got, np.float32([[2**24]]), "float64 bias on float32 is rounded before the sum")
    got = reference.conv1d(x, weight, np.array([2**24 + 1]))
    assert_same(got, np.float32([[2**24]]), "integer bias on float32")
    got = reference.conv1d(np.int8([[0]]), np.int8([[[1]]]), np.array([2**32 + 5]))
    assert_same(got, np.int32([[5]]), "int64 bias on int8 wraps")


def memory_layouts(x):
    """The same values in unusual memory."""
    unaligned = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    wide = np.zeros((*x.shape, 3), x.dtype)
    wide[..., 1] = x
    return {
        "fortran": np.asfortranarray(x),
        "negative": np.ascontiguousarray(x[::-1, ..., ::-1])[::-1, ..., ::-1],
        "unaligned": unaligned,
        "read-only": frozen,
        "sliced": wide[..., 1],
        "byte-swapped": x.astype(x.dtype.newbyteorder()),
        "list": x.tolist(),
        "memoryview": memoryview(x),
    }


def test_memory_of_inputs():
    rng = np.random.default_rng(3)
    x = rng.integers(-9, 9, (2, 2, 5, 4)).astype(np.float64)
    weight = rng.integers(-9, 9, (3, 2, 2, 2)).astype(np.float64)
    values, indices = reference.max_pool2d(x, 2, return_indices=True)
    cols = reference.im2col(x, 2)
    calls = {
        "conv2d x": (lambda a: reference.conv2d(a, weight), x),
        "conv2d weight": (lambda a: reference.conv2d(x, a), weight),
        "max_pool2d": (lambda a: reference.max_pool2d(a, 2), x),
        "avg_pool2d": (lambda a: reference.avg_pool2d(a, 2), x),
        "lp_pool2d": (lambda a: reference.lp_pool2d(a, 1, 2), x),
        "adaptive_max_pool2d": (lambda a: reference.adaptive_max_pool2d(a, 2), x),
        "adaptive_avg_pool2d": (lambda a: reference.adaptive_avg_pool2d(a, 2), x),
        "global_max_pool": (reference.global_max_pool, x),
        "global_avg_pool": (reference.global_avg_pool, x),
        "max_unpool2d x": (lambda a: reference.max_unpool2d(a, indices, 2), values),
        "max_unpool2d indices": (lambda a: reference.max_unpool2d(values, a, 2), indices),
        "im2col": (lambda a: reference.im2col(a, 2), x),
        "col2im": (lambda a: reference.col2im(a, (5, 4), 2), cols),
    }
    compared = 0
    for name, (call, plain) in calls.items():
        want = call(plain)
        assert want.dtype.isnative, name
        for memory, argument in memory_layouts(plain).items():
            got = call(argument)
            assert_same(got, want, f"{name}, {memory}")
            assert np.array_equal(argument, plain), f"{name}, {memory}: the input changed"
            compared += 1
    assert compared == len(calls) * 8
    got = reference.conv2d(np.broadcast_to(3.0, (1, 2, 3, 3)), np.ones((1, 2, 2, 2)))
    assert_same(got, np.full((1, 1, 2, 2), 24.0), "zero strides")


def test_results_do_not_share_memory():
    x = np.arange(8.0).reshape(1, 1, 8)
    results = [
        reference.conv1d(x, [[[1.0]]]),
        reference.max_pool1d(x, 1),
        reference.avg_pool1d(x, 1),
        reference.adaptive_max_pool1d(x, 8),
        reference.im2col(x, 1),
        reference.col2im(x, (8,), 1),
        reference.max_unpool1d(x, np.arange(8).reshape(x.shape), 1),
    ]
    for i, y in enumerate(results):
        assert not np.shares_memory(x, y), f"test_results_do_not_share_memory, result {i}"


# Pooling


def test_pool_worked_examples():
    row = [[1, 3, 2, 3, 0]]
    nan, inf = math.nan, math.inf
    cases = [
        ("max", reference.max_pool1d(row, 2), [[3, 3]]),
        ("max, stride", reference.max_pool1d(row, 2, 1), [[3, 3, 3, 3]]),
        ("max, ceil", reference.max_pool1d(row, 2, ceil_mode=True), [[3, 3, 0]]),
        ("max, dilation", reference.max_pool1d(row, 2, 1, dilation=3), [[3, 3]]),
        ("max, negative", reference.max_pool1d([[-5, -7]], 2, 1, padding=1), [[-5, -5, -7]]),
        ("max, same", reference.max_pool1d(row, 3, 2, "same"), [[3, 3, 3]]),
        ("max, nan", reference.max_pool1d([[1, nan, 2, 3]], 2, 1), [[nan, nan, 3]]),
        ("max, -inf", reference.max_pool1d([[-inf, -inf]], 2, 1, 1), [[-inf, -inf, -inf]]),
        ("max, bool", reference.max_pool1d([[False, True, False]], 2, 1), [[True, True]]),
        ("avg", reference.avg_pool1d(row, 2), [[2.0, 2.5]]),
        ("avg, pad", reference.avg_pool1d(row, 2, padding=1), [[0.5, 2.5, 1.5]]),
        ("avg, no pad", reference.avg_pool1d(row, 2, None, 1, False, False), [[1.0, 2.5, 1.5]]),
        ("avg, ceil", reference.avg_pool1d(row, 2, ceil_mode=True), [[2.0, 2.5, 0.0]]),
        ("avg, ceil and pad", reference.avg_pool1d([[4, 6]], 3, 2, 1, True), [[10 / 3, 3.0]]),
        ("avg, divisor", reference.avg_pool1d(row, 2, divisor_override=4), [[1.0, 1.25]]),
        ("avg, all padding", reference.avg_pool1d([[8]], 2, 1, 2), [[0.0, 4.0, 4.0, 0.0]]),
        ("avg, inf beside", reference.avg_pool1d([[inf, 1.0, -inf]], 2, 1), [[inf, -inf]]),
        ("lp 1", reference.lp_pool1d([[-1, 2, 3]], 1, 2, 1), [[3.0, 5.0]]),
        ("lp 2", reference.lp_pool1d([[-3, 4, 0]], 2, 2, 1), [[5.0, 4.0]]),
        ("lp 0.5", reference.lp_pool1d([[4, 9]], 0.5, 2), [[25.0]]),
        ("lp, clipped", reference.lp_pool1d([[3, 4, 5]], 2, 2, ceil_mode=True), [[5.0, 5.0]]),
        ("lp, padding", reference.lp_pool1d([[3, 4]], 2, 2, padding=1), [[3.0, 4.0]]),
        ("lp, nan", reference.lp_pool1d([[nan, 4.0, -inf]], 2, 1), [[nan, 4.0, inf]]),
        ("adaptive avg", reference.adaptive_avg_pool1d([[1, 2, 3, 4, 9]], 3), [[1.5, 3.0, 6.5]]),
        ("adaptive up", reference.adaptive_avg_pool1d([[1, 3]], 3), [[1.0, 2.0, 3.0]]),
        ("adaptive max", reference.adaptive_max_pool1d(row, 2), [[3, 3]]),
        ("global max", reference.global_max_pool([[[[1, 5], [7, 2]]]]), [[[[7]]]]),
        ("global avg", reference.global_avg_pool([[[[1, 5], [7, 2]]]]), [[[[3.75]]]]),
    ]
    for name, got, want in cases:
        assert_same(got, want, f"test_pool_worked_examples {name!r}")


def test_max_pool_indices_worked_examples():
    nan, inf = math.nan, math.inf
    cases = [
        ("tie", reference.max_pool1d([[5, 5, 5]], 3, return_indices=True), [[0]]),
        ("first nan", reference.max_pool1d([[1, nan, 2, nan]], 4, return_indices=True), [[1]]),
        ("nan over inf", reference.max_pool1d([[inf, nan]], 2, return_indices=True), [[1]]),
        ("-inf", reference.max_pool1d([[-inf, -inf]], 2, 1, 1, return_indices=True), [[0, 0, 1]]),
        (
            "rows first",
            reference.max_pool2d([[[1, 2, 0], [2, 2, 0]]], 2, 1, return_indices=True),
            [[[1, 1]]],
        ),
        (
            "unpadded plane",
            reference.max_pool2d([[[1, 2], [3, 4]]], 2, 1, 1, return_indices=True),
            [[[0, 1, 1], [2, 3, 3], [2, 3, 3]]],
        ),
        ("zeros", reference.max_pool1d([[-0.0, 0.0]], 2, return_indices=True), [[0]]),
        ("adaptive", reference.adaptive_max_pool1d([[2, 2, nan, 1, nan]], 2, True), [[2, 2]]),
        ("adaptive tie", reference.adaptive_max_pool2d([[[1, 4], [4, 4]]], 1, True), [[[1]]]),
    ]
    for name, (values, indices), want in cases:
        assert_same(indices, np.array(want, np.int64), f"indices {name!r}")
        assert values.shape == indices.shape, f"indices {name!r}"


def pool_problem(seed, axes):
    problem = draw_problem(seed, axes, pooling=True)
    rng, x, _, lengths, kernel, stride, dilation, pads, _ = problem
    x = x.astype(np.float64) // 4
    special = rng.random(x.shape)
    x[special < 0.04] = -math.inf
    if seed % 3 == 0:
        x[special > 0.93] = math.nan
    return x, lengths, kernel, stride, dilation, pads


def test_pools_against_loops():
    compared, refused = 0, 0
    for axes, cases in ((1, 500), (2, 300), (3, 150)):
        for seed, ceil_mode in itertools.product(range(cases), (False, True)):
            x, lengths, kernel, stride, dilation, pads = pool_problem(seed, axes)
            repro = f"pool_problem({seed}, {axes}), ceil_mode={ceil_mode}"
            out, seen, counted = loop_windows(lengths, kernel, stride, dilation, pads, ceil_mode)
            max_arguments = (x, kernel, stride, pads, dilation, ceil_mode)
            average = (x, kernel, stride, pads, ceil_mode)
            if 0 in out:
                with pytest.raises(ValueError, match="output size"):
                    MAX_POOL[axes](*max_arguments)
                with pytest.raises(ValueError, match="output size"):
                    AVG_POOL[axes](*average, dilation=dilation)
                continue

            compared += 1
            padded_average = np.zeros((*x.shape[:2], *out))
            overridden = np.zeros_like(padded_average)
            for n, c, *spot in np.ndindex(*padded_average.shape):
                total = sum(x[(n, c, *at)].item() for at in seen[tuple(spot)])
                padded_average[(n, c, *spot)] = total / counted[tuple(spot)]
                overridden[(n, c, *spot)] = total / -3
            got = AVG_POOL[axes](*average, dilation=dilation)
            assert_same(got, padded_average, repro + ", avg with padding")
            got = AVG_POOL[axes](*average, True, -3, dilation=dilation)
            assert_same(got, overridden, repro + ", avg with divisor")

            if not all(seen.values()):
                refused += 1
                lp = {"padding": pads, "dilation": dilation}
                for pool, args, kwargs in (
                    (MAX_POOL, max_arguments, {}),
                    (AVG_POOL, (*average, False), {"dilation": dilation}),
                    (AVG_POOL, (*average, False, 3), {"dilation": dilation}),
                    (LP_POOL, (x, 2, kernel, stride, ceil_mode), lp),
                ):
                    with pytest.raises(ValueError, match="element"):
                        pool[axes](*args, **kwargs)
                continue

            maximum = np.zeros_like(padded_average)
            index = np.zeros(maximum.shape, np.int64)
            element_average, norm = np.zeros_like(maximum), np.zeros_like(maximum)
            for n, c, *spot in np.ndindex(*maximum.shape):
                at = seen[tuple(spot)]
                values = [x[(n, c, *a)].item() for a in at]
                best = first_maximum(values)
                maximum[(n, c, *spot)] = values[best]
                index[(n, c, *spot)] = np.ravel_multi_index(at[best], lengths)
                element_average[(n, c, *spot)] = sum(values) / len(values)
                norm[(n, c, *spot)] = sum(abs(v) for v in values)
            got = MAX_POOL[axes](*max_arguments, True)
            assert_same(got[0], maximum, repro + ", max")
            assert_same(got[1], index, repro + ", index")
            assert_same(MAX_POOL[axes](*max_arguments), maximum, repro + ", max alone")
            got = AVG_POOL[axes](*average, False, dilation=dilation)
            assert_same(got, element_average, repro + ", avg of elements")
            lp = {"padding": pads, "dilation": dilation}
            got = LP_POOL[axes](x, 1, kernel, stride, ceil_mode, **lp)
            assert_same(got, norm, repro + ", lp")

            last = np.moveaxis(x, 1, -1)[0].astype(np.float32)
            got = MAX_POOL[axes](last, *max_arguments[1:], True, layout="channels_last")
            want = np.moveaxis(maximum, 1, -1)[0].astype(np.float32)
            assert_same(got[0], want, repro + ", max, channels last, unbatched")
            want = np.moveaxis(index, 1, -1)[0]
            assert_same(got[1], want, repro + ", index, channels last, unbatched")
            got = LP_POOL[axes](last, 1, kernel, stride, ceil_mode, **lp, layout="channels_last")
            want = np.moveaxis(norm, 1, -1)[0].astype(np.float32)
            assert_same(got, want, repro + ", lp, channels last, unbatched")
    assert compared > 1000, f"only {compared} problems had an output"
    assert refused > 50, f"only {refused} problems had an empty window"


def test_lp_pool_powers():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 3, 6, 6))
    views = np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(2, 3))[:, :, ::2, ::3]
    for p in (0.5, 1, 1.5, 2, 3, np.float32(2.5), 17):
        want = np.linalg.norm(views.reshape(*views.shape[:4], 6), ord=float(p), axis=-1)
        got = reference.lp_pool2d(x, p, (2, 3))
        np.testing.assert_allclose(got, want, rtol=1e-13, err_msg=f"lp_pool2d, p = {p!r}")


def test_float32_pools_are_rounded_once():
    x = np.float32([[[1e8, 1.0, -1e8]]])
    third = np.float32([[[1 / 3]]])
    assert_same(reference.avg_pool1d(x, 3), third, "avg_pool1d([1e8, 1, -1e8], 3)")
    assert_same(reference.adaptive_avg_pool1d(x, 1), third, "adaptive_avg_pool1d([1e8, 1, -1e8])")
    assert_same(reference.global_avg_pool(x), third, "global_avg_pool([1e8, 1, -1e8])")
    ones = np.full((1, 1, 3), 2.0**-12, np.float32)
    ones[0, 0, 0] = 1
    got = reference.lp_pool1d(ones, 2, 3)
    assert_same(got, np.float32([[[math.sqrt(1 + 2.0**-23)]]]), "lp_pool1d([1, e, e], 2, 3)")


def test_pool_padding_names_on_a_lattice():
    compared = 0
    lattice = itertools.product(range(1, 8), range(1, 5), range(1, 5), range(1, 3), (False, True))
    for length, k, s, d, ceil_mode in lattice:
        x = np.arange(length, 0, -1).reshape(1, length)
        for name in ("same", "same_lower"):
            pair = same_pads(length, k, s, d, lower=name == "same_lower")
            repro = f"avg_pool1d(length {length}, {k}, {s}, {name!r}, {ceil_mode}, dilation={d})"
            got = reference.avg_pool1d(x, k, s, name, ceil_mode, dilation=d)
            want = reference.avg_pool1d(x, k, s, (pair,), ceil_mode, dilation=d)
            assert_same(got, want, repro)
            assert got.shape == (1, math.ceil(length / s)), repro
            compared += 1
    assert compared == 7 * 4 * 4 * 2 * 2 * 2


def test_max_pool_against_scipy():
    rng = np.random.default_rng(5)
    for axes, size in itertools.product((1, 2, 3), (1, 3, 5)):
        x = rng.standard_normal((6,) * axes)
        got = MAX_POOL[axes](x[None], size, 1, size // 2)[0]
        want = scipy.ndimage.maximum_filter(x, size, mode="constant", cval=-math.inf)
        assert_same(got, want, f"scipy.ndimage.maximum_filter {axes}-D, size {size}")


def test_adaptive_pools_against_loops():
    compared = 0
    for length, size in itertools.product(range(1, 10), range(1, 13)):
        rng = np.random.default_rng([length, size])
        x = rng.integers(-3, 4, (2, 2, length)).astype(np.float64)
        x[rng.random(x.shape) < 0.1] = math.nan
        repro = f"rng [{length}, {size}]: adaptive pool of length {length} to {size}"
        bounds = [(math.floor(i * length / size), math.ceil((i + 1) * length / size)) for i in range(size)]
        maximum, index = np.zeros((2, 2, size)), np.zeros((2, 2, size), np.int64)
        average = np.zeros((2, 2, size))
        for n, c, i in np.ndindex(2, 2, size):
            first, end = bounds[i]
            values = x[n, c, first:end].tolist()
            best = first_maximum(values)
            maximum[n, c, i], index[n, c, i] = values[best], first + best
            average[n, c, i] = sum(values) / len(values)
        got = reference.adaptive_max_pool1d(x, size, True)
        assert_same(got[0], maximum, repro)
        assert_same(got[1], index, repro)
        assert_same(reference.adaptive_avg_pool1d(x, (size,)), average, repro)
        compared += 1
    assert compared == 108


def test_adaptive_pools_of_more_axes():
    rng = np.random.default_rng(6)
    for axes in (2, 3):
        lengths = (4, 6, 5)[:axes]
        x = rng.integers(-9, 9, (2, 3, *lengths)).astype(np.float32)
        for kernel in itertools.product(*[{1, n} | ({2} if n % 2 == 0 else set()) for n in lengths]):
            size = tuple(n // k for n, k in zip(lengths, kernel, strict=True))
            repro = f"rng 6, adaptive pool of {lengths} to {size}"
            want = MAX_POOL[axes](x, kernel, return_indices=True)
            got = ADAPTIVE_MAX[axes](x, size, True)
            assert_same(got[0], want[0], repro)
            assert_same(got[1], want[1], repro)
            assert_same(ADAPTIVE_AVG[axes](x, size), AVG_POOL[axes](x, kernel), repro)
            last = np.moveaxis(x, 1, -1)
            got = ADAPTIVE_MAX[axes](last, size, True, layout="channels_last")
            assert_same(np.ascontiguousarray(np.moveaxis(got[1], -1, 1)), want[1], repro + ", last")
            got = ADAPTIVE_AVG[axes](last[0], size, layout="channels_last")
            want = AVG_POOL[axes](last[0], kernel, layout="channels_last")
            assert_same(got, want, repro + ", last")
        kept = ADAPTIVE_AVG[axes](x, (None,) * (axes - 1) + (1,))
        assert_same(kept, x.mean(-1, keepdims=True, dtype=float).astype(np.float32), f"None {axes}")
        every = tuple(range(2, axes + 2))
        assert_same(reference.global_max_pool(x), x.max(every, keepdims=True), f"global {axes}")
        got = reference.global_avg_pool(last, layout="channels_last")
        want = last.mean(tuple(range(1, axes + 1)), keepdims=True, dtype=float)
        assert_same(got, want.astype(np.float32), f"global {axes}, last")


def test_max_unpool_worked_examples():
    pair, one = ([[7, 8]], [[1, 2]]), ([[7]], [[0]])
    square = np.arange(1, 5).reshape(1, 1, 2, 2)
    corners = [[[[0, 2], [6, 8]]]]
    want = [[[[1, 0, 2], [0, 0, 0], [3, 0, 4]]]]
    cases = [
        ("default", reference.max_unpool1d(*pair, 2), [[0, 7, 8, 0]]),
        ("stride", reference.max_unpool1d(*pair, 2, 1), [[0, 7, 8]]),
        ("kernel 3, stride 2", reference.max_unpool1d(*pair, 3, 2), [[0, 7, 8, 0, 0]]),
        ("padding", reference.max_unpool1d(*pair, 3, 2, 1), [[0, 7, 8]]),
        ("pairs", reference.max_unpool1d(*pair, 3, 2, ((0, 1),)), [[0, 7, 8, 0]]),
        ("valid", reference.max_unpool1d(*one, 2, padding="valid"), [[7, 0]]),
        ("spatial size", reference.max_unpool1d(*pair, 2, output_size=(5,)), [[0, 7, 8, 0, 0]]),
        ("full size", reference.max_unpool1d(*pair, 2, output_size=(1, 5)), [[0, 7, 8, 0, 0]]),
        ("same", reference.max_unpool1d(*one, 2, padding="same", output_size=(1,)), [[7]]),
        ("last wins", reference.max_unpool1d([[1, 2, 3]], [[4, 0, 4]], 2), [[2, 0, 0, 0, 3, 0]]),
        ("batch", reference.max_unpool2d(square, corners, 2, 1), want),
        ("full, batch", reference.max_unpool2d(square, corners, 2, 1, 0, (1, 1, 3, 3)), want),
        (
            "channels_last",
            reference.max_unpool1d([[1, 2], [3, 4]], [[0, 1], [3, 2]], 2, layout="channels_last"),
            [[1, 0], [0, 2], [0, 4], [3, 0]],
        ),
        (
            "last wins in row-major order",
            reference.max_unpool2d([[[1, 2], [3, 4]]], [[[0, 5], [5, 0]]], 1, 2),
            [[[4, 0, 0], [0, 0, 3], [0, 0, 0]]],
        ),
    ]
    for name, got, want in cases:
        assert_same(got, want, f"test_max_unpool_worked_examples {name!r}")


def test_max_unpool_inverts_max_pool():
    compared = 0
    for axes, seed in itertools.product((1, 2, 3), range(40)):
        rng = np.random.default_rng([axes, seed])
        kernel = tuple(int(v) for v in rng.integers(1, 4, axes))
        pooled = tuple(int(v) for v in rng.integers(1, 4, axes))
        lengths = tuple(k * p for k, p in zip(kernel, pooled, strict=True))
        x = rng.permutation(2 * 3 * math.prod(lengths)).reshape(2, 3, *lengths) + 1
        repro = f"rng [{axes}, {seed}]"
        values, indices = MAX_POOL[axes](x, kernel, return_indices=True)
        y = UNPOOL[axes](values, indices, kernel)
        assert y.shape == x.shape, repro
        assert np.all((y == 0) | (y == x)), repro
        assert np.count_nonzero(y) == values.size, repro
        assert_same(MAX_POOL[axes](y, kernel), values, repro)
        last = [np.moveaxis(a, 1, -1) for a in (values, indices, y)]
        got = UNPOOL[axes](last[0], last[1], kernel, layout="channels_last")
        assert_same(got, np.ascontiguousarray(last[2]), repro + ", channels last")
        compared += 1
    assert compared == 120


# Lowering


def test_lowering_worked_examples():
    plane = np.arange(1, 7).reshape(1, 1, 2, 3)
    two = np.array([[[1, 2, 3], [4, 5, 6]]])
    cases = [
        ("2d", reference.im2col(plane, 2), [[[1, 2], [2, 3], [4, 5], [5, 6]]]),
        ("channels", reference.im2col(two, 2), [[[1, 2], [2, 3], [4, 5], [5, 6]]]),
        ("padding", reference.im2col(two[:, :1], 2, 3, 1), [[[0, 3], [1, 0]]]),
        ("causal", reference.im2col(two[:, :1], 2, padding="causal"), [[[0, 1, 2], [1, 2, 3]]]),
        ("dilation", reference.im2col(two[:, :1], 2, dilation=2), [[[1], [3]]]),
        ("col2im", reference.col2im(np.ones((1, 4, 2), int), (2, 3), 2), [[[[1, 2, 1]] * 2]]),
        ("col2im, padding", reference.col2im([[[5, 1], [2, 7]]], (3,), 2, 3, 1), [[[2, 0, 1]]]),
    ]
    for name, got, want in cases:
        assert_same(got, want, f"test_lowering_worked_examples {name!r}")


def test_lowering_against_loops_and_convolution():
    compared = 0
    for axes, cases in ((1, 150), (2, 100), (3, 60)):
        for seed in range(cases):
            problem = draw_problem(seed, axes)
            rng, x, _, lengths, kernel, stride, dilation, pads, _ = problem
            repro = f"draw_problem({seed}, {axes})"
            out, *_ = loop_windows(lengths, kernel, stride, dilation, pads, False)
            if 0 in out:
                with pytest.raises(ValueError, match="output size"):
                    reference.im2col(x, kernel, stride, pads, dilation)
                continue
            cols = reference.im2col(x, kernel, stride, pads, dilation)
            starts = [window_starts(*axis) for axis in zip(lengths, kernel, stride, dilation, pads, strict=True)]
            want = np.zeros((*x.shape[:2], *kernel, *out), x.dtype)
            for n, c, *rest in np.ndindex(*want.shape):
                tap, spot = rest[:axes], rest[axes:]
                at = [starts[a][spot[a]] + tap[a] * dilation[a] for a in range(axes)]
                if all(0 <= i < length for i, length in zip(at, lengths, strict=True)):
                    want[(n, c, *rest)] = x[(n, c, *at)]
            want = want.reshape(len(x), x.shape[1] * math.prod(kernel), math.prod(out))
            assert_same(cols, want, repro)

            weight = rng.integers(-9, 10, (2, x.shape[1], *kernel))
            product = (weight.reshape(2, -1) @ cols).reshape(len(x), 2, *out)
            convolved = CONV[axes](x, weight, None, stride, pads, dilation)
            assert_same(convolved, product, repro + ", conv as a product")

            other = rng.integers(-9, 10, cols.shape)
            back = reference.col2im(other, lengths, kernel, stride, pads, dilation)
            assert back.shape == x.shape, repro
            assert np.vdot(cols, other) == np.vdot(x, back), repro + ", adjoint"
            ones = reference.col2im(np.ones_like(cols), lengths, kernel, stride, pads, dilation)
            again = reference.col2im(cols, lengths, kernel, stride, pads, dilation)
            assert_same(again, x * ones, repro + ", fold of unfold")
            compared += 1
    assert compared > 200, f"only {compared} problems had an output"


def test_col2im_wraps_and_rounds():
    top = np.full((1, 2, 2), 2**31 - 1, np.int64)
    assert reference.col2im(top, (3,), 2).tolist() == [[[2**31 - 1, 2**32 - 2, 2**31 - 1]]]
    cols = np.full((1, 2, 2), 2**63 - 1, np.int64)
    assert reference.col2im(cols, (3,), 2)[0, 0, 1] == -2
    small = np.full((1, 2, 2), 127, np.int8)
    assert_same(reference.col2im(small, (3,), 2), np.int32([[[127, 254, 127]]]), "col2im int8")
    cols = np.float32([[[0, 0, 1e8], [0, 1, 0], [-1e8, 0, 0]]])
    got = reference.col2im(cols, (5,), 3)
    assert_same(got, np.float32([[[0, 0, 1, 0, 0]]]), "col2im float32")


# Shapes


def test_output_shapes_are_those_of_results():
    compared = 0
    for axes, cases in ((1, 120), (2, 80), (3, 40)):
        for seed, ceil_mode in itertools.product(range(cases), (False, True)):
            problem = draw_problem(seed, axes)
            _, x, weight, _, kernel, stride, dilation, pads, groups = problem
            repro = f"draw_problem({seed}, {axes}), ceil_mode={ceil_mode}"
            arguments = (stride, pads, dilation, groups)
            for layout in ("channels_first", "channels_last"):
                a = x if layout == "channels_first" else np.moveaxis(x, 1, -1)
                for b in (a, a[0]):
                    try:
                        y = CONV[axes](b, weight, None, *arguments, layout=layout)
                    except ValueError:
                        with pytest.raises(ValueError, match="output size"):
                            reference.conv_output_shape(b.shape, weight.shape, *arguments, layout=layout)
                    else:
                        got = reference.conv_output_shape(b.shape, weight.shape, *arguments, layout=layout)
                        assert got == y.shape, repro
                        compared += 1
                    try:
                        y = AVG_POOL[axes](b, kernel, stride, pads, ceil_mode, dilation=dilation, layout=layout)
                    except ValueError:
                        with pytest.raises(ValueError, match="output size"):
                            reference.pool_output_shape(b.shape, kernel, stride, pads, dilation, ceil_mode, layout=layout)
                    else:
                        got = reference.pool_output_shape(b.shape, kernel, stride, pads, dilation, ceil_mode, layout=layout)
                        assert got == y.shape, repro
                        compared += 1
    assert compared > 1000, f"only {compared} shapes"


def test_transposed_shapes_undo_shapes():
    """A transposed convolution gives back one of the lengths that convolve to its input."""
    compared = 0
    lattice = itertools.product(range(1, 12), range(1, 4), range(1, 4), range(1, 3), range(3))
    for length, k, s, d, after in lattice:
        pads = ((1, after),)
        try:
            shape = reference.conv_output_shape((2, 6, length), (4, 3, k), s, pads, d, 2)
        except ValueError:
            continue
        extra = (length + 1 + after - d * (k - 1) - 1) % s
        got = reference.conv_output_shape(shape, (4, 3, k), s, pads, d, 2, transposed=True, output_padding=extra)
        repro = f"length {length}, k {k}, stride {s}, pads {pads}, dilation {d}, extra {extra}"
        assert got == (2, 6, length), repro
        compared += 1
    assert compared > 300, f"only {compared} shapes"
    got = reference.conv_output_shape((4, 5, 6), (6, 2, 3, 3), 2, 0, 1, 3, layout="channels_last", transposed=True)
    assert got == (9, 11, 6)
    got = reference.conv_output_shape((1, 4), (1, 1, 2), 1, 0, 3, transposed=True, output_padding=2)
    assert got == (1, 9)


def test_receptive_field_against_sets():
    def seen_by_first(layers):
        """Input positions that output 0 and output 1 see, layer by layer from the output."""
        positions = [{0}, {1}]
        for kernel, stride, dilation, padding in reversed(layers):
            positions = [{p * stride - padding + t * dilation for p in seen for t in range(kernel)} for seen in positions]
        return positions

    for seed in range(200):
        rng = np.random.default_rng(seed)
        layers = [tuple(int(v) for v in (*rng.integers(1, 5, 3), rng.integers(0, 4))) for _ in range(rng.integers(0, 5))]
        first, second = seen_by_first(layers)
        got = reference.receptive_field(layers)
        want = (max(first) - min(first) + 1, min(second) - min(first), min(first))
        assert tuple(got) == want, f"receptive_field({layers})"
    assert reference.receptive_field([(3, 2), (3, 1, 2)]) == (11, 2, 0)
    assert reference.receptive_field([])._asdict() == {"size": 1, "stride": 1, "start": 0}


def test_empty_batch():
    x, weight = np.zeros((0, 2, 5, 4), np.float32), np.ones((3, 2, 2, 2), np.float32)
    indices = np.zeros((0, 2, 2, 2), np.int64)
    cases = [
        (reference.conv2d(x, weight, padding=9, padding_mode="reflect"), (0, 3, 22, 21)),
        (reference.conv2d(x, weight), (0, 3, 4, 3)),
        (reference.max_pool2d(x, 2, return_indices=True)[1], (0, 2, 2, 2)),
        (reference.avg_pool2d(x, 2), (0, 2, 2, 2)),
        (reference.lp_pool2d(x, 2, 2), (0, 2, 2, 2)),
        (reference.adaptive_max_pool2d(x, 3, True)[1], (0, 2, 3, 3)),
        (reference.adaptive_avg_pool2d(x, 3), (0, 2, 3, 3)),
        (reference.global_max_pool(x), (0, 2, 1, 1)),
        (reference.global_avg_pool(x), (0, 2, 1, 1)),
        (reference.max_unpool2d(x[:, :, :2, :2], indices, 2), (0, 2, 4, 4)),
        (reference.im2col(x, 2), (0, 8, 12)),
        (reference.col2im(np.zeros((0, 8, 12)), (5, 4), 2), (0, 2, 5, 4)),
    ]
    for i, (got, shape) in enumerate(cases):
        assert got.shape == shape, f"test_empty_batch, case {i}: {got.shape}"
    assert reference.conv_output_shape((0, 2, 5), (3, 2, 2)) == (0, 3, 4)


@pytest.mark.parametrize("spatial", [(0, 5), (5, 0), (0, 0)])
def test_empty_spatial_axis_is_refused(spatial):
    """Also where padding would make an output of it: by the oracle and by the library."""
    x, weight, inner = np.zeros((1, 2, *spatial)), np.ones((3, 2, 2, 2)), {"layout": "channels_last"}
    columns = np.zeros((1, 8, math.prod(n + 3 for n in spatial)))
    calls = {
        "conv2d": lambda m: m.conv2d(x, weight, padding=2),
        "conv2d, channels last": lambda m: m.conv2d(x.transpose(0, 2, 3, 1), weight, padding=2, **inner),
        "conv2d, unbatched": lambda m: m.conv2d(x[0], weight, padding="full"),
        "conv1d": lambda m: m.conv1d(np.zeros((1, 2, 0)), weight[..., 0], padding=2),
        "max_pool2d": lambda m: m.max_pool2d(x, 2, 1, 2),
        "avg_pool2d": lambda m: m.avg_pool2d(x, 2, 1, 2),
        "avg_pool2d, divisor": lambda m: m.avg_pool2d(x, 2, 1, 2, divisor_override=3),
        "lp_pool2d": lambda m: m.lp_pool2d(x, 2, 2, 1, padding=2),
        "adaptive_max_pool2d": lambda m: m.adaptive_max_pool2d(x, 1),
        "adaptive_avg_pool2d": lambda m: m.adaptive_avg_pool2d(x, None),
        "global_max_pool": lambda m: m.global_max_pool(x),
        "global_avg_pool": lambda m: m.global_avg_pool(x),
        "max_unpool2d": lambda m: m.max_unpool2d(x, np.zeros(x.shape, int), 2, output_size=(4, 4)),
        "max_unpool2d, out": lambda m: m.max_unpool2d(x[..., :0, :0], np.zeros((1, 2, 0, 0), int), 2, output_size=spatial),
        "im2col": lambda m: m.im2col(x, 2, padding=2),
        "col2im": lambda m: m.col2im(columns, spatial, 2, padding=2),
        "conv_output_shape": lambda m: m.conv_output_shape(x.shape, weight.shape, padding=2),
        "conv_output_shape, transposed": lambda m: m.conv_output_shape(x.shape, (2, 3, 2, 2), transposed=True),
        "pool_output_shape": lambda m: m.pool_output_shape(x.shape, 2, 1, 2),
    }
    for name, call in calls.items():
        for module in (reference, convkit):
            with pytest.raises(ValueError, match=r"spatial axis|output_size must be at least 1"):
                call(module)
                pytest.fail(f"{module.__name__}.{name} took an axis of length 0")


# Errors

X1, W1 = np.ones((2, 2, 6)), np.ones((4, 2, 3))
X2 = np.ones((2, 2, 6, 6))
I1 = np.zeros((2, 2, 6), np.int64)
COLS = np.ones((2, 6, 4))

BAD_CONV = [
    (ValueError, {"weight": np.ones((4, 2, 7))}),
    (ValueError, {"weight": np.ones((4, 3, 3))}),
    (ValueError, {"weight": np.ones((4, 2, 0))}),
    (ValueError, {"weight": np.ones((0, 2, 3))}),
    (ValueError, {"weight": np.ones((4, 2))}),
    (ValueError, {"x": np.ones(6)}),
    (ValueError, {"x": np.ones((1, 2, 3, 4))}),
    (ValueError, {"x": np.ones((2, 0, 6)), "weight": np.ones((4, 0, 3))}),
    (ValueError, {"x": np.ones((2, 2, 0)), "padding": "same"}),
    (ValueError, {"x": np.ones((2, 2, 0)), "padding": 3, "padding_mode": "edge"}),
    (ValueError, {"groups": 2}),
    (ValueError, {"x": np.ones((2, 6, 6)), "groups": 3}),
    (ValueError, {"groups": 0}),
    (ValueError, {"groups": -1}),
    (TypeError, {"groups": 1.0}),
    (ValueError, {"bias": np.ones(3)}),
    (ValueError, {"bias": np.ones((4, 1))}),
    (ValueError, {"bias": 1.0}),
    (TypeError, {"bias": np.ones(4, complex)}),
    (TypeError, {"x": X1.astype(int), "weight": W1.astype(int), "bias": np.ones(4)}),
    (TypeError, {"x": X1.astype(complex)}),
    (TypeError, {"x": X1.astype(object)}),
    (TypeError, {"x": X1.astype(np.float16)}),
    (TypeError, {"x": X1.astype(np.longdouble)}),
    (TypeError, {"x": X1.astype("U3")}),
    (TypeError, {"x": X1.astype("M8[s]")}),
    (TypeError, {"weight": W1.astype(np.float16)}),
    (TypeError, {"x": np.ma.masked_array(X1)}),
    (TypeError, {"weight": np.ma.masked_array(W1)}),
    (TypeError, {"x": None}),
    (ValueError, {"padding": "circular"}),
    (ValueError, {"padding": (1, 2)}),
    (ValueError, {"padding": np.array([1, 2])}),
    (ValueError, {"padding": ((1, 2), (1, 2))}),
    (ValueError, {"padding": ((1, 2, 3),)}),
    (ValueError, {"padding": ((-1, 2),)}),
    (ValueError, {"padding": -1}),
    (ValueError, {"padding": ()}),
    (TypeError, {"padding": 1.0}),
    (TypeError, {"padding": ((1.0, 2),)}),
    (TypeError, {"padding": None}),
    (ValueError, {"padding_mode": "replicate"}),
    (ValueError, {"padding_mode": "constant"}),
    (ValueError, {"layout": "NCW"}),
    (ValueError, {"activation": "gelu"}),
    (ValueError, {"dilation": 3}),
]
BAD_STEPS = [
    (ValueError, 0),
    (ValueError, -1),
    (ValueError, (1, 1)),
    (ValueError, ()),
    (TypeError, 1.0),
    (TypeError, "1"),
    (TypeError, (1.0,)),
    (TypeError, np.float64(2)),
]
BAD_CALLS = [
    (ValueError, "conv2d", (X2, np.ones((1, 2, 1, 1))), {"padding": "causal"}),
    (ValueError, "conv2d", (X2, np.ones((1, 2, 1, 1))), {"padding": (1, 2, 3)}),
    (TypeError, "conv2d", (X2, np.ones((1, 2, 1, 1))), {"padding": (1, (1, 2))}),
    (ValueError, "max_pool1d", (X1, 7), {}),
    (ValueError, "max_pool1d", (X1, 2), {"padding": "full"}),
    (ValueError, "max_pool1d", (X1, 2), {"padding": "causal"}),
    (ValueError, "max_pool1d", (X1, 1), {"padding": 1}),
    (ValueError, "max_pool1d", (np.ones((2, 2, 0)), 1), {"padding": 1}),
    (ValueError, "max_pool1d", (X1[:0], 1), {"padding": 1}),
    (ValueError, "max_pool1d", (X2, 2), {}),
    (ValueError, "max_pool1d", (np.ones((1, 0, 6)), 2), {}),
    (TypeError, "max_pool1d", (X1.astype(complex), 2), {}),
    (ValueError, "avg_pool1d", (X1, 2), {"divisor_override": 0}),
    (TypeError, "avg_pool1d", (X1, 2), {"divisor_override": 2.0}),
    (ValueError, "avg_pool1d", (X1, 1), {"padding": 1, "count_include_pad": False}),
    (ValueError, "lp_pool1d", (X1, 0, 2), {}),
    (ValueError, "lp_pool1d", (X1, -1, 2), {}),
    (ValueError, "lp_pool1d", (X1, math.inf, 2), {}),
    (ValueError, "lp_pool1d", (X1, math.nan, 2), {}),
    (TypeError, "lp_pool1d", (X1, "2", 2), {}),
    (TypeError, "lp_pool1d", (X1, None, 2), {}),
    (ValueError, "lp_pool1d", (X1, 2, 1), {"padding": 1}),
    (ValueError, "adaptive_max_pool1d", (X1, 0), {}),
    (ValueError, "adaptive_max_pool1d", (X1, (2, 2)), {}),
    (TypeError, "adaptive_max_pool1d", (X1, 2.0), {}),
    (TypeError, "adaptive_avg_pool1d", (X1, "2"), {}),
    (ValueError, "adaptive_avg_pool1d", (X1[..., :0], 2), {}),
    (ValueError, "adaptive_max_pool1d", (X1[..., :0], None), {}),
    (ValueError, "global_max_pool", (X1[0],), {}),
    (ValueError, "global_avg_pool", (np.ones((1,) * 6),), {}),
    (ValueError, "global_max_pool", (X1[..., :0],), {}),
    (ValueError, "global_avg_pool", (X1,), {"layout": "NCW"}),
    (ValueError, "max_unpool1d", (X1, I1 - 1, 2), {}),
    (ValueError, "max_unpool1d", (X1, I1 + 12, 2), {}),
    (ValueError, "max_unpool1d", (X1, np.full(I1.shape, 2**64 - 1, np.uint64), 2), {}),
    (ValueError, "max_unpool1d", (X1, I1[:1], 2), {}),
    (ValueError, "max_unpool1d", (X1, I1.reshape(2, 6, 2), 2), {}),
    (TypeError, "max_unpool1d", (X1, I1.astype(float), 2), {}),
    (TypeError, "max_unpool1d", (X1, I1.astype(bool), 2), {}),
    (ValueError, "max_unpool1d", (X1, I1, 2), {"padding": "same"}),
    (ValueError, "max_unpool1d", (X1, I1, 2), {"padding": 6}),
    (ValueError, "max_unpool1d", (X1, I1, 2), {"output_size": (12, 12)}),
    (ValueError, "max_unpool1d", (X1, I1, 2), {"output_size": (2, 3, 12)}),
    (ValueError, "max_unpool1d", (X1, I1, 2), {"output_size": (0,)}),
    (TypeError, "max_unpool1d", (X1, I1, 2), {"output_size": (12.0,)}),
    (ValueError, "im2col", (X1[0], 2), {}),
    (ValueError, "im2col", (X1, 7), {}),
    (ValueError, "im2col", (X1, 2), {"padding": (1, 2)}),
    (TypeError, "im2col", (X1.astype(object), 2), {}),
    (ValueError, "col2im", (COLS, (7,), 3), {}),
    (ValueError, "col2im", (COLS, (6,), 4), {}),
    (ValueError, "col2im", (COLS[0], (6,), 3), {}),
    (ValueError, "col2im", (COLS[:, :0], (6,), 3), {}),
    (ValueError, "col2im", (COLS, (), 3), {}),
    (ValueError, "col2im", (COLS, (6, 1, 1, 1), 3), {}),
    (TypeError, "col2im", (COLS, 6, 3), {}),
    (TypeError, "col2im", (COLS, (6.0,), 3), {}),
    (ValueError, "conv_output_shape", ((2, 6), (4, 2, 7)), {}),
    (ValueError, "conv_output_shape", ((3, 6), (4, 2, 3)), {}),
    (ValueError, "conv_output_shape", ((2, -6), (4, 2, 3)), {}),
    (ValueError, "conv_output_shape", ((2, 6), (4, 2)), {}),
    (ValueError, "conv_output_shape", ((2, 6), (4, 2, 3)), {"output_padding": 1}),
    (TypeError, "conv_output_shape", ((2, 6.0), (4, 2, 3)), {}),
    (ValueError, "conv_output_shape", ((3, 6), (4, 2, 3)), {"transposed": True}),
    (ValueError, "conv_output_shape", ((4, 6), (4, 0, 3)), {"transposed": True}),
    (ValueError, "conv_output_shape", ((4, 6), (4, 2, 3), 1, 0, 1, 3), {"transposed": True}),
    (ValueError, "conv_output_shape", ((4, 6), (4, 2, 3), 1, 9), {"transposed": True}),
    (ValueError, "conv_output_shape", ((4, 6), (4, 2, 3), 1, "same"), {"transposed": True}),
    (
        ValueError,
        "conv_output_shape",
        ((4, 6), (4, 2, 3), 2),
        {"transposed": True, "output_padding": 2},
    ),
    (ValueError, "pool_output_shape", ((2, 6), 7), {}),
    (ValueError, "pool_output_shape", ((2, 2, 6), 7), {}),
    (ValueError, "pool_output_shape", ((2, 6), (2, 2)), {}),
    (ValueError, "pool_output_shape", ((2, 2, 6), 2), {"padding": "full"}),
    (ValueError, "receptive_field", ([(3,)],), {}),
    (ValueError, "receptive_field", ([(3, 1, 1, 1, 1)],), {}),
    (ValueError, "receptive_field", ([(0, 1)],), {}),
    (ValueError, "receptive_field", ([(3, 0)],), {}),
    (ValueError, "receptive_field", ([(3, 1, 0)],), {}),
    (ValueError, "receptive_field", ([(3, 1, 1, -1)],), {}),
    (TypeError, "receptive_field", ([(3.0, 1)],), {}),
]


def assert_raises(error, name, args, kwargs):
    shown = [getattr(a, "shape", a) for a in args]
    try:
        getattr(reference, name)(*args, **kwargs)
    except (ValueError, TypeError) as exception:
        caught = exception
    else:
        caught = None
    assert type(caught) is error, f"{name}, args {shown}, {kwargs}: {caught!r}"


def test_bad_arguments_are_refused():
    for error, changes in BAD_CONV:
        assert_raises(error, "conv1d", (), {"x": X1, "weight": W1, **changes})
    for error, value in BAD_STEPS:
        for name, args, arguments in (
            ("conv1d", (X1, W1), ("stride", "dilation")),
            ("max_pool1d", (X1,), ("kernel_size", "stride", "dilation")),
            ("avg_pool1d", (X1,), ("kernel_size", "stride", "dilation")),
            ("lp_pool1d", (X1, 2), ("kernel_size", "stride", "dilation")),
            ("im2col", (X1,), ("kernel_size", "stride", "dilation")),
            ("max_unpool1d", (X1, I1), ("kernel_size", "stride")),
            ("col2im", (COLS, (6,)), ("kernel_size", "stride", "dilation")),
            ("conv_output_shape", ((2, 6), (4, 2, 3)), ("stride", "dilation")),
            ("pool_output_shape", ((1, 2, 6),), ("kernel_size", "stride", "dilation")),
        ):
            good = {} if "conv" in name else {"kernel_size": 3 if name == "col2im" else 2}
            for argument in arguments:
                if name == "pool_output_shape" and np.ndim(value) == 1 and argument[0] == "k":
                    continue
                assert_raises(error, name, args, {**good, argument: value})
    for error, name, args, kwargs in BAD_CALLS:
        assert_raises(error, name, args, kwargs)
    with pytest.raises(ValueError, match="groups must divide"):
        reference.conv1d(np.ones((2, 6, 6)), W1, groups=3)


def test_integer_likes_are_accepted():
    zero_d = np.array(2)
    want = reference.conv1d(X1, W1, None, 2, 2, 2)
    got = reference.conv1d(X1, W1, None, np.int8(2), [zero_d], zero_d, np.array(1))
    assert_same(got, want, "conv1d with NumPy integers")
    got = reference.conv1d(X1, W1, None, np.array([2]), np.array([[2, 2]]), [2])
    assert_same(got, want, "conv1d with integer arrays")
    got = reference.max_pool1d(X1, zero_d, np.uint8(2))
    assert_same(got, reference.max_pool1d(X1, 2, 2), "max_pool1d with NumPy integers")
