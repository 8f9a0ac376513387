"""The machine: threads, instruction sets, algorithms, configuration, probes."""

from __future__ import annotations

import _thread
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from . import _arguments as arg
from . import _conv, _core
from ._arguments import Ints

# ---------------------------------------------------------------------------------- threads


def _from_environment(name: str) -> int | None:
    text = os.environ.get(name, "").split(",")[0].strip().lstrip("0")
    if not (text.isascii() and text.isdigit()):  # also where nothing is left of it
        return None
    return min(int(text[:5]), 1024)  # int refuses thousands of digits


def _cgroup_limit() -> int | None:
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _machine_threads() -> int:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, _cgroup_limit() or cpus, 1024)


_process_threads: int = _from_environment("CONVKIT_NUM_THREADS") or _from_environment("OMP_NUM_THREADS") or _machine_threads()
_context_threads: ContextVar[int | None] = ContextVar("convkit_threads", default=None)


def get_num_threads() -> int:
    """Return the number of threads that a call without `num_threads` uses.

    Returns
    -------
    int
        That of the innermost `threads` block, else of `set_num_threads`, else of
        ``CONVKIT_NUM_THREADS``, ``OMP_NUM_THREADS``, or the CPUs this process may use.

    Examples
    --------
    >>> import convkit
    >>> with convkit.threads(2):
    ...     convkit.get_num_threads()
    2
    """
    return _context_threads.get() or _process_threads


_core.set_thread_source(get_num_threads)


def _main_thread() -> int:
    """Return which thread runs signal handlers; where `threading` is not loaded there is but this one."""
    threading = sys.modules.get("threading")
    return int(threading.main_thread().ident) if threading else _thread.get_ident()


_core.set_main_thread(_main_thread())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _core.set_main_thread(_thread.get_ident()))


def set_num_threads(n: int) -> None:
    """Set the process's number of threads.

    Parameters
    ----------
    n : int
        1 to 1024.

    Raises
    ------
    ValueError, TypeError
        If `n` is out of range or not an integer.

    Examples
    --------
    >>> import convkit
    >>> convkit.set_num_threads(convkit.get_num_threads())
    """
    global _process_threads
    _process_threads = arg.number_of_threads(n, "n")


@contextmanager
def _threads(number: int) -> Iterator[None]:
    token = _context_threads.set(number)
    try:
        yield
    finally:
        _context_threads.reset(token)


def threads(n: int) -> Any:
    """Set the number of threads within a with-block, for the current context only.

    Parameters
    ----------
    n : int
        1 to 1024.

    Returns
    -------
    context manager
        Local to the current context (``contextvars``): other threads and tasks do not see it.

    Raises
    ------
    ValueError, TypeError
        If `n` is out of range or not an integer.

    Examples
    --------
    >>> import convkit
    >>> with convkit.threads(1):
    ...     convkit.get_num_threads()
    1
    """
    return _threads(arg.number_of_threads(n, "n"))


def release_workspace() -> int:
    """Free the workspace that is kept between calls.

    Returns
    -------
    int
        Bytes freed.

    Examples
    --------
    >>> import convkit
    >>> convkit.release_workspace() >= 0
    True
    """
    return int(_core.release_workspace())


# ---------------------------------------------------------------------------------- instruction sets


def isas() -> tuple[str, ...]:
    """Return the instruction sets that this CPU can run, best first.

    Returns
    -------
    tuple of str
        Among ``"avx512"``, ``"avx2"``, ``"neon"``; ``"scalar"`` is always the last.

    Examples
    --------
    >>> import convkit
    >>> convkit.isas()[-1]
    'scalar'
    """
    return _core.isa_names()


@contextmanager
def _use_isa(code: int) -> Iterator[None]:
    before = _core.isa_current()
    _core.isa_use(code)
    try:
        yield
    finally:
        _core.isa_use(before)


def use_isa(name: str) -> Any:
    """Use one instruction set within a with-block, in the whole process.

    Parameters
    ----------
    name : str
        One of `isas`.

    Returns
    -------
    context manager
        Restores the former choice at the end. Plans keep the one that they were made with.

    Raises
    ------
    ValueError
        If this CPU does not have it.

    Examples
    --------
    >>> import convkit
    >>> with convkit.use_isa("scalar"):
    ...     convkit.show_config(mode="dict")["isa"]["used"]
    'scalar'
    """
    table = {isa: code for code, isa in enumerate(isas())}
    return _use_isa(arg.choice("name", name, table))


def algorithms() -> tuple[str, ...]:
    """Return the names of the convolution algorithms.

    Returns
    -------
    tuple of str
        What the `algorithm` argument takes beside ``"auto"``.

    Examples
    --------
    >>> import convkit
    >>> convkit.algorithms()
    ('direct', 'im2col', 'winograd', 'dot')
    """
    return _core.algorithm_names()


def _names_of_algorithms(names: tuple[Any, ...]) -> tuple[str, ...]:
    for name in names:
        arg.choice("names", name, {known: code for code, known in enumerate(algorithms())})
    return tuple(name for name in algorithms() if name in names) or algorithms()


def get_default_algorithms() -> tuple[str, ...]:
    """Return the algorithms that ``algorithm="auto"`` chooses from.

    Returns
    -------
    tuple of str
        Those of the innermost `default_algorithms` block, else of `set_default_algorithms`, else all.

    Examples
    --------
    >>> import convkit
    >>> with convkit.default_algorithms("direct"):
    ...     convkit.get_default_algorithms()
    ('direct',)
    """
    return _conv.default_names() or algorithms()


def set_default_algorithms(*names: str) -> None:
    """Set the algorithms that ``algorithm="auto"`` chooses from, for the process.

    Without ``"winograd"`` every output is one chain of multiply-adds, which is exact where its sums
    are, and in which an infinity or a NaN reaches only the outputs whose window holds it.

    Parameters
    ----------
    *names : str
        Of `algorithms`; none for all of them. Plans that have been made keep what they chose.

    Raises
    ------
    ValueError, TypeError
        If there is no such algorithm.

    Notes
    -----
    A problem that none of them serves raises NotImplementedError: ``"direct"`` and ``"im2col"`` serve every problem.

    Examples
    --------
    >>> import convkit
    >>> convkit.set_default_algorithms("direct", "im2col")
    >>> convkit.set_default_algorithms()
    """
    _conv.set_default_names(_names_of_algorithms(names))


def default_algorithms(*names: str) -> Any:
    """Set within a with-block what ``algorithm="auto"`` chooses from, for the current context only.

    Parameters
    ----------
    *names : str
        As in `set_default_algorithms`.

    Returns
    -------
    context manager
        Local to the current context (``contextvars``): other threads and tasks do not see it.

    Raises
    ------
    ValueError, TypeError
        If there is no such algorithm.

    Examples
    --------
    >>> import convkit
    >>> with convkit.default_algorithms("direct", "im2col"):
    ...     convkit.explain("conv2d", (1, 64, 56, 56), (64, 64, 3, 3), padding=1, plan=True).algorithm != "winograd"
    True
    """
    return _conv.with_default_names(_names_of_algorithms(names))


# ---------------------------------------------------------------------------------- explain


class Candidate(NamedTuple):
    """One algorithm's answer to a problem."""

    name: str
    accepts: bool
    reason: str
    cost: float


class Explanation(NamedTuple):
    """What `explain` found: the algorithm taken, all candidates, and the problem in one line."""

    algorithm: str
    candidates: tuple[Candidate, ...]
    problem: str

    def __str__(self) -> str:
        lines = [self.problem, f"{'algorithm':<12} {'estimate':>12}"]
        for c in self.candidates:
            mark = " <- taken" if c.name == self.algorithm else ""
            lines.append(f"{c.name:<12} {f'{c.cost:.1f} us' if c.accepts else c.reason:>12}{mark}")
        return "\n".join(lines)


def explain_with(
    described: Callable[[str], _core.Conv], algorithm: str, x_shape: Ints, weight_shape: Ints, layout: str
) -> Explanation:
    """Explain a problem that can be described with any algorithm."""
    taken = described(algorithm)
    candidates = []
    for code, name in enumerate(algorithms()):
        reason = taken.declines(code)
        if reason is None and algorithm == "auto" and name not in get_default_algorithms():
            reason = "not among the default algorithms"
        cost = float("inf") if reason else described(name).cost
        candidates.append(Candidate(name, reason is None, reason or "", cost))
    out = arg.shape_of(x_shape[0], weight_shape[0], taken.out, arg.LAYOUTS[layout])
    problem = f"x {x_shape}, weight {weight_shape} -> {out} with {taken.isa}"
    return Explanation(taken.algorithm, tuple(candidates), problem)


def explain(
    op: str, x_shape: Any, weight_shape: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1, *,
    layout: str = "channels_first", dtype: Any = "float32", num_threads: int | None = None, plan: bool = False,
) -> Explanation:  # fmt: skip
    """Tell which algorithm ``"auto"`` takes for a problem, and why.

    Parameters
    ----------
    op : {"conv1d", "conv2d", "conv3d"}
        The function.
    x_shape, weight_shape : sequence of int
        Shapes as in the call.
    stride, padding, dilation, groups, layout
        As in `conv2d`.
    dtype : dtype, default float32
        dtype of `x`.
    num_threads : int, optional
        Checked; the choice does not depend on it.
    plan : bool, default False
        Explain a plan (weights packed beforehand) instead of a call.

    Returns
    -------
    Explanation
        ``.algorithm`` and ``.candidates`` (name, accepts, reason, cost in estimated microseconds a
        sample on one thread); prints as a table.

    Raises
    ------
    ValueError, TypeError
        As the function itself.

    Examples
    --------
    >>> import convkit
    >>> len(convkit.explain("conv2d", (1, 8, 32, 32), (8, 8, 3, 3)).candidates)
    4
    """
    axes = arg.choice("op", op, {"conv1d": 1, "conv2d": 2, "conv3d": 3})
    arg.threads(num_threads)
    full, _ = arg.batched_shape("x_shape", x_shape, axes)
    w = arg.shape("weight_shape", weight_shape)
    if len(w) != axes + 2:
        arg.fail("weight_shape", f"must have {axes + 2} entries", w)
    kind, prepared = arg.data_type(dtype), arg.flag("plan", plan)

    def described(algorithm: str) -> _core.Conv:
        options = (stride, padding, dilation, groups, "zeros", layout, None, algorithm, prepared, _conv.default_names())
        return _conv.describe(full, kind, w, *options).conv

    return explain_with(described, "auto", full, w, layout)


# ---------------------------------------------------------------------------------- configuration


def get_include() -> str:
    """Return the directory of ``convkit.h``.

    Returns
    -------
    str
        For the include path of a C or Cython project.

    Examples
    --------
    >>> import convkit
    >>> convkit.get_include().endswith("include")
    True
    """
    return os.path.join(os.path.dirname(__file__), "include")


def get_library_dir() -> str:
    """Return the directory of the static library ``libconvkit.a``.

    Returns
    -------
    str
        For the library path of a C or Cython project.

    Examples
    --------
    >>> import convkit
    >>> convkit.get_library_dir().endswith("lib")
    True
    """
    return os.path.join(os.path.dirname(__file__), "lib")


def _openmp() -> str:
    """Return which OpenMP libraries are loaded; "none" if the core was built without."""
    if not _core.has_openmp():
        return "none"
    try:
        with open("/proc/self/maps") as file:
            names = {os.path.basename(line.rstrip()) for line in file}
    except OSError:
        names = set()
    return ", ".join(sorted(name for name in names if name.startswith(("libgomp", "libomp", "libiomp")))) or "unknown"


def show_config(mode: str = "print") -> Any:
    """Show how the library was built and what it found.

    Parameters
    ----------
    mode : {"print", "dict"}
        Print a report, or return it.

    Returns
    -------
    dict or None
        Version, compiler, flags, OpenMP libraries of the process ("none": built without), instruction
        sets found and used, threads.

    Raises
    ------
    ValueError
        For another mode.

    Examples
    --------
    >>> import convkit
    >>> convkit.show_config(mode="dict")["version"] == convkit.__version__
    True
    """
    if not isinstance(mode, str) or mode not in ("print", "dict"):
        arg.fail("mode", "must be 'print' or 'dict'", mode)
    config = {
        "version": _core.VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "compiler": _core.compiler(),
        "flags": _core.build_flags(),
        "openmp": _openmp(),
        "isa": {"found": list(isas()), "used": isas()[_core.isa_current()]},
        "threads": get_num_threads(),
        "algorithms": list(algorithms()),
    }
    if mode == "dict":
        return config
    used = isas()[_core.isa_current()]
    words = {
        "openmp": "yes" if _core.has_openmp() else "no",
        "isa": f"{used} (found: {', '.join(isas())})",
        "algorithms": ", ".join(algorithms()),
    }
    for key, value in (config | words).items():
        print(f"{key:<12} {value}")
    return None


# ---------------------------------------------------------------------------------- probes


def probe_fma_peak(num_threads: int | None = None, dtype: Any = "float32") -> float:
    """Measure the peak of multiply-adds on registers, in GFLOP/s."""
    count, code, isa = arg.threads(num_threads), arg.DTYPES[np.dtype(dtype)], _core.isa_current()
    iterations, best = 2_000_000, 0.0
    for _ in range(5):
        start = time.perf_counter()
        flop = _core.probe_fma(isa, code, iterations, count)
        best = max(best, flop / (time.perf_counter() - start) / 1e9)
    return best


def probe_bandwidth(num_threads: int | None = None) -> float:
    """Measure how fast memory is copied (bytes read and written), in GB/s."""
    arg.threads(num_threads)
    src, dst = np.ones(1 << 24, np.float32), np.empty(1 << 24, np.float32)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(dst, src)
        best = max(best, 2 * src.nbytes / (time.perf_counter() - start) / 1e9)
    return best
