"""The C interface from outside: programs in C and C++ and a Cython module, built as docs/api.md says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import convkit
from convkit import _core

INCLUDE = Path(convkit.get_include())
LIBRARY = Path(convkit.get_library_dir())
PXD = Path(_core.__file__).with_name("_core.pxd")
# The library wants the OpenMP runtime of the compiler that made it.
CLANG = _core.compiler().startswith("clang")
CC = os.environ.get("CC", "clang" if CLANG else "cc").split()
CXX = os.environ.get("CXX", "clang++" if CLANG else "c++").split()
LINK = [f"-L{LIBRARY}", "-lconvkit", "-lm", *(["-fopenmp"] if _core.has_openmp() else [])]

pytestmark = [
    pytest.mark.skipif(not (LIBRARY / "libconvkit.a").exists(), reason="needs libconvkit.a"),
    pytest.mark.skipif("-fsanitize" in _core.build_flags(), reason="a program without sanitizers cannot link the library"),
]


def needs(compiler: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(compiler[0]) is None, reason=f"needs {compiler[0]}")


# 19 25 37 43 by each algorithm that takes one channel, then the maximum of each window and its place, put back. C and C++.
PROGRAM = r"""
#include <convkit.h>
#include <stdio.h>
#include <stdlib.h>

static void *aligned(size_t size) { return aligned_alloc(64, (size + 64) / 64 * 64); }

int main(void) {
  const float x[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, w[4] = {0, 1, 2, 3};
  float y[4], back[9];
  int64_t places[4];
  ck_control control = {2, NULL, NULL};
  ck_conv_problem conv = ck_conv_problem();
  conv.n = conv.g = conv.ic = conv.oc = 1;
  conv.src_dtype = CK_DTYPE_f32;
  conv.layout = CK_LAYOUT_CHANNELS_FIRST;
  conv.prepared = true;
  for (int axis = 0; axis < CK_AXES; axis++) {
    conv.window.in[axis] = axis == 0 ? 1 : 3;
    conv.window.kernel[axis] = axis == 0 ? 1 : 2;
    conv.window.stride[axis] = conv.window.dilation[axis] = 1;
  }
  ck_conv_problem checked = conv;
  if (ck_conv_problem_check(&checked) != CK_STATUS_OK) return 1;
  for (int algorithm = CK_ALGORITHM_AUTO; algorithm < CK_ALGORITHM_COUNT; algorithm++) {
    ck_conv_plan plan;
    if (algorithm >= 0 && ck_conv_declines(&checked, algorithm)) continue;
    if (ck_conv_plan_init(&plan, &conv, algorithm) != CK_STATUS_OK) return 2;
    void *packed = aligned(plan.packed_bytes), *workspace = aligned(ck_conv_workspace_bytes(&plan, 1, 2));
    if (plan.packed_bytes) ck_conv_pack(&plan, w, packed);
    ck_conv_buffers buffers = {1, x, 9, plan.packed_bytes ? packed : w, NULL, y, workspace};
    if (ck_conv_run(&plan, &buffers, &control) != CK_STATUS_OK) return 3;
    printf("%g %g %g %g\n", y[0], y[1], y[2], y[3]);
    free(packed), free(workspace);
  }
  ck_pool_problem pool = ck_pool_problem();
  pool.n = pool.c = 1;
  pool.window = conv.window;
  pool.src_dtype = CK_DTYPE_f32;
  pool.kind = CK_POOL_MAX;
  pool.with_indices = true;
  ck_pool_plan plan;
  if (ck_pool_plan_init(&plan, &pool) != CK_STATUS_OK) return 4;
  void *workspace = aligned(ck_pool_workspace_bytes(&plan, 2));
  if (ck_pool_run(&plan, x, y, places, workspace, &control) != CK_STATUS_OK) return 5;
  free(workspace);
  ck_unpool_problem unpool = {1, 1, 4, 9, CK_DTYPE_f32, CK_LAYOUT_CHANNELS_FIRST};
  if (ck_unpool_run(&unpool, y, places, back, &control) != CK_STATUS_OK) return 6;
  printf("%g at %d, %g\n", y[0], (int)places[0], back[4]);
  conv.window.stride[2] = 0;
  ck_conv_plan refused;
  ck_status status = ck_conv_plan_init(&refused, &conv, CK_ALGORITHM_AUTO);
  printf("%s %s\n", ck_status_argument((int)status), ck_status_rule((int)status));
  return 0;
}
"""


def ran(command: list[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def check_program(compiler: list[str], standard: str, source: Path) -> None:
    program = source.with_suffix("")
    strict = [f"-std={standard}", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    ran([*compiler, *strict, f"-I{INCLUDE}", source, *LINK, "-o", program])
    *sums, place, refusal = ran([program]).splitlines()
    assert len(sums) >= 2
    assert set(sums) == {"19 25 37 43"}
    assert place == "4 at 4, 4"
    assert refusal == "stride must be at least 1 on every axis"


@needs(CC)
def test_c(tmp_path: Path) -> None:
    source = tmp_path / "program.c"
    source.write_text(re.sub(r"= ck_\w+_problem\(\);", "= {0};", PROGRAM))
    check_program(CC, "gnu11", source)


@needs(CXX)
def test_cpp(tmp_path: Path) -> None:
    source = tmp_path / "program.cpp"
    source.write_text(PROGRAM)
    check_program(CXX, "gnu++11", source)


@needs(CC)
def test_cython(tmp_path: Path) -> None:
    pytest.importorskip("Cython")
    (tmp_path / "embedding.pyx").write_text(
        """# cython: language_level=3
cimport convkit


def output_length(long length, long kernel):
    cdef convkit.ck_window window
    for axis in range(convkit.CK_AXES):
        window.in_[axis] = length
        window.kernel[axis] = kernel
        window.stride[axis] = window.dilation[axis] = 1
        window.before[axis] = window.after[axis] = 0
    assert convkit.ck_window_check(&window, False) == convkit.CK_STATUS_OK
    return window.out[2], convkit.ck_dtype_size(convkit.CK_DTYPE_f64)
"""
    )
    site = str(PXD.parent.parent)
    ran([sys.executable, "-m", "cython", "-I", site, tmp_path / "embedding.pyx"])
    python, suffix = sysconfig.get_path("include"), sysconfig.get_config_var("EXT_SUFFIX")
    built = tmp_path / f"embedding{suffix}"
    ran([*CC, "-shared", "-fPIC", f"-I{python}", f"-I{INCLUDE}", tmp_path / "embedding.c", *LINK, "-o", built])
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import embedding; print(embedding.output_length(7, 3))"
    assert ran([sys.executable, "-c", code]).strip() == "(5, 8)"


def test_cython_has_every_function_and_choice() -> None:
    header = (INCLUDE / "convkit.h").read_text() + (INCLUDE / "kernels" / "activation.h").read_text()
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    functions = set(re.findall(r"\b(ck_\w+)\(", header))
    choices = set(re.findall(r"\bCK_(?:LAYOUT|POOL|ACTIVATION)_\w+", header))
    assert len(functions) > 20
    assert len(choices) == 8
    assert functions | choices <= set(re.findall(r"\bck_\w+|\bCK_\w+", PXD.read_text()))
