"""What the library says about the machine and about its choices, in Python and on the command line."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import NARROW
from cases_pool import assert_same, make_array
from test_threads_processes import child_environment, run_python

import convkit
from convkit import _core
from convkit._core import build_flags
from convkit.selftest import settled

ISAS = {"scalar", "avx2", "avx512", "neon"}
IMPORT_MILLISECONDS = 15.0

SHAPES: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("conv1d", (1, 4, 50), (8, 4, 3), {}),
    ("conv1d", (2, 4, 50), (8, 1, 3), {"groups": 4, "dilation": 2}),
    ("conv2d", (1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}),
    ("conv2d", (1, 64, 56, 56), (256, 64, 1, 1), {}),
    ("conv2d", (1, 3, 224, 224), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
    ("conv2d", (1, 144, 56, 56), (144, 1, 3, 3), {"padding": 1, "groups": 144}),
    ("conv2d", (1, 512, 7, 7), (512, 512, 3, 3), {"padding": "same"}),
    ("conv2d", (1, 1, 9, 9), (1, 1, 3, 3), {"dtype": "float64"}),
    ("conv2d", (1, 8, 20, 20), (8, 8, 3, 3), {"dtype": "int8"}),
    ("conv2d", (1, 20, 20, 8), (8, 8, 3, 3), {"layout": "channels_last"}),
    ("conv3d", (1, 4, 8, 9, 10), (6, 4, 3, 3, 3), {"stride": (1, 2, 1)}),
]


def used_isa() -> str:
    return str(convkit.show_config(mode="dict")["isa"]["used"])


# ------------------------------------------------------------------------------ instruction sets


def test_isas() -> None:
    names = convkit.isas()
    assert isinstance(names, tuple)
    assert len(set(names)) == len(names) >= 1
    assert set(names) <= ISAS
    assert names[-1] == "scalar", "best first, the fallback last"
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if re.search(r"\bavx2\b", flags) and re.search(r"\bfma\b", flags):
        assert "avx2" in names
    if re.search(r"\bavx512f\b", flags) and re.search(r"\bavx512bw\b", flags):
        assert "avx512" in names


def test_use_isa_is_a_context() -> None:
    """Each set gives the exact result, nests, and gives way again, also after an error."""
    before = used_isa()
    x = make_array((1, 5, 13, 17), "float32", seed=1)
    weight = make_array((7, 5, 3, 3), "float32", seed=2)
    expected = convkit.reference.conv2d(x, weight)
    for name in convkit.isas():
        with convkit.use_isa(name):
            assert used_isa() == name
            assert_same(convkit.conv2d(x, weight), expected, name)
            assert_same(convkit.max_pool2d(x, 3), convkit.reference.max_pool2d(x, 3), name)
            with convkit.use_isa("scalar"):
                assert used_isa() == "scalar"
                assert_same(convkit.conv2d(x, weight), expected, f"scalar within {name}")
            assert used_isa() == name
        assert used_isa() == before
        with pytest.raises(KeyError), convkit.use_isa(name):
            raise KeyError
        assert used_isa() == before


def test_plan_survives_a_change_of_isa() -> None:
    """A plan made under one instruction set stays right under another."""
    x = make_array((2, 16, 20, 33), "float32", seed=1)
    weight = make_array((24, 16, 3, 3), "float32", seed=2)
    expected = convkit.reference.conv2d(x, weight)
    for made in convkit.isas():
        with convkit.use_isa(made):
            plan = convkit.conv2d_plan(x.shape, weight)
        for used in convkit.isas():
            with convkit.use_isa(used):
                assert_same(settled("auto", plan(x)), expected, f"made under {made}, used under {used}")


def test_default_algorithms_narrow_auto() -> None:
    """Blocks stand over the process and nest; what "auto" computes is then bit for bit what the one that is left computes."""
    shapes = (1, 64, 56, 56), (64, 64, 3, 3)
    x, weight = np.random.default_rng(1).standard_normal(shapes[0]), np.random.default_rng(2).standard_normal(shapes[1])
    assert convkit.get_default_algorithms() == convkit.algorithms()
    assert convkit.explain("conv2d", *shapes, plan=True).algorithm == "winograd"
    try:
        convkit.set_default_algorithms("im2col", "direct")
        assert convkit.get_default_algorithms() == ("direct", "im2col")
        assert convkit.explain("conv2d", *shapes, plan=True).algorithm != "winograd"
        for name in convkit.algorithms():
            if name in NARROW:
                continue
            expected = convkit.conv2d(x, weight, algorithm=name)
            with convkit.default_algorithms(name):
                assert convkit.get_default_algorithms() == (name,)
                assert convkit.conv2d_plan(x.shape, weight).algorithm == name
                assert np.array_equal(convkit.conv2d(x, weight), expected), name
                rows = {c.name: c for c in convkit.explain("conv2d", *shapes).candidates}
                assert [row.name for row in rows.values() if row.accepts] == [name]
                assert all(
                    row.accepts or row.name in NARROW or row.reason == "not among the default algorithms"
                    for row in rows.values()
                )
                with convkit.default_algorithms():
                    assert convkit.get_default_algorithms() == convkit.algorithms()
            assert convkit.get_default_algorithms() == ("direct", "im2col")
    finally:
        convkit.set_default_algorithms()
    assert convkit.get_default_algorithms() == convkit.algorithms()


def test_default_algorithms_that_do_not_serve_a_problem() -> None:
    with convkit.default_algorithms("winograd"), pytest.raises(NotImplementedError, match="one tap"):
        convkit.conv2d(np.ones((1, 8, 9, 9)), np.ones((8, 8, 1, 1)))


@pytest.mark.parametrize("name", ["auto", "fft", 1, None])
def test_default_algorithms_must_exist(name: object) -> None:
    for function in (convkit.set_default_algorithms, convkit.default_algorithms):
        with pytest.raises((ValueError, TypeError), match="names"):
            function("direct", name)
    assert convkit.get_default_algorithms() == convkit.algorithms()


@pytest.mark.parametrize("name", convkit.isas())
def test_environment_narrows_the_isa(name: str) -> None:
    code = """
        import numpy as np
        import convkit
        y = convkit.conv1d(np.ones((1, 2, 40), np.float32), np.ones((3, 2, 3), np.float32))
        assert (y == 6).all()
        print(convkit.show_config(mode="dict")["isa"]["used"])
    """
    assert run_python(code, CONVKIT_ISA=name) == name


def test_unknown_isa_in_the_environment_is_named_or_ignored() -> None:
    child = subprocess.run(
        [sys.executable, "-c", "import convkit; print(*convkit.isas())"],
        env=child_environment(CONVKIT_ISA="sse9"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if child.returncode == 0:
        assert set(child.stdout.split()) <= ISAS
    else:
        assert child.returncode == 1
        assert "CONVKIT_ISA" in child.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", "3"),
        (" 003 ", "3"),
        ("3,2", "3"),
        ("1000000", "1024"),
        ("9" * 5000, "1024"),
        ("\u00b2", "5"),
        ("0", "5"),
        ("-1", "5"),
        ("x", "5"),
    ],
)
def test_number_of_threads_in_the_environment(text: str, expected: str) -> None:
    """What is no number is passed over; it never keeps the package from being imported."""
    code = "import convkit; print(convkit.get_num_threads())"
    assert run_python(code, CONVKIT_NUM_THREADS=text, OMP_NUM_THREADS="5") == expected


# ------------------------------------------------------------------------- algorithms, explain


def test_algorithms() -> None:
    names = convkit.algorithms()
    assert isinstance(names, tuple)
    assert {"direct", "im2col"} <= set(names)
    assert len(set(names)) == len(names)
    assert "auto" not in names
    assert all(name == name.lower() and name.isidentifier() for name in names)


@pytest.mark.parametrize(("op", "x", "weight", "arguments"), SHAPES)
def test_explain(op: str, x: Any, weight: Any, arguments: dict[str, Any]) -> None:
    """One candidate for each algorithm; "auto" is the cheapest that accepts."""
    for plan in (False, True):
        found = convkit.explain(op, x, weight, plan=plan, **arguments)
        assert isinstance(found.candidates, tuple)
        assert sorted(c.name for c in found.candidates) == sorted(convkit.algorithms())
        assert found.algorithm in convkit.algorithms()
        for candidate in found.candidates:
            assert type(candidate.accepts) is bool
            assert isinstance(candidate.reason, str)
            assert isinstance(candidate.cost, float)
            if candidate.accepts:
                assert 0 < candidate.cost < 1e9
            else:
                assert len(candidate.reason) > 3, f"{candidate.name} declines without a reason"
        accepting = [c for c in found.candidates if c.accepts]
        assert found.algorithm == min(accepting, key=lambda c: c.cost).name
        table = str(found)
        assert all(c.name in table for c in found.candidates)
        assert all(c.reason in table for c in found.candidates if not c.accepts)
        assert len(table.splitlines()) > len(found.candidates)


@pytest.mark.parametrize(("op", "x", "weight", "arguments"), SHAPES)
def test_choice_depends_on_one_sample_only(op: str, x: Any, weight: Any, arguments: dict[str, Any]) -> None:
    """Neither the batch, nor the threads, nor the time changes what "auto" picks."""
    for plan in (False, True):
        first = convkit.explain(op, x, weight, plan=plan, **arguments).algorithm
        for batch in (1, 2, 7, 64, 1000):
            for threads in (1, 2, 8, None):
                again = convkit.explain(op, (batch, *x[1:]), weight, plan=plan, num_threads=threads, **arguments)
                assert again.algorithm == first, f"batch={batch} threads={threads} plan={plan}"
        with convkit.threads(3):
            assert convkit.explain(op, x, weight, plan=plan, **arguments).algorithm == first


@pytest.mark.parametrize(("op", "x", "weight", "arguments"), SHAPES)
def test_plan_does_what_explain_says(op: str, x: Any, weight: Any, arguments: dict[str, Any]) -> None:
    arguments = dict(arguments)
    dtype = arguments.pop("dtype", "float32")
    make = getattr(convkit, f"{op}_plan")
    values = make_array(weight, dtype, seed=1)
    found = convkit.explain(op, x, weight, plan=True, dtype=dtype, **arguments)
    plan = make(x, values, **arguments)
    assert plan.algorithm == found.algorithm
    own = plan.explain()
    assert own.algorithm == plan.algorithm
    assert [c.name for c in own.candidates] == [c.name for c in found.candidates]
    assert [c.accepts for c in own.candidates] == [c.accepts for c in found.candidates]
    for candidate in found.candidates:
        if candidate.accepts:
            assert make(x, values, **arguments, algorithm=candidate.name).algorithm == candidate.name
        else:
            with pytest.raises(NotImplementedError, match=re.escape(candidate.reason)):
                make(x, values, **arguments, algorithm=candidate.name)


def test_declined_algorithms_raise_with_their_reason() -> None:
    """Whatever explain() says of an algorithm holds for a call that asks for it by name."""
    checked = 0
    for op, x_shape, weight_shape, extra in SHAPES:
        arguments = dict(extra)
        dtype = arguments.pop("dtype", "float32")
        small = (1, *x_shape[1:])
        found = convkit.explain(op, small, weight_shape, dtype=dtype, **arguments)
        x, weight = make_array(small, dtype, 1), make_array(weight_shape, dtype, 2)
        function = getattr(convkit, op)
        expected = function(x, weight, **arguments, algorithm="direct")
        for candidate in found.candidates:
            if candidate.accepts:
                actual = function(x, weight, **arguments, algorithm=candidate.name)
                assert_same(settled(candidate.name, actual), expected, f"{op} {small} {candidate.name}")
            else:
                with pytest.raises(NotImplementedError, match=re.escape(candidate.reason)):
                    function(x, weight, **arguments, algorithm=candidate.name)
            checked += 1
    assert checked == len(SHAPES) * len(convkit.algorithms())


def test_explain_takes_shapes_like_the_functions() -> None:
    plain = convkit.explain("conv2d", (1, 4, 9, 9), (8, 4, 3, 3), 2, 1, 1, 1)
    named = convkit.explain(
        "conv2d",
        x_shape=[1, 4, 9, 9],
        weight_shape=[8, 4, 3, 3],
        stride=(2, 2),
        padding=((1, 1), (1, 1)),
        dilation=1,
        groups=1,
        layout="channels_first",
        dtype=np.float32,
        num_threads=1,
        plan=False,
    )
    assert plain.algorithm == named.algorithm
    assert convkit.explain("conv2d", (4, 9, 9), (8, 4, 3, 3)).algorithm in convkit.algorithms()
    for bad in ({"stride": 0}, {"groups": 3}, {"padding": "causal"}, {"layout": "NCHW"}):
        (name,) = bad
        with pytest.raises(ValueError, match=rf"\b{name}\b"):
            convkit.explain("conv2d", (1, 4, 9, 9), (8, 4, 3, 3), **bad)
    with pytest.raises(TypeError, match="complex64"):
        convkit.explain("conv2d", (1, 4, 9, 9), (8, 4, 3, 3), dtype="complex64")


# ---------------------------------------------------------------------- configuration, building


def printed(call: Callable[[], Any]) -> str:
    stream = io.StringIO()
    with redirect_stdout(stream):
        assert call() is None
    return stream.getvalue()


def test_show_config() -> None:
    """It prints by default; the dictionary holds the same facts and is plain data."""
    text = printed(convkit.show_config)
    assert printed(lambda: convkit.show_config("print")) == text
    facts = convkit.show_config(mode="dict")
    assert isinstance(facts, dict)
    assert json.loads(json.dumps(facts, default=str))
    assert printed(lambda: convkit.show_config(mode="dict") and None) == ""
    assert convkit.__version__ in text
    whole = json.dumps(facts, default=str)
    assert convkit.__version__ in whole
    for name in convkit.isas():
        assert name in text
        assert name in whole
    lowered = text.lower()
    for word in ("compiler", "openmp", "threads", "flags"):
        assert word in lowered
        assert word in whole.lower()
    with convkit.threads(7):
        assert re.search(r"\b7\b", printed(convkit.show_config))
        assert "7" in json.dumps(convkit.show_config(mode="dict"), default=str)


def test_the_openmp_library_is_named() -> None:
    """Which one is loaded, as the process's own list of mapped files has it."""
    named = convkit.show_config("dict")["openmp"]
    if not _core.has_openmp():
        assert named == "none"
        return
    if not Path("/proc/self/maps").exists():
        pytest.skip("the system does not list mapped files")
    mapped = Path("/proc/self/maps").read_text()
    for library in named.split(", "):
        assert re.fullmatch(r"lib(gomp|omp|iomp).*\.so[.\d]*", library)
        assert f"/{library}\n" in mapped


def test_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", convkit.__version__)


def test_directories_for_projects_that_build_on_it() -> None:
    include = Path(convkit.get_include())
    assert include.is_absolute()
    assert (include / "convkit.h").is_file()
    library = Path(convkit.get_library_dir())
    assert library.is_absolute()
    assert library.is_dir()
    header = (include / "convkit.h").read_text()
    for name in re.findall(r'#include "([^"]+)"', header):
        assert (include / name).is_file(), f"convkit.h includes {name}, which is not there"


def test_release_workspace() -> None:
    """It may be called at any time, from any thread, also twice, and changes no result."""
    x = make_array((2, 16, 40, 40), "float32", seed=1)
    weight = make_array((16, 16, 3, 3), "float32", seed=2)
    plan = convkit.conv2d_plan(x.shape, weight)
    expected = plan(x)
    for threads in (1, 2, 4):
        convkit.release_workspace()
        assert_same(convkit.conv2d(x, weight, num_threads=threads), expected, "after release")
        assert convkit.release_workspace() > 0
        assert convkit.release_workspace() == 0
        assert_same(plan(x, num_threads=threads), expected, "plan after release")


# -------------------------------------------------------------------------------- command line


def command(*words: str, status: int = 0) -> str:
    child = subprocess.run(
        [sys.executable, "-m", "convkit", *words],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == status, f"exit {child.returncode}: {child.stdout}{child.stderr}"
    assert "Traceback" not in child.stderr
    return child.stdout if status == 0 else child.stderr


EXPLAIN = ("explain", "conv2d", "--x", "1,64,56,56", "--weight", "64,64,3,3")


def test_command_info() -> None:
    text = command("info")
    assert convkit.__version__ in text
    assert "scalar" in text
    facts = json.loads(command("info", "--json"))
    assert convkit.__version__ in json.dumps(facts)


def test_command_version() -> None:
    assert command("--version") == f"convkit {convkit.__version__}\n"


def test_command_selftest() -> None:
    outcome = json.loads(command("selftest", "--json"))
    assert outcome["ok"] is True
    assert outcome["passed"] >= 100
    assert outcome["failures"] == []


def test_command_selftest_in_words() -> None:
    assert "passed" in command("selftest", "--only", "conv2d*")


def test_command_explain() -> None:
    text = command(*EXPLAIN)
    assert all(name in text for name in convkit.algorithms())
    full = (
        *EXPLAIN,
        *("--stride", "1", "--padding", "1", "--dilation", "1", "--groups", "1"),
        *("--layout", "channels_first", "--dtype", "float32", "--plan", "--json"),
    )
    found = json.loads(command(*full))
    expected = convkit.explain("conv2d", (1, 64, 56, 56), (64, 64, 3, 3), padding=1, plan=True)
    assert found["algorithm"] == expected.algorithm
    assert [c["name"] for c in found["candidates"]] == [c.name for c in expected.candidates]
    assert [c["accepts"] for c in found["candidates"]] == [c.accepts for c in expected.candidates]
    pairs = json.loads(command(*EXPLAIN, "--stride", "2,1", "--padding", "same", "--json"))
    assert pairs["algorithm"] in convkit.algorithms()


@pytest.mark.parametrize(
    ("words", "blamed"),
    [
        ((), "command"),
        (("nonsense",), "nonsense"),
        (("explain", "conv2d"), "--x"),
        (("explain", "conv9d", "--x", "1,1,9,9", "--weight", "1,1,3,3"), "conv9d"),
        ((*EXPLAIN, "--stride", "0"), "stride"),
        ((*EXPLAIN, "--groups", "3"), "groups"),
        ((*EXPLAIN, "--padding", "nowhere"), "padding"),
        ((*EXPLAIN, "--layout", "NCHW"), "layout"),
        ((*EXPLAIN, "--dtype", "complex64"), "complex64"),
        (("explain", "conv2d", "--x", "1,a,9", "--weight", "1,1,3,3"), "1,a,9"),
        (("explain", "conv2d", "--x", "1,3,9,9", "--weight", "1,1,3,3"), "3"),
        (("bench", "--isa", "sse9"), "isa must be one of"),
        (("bench", "--layers", "nonsense"), "nonsense"),
        (("bench", "--json", "no/such/place.json"), "no/such/place.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_command_refuses(words: tuple[str, ...], blamed: str) -> None:
    assert blamed in command(*words, status=2)


def test_command_names_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "layers.json"
    path.write_text("{")
    assert str(path) in command("bench", "--workloads", str(path), status=2)


def test_command_help() -> None:
    for name in ("info", "selftest", "explain", "bench"):
        assert name in command("--help")
        assert "usage" in command(name, "--help")


# --------------------------------------------------------------------------------------- import


@pytest.mark.skipif("-fsanitize" in build_flags(), reason="the sanitizers take longer to start than the library")
def test_import_is_quick(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What convkit adds to the import of NumPy, best of six, of which the first compiles the modules."""
    code = """
        import time
        import numpy
        start = time.perf_counter()
        import convkit
        print(1000 * (time.perf_counter() - start))
    """
    cached = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    best = min(float(run_python(code, **cached)) for _ in range(6))
    assert list(tmp_path.rglob("runtime*.pyc"))
    with capsys.disabled():
        print(f" import convkit after numpy: {best:.1f} ms ", end="")
    assert best < IMPORT_MILLISECONDS


def test_import_brings_only_what_is_needed() -> None:
    code = """
        import sys
        import numpy
        before = set(sys.modules)
        import convkit
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        heavy = {
            "matplotlib", "rich", "scipy", "pytest", "hypothesis", "asyncio", "argparse", "unittest",
            "multiprocessing", "subprocess", "urllib", "http", "torch", "distutils", "setuptools",
        }
        print(*sorted(new & heavy), *sorted(m for m in sys.modules if m.startswith("convkit.bench")))
        assert callable(convkit.reference.conv2d)
    """
    assert run_python(code) == ""


@pytest.mark.skipif(os.name != "posix", reason="reads the shared objects of a process")
def test_extension_needs_no_more_than_its_runtime() -> None:
    """The extension asks for the C library, libm, pthreads and OpenMP only."""
    from convkit import _core

    tool = subprocess.run(["readelf", "-d", _core.__file__], capture_output=True, text=True, check=False)
    if tool.returncode != 0:
        pytest.skip("readelf cannot read the extension")
    needed = re.findall(r"\(NEEDED\).*\[(.+?)\]", tool.stdout)
    allowed = r"(libc|libm|libpthread|libgomp\S*|libomp|libiomp5|ld-linux\S*|libgcc_s)\.so\S*|libasan\S*|libubsan\S*"
    assert needed
    assert all(re.fullmatch(allowed, name) for name in needed), needed
