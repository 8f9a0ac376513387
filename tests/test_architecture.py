"""The layer rules of csrc/README.md, checked by reading includes and imports."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import convkit

ROOT = Path(__file__).parent.parent
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "convkit"

pytestmark = pytest.mark.skipif(not CSRC.exists(), reason="needs the source tree")

C_FILES = sorted(path for kind in ("*.c", "*.h", "*.def") for path in CSRC.rglob(kind))


def includes(path: Path) -> list[str]:
    """Return what a C file includes: quoted ones relative to csrc, system ones in <>."""
    found = []
    pattern = r'^[ \t]*#[ \t]*(?:include|define CK_EACH_DTYPE)\s+([<"])([^>"]+)[>"]'
    for kind, name in re.findall(pattern, path.read_text(), re.MULTILINE):
        if kind == "<":
            found.append(f"<{name}>")
        else:
            base = CSRC / "kernels" if "CK_EACH" in name else path.parent
            found.append((base / name).resolve().relative_to(CSRC.resolve()).as_posix())
    return found


def code(path: Path) -> str:
    """Return the text of a C file without its comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)


def room(path: Path) -> str:
    relative = path.relative_to(CSRC)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


# What the files of a room may include, as prefixes of paths below csrc.
ALLOWED = {
    "base": ("base/",),
    "simd": ("base/", "simd/", "kernels/dtype"),
    "kernels": ("base/common.h", "kernels/", "simd/"),
    "isa": ("simd/", "kernels/instantiate.h"),
    "conv": ("base/", "conv/", "convkit.h", "dispatch.h"),
    "pool": ("base/", "pool/", "convkit.h", "dispatch.h"),
    "convkit": ("base/", "kernels/dtype.h", "kernels/activation.h", "conv/algorithms.def"),
    "dispatch": ("base/", "kernels/kernels.h", "convkit.h", "dispatch.h"),
}


def test_arrows_point_down_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in C_FILES
        for name in includes(path)
        if not name.startswith("<") and not name.startswith(ALLOWED[room(path)])
    ]
    assert len(C_FILES) > 30
    assert not wrong, "\n".join(wrong)


def test_templates_and_vectors_are_for_isa_units_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in C_FILES
        for name in includes(path)
        if (name.endswith("_tmpl.h") and path.name != "each_dtype.h")
        or (path.name.endswith("_tmpl.h") and not name.startswith("<"))
        or (name.startswith("simd/") and room(path) not in ("simd", "isa") and path.name != "instantiate.h")
    ]
    assert not wrong, "\n".join(wrong)


def test_python_and_openmp_stay_in_their_place() -> None:
    for path in C_FILES:
        text = path.read_text()
        assert "Python.h" not in text and "numpy/" not in text, path
        if path.name != "parallel.h":
            assert "<omp.h>" not in includes(path), path
            assert not re.search(r"\bpragma\s+omp\b|\b(?:omp|GOMP|kmpc)_\w+\s*\(", code(path)), path
        if path.name not in ("parallel.h", "common.h"):  # common.h: CK_UNROLL
            assert not re.search(r"\b_Pragma\b|\bCK_PRAGMA_\b", code(path)), path


def test_kernels_are_pure() -> None:
    templates = sorted((CSRC / "kernels").glob("*_tmpl.h"))
    assert len(templates) >= 4
    for path in templates:
        assert "CK_STATUS_" not in code(path) and "ck_control" not in code(path), path
        outside = re.findall(r"^(?!static|CK_INLINE|CK_NOINLINE)[a-z]\w*[ *]+\w+\s*\([^;]*\{", code(path), re.MULTILINE)
        assert not outside, f"{path}: {outside} must be static"


def test_c_allocates_and_prints_nothing() -> None:
    memory = r"\w*alloc|alloca|posix_memalign|mmap|munmap|sbrk|free|strn?dup"
    files = r"\w*printf|f?put[cs]|putchar|perror|f?open|f?read|f?write|f?close"
    process = r"exit|_exit|abort|assert|getenv|setenv"
    for path in C_FILES:
        found = set(re.findall(rf"\b({memory}|{files}|{process})\s*\(", code(path)))
        assert found == ({"getenv"} if path.name == "dispatch.c" else set()), f"{path}: {found}"


LIBRARY = Path(convkit.get_library_dir(), "libconvkit.a")
OBJDUMP = shutil.which("objdump")
NEEDS_SYMBOLS = pytest.mark.skipif(
    OBJDUMP is None or not LIBRARY.exists() or "-fsanitize" in convkit.show_config("dict")["flags"],
    reason="needs objdump and a library without sanitizers",
)


def symbols() -> list[tuple[str, str, str, str]]:
    """Return (object, flags, section, name) of each symbol that the library defines. Two objects may have the same name."""
    text = subprocess.run([str(OBJDUMP), "-t", LIBRARY], capture_output=True, text=True, check=True).stdout
    units = re.split(r"\n(?=\S+\.o:)", text)[1:]
    row = re.compile(r"^[0-9a-f]+ (.{7}) (\.\S+|\*COM\*)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$", re.MULTILINE)
    return [(unit.partition(".o:")[0], *found) for unit in units for found in row.findall(unit)]


@NEEDS_SYMBOLS
def test_mutable_state_is_what_the_map_says() -> None:
    """What a file may write to after loading; constants that hold addresses are in .data.rel.ro."""
    writable = re.compile(r"\.(?:t?bss|t?data)(?!\.rel\.ro)|\*COM\*")
    rows = symbols()
    assert len(rows) > 100
    assert {(unit, name) for unit, _, section, name in rows if writable.match(section) and name != section} == {
        *(("dispatch", name) for name in ("usable", "usable_count", "current")),
        *(("parallel", name) for name in ("threads_started", "forked_after_start", "once")),
        ("cpu", "caches"),
    }


@NEEDS_SYMBOLS
def test_an_isa_unit_exports_its_table_only() -> None:
    isas = {path.stem for path in (CSRC / "isa").glob("*.c")}
    exported = [(unit, name) for unit, flags, _, name in symbols() if unit in isas and flags[0] in "gu!"]
    assert set(convkit.isas()) <= {unit for unit, _ in exported}
    assert all(name == f"ck_kernels_{unit}" for unit, name in exported), exported


def test_flags_of_an_instruction_set_reach_its_unit_only() -> None:
    for name in ("setup.py", "Makefile", "pyproject.toml", "csrc/isa/flags.txt"):
        text = (ROOT / name).read_text()
        assert not re.search(
            r"-Ofast|-f(?:fast-math|associative-math|unsafe-math\w*|reciprocal-math|finite-math-only)", text
        ), name
        if name != "csrc/isa/flags.txt":
            assert not re.search(r"-m(?:arch|cpu|tune|avx|fma|sse|fpu)\w*", text), name


def test_an_isa_unit_is_two_includes() -> None:
    for path in sorted((CSRC / "isa").glob("*.c")):
        isa = path.stem
        assert includes(path) == [f"simd/{isa}.h", "kernels/instantiate.h"], path


def numbers(text: str, name: str) -> list[int]:
    """Return the numbers that a macro is defined as."""
    definition = re.search(rf"^#define {name}(?:\(X\))? (.*)$", text, re.MULTILINE)
    assert definition, name
    return [int(number) for number in re.findall(r"\b\d+\b", definition[1])]


def test_every_tile_of_a_shape_is_instantiated() -> None:
    """A shape's last tile may be any fewer vectors wide, with all the shape's rows: each is a function of its own."""
    sets = {path.stem: path.read_text() for path in sorted((CSRC / "simd").glob("*.h"))}
    kinds = [(isa, sets[isa], "") for isa in sorted(path.stem for path in (CSRC / "isa").glob("*.c"))]
    kinds.append(("integers", sets["tile_sizes"], "INTEGER_"))
    assert len(kinds) >= 5
    for isa, text, kind in kinds:
        shapes = numbers(text, f"CK_GEMM_{kind}SHAPES")
        rows = numbers(text, f"CK_GEMM_{kind}ROWS")
        tiles = re.findall(
            r"CK_ROWS_TO_(\d+)\(X, (\d+)\)", text[text.index(f"#define CK_GEMM_{kind}TILES") :].partition("\n")[0]
        )
        assert [int(row) for row, _ in tiles] == rows, f"{isa}: CK_GEMM_{kind}ROWS"
        assert [int(vectors) for _, vectors in tiles] == list(range(1, len(rows) + 1)), f"{isa}: CK_GEMM_{kind}TILES"
        for vectors, most in zip(shapes[::2], shapes[1::2], strict=True):
            for width in range(1, vectors + 1):
                assert rows[width - 1] >= most, f"{isa}: shape {vectors}x{most} needs tiles of {width} vectors and {most} rows"


def imports(path: Path) -> set[str]:
    """Return what a module imports: others by their first name, those of the package as `.name`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            found |= {f".{node.module}"} if node.module else {f".{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


# What a module of the thin layer may import of the package.
BELOW = {
    "_arguments": {"._core"},
    "_conv": {"._core", "._arguments"},
    "_pool": {"._core", "._arguments"},
    "_lowering": {"._core", "._arguments"},
    "shapes": {"._core", "._arguments", "._conv"},
    "runtime": {"._core", "._arguments", "._conv"},
    "plan": {"._core", "._arguments", "._conv", ".runtime"},
}


@pytest.mark.parametrize("name", BELOW)
def test_python_imports_point_down_only(name: str) -> None:
    path = PACKAGE / f"{name}.py"
    found = imports(path)
    assert {module for module in found if module.startswith(".")} <= BELOW[name]
    assert "convkit" not in found
    assert not found & {"ctypes", "cffi"} and not re.search(r"\.ctypes\b|__array_interface__", path.read_text()), (
        "holds no pointer"
    )


def test_the_oracle_imports_numpy_only() -> None:
    standard = {"__future__", "collections", "itertools", "math", "operator", "typing"}
    assert imports(PACKAGE / "reference.py") - standard == {"numpy"}


def test_cython_names_one_header() -> None:
    headers = set(re.findall(r'cdef extern from "([^"]+)"', (PACKAGE / "_core.pxd").read_text()))
    assert headers == {"convkit.h", "stdbool.h"}
    core = (PACKAGE / "_core.pyx").read_text()
    assert set(re.findall(r"cdef extern from (\S+):", core)) == {"*"}
    assert set(re.findall(r"^\s*(?:from|c?import)\s+([.\w]+)", core, re.MULTILINE)) <= {
        *("cpython.buffer", "cpython.exc", "cpython.pythread", "libc.stdint", "libc.stdlib"),
        *("posix.mman", "posix.stdlib", "posix.time", "._core"),
    }


def test_importing_the_package_needs_numpy_only() -> None:
    light = ("__init__", "_arguments", "_conv", "_pool", "_lowering", "plan", "shapes", "runtime")
    heavy = {"matplotlib", "rich", "argparse", "scipy", "subprocess"}
    for name in light:
        assert not imports(PACKAGE / f"{name}.py") & heavy, name
