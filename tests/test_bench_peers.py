"""bench/peers: the side-by-side suite runs with and without other libraries, and refuses what is wrong."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import workloads
from cases import NARROW

from convkit import reference

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # at the end: convkit itself comes from where it is installed
expected = importlib.import_module("bench.peers.expected")
forms = importlib.import_module("bench.peers.forms")
report = importlib.import_module("bench.peers.report")
worker = importlib.import_module("bench.peers.worker")
# The package has its own workloads module: classes of the two are not the same.
Layer = importlib.import_module("bench.workloads").Layer

PLANES = [
    {"family": "planes", "name": name, "op": "conv", "n": 1, "c": 1, "size": [size, size], "k": 1, "kernel": [3, 3],
     "stride": [1, 1], "pad": [1, 1], "dil": [1, 1], "g": 1}
    for name, size in (("first", 12), ("second", 20))
]  # fmt: skip

# A library in the place of OpenCV: right, unless {fault} does something to the result.
CV2 = """
import os, numpy
from convkit import reference
__version__, CV_32F, BORDER_CONSTANT = "stub", 5, 0
def setNumThreads(n): pass
def filter2D(image, depth, kernel, borderType):
    y = reference.conv2d(image[None, None], kernel[None, None], padding=1)[0, 0]
    {fault}
    return y
"""


def run_suite(tmp_path: Path, *arguments: str, stubs: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Run the command with these modules in the place of installed ones; the exit status and the JSON."""
    for name, text in (stubs or {}).items():
        (tmp_path / f"{name}.py").write_text(text)
    out = tmp_path / "out.json"
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "bench.peers", "--quick", "--turn", "2", "--threads", "1", "--json", str(out), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120)
    assert out.exists(), done.stderr
    return done.returncode, json.loads(out.read_text())


def planes(tmp_path: Path) -> str:
    path = tmp_path / "planes.json"
    path.write_text(json.dumps(PLANES))
    return str(path)


# ------------------------------------------------------------------------------------ the command


def test_convkit_alone(tmp_path: Path, algorithms: tuple[str, ...]) -> None:
    status, result = run_suite(tmp_path, "--layers", "tiny8,rn50.max3s2", "--peers", "none")
    assert status == 0
    assert result["failures"] == []
    assert result["settings"] == {"threads": 1, "rounds": 1, "extra_rounds": 0, "turn_seconds": 0.002}
    assert result["machine"]["versions"].keys() == {"convkit"}
    assert result["machine"]["isa"] == result["machine"]["convkit"]["isa"]["used"]
    peaks = result["peaks"]
    assert min(peaks.values()) > 0
    timings = {(row["layer"], row["form"]): row for row in result["timings"]}
    named = [name for name in algorithms if name != "auto" and name not in NARROW]
    for kind, name in itertools.product(("call", "plan"), ("", " last", *(f" {name}" for name in named))):
        row = timings["tiny8", f"convkit {kind}{name}"]
        assert row["algorithm_used"] == (name.strip() if name.strip() in named else row["algorithm_used"]) in named
        assert 0 < row["ms"] == min(row["turns_ms"])
        flops = workloads.by_name("tiny8").flops
        assert row["percent"] == pytest.approx(100 * flops / row["ms"] / 1e6 / peaks["fma_float32_gflop_per_s"])
    assert timings["tiny8", "convkit call float64"]["dtype"] == "float64"
    pools = {form for layer, form in timings if layer == "rn50.max3s2"}
    assert pools == {"convkit call", "convkit call last", "convkit call float64"}
    assert timings["rn50.max3s2", "convkit call"]["percent_of"] == "bandwidth"
    assert result["summary"] == []
    assert all(row["ratio"] is None for row in result["comparisons"])


def test_library_that_cannot_be_imported_is_left_out(tmp_path: Path) -> None:
    stubs = {"torch": "raise OSError('no such thing')"}
    status, result = run_suite(tmp_path, "--layers", "tiny1", "--compare", "call", "--peers", "torch", stubs=stubs)
    assert status == 0
    assert result["notes"] == ["torch is left out: OSError: no such thing"]
    assert [row["form"] for row in result["timings"]] == ["convkit call"]


def test_ratio_to_another_library(tmp_path: Path) -> None:
    arguments = "--layers", planes(tmp_path), "--compare", "image,call", "--peers", "opencv"
    status, result = run_suite(tmp_path, *arguments, stubs={"cv2": CV2.format(fault="")})
    assert status == 0, result
    assert result["machine"]["versions"]["cv2"] == "stub"
    ms = {(row["layer"], row["form"]): row["ms"] for row in result["timings"]}
    ratios = {row["layer"]: row["ratio"] for row in result["comparisons"] if row["comparison"] == "image"}
    assert ratios == pytest.approx({name: ms[name, "opencv"] / ms[name, "convkit call"] for name in ("first", "second")})
    (summary,) = result["summary"]
    assert (summary["comparison"], summary["family"], summary["layers"]) == ("image", "planes", 2)
    assert summary["geomean"] == pytest.approx(math.sqrt(ratios["first"] * ratios["second"]))
    assert summary["worst"] == min(ratios.values()) == ratios[summary["worst_layer"]]


def test_wrong_result_is_reported_and_not_timed(tmp_path: Path) -> None:
    arguments = "--layers", planes(tmp_path), "--compare", "image", "--peers", "opencv"
    stub = CV2.format(fault="if len(y) == 20: y[3, 4] += 0.01")
    status, result = run_suite(tmp_path, *arguments, stubs={"cv2": stub})
    assert status == 1
    (failure,) = result["failures"]
    assert failure.startswith("opencv is wrong and not timed: the error is ")
    assert failure.endswith("(second)")
    assert [row["layer"] for row in result["timings"] if row["form"] == "opencv"] == ["first"]
    assert [row["layer"] for row in result["timings"] if row["form"] == "convkit call"] == ["first", "second"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [("os._exit(7)", "the process ended with status 7"), ("raise ValueError('no')", "ValueError: no")],
)
def test_failing_library_gets_the_next_layer(tmp_path: Path, fault: str, text: str) -> None:
    arguments = "--layers", planes(tmp_path), "--compare", "image", "--peers", "opencv"
    status, result = run_suite(tmp_path, *arguments, stubs={"cv2": CV2.format(fault=f"if len(y) == 12: {fault}")})
    assert status == 1
    assert result["failures"] == [f"opencv failed: {text} (first)"]
    assert [row["layer"] for row in result["timings"] if row["form"] == "opencv"] == ["second"]


@pytest.mark.parametrize(
    "arguments",
    [("--compare", "call-fft"), ("--peers", "numpy"), ("--layers", "no.such"), ("--rounds", "0"), ("--turn", "nan")],
)
def test_bad_arguments(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "must" in done.stderr


# ------------------------------------------------------------------------------------ processes


def test_process_is_stopped_between_requests() -> None:
    one = worker.Worker("convkit", 1)
    try:
        assert one.started().keys() == {"convkit"}
        state = Path(f"/proc/{one._process.pid}/stat")
        if not state.exists():
            pytest.skip("no /proc here")
        assert state.read_text().rpartition(")")[2].split()[0] == "T"
        assert one.request("probe", "float32") > 0
        assert state.read_text().rpartition(")")[2].split()[0] == "T"
        with pytest.raises(RuntimeError, match="KeyError"):
            one.request("turn", forms.Form("convkit"), 0.001)
    finally:
        one.close()
    with pytest.raises(worker.Gone, match="status -9"):
        one.request("clear")


def test_turn_is_the_best_batch_after_warming_up() -> None:
    now = 0.0
    costs = itertools.chain([0.004] * 2, itertools.cycle([0.003, 0.002, 0.005]))

    def call() -> None:
        nonlocal now
        now += next(costs)

    assert worker.timed_turn(call, 0.04, lambda: now) == pytest.approx(0.002)
    assert now >= 0.04


def test_turn_batches_short_calls_and_does_not_repeat_long_ones() -> None:
    now, calls = 0.0, 0

    def call(seconds: float) -> None:
        nonlocal now, calls
        now += seconds
        calls += 1

    # One in ten calls costs more: a batch of a millisecond has its share of them.
    assert worker.timed_turn(lambda: call(1e-5 if calls % 10 else 1e-4), 0.04, lambda: now) == pytest.approx(1.9e-5, rel=0.1)
    calls = 0
    assert worker.timed_turn(lambda: call(5.0), 0.04, lambda: now) == pytest.approx(5.0)
    assert calls == 1


# ------------------------------------------------------------------------------------ comparisons


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("call", "convkit call", ["torch"]),
        ("plan", "convkit plan", ["onnxruntime", "openvino", "ncnn"]),
        ("call-last", "convkit call last", ["torch last"]),
        ("plan-last", "convkit plan last", ["torch last"]),
        ("call-float64", "convkit call float64", ["torch float64"]),
        ("call-direct", "convkit call direct", ["torch"]),
        ("plan-im2col", "convkit plan im2col", ["torch", "onnxruntime", "openvino"]),
        ("plan-new", "convkit plan new", ["torch", "onnxruntime", "openvino", "ncnn"]),
        ("plan-last-float64-direct", "convkit plan last float64 direct", ["torch last float64"]),
        ("image", "convkit call", ["opencv"]),
    ],
)
def test_comparisons(name: str, ours: str, theirs: list[str]) -> None:
    found = forms.comparison(name, ("direct", "im2col", "new"))
    assert found.ours.name == ours
    assert [form.name for form in found.theirs] == theirs


def test_report_takes_the_fastest_peer_and_the_worst_layer() -> None:
    call = forms.Comparison("plan", forms.Form("convkit"), (forms.Form("one"), forms.Form("two")))
    layers = [convolution(name=name, family=name[0]) for name in ("a1", "a2", "b1")]
    seconds = {"convkit": (2.0, 4.0, 1.0), "one": (3.0, 8.0, 5.0), "two": (4.0, 2.0, 4.0)}
    timings = [
        report.Timing(layer, forms.Form(name), "", 0, [report.Turn(values[i] * 1.5, 0.9), report.Turn(values[i], 0.0)])
        for name, values in seconds.items()
        for i, layer in enumerate(layers)
    ]
    made = report.Report({}, {}, {}, timings, [call], [], [])
    assert [(row.layer.name, row.ratio, row.fastest) for row in made.rows(call)] == [
        ("a1", 1.5, "one"),
        ("a2", 0.5, "two"),
        ("b1", 4.0, "two"),
    ]
    assert [(s.family, s.layers, s.ahead, s.worst, s.worst_layer) for s in made.summaries()] == [
        ("a", 2, 1, 0.5, "a2"),
        ("b", 1, 1, 4.0, "b1"),
        ("all", 3, 2, 0.5, "a2"),
    ]
    assert [s.geomean for s in made.summaries()] == pytest.approx([math.sqrt(0.75), 4.0, 3 ** (1 / 3)])
    assert timings[0].spread == pytest.approx(50)
    assert not timings[0].settled


@pytest.mark.parametrize(
    ("turns", "settled"),
    [
        ([(1.0, 0.0), (1.04, 0.5)], True),
        ([(1.0, 0.0), (1.2, 0.0), (1.02, 0.0)], True),
        ([(1.0, 0.0), (1.2, 0.0)], False),
        ([(1.0, 0.5), (1.01, 0.0)], False),
        ([(1.0, 0.0)], True),
        ([], False),
    ],
)
def test_settled(turns: list[tuple[float, float]], settled: bool) -> None:
    timing = report.Timing(convolution(), forms.Form("one"), "", 0, [report.Turn(*turn) for turn in turns])
    assert timing.settled is settled


# ------------------------------------------------------------------------------------ right results


def convolution(**changes: Any) -> Any:
    row = {"family": "", "name": "", "op": "conv", "n": 2, "c": 4, "size": (9, 8), "k": 6, "kernel": (3, 2), "stride": (2, 1),
           "pad": (1, 2), "dil": (1, 2), "g": 2, "outpad": (0, 0), "source": ""}  # fmt: skip
    return Layer(**row | changes)


def test_gradients_are_adjoint_to_the_convolution() -> None:
    layer = convolution()
    rng = np.random.default_rng(0)
    x, w, g = (rng.integers(-4, 5, shape).astype(float) for shape in (layer.x_shape, layer.weight_shape, layer.output_shape))
    y = reference.conv2d(x, w, stride=layer.stride, padding=layer.pad, dilation=layer.dil, groups=layer.g)
    assert y.shape == g.shape
    assert np.vdot(y, g) == np.vdot(x, expected._scatter(layer, g, w, layer.size))
    assert np.vdot(y, g) == np.vdot(w, expected._weight_gradient(layer, x, g))


@pytest.mark.parametrize("op", ["max", "avg"])
def test_pooling_by_axes_is_pooling(op: str) -> None:
    layer = convolution(op=op, c=3, k=3, g=1, pad=(1, 0), dil=(1, 2) if op == "max" else (1, 1))
    x = workloads.make_inputs(layer, np.float64, values="normal")[0]
    whole = getattr(reference, f"{op}_pool2d")(x, layer.kernel, stride=layer.stride, padding=layer.pad, dilation=layer.dil)
    np.testing.assert_allclose(expected._pool(layer, x), whole, rtol=1e-13)


def float32_results(layer: Any, operand: Any = lambda a: a) -> np.ndarray:
    x, w = workloads.make_inputs(layer, np.float32, values="normal")
    return reference.conv2d(x, operand(w), stride=layer.stride, padding=layer.pad, dilation=layer.dil, groups=layer.g)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda y: y, ""),
        (lambda y: y * np.float32(1 + 1e-5), ""),
        (lambda y: y.tolist(), "is a list"),
        (lambda y: y[:, :-1], "shape"),
        (lambda y: y.astype(np.float64), "dtype"),
        (lambda y: np.where(y == y.max(), np.nan, y), "error is nan"),
        (lambda y: y + np.float32(1e-3), "error is"),
    ],
)
def test_error_text(spoil: Any, text: str) -> None:
    layer = convolution()
    found = expected.error_text(layer, (spoil(float32_results(layer)),), expected.expected(layer), "channels_first", "float32")
    assert (text in found) if text else not found


@pytest.mark.parametrize("name", ["rn50.5b", "mbv2.dw", "eff.se", "tiny1"])
def test_half_precision_weights_are_seen(name: str) -> None:
    layer = workloads.by_name(name)
    wanted = expected.expected(layer)
    assert not expected.error_text(layer, (float32_results(layer),), wanted, "channels_first", "float32")
    half = float32_results(layer, lambda w: w.astype(np.float16).astype(np.float32))
    assert "error is" in expected.error_text(layer, (half,), wanted, "channels_first", "float32")


def test_float32_arithmetic_is_seen_in_float64() -> None:
    layer = replace(convolution(), g=1)
    found = (float32_results(layer).astype(np.float64),)
    assert "error is" in expected.error_text(layer, found, expected.expected(layer), "channels_first", "float64")


def test_errors_are_small_and_told(tmp_path: Path) -> None:
    """Of what can be imported: convkit; the layer is in a file of the user's."""
    path = tmp_path / "layer.json"
    layer = {"name": "mine", "op": "conv", "n": 1, "c": 16, "in": [12, 12], "k": 8, "kernel": [3, 3], "stride": [1, 1]}
    layer |= {"family": "mine", "pad": [1, 1], "dil": [1, 1], "g": 1}
    path.write_text(json.dumps([layer]))
    command = [sys.executable, "-m", "bench.peers.errors", "--layers", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    head, _, *rows = (line.strip("| \n").split(" | ") for line in done.stdout.splitlines())
    assert head[:4] == ["layer", "data", "convkit plan winograd", "convkit plan direct"]
    assert [row[:2] for row in rows] == [["mine", "normal"], ["mine", "rectified"]]
    assert all(0 < float(error) <= 3 for row in rows for error in row[2:4])


def test_errors_of_no_layer() -> None:
    command = [sys.executable, "-m", "bench.peers.errors", "--layers", "no.such"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "no.such" in done.stderr
