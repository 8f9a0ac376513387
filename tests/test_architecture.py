"""The layer rules of csrc/README.md, checked by reading includes and imports."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "convkit"

pytestmark = pytest.mark.skipif(not CSRC.exists(), reason="needs the source tree")

C_FILES = sorted(path for kind in ("*.c", "*.h", "*.def") for path in CSRC.rglob(kind))


def includes(path: Path) -> list[str]:
    """Return what a C file includes: quoted ones relative to csrc, system ones in <>."""
    found = []
    pattern = r'^#\s*(?:include|define CK_EACH_DTYPE)\s+([<"])([^>"]+)[>"]'
    for kind, name in re.findall(pattern, path.read_text(), re.MULTILINE):
        if kind == "<":
            found.append(f"<{name}>")
        else:
            base = CSRC / "kernels" if "CK_EACH" in name else path.parent
            found.append((base / name).resolve().relative_to(CSRC.resolve()).as_posix())
    return found


def room(path: Path) -> str:
    relative = path.relative_to(CSRC)
    return relative.parts[0] if len(relative.parts) > 1 else "door"


# What the files of a room may include, as prefixes of paths below csrc.
ALLOWED = {
    "base": ("base/",),
    "simd": ("base/", "simd/", "kernels/dtype"),
    "kernels": ("base/", "kernels/", "simd/"),
    "isa": ("simd/", "kernels/instantiate.h"),
    "conv": ("base/", "conv/", "convkit.h", "dispatch.h"),
    "pool": ("base/", "pool/", "convkit.h", "dispatch.h", "kernels/"),
    "door": ("base/", "kernels/", "convkit.h", "dispatch.h", "conv/algorithms.def"),
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
        or (name.startswith("simd/") and room(path) not in ("simd", "isa") and path.name != "instantiate.h")
    ]
    assert not wrong, "\n".join(wrong)


def test_python_and_openmp_stay_in_their_place() -> None:
    for path in C_FILES:
        text = path.read_text()
        assert "Python.h" not in text and "numpy/" not in text, path
        if path.name != "parallel.h":
            assert "<omp.h>" not in includes(path) and "#pragma omp" not in text, path


def test_kernels_are_pure() -> None:
    templates = sorted((CSRC / "kernels").glob("*_tmpl.h"))
    assert len(templates) >= 4
    for path in templates:
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(malloc|calloc|realloc|free|printf|fopen|omp_\w+)\s*\(", code), path


def test_c_allocates_nothing() -> None:
    for path in C_FILES:
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(malloc|calloc|realloc|posix_memalign|aligned_alloc)\s*\(", code), path


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
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            own = "." * node.level + (node.module or "")
            found.add(own if node.level else own.split(".")[0])
    return found


def test_the_oracle_imports_numpy_only() -> None:
    standard = {"__future__", "collections", "itertools", "math", "operator", "typing"}
    assert imports(PACKAGE / "reference.py") - standard == {"numpy"}


def test_cython_names_one_header() -> None:
    headers = set(re.findall(r'cdef extern from "([^"]+)"', (PACKAGE / "_core.pxd").read_text()))
    assert headers == {"convkit.h", "stdbool.h"}
    assert "cimport numpy" not in (PACKAGE / "_core.pyx").read_text()


def test_importing_the_package_needs_numpy_only() -> None:
    light = ("__init__", "_arguments", "_conv", "_pool", "_lowering", "plan", "shapes", "runtime")
    heavy = {"matplotlib", "rich", "argparse", "scipy", "subprocess"}
    for name in light:
        assert not imports(PACKAGE / f"{name}.py") & heavy, name
