"""One process a library, asleep while it is not on turn.

Thread pools keep spinning for a while after a call, and would take the cores from the library whose turn it is. So each
library lives in a process group of its own that is stopped (SIGSTOP) after each request and continued for the next one;
its settings stay what they are by default, and nothing that it does is changed while it is timed.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..workloads import Layer, make_inputs
from .forms import Form
from .libraries import LIBRARIES, Convkit, Library

__all__ = ["Gone", "Worker", "timed_turn"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
BATCH_SECONDS = 1e-3


class Gone(Exception):
    """The library's process ended, or gave no answer."""


class Worker:
    """The controlling process's end.

    Parameters
    ----------
    library : str
        A key of `LIBRARIES`.
    threads : int
        For the library's pool.

    Raises
    ------
    Gone
        From every request, once the process has ended.

    """

    def __init__(self, library: str, threads: int) -> None:
        self.library = library
        self._pipe, theirs = multiprocessing.Pipe()
        command = [sys.executable, "-m", f"{__package__}.worker", library, str(threads), str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, cwd=ROOT, pass_fds=[theirs.fileno()], process_group=0, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()
        )
        theirs.close()

    def started(self) -> dict[str, str]:
        """Wait for the import; return the versions. What cannot be imported is an `ImportError`."""
        return dict(self._receive())

    def request(self, name: str, *arguments: Any) -> Any:
        """Let the process carry out a request, then stop it again."""
        self._signal(signal.SIGCONT)
        try:
            self._pipe.send((name, *arguments))
        except OSError:
            raise Gone(self._epitaph()) from None
        return self._receive()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._pipe.close()

    def _receive(self) -> Any:
        try:
            if not self._pipe.poll(PATIENCE):
                self._signal(signal.SIGKILL)
                raise Gone(f"no answer within {PATIENCE:.0f} s")
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            raise Gone(self._epitaph()) from None
        self._signal(signal.SIGSTOP)
        # The signal is on its way only; return when the process has stopped, or ended.
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if kind is not None:
            raise kind(value)
        return value

    def _epitaph(self) -> str:
        return f"the process ended with status {self._process.wait()}"

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)


def timed_turn(call: Callable[[], Any], seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Warm up, then time batches of calls for about that long; return the seconds a call of the best batch.

    A turn begins with idle threads and with the caches full of another library's data: the first eighth of the time warms
    up. A batch takes about a millisecond, or is one call; there are at least three, but a call that takes ten times the
    turn is timed once and for all. The best batch is the one that nothing else on the machine disturbed; what a library
    does in some calls only (fetching memory, say) is in it where calls are short.
    """
    start, number = clock(), 0
    while True:
        call()
        number += 1
        passed = clock() - start
        if passed >= seconds / 8:
            break
    if passed / number > 10 * seconds:
        return passed / number
    number = max(1, int(number * BATCH_SECONDS / passed))
    times: list[float] = []
    begin = clock()
    while len(times) < 3 or clock() - begin < seconds * 7 / 8:
        start = clock()
        for _ in range(number):
            call()
        times.append((clock() - start) / number)
    return min(times)


def _waited() -> float:
    """Seconds that threads of this process were ready and got no core; 0 where the kernel does not tell."""
    total = 0
    for task in Path("/proc/self/task").glob("*"):
        with suppress(OSError, IndexError):
            total += int((task / "schedstat").read_text().split()[1])
    return total * 1e-9


class _Server:
    """The library's end: the requests, by name."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.calls: dict[Form, Callable[[], Any]] = {}
        self.arrays: dict[tuple[Layer, str, str], tuple[Any, ...]] = {}

    def build(self, layer: Layer, form: Form) -> tuple[tuple[Any, ...], str, int]:
        """Make a layer ready and run it once; return the results, the algorithm, and the bytes of the arrays."""
        key = layer, form.dtype, form.layout
        if key not in self.arrays:
            self.arrays[key] = make_inputs(*key, values="normal")
        built = self.library.build(layer, form, self.arrays[key])
        self.calls[form] = built.call
        result = built.call()
        results = result if isinstance(result, tuple) else (result,)
        return results, built.algorithm, sum(array.nbytes for array in (*self.arrays[key], *results))

    def turn(self, form: Form, seconds: float) -> tuple[float, float]:
        """Time the form; return the seconds a call, and the share of the turn that threads waited for a core."""
        waited, start = _waited(), time.perf_counter()
        best = timed_turn(self.calls[form], seconds)
        return best, (_waited() - waited) / (time.perf_counter() - start)

    def clear(self) -> None:
        """Forget the layer."""
        self.calls.clear()
        self.arrays.clear()
        gc.collect()

    def machine(self) -> dict[str, Any]:
        """Describe the machine; convkit only."""
        return self._convkit().machine()

    def probe(self, what: str) -> float:
        """Probe a limit of the machine; convkit only."""
        return self._convkit().probe(what)

    def _convkit(self) -> Convkit:
        if not isinstance(self.library, Convkit):
            raise NotImplementedError("convkit only")
        return self.library

    def answer(self, request: str, *arguments: Any) -> tuple[type[Exception] | None, Any]:
        """Carry out a request; return what to raise, and the value or the text."""
        try:
            return None, getattr(self, request)(*arguments)
        except NotImplementedError as error:
            return NotImplementedError, str(error)
        except Exception as error:  # to be reported; the next layer may work
            return RuntimeError, f"{type(error).__name__}: {error}"


def _end_with_parent() -> None:
    """Have the kernel kill this process with its parent: a stopped process would not notice (Linux)."""
    pr_set_pdeathsig = 1
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _serve(name: str, threads: int, pipe: Connection) -> None:
    _end_with_parent()
    try:
        library = LIBRARIES[name](threads)
        server = _Server(library)
        pipe.send((None, library.versions()))
    except Exception as error:  # an installation can be broken in any way
        pipe.send((ImportError, f"{type(error).__name__}: {error}"))
        return
    gc.disable()
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        pipe.send(server.answer(*request))


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), Connection(int(sys.argv[3])))
