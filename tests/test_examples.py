"""Run every example program, and every code block of the README and the tutorial, as a reader would.

An example runs as a process of its own in an empty directory. It checks itself; here its exit
code and the numbers that it prints are checked again. Photographs come from scikit-image, the
figure from matplotlib: without them the examples that need them are skipped.
"""

import doctest
import importlib.util
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import convkit

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
# page with blocks of Python to be typed in: how many examples it has at least
PAGES = {"README.md": 7, "docs/index.md": 2, "docs/tutorial.md": 60}

# name: (packages it needs, patterns that its output must match)
PROGRAMS = {
    "channels_last.py": (
        ("skimage",),
        (
            r"features +\(256, 256, 8\)",
            r"pooled +\(128, 128, 8\)",
            r"layouts +agree, mean 0\.3049",
            r"soft +\(512, 512, 3\), varies by 0\.309 instead of 0\.319",
            r"mean +\(1, 1, 1, 3\)",
        ),
    ),
    "demo.py": (
        ("skimage", "matplotlib"),
        (
            r"\[\[19 25\]\n.*\[37 43\]\]",
            r"3x512x512 +3x3 +0 +1 +3x510x510",
            r"3x512x512 +3x3 +1 +1 +3x512x512",
            r"3x512x512 +3x3 +1 +2 +3x256x256",
            r"photograph +mean step between neighbours 7\.19",
            r"blur +mean step between neighbours 3\.98",
            r"sharpen +mean step between neighbours 17\.37",
            r"Sobel +12\.1% of the pixels",
            r"average +512 -> 256 -> 128 -> 64 -> 32 +correlation with the photograph 0\.90",
            r"max +512 -> 256 -> 128 -> 64 -> 32 +correlation with the photograph 0\.71",
            r"top row .* \+1\.00",
            r"middle row .* 0\.0 +\+0\.00",
            r"bottom row .* -1\.00",
            r"3x3 \+ 3x3 +5x5 +25 = 5x5",
            r"input +1x32x32 ",
            r"C1 .* 6x28x28 +5x5 +1\n",
            r"S2 .* 6x14x14 +6x6 +2\n",
            r"C3 .* 16x10x10 +14x14 +2\n",
            r"S4 .* 16x5x5 +16x16 +4\n",
            r"C5 .* 120x1x1 +32x32 +4\n",
            r"14 of 14 results agree with convkit\.reference",
        ),
    ),
    "edges.py": (
        ("skimage",),
        (
            r"shape +\(512, 512\) -> \(2, 512, 512\)",
            r"mean strength +49\.36",
            r"strongest edge +930\.1 at row 200, column 189",
            r"edge pixels +5\.0% ",
        ),
    ),
    "integers.py": (
        (),
        (
            r"blur +uint8 x uint8 -> int32, up to 49899",
            r"a glider of 5 cells moved by \(1, 1\) in 4 steps",
            r"wide sums +4 x 2000000000 = 8000000000",
            r"pooling +max -> uint8, average -> float64",
        ),
    ),
    "plan_reuse.py": (
        (),
        (
            r"result +\(1, 32, 56, 56\)",
            r"work +28\.9 million",
            r"time +\d+\.\d{3} ms an image",
            r"agreement .* equal, mean 4\.9124",
        ),
    ),
    "pooling_pyramid.py": (
        ("skimage",),
        (
            r"1 +\(1, 256, 256\) +129\.06 +135\.52",
            r"4 +\(1, 32, 32\) +129\.06 +164\.10",
            r"brightest pixel +255 at \(120, 426\)",
            r"unpooled +\(1, 512, 512\), 1024 pixels set",
        ),
    ),
    "receptive_field.py": (
        (),
        (
            r"two 3x3 +5 +1 +3\n",
            r"3x3 with dilations 1, 2, 4 +15 +1 +-2\n",
            r"7x7 with stride 2, pool 3x3 +11 +4 +15\n",
            r"measured: 6 of 6 agree",
        ),
    ),
}


def require(packages: tuple[str, ...]) -> None:
    """Skip the test if one of the packages is not there, and say which."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join({"skimage": "scikit-image"}.get(name, name) for name in missing)
        pytest.skip(f"{names} not installed: pip install 'convkit-cpu[demo]'")


def run(name: str, directory: Path, *arguments: str) -> str:
    """Run an example in a directory, against the convkit under test, and return its output."""
    package = str(Path(convkit.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path, "MPLBACKEND": "Agg", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    repro = f"python examples/{name} {' '.join(arguments)}".rstrip()
    assert done.returncode == 0, f"{repro}: exit code {done.returncode}\n{done.stderr}"
    return done.stdout


def test_every_example_is_run() -> None:
    found = {path.name for path in EXAMPLES.glob("*.py") if not path.name.startswith("_")}
    assert found == set(PROGRAMS)


def check(name: str, directory: Path, *arguments: str) -> str:
    """Run an example and look for its patterns."""
    packages, patterns = PROGRAMS[name]
    require(packages)
    output = run(name, directory, *arguments)
    missing = [pattern for pattern in patterns if not re.search(pattern, output)]
    assert not missing, f"python examples/{name}: nothing matches {missing} in\n{output}"
    return output


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - {"demo.py"}))
def test_example(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
    assert not list(tmp_path.iterdir()), f"python examples/{name} left files behind"


def test_demo(tmp_path: Path) -> None:
    figure = tmp_path / "deep" / "tour.png"
    figure.parent.mkdir()
    output = check("demo.py", tmp_path, "--out", str(figure))
    assert f"Figure: {figure}" in output
    png = figure.read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (1820, 1332)
    assert len(png) > 500_000, "a figure full of photographs is not this small"
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize("page", PAGES)
def test_blocks(page: str) -> None:
    if page == "docs/tutorial.md":
        require(("skimage",))
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    blocks = [
        (text.count("\n", 0, match.start(1)), match[1])
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]
    assert all(">>> " in block for _, block in blocks), "a block without a prompt is not run"
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    names: dict[str, object] = {}
    for line, block in blocks:
        test = doctest.DocTestParser().get_doctest(block, names, page, str(path), line)
        runner.run(test, out=report.append, clear_globs=False)
        names.update(test.globs)
    assert runner.tries >= PAGES[page]
    assert runner.failures == 0, "\n" + "".join(report)
