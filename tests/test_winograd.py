"""Winograd convolution: the transforms in exact arithmetic, errors against float64, edges, special values, bits, memory."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import winograd_transforms as exact
import workloads
from cases import (
    LAYOUTS,
    Array,
    Case,
    Problem,
    assert_same_bits,
    functional,
    generator,
    problem,
    repeats_with,
    run,
    to_layout,
)

import convkit
from convkit import reference
from convkit.selftest import APPROXIMATE

TEMPLATE = Path(__file__).parent.parent / "csrc" / "kernels" / "winograd_tmpl.h"
BOUNDS = APPROXIMATE["winograd"]
DISTRIBUTIONS = ("gaussian", "rectified")

# ---- The transforms ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", exact.POINTS)
def test_the_transforms_are_a_convolution(n: int) -> None:
    for taps in range(2, n):
        assert exact.is_convolution(n, taps), (n, taps)


def test_the_check_sees_a_wrong_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exact.POINTS, 4, [exact.ZERO, exact.ONE, exact.ONE + exact.ONE])
    assert exact.is_convolution(4, 3)
    monkeypatch.setattr(exact, "product", lambda points: [exact.ONE] * (len(points) + 1))
    assert not exact.is_convolution(4, 3)


def assignments(function: str, n: int, m: int = 0) -> list[str]:
    """Return the statements of a C function for a tile of n, as Python over exact numbers."""
    text = TEMPLATE.read_text()
    body = text[text.index(f"CK_INLINE void CK_OP({function})") :]
    body = body[: body.index("\n}\n")]
    before, _, rest = body.partition("if (n == 4) {") if function == "winograd_back" else body.partition("else if (n == 4) {")
    four, _, six = rest.partition("} else {")
    # What stands before the branch belongs to both sizes: the sums and differences of pairs.
    shared = before[before.rindex("}") :] if function == "winograd_back" else ""
    found = []
    for line in (shared + (four if n == 4 else six.partition("\n  }")[0])).split(";"):
        condition = re.search(r"if \(m (==|>) (\d)\)", line)
        if condition and not {"==": m == int(condition[2]), ">": m > int(condition[2])}[condition[1]]:
            continue
        statement = re.sub(r"^.*\)\s(?=y\[)", "", line.strip().lstrip("}").strip(), flags=re.DOTALL)
        statement = statement.replace("(CK_T)", "").replace("CK_SQRT1_2", "SQRT1_2").replace("CK_SQRT2", "SQRT2")
        statement = re.sub(r"(?<![\w\[.])(\d+(?:\.\d+)?)", r"Number.of('\1')", statement.replace("const CK_V ", ""))
        if "=" in statement:
            found += [part.strip() for part in re.split(r",(?=[^()]*=)", statement)]
    return found


def matrix_of(function: str, n: int, m: int) -> list[list[exact.Number]]:
    """Return the matrix that the statements of the kernel apply."""
    columns = []
    for i in range(n):
        x = [exact.ONE if j == i else exact.ZERO for j in range(n)]
        words: dict[str, Any] = {"x": x, "v": [exact.ZERO] * n, "y": [exact.ZERO] * 5}
        words["last"] = [x[n - 1] if k == m - 1 else exact.ZERO for k in range(5)]
        words |= {"Number": exact.Number, "SQRT2": exact.SQRT2, "SQRT1_2": exact.SQRT1_2}
        for statement in assignments(function, n, m):
            exec(statement, words)
        result = words["v"] if function == "winograd_forth" else words["y"][:m]
        columns.append(result)
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("n", exact.POINTS)
def test_the_kernels_apply_the_exact_transforms(n: int) -> None:
    for taps in range(2, min(n, 6)):
        inverse, _, forward = exact.transforms(n, taps)
        assert matrix_of("winograd_forth", n, 0) == forward
        assert matrix_of("winograd_back", n, n - taps + 1) == inverse, taps
    assert "last[k] = k == m - 1 ? x[n - 1] : zero;" in TEMPLATE.read_text()


@pytest.mark.parametrize("n", exact.POINTS)
def test_the_weights_take_the_exact_points(n: int) -> None:
    def numbers(name: str) -> list[float]:
        listed = re.search(rf"\b{name}{n}\[\] =\s*{{(.*?)}}", TEMPLATE.read_text(), re.DOTALL)
        assert listed, name
        return [eval(number.strip()) for number in listed[1].split(",")]

    _, weights, _ = exact.transforms(n, 3)
    points = exact.POINTS[n]
    assert numbers("points") == [float(p) for p in points]
    assert numbers("scales") == [float(row[0]) for row in weights[:-1]]
    if n == 6:
        assert numbers("squares") == [float(p * p) for p in points]


# ---- Errors --------------------------------------------------------------------------------------


def data_of(case: Case, distribution: str = "gaussian") -> tuple[Array, Array, Array | None]:
    p, rng = case.problem, generator(case.problem.id, case.seed)
    x, weight, bias = (rng.standard_normal(shape) for shape in (p.x_shape, p.weight_shape, (p.oc,)))
    if distribution == "rectified":
        x = np.maximum(x, 0)
    x, weight, bias = (a.astype(case.dtype) for a in (to_layout(x, case.layout), weight, bias))
    return x, weight, bias if case.bias else None


def check_error(case: Case, distribution: str = "gaussian", oracle: bool = True) -> float:
    """Compare with the oracle, or with the library's direct convolution, in float64; the error relative to max|y|."""
    x, weight, bias = data_of(case, distribution)
    wide = [None if a is None else a.astype(np.float64) for a in (x, weight, bias)]
    call = f"import test_winograd as t; t.check_error(t.Case.from_id('{case.id}'), '{distribution}', {oracle})"
    with repeats_with(f'PYTHONPATH=tests:bench python -c "{call}"'):
        if oracle:
            expected = functional(case, reference)(*wide, **case.arguments)
        else:
            expected = run(replace(case, algorithm="direct", dtype="float64"), *wide)  # type: ignore[arg-type]
        y = run(replace(case, algorithm="winograd"), x, weight, bias)
        assert y.dtype == case.dtype
        assert y.shape == expected.shape
        error = float(np.max(np.abs(y - expected)) / np.max(np.abs(expected)))
        assert error <= BOUNDS[case.dtype], error
        return error


SERVED = [
    layer
    for layer in workloads.LAYERS
    if layer.op == "conv" and max(layer.kernel[-2:]) > max(layer.stride) and max(layer.kernel[-2:]) <= 11 and layer.c > layer.g
]


def reduced(layer: Any) -> Problem:
    """The layer with maps of at most 30 in height and width and 5 in depth: channels decide the error."""
    most = (5, 30, 30)[-len(layer.size) :] if len(layer.size) > 1 else (400,)
    size = tuple(max(min(i, limit), d + 1) for i, limit, d in zip(layer.size, most, layer.dil, strict=True))
    pads = tuple((p, p) for p in layer.pad)
    return Problem(1, layer.c, size, layer.k, tuple(layer.kernel), tuple(layer.stride), tuple(layer.dil), pads, layer.g)


@pytest.mark.parametrize("layer", SERVED, ids=lambda layer: layer.name)
def test_layers_within_the_bound(layer: Any) -> None:
    for number, distribution in enumerate(DISTRIBUTIONS):
        case = Case(reduced(layer), layout=LAYOUTS[number], via="plan", bias=True)
        assert check_error(case, distribution, oracle=False) > 0


def test_there_are_layers_to_test() -> None:
    assert len(SERVED) >= 15
    assert sum(layer.name.startswith("rn50") or layer.name.startswith("vgg") for layer in SERVED) >= 5


@pytest.mark.parametrize("kernel", [(2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (5, 1)], ids=str)
@pytest.mark.parametrize("channels", [129, 1024, 4096])
def test_long_sums_within_the_bound(channels: int, kernel: tuple[int, int], isa: str) -> None:
    case = Case(problem(channels, (9, 11), 18, kernel, pads=1))
    for distribution, via in itertools.product(DISTRIBUTIONS, ("plan", "function")):
        check_error(replace(case, via=via, isa=isa), distribution, oracle=False)


@pytest.mark.parametrize("kernel", [(1, 6), (7, 1), (7, 7), (1, 11), (12, 9)], ids=str)
@pytest.mark.parametrize("channels", [96, 256])
def test_long_kernels_within_the_bound(channels: int, kernel: tuple[int, int], isa: str) -> None:
    """Of several pieces, whose chains are added."""
    case = Case(problem(channels, (24, 35), 18, kernel, pads=3))
    for distribution, via in itertools.product(DISTRIBUTIONS, ("plan", "function")):
        check_error(replace(case, via=via, isa=isa), distribution, oracle=False)


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((3, 3), 2), ((4, 4), 2), ((5, 5), 2), ((7, 7), 2), ((11, 11), 4), ((1, 8), (1, 3)), ((13, 5), 2)],
    ids=str,
)
@pytest.mark.parametrize("channels", [3, 48, 250])
def test_strides_within_the_bound(channels: int, kernel: tuple[int, int], stride: int | tuple[int, int], isa: str) -> None:
    case = Case(problem(channels, (41, 59), 18, kernel, stride=stride, pads=2))
    for distribution, via in itertools.product(DISTRIBUTIONS, ("plan", "function")):
        check_error(replace(case, via=via, isa=isa), distribution, oracle=False)


@pytest.mark.parametrize("channels", [64, 96, 120, 128])
def test_large_maps_within_the_bound(channels: int) -> None:
    """Whole chains of tiles of 6, and many outputs among which the worst is looked for."""
    case = Case(problem(channels, (112, 112), 64, (3, 3), pads=1), via="plan")
    for distribution in DISTRIBUTIONS:
        check_error(case, distribution, oracle=False)


def test_more_channels_are_declined() -> None:
    with pytest.raises(NotImplementedError, match="4096"):
        run(Case(problem(4097, 5, 1, 3), algorithm="winograd"), np.zeros((1, 4097, 5, 5)), np.zeros((1, 4097, 3, 3)), None)


# ---- Edges ---------------------------------------------------------------------------------------

SHAPES = {
    "smaller_than_a_tile": problem(3, (2, 3), 5, 3, pads=1),
    "one_pixel": problem(4, 1, 3, 3, pads=1),
    "windows_in_the_padding_alone": problem(2, 3, 2, 2, pads=4),
    "wide_padding": problem(5, (7, 6), 4, 3, pads=((5, 0), (0, 9))),
    "odd": problem(7, (13, 19), 11, 3, n=2, pads=1),
    "one_row": problem(6, (1, 45), 17, 3, pads=1),
    "one_column": problem(6, (45, 1), 17, 3, pads=1),
    "rows_in_parts": problem(3, (6, 521), 5, 3, pads=1),
    "lanes": problem(16, (9, 17), 32, 3, pads=1),
    "more_than_lanes": problem(17, (9, 17), 33, 3, pads=1),
    "groups": problem(24, (15, 17), 36, 3, n=3, pads=1, g=3),
    "5x5": problem(9, (11, 14), 10, 5, pads=2),
    "4x4": problem(9, (11, 14), 10, 4, pads=1),
    "2x2": problem(9, (11, 14), 10, 2),
    "2x5": problem(9, (11, 14), 10, (2, 5), pads=2),
    "1x3": problem(9, (11, 14), 10, (1, 3), pads=((0, 0), (1, 1))),
    "1x7": problem(9, (11, 14), 10, (1, 7), pads=((0, 0), (3, 3)), n=2),
    "7x1": problem(20, (17, 17), 40, (7, 1), pads=((3, 3), (0, 0)), g=2),
    "7x7": problem(9, (11, 14), 10, 7, pads=3, n=3),
    "6x8": problem(9, (17, 14), 10, (6, 8), pads=((0, 5), (9, 0))),
    "12x9": problem(5, (13, 10), 10, (12, 9)),
    "line_of_11": problem(33, (203,), 50, 11, dilation=3, pads=15, ndim=1),
    "pieces_in_parts": problem(3, (6, 700), 5, (3, 10), dilation=(1, 5), pads=((1, 1), (9, 60))),
    "pieces_shared": problem(330, (13, 18), 150, (1, 7), n=2, pads=((0, 0), (3, 3))),
    "pieces_of_planes": problem(6, (4, 9, 13), 9, (1, 7, 3), n=2, stride=(2, 1, 1), pads=((1, 1), (3, 3), (1, 1))),
    "4x1": problem(9, (11, 14), 10, (4, 1), pads=((1, 2), (0, 0))),
    "line": problem(12, (203,), 20, 3, pads=1, ndim=1),
    "line_dilated": problem(12, (203,), 20, 5, dilation=7, pads=14, ndim=1),
    "line_causal": problem(8, (150,), 8, 2, dilation=16, pads=((16, 0),)),
    "dilated": problem(9, (23, 31), 21, 3, n=2, dilation=3, pads=((3, 1), (0, 4))),
    "dilated_differently": problem(9, (23, 31), 21, 3, dilation=(1, 6), pads=(((1, 1)), (6, 6))),
    "dilated_beyond_the_output": problem(4, (9, 9), 5, 3, dilation=4, pads=2),
    "line_dilated_far": problem(12, (3001,), 20, 3, dilation=512, pads=512, ndim=1),
    "dilated_in_parts": problem(5, (20, 700), 20, 3, dilation=(3, 9), pads=((3, 3), (9, 9))),
    "volume": problem(6, (7, 11, 13), 16, 3, n=2, pads=1),
    "volume_stride": problem(6, (7, 11, 13), 9, 3, stride=(2, 1, 1), pads=1),
    "volume_dilated": problem(6, (9, 11, 13), 9, (2, 3, 3), dilation=(3, 1, 2), pads=((4, 1), (1, 1), (2, 2))),
    "volume_2x2": problem(6, (7, 11, 13), 9, 2, n=2, pads=1),
    "2x2_in_parts": problem(20, (3, 700), 9, 2),
    "volume_flat_kernel": problem(4, (3, 7, 11), 5, (1, 3, 3), n=2, pads=((2, 1), (1, 1), (1, 1))),
    "shared": problem(330, (13, 18), 150, 3, n=2, pads=1),
    "shared_volume": problem(330, (3, 6, 7), 40, 3, pads=1),
    "shared_short": problem(330, (13, 7), 150, 3, n=5, pads=1),
    "short_in_depth": problem(40, (6, 10, 9), 40, 3, n=2, pads=1),
    "short_in_parts": problem(3, (7, 521), 5, 3, n=2, pads=1),
    "stride": problem(3, (37, 41), 20, 7, n=2, stride=2, pads=3),
    "stride_of_4": problem(3, (67, 59), 20, 11, n=2, stride=4, pads=2),
    "stride_of_3": problem(18, (29, 34), 36, 5, n=3, stride=3, pads=((0, 4), (1, 9)), g=2),
    "stride_in_one_axis": problem(7, (23, 31), 12, (3, 5), stride=(1, 2), pads=1),
    "stride_beyond_one_axis": problem(7, (23, 31), 12, (2, 5), stride=(3, 2), pads=((1, 0), (2, 2))),
    "stride_in_pieces": problem(5, (45, 52), 12, (12, 3), n=2, stride=(2, 1), pads=((5, 6), (1, 1))),
    "stride_dilated": problem(9, (41, 47), 12, 4, stride=(2, 3), dilation=(3, 2), pads=4),
    "stride_and_dilation_alike": problem(9, (41, 47), 12, 3, stride=2, dilation=2, pads=2),
    "stride_of_a_line": problem(6, (300,), 20, 10, stride=4, pads=5, ndim=1),
    "stride_in_parts": problem(3, (9, 1401), 9, 5, n=2, stride=2, pads=2),
    "stride_in_the_padding_alone": problem(3, (2, 3), 9, 4, n=2, stride=2, pads=9),
    "stride_shared": problem(90, (27, 35), 150, 5, n=2, stride=2, pads=2),
    "stride_of_a_volume": problem(5, (7, 19, 23), 9, (3, 5, 5), n=2, stride=(1, 2, 2), pads=((1, 1), (2, 2), (2, 2))),
    "short_classes": problem(20, (31, 33), 40, 3, n=2, dilation=(5, 12), pads=((5, 5), (12, 12))),
}


@pytest.mark.parametrize("name", SHAPES)
def test_edges(name: str, isa: str) -> None:
    for layout, dtype, via in itertools.product(LAYOUTS, BOUNDS, ("plan", "function")):
        activation = "relu" if layout == LAYOUTS[0] else ""
        case = Case(SHAPES[name], dtype=dtype, layout=layout, via=via, isa=isa, bias=dtype == "float32", activation=activation)
        check_error(replace(case, num_threads=1 + len(name) % 3))


@pytest.mark.parametrize("taps", [2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_every_number_of_short_tiles(taps: int, dilation: int) -> None:
    """Lengths that leave 0 to 4 outputs over, alone and in classes; several samples, so that planes at infinity are packed."""
    for length, layout, via in itertools.product(range(1, 19), LAYOUTS, ("plan", "function")):
        before = (taps - 1) // 2 * dilation
        after = (taps - 1) * dilation - before
        for size in ((length, 2 * length % 9 + 1), (2 * length % 7 + 1, length)):
            shape = problem(5, size, 17, taps, n=3, dilation=dilation, pads=((before, after), (before, after)))
            check_error(Case(shape, dtype="float64", layout=layout, via=via, num_threads=1 + length % 3))


@pytest.mark.parametrize("taps", [6, 7, 11])
def test_pieces_stay_in_their_strips(taps: int) -> None:
    """A short last tile reads as many columns as a whole one; with more threads the strip of the last one ends the workspace."""
    for width in range(40, 60):
        for num_threads in (1, 2):
            shape = problem(95, (20, width), 12, taps, pads=taps // 2 * (width % 2))
            check_error(Case(shape, dtype="float32", via="function", num_threads=num_threads), oracle=False)


def test_dilations_whose_products_overflow() -> None:
    for dilation in (2**62 - 20, (2**64 + 4) // 5):
        with pytest.raises(NotImplementedError, match="64 bits"):
            convkit.conv1d(
                np.ones((1, 4, 10)), np.ones((2, 4, 3)), dilation=dilation, padding=((0, 2 * dilation),), algorithm="winograd"
            )


def test_short_tiles_do_without_the_value_at_infinity() -> None:
    for n, taps in itertools.product(exact.POINTS, range(2, 5)):
        inverse, _, _ = exact.transforms(n, min(taps, n - 1))
        assert all(row[-1] == exact.ZERO for row in inverse[:-1])
        assert inverse[-1][-1] == exact.ONE


def test_activations(seed: int) -> None:
    case = Case(SHAPES["more_than_lanes"], bias=True, seed=seed, algorithm="winograd", dtype="float64")
    x, weight, bias = data_of(case)
    for layout in LAYOUTS:
        plain = run(replace(case, layout=layout), to_layout(x, layout), weight, bias)
        for activation, most in (("relu", np.inf), ("relu6", 6)):
            y = run(replace(case, layout=layout, activation=activation), to_layout(x, layout), weight, bias)
            assert_same_bits(y + 0.0, np.clip(plain, 0, most) + 0.0)
            assert np.any(plain < 0)
            assert np.any(plain > 6)


# ---- Special values ------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_special_values_stay_within_tiles(bad: float, layout: str) -> None:
    """What one input element spoils: at least the windows that hold it, at most the tiles (4 x 4 at most) that they are in."""
    case = Case(problem(20, (26, 27), 18, 3, n=2, pads=1), layout=layout, algorithm="winograd", via="plan")
    x, weight, _ = data_of(case)
    clean = run(case, x, weight, None)
    for row, column in ((0, 0), (25, 26), (11, 12), (3, 20)):
        at = (1, 5, row, column) if layout == LAYOUTS[0] else (1, row, column, 5)
        spoiled = x.copy()
        spoiled[at] = bad
        y, expected = (a if layout == LAYOUTS[0] else np.moveaxis(a, -1, 1) for a in (run(case, spoiled, weight, None), clean))
        changed = ~(y == expected)
        assert not changed[0].any()
        assert not np.isfinite(y[1, :, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]).any()
        changed[1, :, max(row - 5, 0) : row + 6, max(column - 5, 0) : column + 6] = False
        assert not changed.any()


def test_nan_passes_the_activations() -> None:
    case = Case(problem(20, (6, 6), 18, 3, pads=1), algorithm="winograd")
    x, weight, _ = data_of(case)
    for activation in ("relu", "relu6"):
        y = run(replace(case, activation=activation), x * np.nan, weight, None)
        assert np.isnan(y).all()


# ---- Bits ----------------------------------------------------------------------------------------

BITS = ("odd", "shared", "shared_volume", "volume", "dilated", "groups", "rows_in_parts", "lanes")


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bits_do_not_depend_on_threads_and_batch(name: str, layout: str) -> None:
    case = Case(replace(SHAPES[name], n=5), layout=layout, algorithm="winograd", via="plan")
    x, weight, _ = data_of(case)
    expected = run(replace(case, num_threads=1), x, weight, None)
    one_by_one = np.concatenate([run(case, x[i : i + 1], weight, None) for i in range(5)])
    assert_same_bits(one_by_one, expected)
    for threads in range(2, 8):
        line = replace(case, num_threads=threads)
        with repeats_with(line.id):
            assert_same_bits(run(line, x, weight, None), expected)
            parts = [run(line, part, weight, None) for part in np.split(x, [threads % 4 + 1])]
            assert_same_bits(np.concatenate(parts), expected)


# ---- The choice and the memory -------------------------------------------------------------------


def test_reasons() -> None:
    reasons = {
        "float": {"dtype": "int32"},
        "one tap": {"weight_shape": (8, 8, 1, 1)},
        "each phase": {"stride": 3},
        "12 taps": {"weight_shape": (8, 8, 13, 3)},
        "256 taps": {"weight_shape": (8, 8, 17, 16), "stride": 2},
        "4096": {"weight_shape": (8, 257, 5, 5), "stride": 4},
        "one input channel": {"weight_shape": (8, 1, 3, 3), "groups": 8},
    }
    for reason, change in reasons.items():
        arguments: dict[str, Any] = {"weight_shape": (8, 8, 3, 3)} | change
        channels = arguments["weight_shape"][1] * arguments.get("groups", 1)
        found = convkit.explain("conv2d", (1, channels, 20, 20), **arguments)
        (candidate,) = [c for c in found.candidates if c.name == "winograd"]
        assert not candidate.accepts
        assert reason in candidate.reason


@pytest.mark.parametrize("far", [2**20, 2**40, 2**58, 2**61])
def test_depth_taps_far_apart(far: int) -> None:
    """Slices between the depth taps would be without number: declined; those between outputs are left out."""
    x, weight = np.ones((1, 2, 2, 8, 8), np.float32), np.ones((4, 2, 2, 3, 3), np.float32)
    options: dict[str, Any] = {"stride": (far, 1, 1), "padding": ((far, far), (1, 1), (1, 1))}
    with pytest.raises(NotImplementedError, match="dilated so far"):
        convkit.conv3d(x, weight, **options, dilation=(far // 2, 1, 1), algorithm="winograd")
    found = convkit.conv3d(x, weight, **options, algorithm="winograd")
    assert np.allclose(found, convkit.conv3d(x, weight, **options, algorithm="direct"), atol=1e-4)


def test_shared_tiles_of_deep_kernels_are_bounded() -> None:
    """A unit of tiles counts with all the slices that its depth taps meet."""
    weight = np.zeros((8, 512, 3, 3, 3), np.float32)
    plan = convkit.conv3d_plan((1, 512, 26, 8, 256), weight, padding=1, dilation=(12, 1, 1), algorithm="winograd")
    assert plan._problem.conv.shared_bytes <= 16 << 20


@pytest.mark.parametrize(("channels", "size"), [(64, 56), (128, 28), (128, 112), (256, 14), (512, 14), (512, 28)])
def test_auto_takes_it_for_plans_of_large_layers(channels: int, size: int) -> None:
    for layout in LAYOUTS:
        shape = (1, channels, size, size) if layout == LAYOUTS[0] else (1, size, size, channels)
        found = convkit.explain("conv2d", shape, (channels, channels, 3, 3), 1, 1, layout=layout, plan=True)
        assert found.algorithm == "winograd"


def test_auto_leaves_small_problems_alone() -> None:
    for plan, shape, weight in (
        (True, (1, 3, 224, 224), (8, 3, 3, 3)),
        (True, (1, 8, 8, 8), (8, 8, 3, 3)),
        (False, (1, 256, 4, 4), (256, 256, 3, 3)),
    ):
        assert convkit.explain("conv2d", shape, weight, 1, 1, plan=plan).algorithm != "winograd", shape


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "dilation"),
    [
        ((1, 2, 4_000_010), (4, 2, 5), 1_000_000),
        ((1, 64, 40_010), (64, 64, 5), 10_000),
        ((1, 64, 64, 8020), (64, 64, 3, 3), (1, 4000)),
        ((1, 64, 45, 3700), (64, 64, 3, 12), (1, 300)),
        ((1, 64, 45, 2782), (64, 64, 3, 3), (1, 391)),
        ((1, 64, 45, 2400), (64, 64, 3, 3), (1, 290)),
        ((1, 64, 2000), (64, 64, 3), 600),
        ((1, 64, 20_000), (64, 64, 3), 1700),
    ],
)
def test_memory_of_far_taps_is_bounded(x_shape: Any, weight_shape: Any, dilation: Any) -> None:
    """A thread keeps M and a strip of one tile of each class; what would need more is declined."""
    make = getattr(convkit, f"conv{len(x_shape) - 2}d_plan")
    for algorithm in ("winograd", "auto"):
        try:
            plan = make(x_shape, np.zeros(weight_shape, np.float32), dilation=dilation, algorithm=algorithm)
        except NotImplementedError:
            continue
        if plan.algorithm == "winograd":
            assert plan.workspace_bytes <= 2 << 20
            assert plan._problem.conv.shared_bytes <= 16 << 20


@pytest.mark.parametrize("seed", [9029, 1, 2, 3])
def test_few_taps_within_the_bound(seed: int) -> None:
    """2 x 2 taps have small sums, against which errors weigh more: tiles of 5 x 5 outputs came to 3.5e-6."""
    rng = np.random.default_rng(seed)
    for channels in (95, 96):
        x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, channels, 60, 60), (16, channels, 2, 2)))
        expected = convkit.conv2d(x.astype(np.float64), weight.astype(np.float64), algorithm="direct")
        for plan in (False, True):
            y = (
                convkit.conv2d_plan(x.shape, weight, algorithm="winograd")(x)
                if plan
                else convkit.conv2d(x, weight, algorithm="winograd")
            )
            assert np.max(np.abs(y - expected)) <= 3e-6 * np.max(np.abs(expected))


@pytest.mark.parametrize("layer", SERVED, ids=lambda layer: layer.name)
def test_memory_is_bounded(layer: Any) -> None:
    """At most 2 MB a thread, and 16 MB beside that, whatever the size."""
    axes = len(layer.size)
    make = getattr(convkit, f"conv{axes}d_plan")
    for layout in LAYOUTS:
        shape = (1, layer.c, *layer.size) if layout == LAYOUTS[0] else (1, *layer.size, layer.c)
        weight = np.zeros((layer.k, layer.c // layer.g, *layer.kernel), np.float32)
        sizes = {"stride": layer.stride, "padding": layer.pad, "dilation": layer.dil, "groups": layer.g}
        plan = make(shape, weight, **sizes, layout=layout, algorithm="winograd")
        assert plan.workspace_bytes <= 2 << 20
        assert plan._problem.conv.shared_bytes <= 16 << 20
