"""Check and time layers in all libraries, in turns."""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..workloads import POOL_OPS, Layer
from .expected import error_text, expected
from .forms import Comparison, Form
from .report import Report, Timing, Turn
from .worker import Gone, Worker

__all__ = ["Settings", "run"]

# Variables that change what a library does; noted in the report.
PREFIXES = ("CONVKIT_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "DNNL_", "ATEN_", "OV_", "MALLOC_", "GLIBC_")


class Settings(NamedTuple):
    """How to measure; `extra_rounds` are for the forms that are not settled by then."""

    threads: int
    rounds: int
    extra_rounds: int
    turn_seconds: float


class _Session:
    """The processes, and what they told.

    Attributes
    ----------
    notes, failures : dict
        What did not run because it cannot, and what went wrong; with the names of the layers.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.workers: dict[str, Worker] = {}
        self.crashed: set[str] = set()
        self.versions: dict[str, str] = {}
        self.peaks: dict[str, float] = {}
        self.timings: list[Timing] = []
        self.notes: dict[str, list[str]] = {}
        self.failures: dict[str, list[str]] = {}

    def start(self, libraries: Iterable[str]) -> None:
        """Start processes, all at once; go on without the libraries that cannot be imported."""
        names = list(libraries)
        for name in names:
            self.workers[name] = Worker(name, self.settings.threads)
        for name in names:
            try:
                self.versions |= self.workers[name].started()
            except (ImportError, Gone) as error:
                self.notes[f"{name} is left out: {error}"] = []
                self.workers.pop(name).close()

    def restart(self) -> None:
        """Give libraries that crashed another chance, on another layer."""
        for name in self.crashed:
            self.workers.pop(name).close()
        self.start(self.crashed)
        self.crashed.clear()

    def ask(self, library: str, request: str, *arguments: Any, about: str = "", layer: str = "") -> Any:
        """Send a request; None if the library is not there, cannot do it or fails."""
        if library not in self.workers or library in self.crashed:
            return None
        try:
            return self.workers[library].request(request, *arguments)
        except NotImplementedError as error:
            self.notes.setdefault(f"{library} does not run: {error}", []).append(layer)
        except (RuntimeError, Gone) as error:
            self.failures.setdefault(f"{about or library} failed: {error}", []).append(layer)
            if isinstance(error, Gone):
                self.crashed.add(library)
        return None

    def probe(self, *limits: str) -> None:
        """Probe limits of the machine; the best of the run counts."""
        for limit in limits:
            found = self.ask("convkit", "probe", limit)
            if found is not None:
                self.peaks[limit] = max(found, self.peaks.get(limit, 0.0))

    def prepare(self, layer: Layer, forms: Sequence[Form]) -> list[Timing]:
        """Build the forms and check them; return those that are right, still without a turn."""
        wanted = expected(layer)
        ready = []
        for form in forms:
            answer = self.ask(form.library, "build", layer, form, about=form.name, layer=layer.name)
            if answer is None:
                continue
            results, algorithm, nbytes = answer
            wrong = error_text(layer, results, wanted, form.layout, form.dtype)
            if wrong:
                self.failures.setdefault(f"{form.name} is wrong and not timed: {wrong}", []).append(layer.name)
                continue
            ready.append(Timing(layer, form, algorithm, nbytes))
        return ready

    def turn(self, timing: Timing) -> None:
        """Time a form once more."""
        form, layer = timing.form, timing.layer
        found = self.ask(form.library, "turn", form, self.settings.turn_seconds, about=form.name, layer=layer.name)
        if found is not None:
            timing.turns.append(Turn(*found))

    def measure(self, layer: Layer, forms: Sequence[Form], advance: Callable[[], None]) -> None:
        """Check and time a layer in all forms."""
        self.restart()
        dtypes = sorted({form.dtype for form in forms})
        self.probe(*(["memory"] if layer.op in POOL_OPS or "memory" not in self.peaks else []), *dtypes)
        timings = deque(self.prepare(layer, forms))
        for number in range(self.settings.rounds + self.settings.extra_rounds):
            regular = number < self.settings.rounds
            for timing in timings:
                if regular or not timing.settled:
                    self.turn(timing)
                if regular:
                    advance()
            # Nobody always follows the same neighbour.
            timings.rotate(-1)
        self.timings += [each for each in timings if each.turns and each.form.library not in self.crashed]
        for name in list(self.workers):
            self.ask(name, "clear")


@contextmanager
def _session(libraries: Sequence[str], settings: Settings) -> Iterator[_Session]:
    session = _Session(settings)
    try:
        session.start(libraries)
        yield session
    finally:
        for worker in session.workers.values():
            worker.close()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _machine(session: _Session) -> dict[str, Any]:
    convkit = session.ask("convkit", "machine") or {}
    return {
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "isa": convkit.get("isa", {}).get("used", "?"),
        "convkit": convkit,
        "versions": session.versions,
        "environment": {key: value for key, value in sorted(os.environ.items()) if key.startswith(PREFIXES)},
        "load_before": round(os.getloadavg()[0], 2),
    }


def run(
    layers: Sequence[Layer],
    comparisons: Sequence[Comparison],
    settings: Settings,
    peers: Sequence[str],
    advance: Callable[[], None] = lambda: None,
) -> Report:
    """Run the comparisons on the layers.

    Parameters
    ----------
    layers : sequence of Layer
        Rows of ``workloads.py``.
    comparisons : sequence of Comparison
        See `forms.comparison`.
    settings : Settings
        Threads, rounds and time of a turn.
    peers : sequence of str
        Libraries to compare with, as far as the comparisons have a use for them.
    advance : callable
        Called at most once a turn, for a progress bar.

    Returns
    -------
    Report
        Also when no library but convkit is there.

    """
    useful = {form.library for each in comparisons for form in each.theirs}
    with _session(["convkit", *(peer for peer in peers if peer in useful)], settings) as session:
        machine = _machine(session)
        for layer in layers:
            served = [each for each in comparisons if each.serves(layer)]
            forms = [form.on(layer) for each in served for form in (each.ours, *each.theirs)]
            present = [form for form in dict.fromkeys(forms) if form.library in session.workers]
            session.measure(layer, present, advance)
    remarks = [[_remark(text, names) for text, names in kind.items()] for kind in (session.notes, session.failures)]
    return Report(machine, settings._asdict(), session.peaks, session.timings, list(comparisons), *remarks)


def _remark(text: str, layers: list[str]) -> str:
    named = [name for name in dict.fromkeys(layers) if name]
    if not named:
        return text
    return f"{text} ({', '.join(named)})" if len(named) <= 6 else f"{text} ({len(named)} layers)"
