"""The C tests of tests/c, built and run by `make test-c` against the library that Python has loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import convkit
from convkit import _core

ROOT = Path(__file__).parent.parent
LIBRARY = Path(convkit.get_library_dir(), "libconvkit.a")


def missing() -> str | None:
    """Return what the C tests need and is not there."""
    compiler = os.environ.get("CC", "cc").split()[0]
    reasons = {
        "the source tree": (ROOT / "Makefile").exists() and (ROOT / "csrc").exists() and os.access(ROOT, os.W_OK),
        "make": shutil.which("make"),
        f"a C compiler ({compiler})": shutil.which(compiler),
        "libconvkit.a": LIBRARY.exists(),
        "a library without sanitizers (make sanitize-c has them)": "-fsanitize" not in _core.build_flags(),
    }
    return next((f"needs {need}" for need, there in reasons.items() if not there), None)


@pytest.mark.skipif(missing() is not None, reason=missing() or "")
def test_the_c_programs_pass() -> None:
    newest = max(path.stat().st_mtime for path in (ROOT / "csrc").rglob("*.*") if path.suffix != ".md")
    if LIBRARY.is_relative_to(ROOT):
        assert LIBRARY.stat().st_mtime >= newest, "csrc is newer than the library: run python setup.py build_ext --inplace"
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    # The environment that is running these tests takes the place of make's own, which counts as up to date whether it exists or not.
    settings = [f"LIBRARY={LIBRARY}", "VENV=.venv", f"CONVKIT_OPENMP={_core.has_openmp():d}"]
    command = ["make", "--silent", f"-j{os.cpu_count()}", "-o", ".venv/installed", "test-c", *settings]
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, f"{' '.join(command)}\n{made.stdout}\n{made.stderr}"
    assert made.stdout.count(" 0 failed") >= 5, made.stdout
