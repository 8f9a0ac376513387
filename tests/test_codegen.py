"""What the compiler made of the micro-kernels: the loop over k must keep all its sums in registers."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import convkit
from convkit._core import build_flags, compiler

LIBRARY = Path(convkit.get_library_dir()) / "libconvkit.a"
OBJDUMP = shutil.which("objdump")

pytestmark = [
    pytest.mark.skipif(OBJDUMP is None, reason="objdump (binutils) is not installed"),
    pytest.mark.skipif(not LIBRARY.exists(), reason="built without the static library"),
    pytest.mark.skipif("-fsanitize" in build_flags(), reason="a build with sanitizers, whose code is not what users run"),
]

FMA = re.compile(r"\bv?fn?madd|\bfmla\b")
# A whole vector to or from the stack: x86 names the register and the stack pointer in one line, Arm has q registers.
SPILL = re.compile(r"%[xyz]mm\d+.*\(%rsp|\(%rsp.*%[xyz]mm\d+|\b(?:ldr|str|ldp|stp)\s+q\d+.*\[(?:sp|x29)")
# %rbp leads to the stack where it is set to; elsewhere it is a register like others.
FRAME = re.compile(r"\bmov\s+%rsp,%rbp|\blea\s+[^,]*\(%rsp\),%rbp")
SPILL_IN_FRAME = re.compile(r"%[xyz]mm\d+.*\(%rbp|\(%rbp.*%[xyz]mm\d+")
JUMP = re.compile(r"\b(?:j[a-z]+|b\.[a-z]+|cbnz|cbz|tbnz)\s+(?:\w+,\s*)?([0-9a-f]+)\s")


def functions(isa: str) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Yield each micro-kernel of an instruction set as (address, instruction) lines."""
    assert OBJDUMP is not None
    text = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", LIBRARY], capture_output=True, text=True, check=True).stdout
    unit = re.split(r"\n(?=\S+\.o:)", text)
    body = next(part for part in unit if part.startswith(f"{isa}.o:"))
    for match in re.finditer(r"^[0-9a-f]+ <(gemm_\w+x\w+_f(?:32|64))>:\n((?:\s+[0-9a-f]+:.*\n)+)", body, re.M):
        lines = []
        for line in match[2].splitlines():
            address, _, instruction = line.strip().partition(":")
            lines.append((int(address, 16), instruction.strip()))
        yield match[1], lines


def inner_loops(lines: list[tuple[int, str]]) -> Iterator[list[str]]:
    """Yield the instructions of every innermost loop that multiplies."""
    spans = []
    for address, instruction in lines:
        jump = JUMP.search(instruction + " ")
        if jump and int(jump[1], 16) <= address and int(jump[1], 16) >= lines[0][0]:
            spans.append((int(jump[1], 16), address))
    for first, last in spans:
        if any(other != (first, last) and first <= other[0] and other[1] <= last for other in spans):
            continue
        loop = [instruction for address, instruction in lines if first <= address <= last]
        if any(FMA.search(instruction) for instruction in loop):
            yield loop


@pytest.mark.parametrize("isa", [name for name in convkit.isas() if name != "scalar"])
def test_no_vector_is_spilled_in_the_loop_over_k(isa: str) -> None:
    checked = 0
    spilled = []
    for name, lines in functions(isa):
        framed = any(FRAME.search(instruction) for _, instruction in lines)
        for loop in inner_loops(lines):
            checked += 1
            if any(SPILL.search(line) or (framed and SPILL_IN_FRAME.search(line)) for line in loop):
                spilled.append(name)
    if compiler().startswith("clang"):
        # It hoists the broadcasts of high tiles of one vector, which are tails: some must wait on the stack.
        spilled = [name for name in spilled if not re.search(r"_1x1[1-4]_", name)]
    assert checked >= 2 * 3 * 10, f"{isa}: found the loops of {checked} micro-kernels only"
    assert spilled == []
