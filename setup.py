"""Builds convkit._core: the Cython module and the C core in one extension.

Everything but the compilation is in pyproject.toml. What stands here and not there: each C file
gets its own flags (only csrc/isa/<isa>.c may use the instructions of its instruction set), files
are compiled side by side, and OpenMP is used where the compiler has it. Environment variables:

    CC, CFLAGS, LDFLAGS     as everywhere
    CONVKIT_OPENMP=0        build without OpenMP
    CONVKIT_SANITIZE=1      with AddressSanitizer and UndefinedBehaviorSanitizer
    CONVKIT_WERROR=1        the C core with many warnings, all of them errors
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as setuptools_build_ext

# Instruction set: the architecture that has it (None: all), and the flags of csrc/isa/<name>.c.
ISA_FLAGS: dict[str, tuple[str | None, list[str]]] = {
    name: (None if owner == "any" else owner, flags)
    for name, owner, *flags in (line.split() for line in Path("csrc/isa/flags.txt").read_text().splitlines() if line[0] != "#")
}
# Integer sums wrap (-fwrapv); a * b + c rounds once where the instruction set can.
BASE_FLAGS = [
    "-std=gnu11",
    "-O2",
    "-ffp-contract=fast",
    "-fwrapv",
    "-fvisibility=hidden",
    "-pthread",
]
SANITIZE_FLAGS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"]
WARNING_FLAGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]

OPENMP_PROBE = """
#include <omp.h>
int main(void) {
  int sum = 0;
#pragma omp parallel reduction(+ : sum)
  sum += omp_get_thread_num() >= 0;
  return sum == 0;
}
"""


def included(compiler: list[str], header: str) -> list[Path]:
    """Return the header and what it includes, and so on."""
    asked = subprocess.run([*compiler, "-MM", header], capture_output=True, text=True, check=True)
    return [Path(name).resolve() for name in asked.stdout.partition(":")[2].replace("\\\n", " ").split()]


def architecture(compiler: list[str]) -> str:
    """Return what the compiler compiles for ("x86_64", "aarch64", ...)."""
    asked = subprocess.run([*compiler, "-dumpmachine"], capture_output=True, text=True, check=False)
    name = asked.stdout.partition("-")[0] if asked.returncode == 0 else ""
    name = (name or platform.machine()).lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def has_openmp(compiler: list[str]) -> bool:
    """Return whether a small OpenMP program compiles and links."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "probe.c")
        source.write_text(OPENMP_PROBE)
        command = [*compiler, "-fopenmp", str(source), "-o", str(source.with_suffix(""))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def core_sources(target: str) -> list[str]:
    """Return the C files of the core for an architecture."""
    unknown = {path.stem for path in Path("csrc/isa").glob("*.c")} - ISA_FLAGS.keys()
    if unknown:
        raise SystemExit(f"csrc/isa/flags.txt must have a row for {', '.join(sorted(unknown))}")
    others = {Path("csrc/isa", f"{isa}.c") for isa, (owner, _) in ISA_FLAGS.items() if owner not in (None, target)}
    return sorted(str(path) for path in Path("csrc").rglob("*.c") if path not in others)


def headers() -> list[str]:
    """Return every file of the core that a C file may include."""
    return sorted(str(path) for kind in ("*.h", "*.def") for path in Path("csrc").rglob(kind))


class build_ext(setuptools_build_ext):
    """Compile each C file with flags of its own, several at a time, and only what has changed."""

    def build_extension(self, ext: Extension) -> None:
        compiler = list(self.compiler.compiler)
        target = architecture(compiler)
        sanitize = os.environ.get("CONVKIT_SANITIZE") == "1"
        common = BASE_FLAGS + (SANITIZE_FLAGS if sanitize else ["-g0"])
        openmp = os.environ.get("CONVKIT_OPENMP", "1") != "0" and has_openmp(compiler)
        if openmp:
            common.append("-fopenmp")
        print(f"convkit: {target}, {'with' if openmp else 'without'} OpenMP", flush=True)

        core = core_sources(target)
        flags = dict.fromkeys(ext.sources, common + ext.extra_compile_args)
        for source in core:
            path = Path(source)
            own = ISA_FLAGS[path.stem][1] if path.parent.name == "isa" else []
            strict = WARNING_FLAGS if os.environ.get("CONVKIT_WERROR") == "1" else []
            flags[source] = common + own + strict

        about = " ".join(common).replace('"', "")
        macros = [*ext.define_macros, ("CK_BUILD_FLAGS", f'"{about}"')]

        def compile_one(source: str) -> str:
            return self._compile(source, flags[source], ext, macros)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = dict(zip(flags, pool.map(compile_one, flags), strict=True))

        # Without local symbols; the core's are in libconvkit.a.
        strip = ["-Wl,-s"] if sys.platform == "linux" and not sanitize else []
        path = Path(self.get_ext_fullpath(ext.name))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(
            list(objects.values()),
            str(path),
            libraries=self.get_libraries(ext),
            library_dirs=ext.library_dirs,
            extra_postargs=[*common, *ext.extra_link_args, *strip],
            export_symbols=self.get_export_symbols(ext),
            debug=self.debug,
            build_temp=self.build_temp,
            target_lang="c",
        )
        self._install_c_interface(path.parent, [objects[source] for source in core])

    def _compile(self, source: str, flags: list[str], ext: Extension, macros: list[tuple[str, str]]) -> str:
        """Compile one file unless its object is up to date; return the object."""
        target = self.compiler.object_filenames([source], output_dir=self.build_temp)[0]
        stamp = Path(target).with_suffix(".flags")
        command = " ".join([*self.compiler.compiler_so, *flags])
        newest = max(os.path.getmtime(path) for path in (source, __file__, *ext.depends))
        fresh = (
            not self.force
            and Path(target).exists()
            and os.path.getmtime(target) > newest
            and stamp.exists()
            and stamp.read_text() == command
        )
        if not fresh:
            self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                macros=macros,
                include_dirs=ext.include_dirs,
                debug=self.debug,
                extra_postargs=flags,
            )
            stamp.write_text(command)
        return target

    def _install_c_interface(self, package: Path, objects: list[str]) -> None:
        """Put include/ (what convkit.h needs) and lib/libconvkit.a beside the extension."""
        shutil.rmtree(package / "include", ignore_errors=True)
        for name in included(list(self.compiler.compiler), "csrc/convkit.h"):
            destination = package / "include" / name.relative_to(Path("csrc").resolve())
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, destination)
        (package / "lib").mkdir(exist_ok=True)
        (package / "lib" / "libconvkit.a").unlink(missing_ok=True)
        self.compiler.create_static_lib(objects, "convkit", output_dir=str(package / "lib"))

    def copy_extensions_to_source(self) -> None:
        """Copy what an in-place build or an editable installation needs into the tree."""
        super().copy_extensions_to_source()
        for name in ("include", "lib"):
            shutil.rmtree(Path("convkit", name), ignore_errors=True)
            shutil.copytree(Path(self.build_lib, "convkit", name), Path("convkit", name))
            Path("convkit", name, ".gitignore").write_text("*\n")


setup(
    ext_modules=cythonize(
        [
            Extension(
                "convkit._core",
                ["convkit/_core.pyx"],
                include_dirs=["csrc"],
                depends=headers(),
            )
        ],
        language_level=3,
    ),
    cmdclass={"build_ext": build_ext},
)
