"""Thread counts and their order of precedence, concurrent callers, forks, the GIL, Ctrl-C."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases_pool import make_array

import convkit
from convkit import _core

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' /proc")
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
on_posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def child_environment(**variables: str) -> dict[str, str]:
    """Return this environment without thread settings; children import the package under test, not the tree they start in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONVKIT_", "OMP_", "GOMP_", "KMP_"))}
    path = [str(Path(convkit.__file__).parent.parent), kept.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONSAFEPATH": "1"} | variables


def run_python(*parts: str, timeout: float = 60.0, **variables: str) -> str:
    """Run pieces of code in a fresh interpreter and return its output; fail if it fails."""
    child = subprocess.run(
        [sys.executable, "-c", "\n".join(map(textwrap.dedent, parts))],
        env=child_environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert child.returncode == 0, f"exit {child.returncode}: {child.stdout}{child.stderr[-3000:]}"
    return child.stdout.strip()


def with_openmp() -> bool:
    return _core.has_openmp()


def large() -> tuple[np.ndarray, np.ndarray]:
    """Return a problem that is large enough to be shared between threads."""
    x = make_array((4, 16, 64, 64), "float32", seed=1)
    return x, make_array((16, 16, 3, 3), "float32", seed=2)


# ------------------------------------------------------------------------------ thread counts

PRINT_COUNT = "import convkit; print(convkit.get_num_threads())"


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "5,2"}, 5),
        ({"CONVKIT_NUM_THREADS": "4"}, 4),
        ({"CONVKIT_NUM_THREADS": "4", "OMP_NUM_THREADS": "3"}, 4),
        ({"CONVKIT_NUM_THREADS": "1", "OMP_NUM_THREADS": "7"}, 1),
        ({"CONVKIT_NUM_THREADS": "1024"}, 1024),
    ],
    ids=str,
)
def test_environment_sets_the_count(variables: dict[str, str], count: int) -> None:
    assert run_python(PRINT_COUNT, **variables) == str(count)


@pytest.mark.parametrize("value", ["", "0", "-3", "1025", "abc", "2.5", "99999999999999999999"])
def test_nonsense_in_the_environment_is_harmless(value: str) -> None:
    """A bad CONVKIT_NUM_THREADS is ignored or named; it never gives a bad count or a crash."""
    child = subprocess.run(
        [sys.executable, "-c", PRINT_COUNT],
        env=child_environment(CONVKIT_NUM_THREADS=value),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if child.returncode == 0:
        assert 1 <= int(child.stdout) <= 1024
    else:
        assert child.returncode == 1
        assert "CONVKIT_NUM_THREADS" in child.stderr.splitlines()[-1]


@linux
def test_count_follows_the_affinity() -> None:
    free = run_python(PRINT_COUNT)
    assert 1 <= int(free) <= len(os.sched_getaffinity(0))
    one = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}}); {PRINT_COUNT}"
    assert run_python(one) == "1"
    assert run_python(one, OMP_NUM_THREADS="2") == "2"


@linux
def test_count_follows_the_cgroup() -> None:
    """A quota of CPU time, where this container has one, bounds the count."""
    quota = Path("/sys/fs/cgroup/cpu.max")
    words = quota.read_text().split() if quota.exists() else ["max"]
    count = int(run_python(PRINT_COUNT))
    cpus = len(os.sched_getaffinity(0))
    bound = cpus if words[0] == "max" else min(cpus, max(1, -(-int(words[0]) // int(words[1]))))
    assert count <= bound
    if words[0] == "max":
        assert count == min(cpus, 1024)


def test_process_count_and_contexts() -> None:
    """set_num_threads is for the process; threads() stands over it, nests and ends."""
    before = convkit.get_num_threads()
    try:
        convkit.set_num_threads(5)
        assert convkit.get_num_threads() == 5
        with convkit.threads(3):
            assert convkit.get_num_threads() == 3
            with convkit.threads(7):
                assert convkit.get_num_threads() == 7
            assert convkit.get_num_threads() == 3
            convkit.set_num_threads(6)
            assert convkit.get_num_threads() == 3
        assert convkit.get_num_threads() == 6
        with pytest.raises(KeyError), convkit.threads(2):
            assert convkit.get_num_threads() == 2
            raise KeyError
        assert convkit.get_num_threads() == 6
        convkit.set_num_threads(np.int16(4))
        assert type(convkit.get_num_threads()) is int
        assert convkit.get_num_threads() == 4
    finally:
        convkit.set_num_threads(before)


def test_set_num_threads_stands_over_the_environment() -> None:
    code = """
        import convkit
        convkit.set_num_threads(6)
        with convkit.threads(2):
            inner = convkit.get_num_threads()
        print(inner, convkit.get_num_threads())
    """
    assert run_python(code, CONVKIT_NUM_THREADS="4", OMP_NUM_THREADS="3") == "2 6"


@linux
def test_argument_stands_over_context_over_process() -> None:
    """Counted in threads of the operating system: which calls start some, and how many."""
    code = """
        import os
        import numpy as np
        import convkit

        x = np.ones((1, 32, 128, 128), np.float32)
        w = np.ones((32, 32, 3, 3), np.float32)

        def tasks():
            return len(os.listdir("/proc/self/task"))

        start = tasks()
        seen = []
        convkit.conv2d(x, w)
        seen.append(tasks() - start)
        with convkit.threads(4):
            convkit.conv2d(x, w, num_threads=1)
            convkit.max_pool2d(x, 3, num_threads=1)
        seen.append(tasks() - start)
        with convkit.threads(1):
            convkit.conv2d(x, w, num_threads=2)
        seen.append(tasks() - start)
        with convkit.threads(3):
            convkit.conv2d(x, w)
        seen.append(tasks() - start)
        convkit.set_num_threads(4)
        plan = convkit.conv2d_plan(x.shape, w)
        plan(x, num_threads=1)
        seen.append(tasks() - start)
        plan(x)
        seen.append(tasks() - start)
        print(*seen)
    """
    if not with_openmp():
        pytest.skip("built without OpenMP")
    assert run_python(code, CONVKIT_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1") == "0 0 1 2 2 3"


def test_contexts_are_local() -> None:
    """A count of one thread, task or context is not seen by another."""
    before = convkit.get_num_threads()
    seen: dict[str, int] = {}

    def look(name: str) -> None:
        seen[name] = convkit.get_num_threads()

    def keep(n: int, barrier: threading.Barrier) -> int:
        with convkit.threads(n):
            barrier.wait(10)
            count = convkit.get_num_threads()
            barrier.wait(10)
        return count

    with convkit.threads(before + 1):
        thread = threading.Thread(target=look, args=("thread",))
        thread.start()
        thread.join()
        contextvars.copy_context().run(look, "copy")
        contextvars.Context().run(look, "empty")
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    assert seen["thread"] == (before + 1 if inherits else before)
    assert seen["copy"] == before + 1
    assert seen["empty"] == before
    barrier = threading.Barrier(6)
    with ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(keep, range(1, 7), [barrier] * 6))
    assert counts == [1, 2, 3, 4, 5, 6]
    assert convkit.get_num_threads() == before

    async def task(n: int) -> int:
        with convkit.threads(n):
            await asyncio.sleep(0.01 * (4 - n))
            return convkit.get_num_threads()

    async def gather() -> list[int]:
        return await asyncio.gather(*(task(n) for n in (1, 2, 3)))

    assert asyncio.run(gather()) == [1, 2, 3]
    assert convkit.get_num_threads() == before


def test_set_num_threads_reaches_other_threads() -> None:
    before = convkit.get_num_threads()
    try:
        convkit.set_num_threads(9)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(convkit.get_num_threads).result() == 9
            pool.submit(convkit.set_num_threads, 8).result()
        assert convkit.get_num_threads() == 8
    finally:
        convkit.set_num_threads(before)


# ------------------------------------------------------------------------- concurrent callers


def test_many_threads_share_inputs_and_plans() -> None:
    """Eight callers at once, each with its own order of the calls, on the same arrays and plans."""
    x, weight = large()
    bias = make_array((16,), "float32", seed=3)
    whole = x.astype(np.int16)
    plan = convkit.conv2d_plan(x.shape, weight, bias, padding=1)
    strided = convkit.conv2d_plan(x.shape, weight, stride=2, algorithm=convkit.algorithms()[0])
    indices = np.random.default_rng(4).integers(0, 128 * 128, x.shape)
    calls: list[Callable[[], Any]] = [
        lambda: plan(x),
        lambda: plan(x[:1], num_threads=3),
        lambda: strided(x),
        lambda: convkit.conv2d(x, weight, bias, padding=1, activation="relu"),
        lambda: convkit.conv2d(x, weight[:, :1], groups=16),
        lambda: convkit.conv2d(whole, weight.astype(np.int16)),
        lambda: convkit.conv1d(x[:, :, 0], weight[:, :, 0], num_threads=2),
        lambda: convkit.max_pool2d(x, 3, 2, 1),
        lambda: convkit.max_pool2d(x, 3, 2, 1, return_indices=True)[1],
        lambda: convkit.avg_pool2d(x, 2),
        lambda: convkit.lp_pool2d(x, 2, 2),
        lambda: convkit.adaptive_avg_pool2d(x, 5),
        lambda: convkit.global_max_pool(x),
        lambda: convkit.max_unpool2d(x, indices, 2),
        lambda: convkit.im2col(x[:1], 3),
        lambda: convkit.conv2d(x, weight, stride=0),
    ]

    def answer(call: Callable[[], Any]) -> bytes:
        try:
            result: bytes = call().tobytes()
        except ValueError as error:
            return str(error).encode()
        return result

    expected = [answer(call) for call in calls]
    assert b"stride" in expected[-1]
    barrier = threading.Barrier(8)

    def work(number: int) -> int:
        order = np.random.default_rng(number).permutation(len(calls) * 4) % len(calls)
        barrier.wait(30)
        for i in order:
            assert answer(calls[i]) == expected[i], f"thread {number}, call {i}"
        return len(order)

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(work, range(8)))
    assert sum(counts) == 8 * 4 * len(calls)


def test_short_lived_threads() -> None:
    """Hundreds of threads come, call and go; none leaves a trace that breaks the next."""
    x, weight = large()
    small = x[:1, :, :24, :24]
    expected = convkit.conv2d(small, weight, padding=1).tobytes()
    wrong: list[int] = []

    def call(number: int) -> None:
        with convkit.threads(1 + number % 3):
            if convkit.conv2d(small, weight, padding=1).tobytes() != expected:
                wrong.append(number)

    for number in range(0, 300, 4):
        group = [threading.Thread(target=call, args=(number + i,)) for i in range(4)]
        for thread in group:
            thread.start()
        for thread in group:
            thread.join(30)
            assert not thread.is_alive()
    assert not wrong


# -------------------------------------------------------------------------------------- forks

FORK = """
    import os, signal
    import numpy as np
    import convkit

    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (2, 16, 64, 64)).astype(np.float32)
    w = rng.integers(-9, 9, (16, 16, 3, 3)).astype(np.float32)
    plan = convkit.conv2d_plan(x.shape, w)
    expected = convkit.conv2d(x, w, num_threads=1)
    pooled = convkit.max_pool2d(x, 3, num_threads=1)

    def right(threads):
        with convkit.threads(threads):
            return (
                np.array_equal(convkit.conv2d(x, w), expected)
                and np.array_equal(plan(x), expected)
                and np.array_equal(convkit.max_pool2d(x, 3), pooled)
            )

    def in_child(depth):
        pid = os.fork()
        if pid == 0:
            signal.alarm(15)
            fine = all(right(n) for n in (1, 2, 4))
            if depth > 1:
                fine = in_child(depth - 1) and fine
            os._exit(0 if fine else 3)
        return os.waitpid(pid, 0)[1] == 0
"""


@can_fork
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_forked_child_works(threads: int) -> None:
    """After parallel calls the child computes, so does its own child, and the parent goes on."""
    code = f"""
        assert right({threads})
        assert in_child(2), "the child failed or hung"
        assert right({threads})
        assert in_child(1), "the second child failed or hung"
        print("done")
    """
    assert run_python(FORK, code, timeout=90) == "done"


@can_fork
def test_fork_before_the_first_call() -> None:
    code = """
        import os, signal
        import numpy as np
        import convkit
        pid = os.fork()
        if pid == 0:
            signal.alarm(15)
        x = np.ones((2, 16, 64, 64), np.float32)
        w = np.ones((16, 16, 3, 3), np.float32)
        fine = (convkit.conv2d(x, w, num_threads=2).round() == 144).all()
        if pid == 0:
            os._exit(0 if fine else 3)
        assert os.waitpid(pid, 0)[1] == 0
        assert fine
        print("done")
    """
    assert run_python(code) == "done"


@can_fork
def test_fork_while_another_thread_computes() -> None:
    code = """
        import threading
        stop = threading.Event()

        def busy():
            while not stop.is_set():
                convkit.conv2d(x, w, num_threads=2)

        thread = threading.Thread(target=busy)
        thread.start()
        results = [in_child(1) for _ in range(3)]
        stop.set()
        thread.join()
        assert all(results), results
        print("done")
    """
    assert run_python(FORK, code, timeout=150) == "done"


@can_fork
def test_multiprocessing_pool_of_forks() -> None:
    code = """
        import multiprocessing
        import numpy as np
        import convkit

        x = np.ones((2, 16, 64, 64), np.float32)
        w = np.ones((16, 16, 3, 3), np.float32)
        convkit.conv2d(x, w, num_threads=2)

        def work(n):
            return float(convkit.conv2d(x * n, w, num_threads=2).sum())

        with multiprocessing.get_context("fork").Pool(2) as pool:
            sums = pool.map_async(work, range(6)).get(timeout=40)
        one = float(2 * 16 * 62 * 62 * 144)
        assert sums == [one * n for n in range(6)], sums
        print("done")
    """
    assert run_python(code) == "done"


@can_fork
@on_posix
def test_forked_child_can_be_interrupted() -> None:
    """The thread that forks becomes the child's main thread, and a signal ends its long call."""
    code = """
        import os, signal, threading, time
        import numpy as np
        import convkit

        x = np.ones((1, 64, 512, 512), np.float32)
        w = np.ones((128, 64, 31, 31), np.float32)

        class Alarm(Exception):
            pass

        def ring(number, frame):
            raise Alarm

        def child():
            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            start = time.perf_counter()
            try:
                convkit.conv2d(x, w)
            except Alarm:
                return time.perf_counter() - start < 5
            return False

        def work():
            child_id = os.fork()
            if child_id == 0:
                os._exit(0 if child() else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child_id, 0)[1]))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """
    assert run_python(code) == "0"


# ------------------------------------------------------------------------------------ the GIL


def steps_during(call: Callable[[], Any]) -> tuple[float, int]:
    """Return how long a call takes and how often another Python thread ran well inside it."""
    times: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            times.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.perf_counter()
        call()
        end = time.perf_counter()
    finally:
        stop.set()
        thread.join()
    margin = (end - start) / 5
    return end - start, sum(start + margin < t < end - margin for t in times)


WORK: dict[str, Callable[[np.ndarray], Any]] = {
    "conv2d": lambda b: convkit.conv2d(b, large()[1], padding=1),
    "conv2d integers": lambda b: convkit.conv2d(b.astype(np.int32), large()[1].astype(np.int32)),
    "conv2d_plan": lambda b: convkit.conv2d_plan((1, 16, 128, 128), large()[1])(b),
    "max_pool2d": lambda b: convkit.max_pool2d(b, 3, 1),
    "max_pool2d indices": lambda b: convkit.max_pool2d(b, 3, 1, return_indices=True),
    "avg_pool2d": lambda b: convkit.avg_pool2d(b, 3, 1),
    "lp_pool2d": lambda b: convkit.lp_pool2d(b, 3, 3, 1),
    "adaptive_max_pool2d": lambda b: convkit.adaptive_max_pool2d(b, 100),
    "max_unpool2d": lambda b: convkit.max_unpool2d(b, np.zeros(b.shape, np.int64), 2),
    "im2col": lambda b: convkit.im2col(b[:, :4], 3),
    "col2im": lambda b: convkit.col2im(b.reshape(len(b), 16 * 4, 64 * 64), (65, 65), 2),
}


@pytest.mark.parametrize("name", WORK)
def test_gil_is_released(name: str) -> None:
    """Another Python thread runs while a call computes."""
    most = 0
    with convkit.threads(1):
        for batch in (4, 16, 64, 64, 64):
            data = np.resize(large()[0], (batch, 16, 128, 128))
            seconds, steps = steps_during(lambda data=data: WORK[name](data))
            most = max(most, steps)
            if most >= 5:
                return
    pytest.fail(f"{name}: at most {most} steps of another thread within {seconds:.3f} s")


# ------------------------------------------------------------------------------------- Ctrl-C

INTERRUPTED = """
    import signal, sys, time
    import numpy as np
    import convkit

    # Programs in the background of a shell, and all that they start, ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    how, threads = sys.argv[1], int(sys.argv[2])
    x = np.ones((1, 64, 512, 512), np.float32)
    w = np.ones((128, 64, 31, 31), np.float32)
    small = np.ones((1, 2, 9, 9), np.float32)
    try:
        if how == "plan":
            long = convkit.conv2d_plan(x.shape, w)
        elif how == "integers":
            whole, heavy = x.astype(np.int32), w.astype(np.int32)
            long = lambda x, num_threads: convkit.conv2d(whole, heavy, num_threads=num_threads)
        else:
            long = lambda x, num_threads: convkit.conv2d(
                x, w, algorithm=how, num_threads=num_threads
            )
        print("ready", flush=True)
        start = time.perf_counter()
        long(x, num_threads=threads)
        print("finished after", time.perf_counter() - start, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    except (MemoryError, NotImplementedError) as error:
        print("refused", error, flush=True)
    for n in (1, threads, 2):
        y = convkit.conv2d(small, np.ones((3, 2, 3, 3), np.float32), num_threads=n)
        assert (y.round() == 18).all()
        assert (convkit.max_pool2d(small, 3, num_threads=n) == 1).all()
    big = convkit.conv2d(x[:, :, :64, :64], w[..., :3, :3], num_threads=threads)
    assert (big.round() == 64 * 9).all()
    print("usable", flush=True)
"""


def interrupt(how: str, threads: int, **variables: str) -> tuple[str, float]:
    """Send SIGINT into a long call; return the first answer and how long it took."""
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), how, str(threads)],
        env=child_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "ready\n", child.stderr.read()[-3000:]
        time.sleep(0.6)
        start = time.perf_counter()
        child.send_signal(signal.SIGINT)
        first = child.stdout.readline()
        waited = time.perf_counter() - start
        # Not communicate(): it does not see what readline() has read ahead.
        rest, errors = child.stdout.read(), child.stderr.read()
        child.wait(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, f"{how}: exit {child.returncode}: {first}{errors[-3000:]}"
    assert rest.strip() == "usable", f"{how}: {rest}{errors[-3000:]}"
    return first.strip(), waited


@on_posix
@pytest.mark.parametrize(
    ("how", "threads"),
    [
        ("auto", 2),
        ("auto", 1),
        ("plan", 2),
        ("integers", 2),
        *[(a, 2) for a in convkit.algorithms()],
    ],
)
def test_keyboard_interrupt_ends_a_long_call(how: str, threads: int) -> None:
    """KeyboardInterrupt comes out of the call within two seconds, and the library goes on."""
    first, waited = interrupt(how, threads)
    if how in convkit.algorithms() and first.startswith("refused"):
        pytest.skip(f"{how} does not take this problem: {first}")
    assert first == "interrupted", f"{how}, {threads} threads: {first}"
    assert waited < 2.0, f"{how}, {threads} threads: took {waited:.1f} s to end"


@on_posix
@pytest.mark.parametrize("isa", convkit.isas())
def test_keyboard_interrupt_does_not_wait_for_slow_kernels(isa: str) -> None:
    """A part of the call that takes seconds by itself is left in its midst."""
    first, waited = interrupt("direct", 2, CONVKIT_ISA=isa)
    assert first == "interrupted", f"{isa}: {first}"
    assert waited < 2.0, f"{isa}: took {waited:.1f} s to end"


# ------------------------------------------------------------------------------- side effects

USE_EVERYTHING = """
    def use_everything():
        x = np.full((2, 16, 64, 64), 1e-41, np.float32)
        w = np.ones((16, 16, 3, 3), np.float32)
        convkit.set_num_threads(2)
        convkit.conv2d(x, w)
        convkit.conv2d(x, w, activation="relu6", padding=3, padding_mode="reflect")
        with convkit.threads(3), convkit.use_isa(convkit.isas()[-1]):
            convkit.conv2d_plan(x.shape, w)(x)
            convkit.max_pool2d(x, 3)
            convkit.avg_pool2d(x, 3)
        convkit.show_config(mode="dict")
        convkit.explain("conv2d", x.shape, w.shape)
        try:
            convkit.conv2d(x, w, stride=0)
        except ValueError:
            pass
        convkit.release_workspace()
"""


def test_nothing_of_the_process_changes() -> None:
    """Environment, signal handlers, NumPy's error state, warnings, affinity, open files."""
    before = """
        import os, signal, sys, warnings
        import numpy as np

        def state():
            return {
                "environment": dict(os.environ),
                "handlers": [signal.getsignal(s) for s in sorted(signal.valid_signals())],
                "numpy errors": np.geterr(),
                "print options": str(np.get_printoptions()),
                "warnings": list(warnings.filters),
                "affinity": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else 0,
                "files": len(os.listdir("/proc/self/fd")) if os.path.exists("/proc") else 0,
                "directory": os.getcwd(),
                "recursion": sys.getrecursionlimit(),
                "switch": sys.getswitchinterval(),
            }

        before = state()
        import convkit
    """
    after = """
        use_everything()
        after = state()
        for name in before:
            assert before[name] == after[name], (name, before[name], after[name])
        print("same")
    """
    assert run_python(before, USE_EVERYTHING, after) == "same"


def test_floating_point_environment_stays() -> None:
    """Rounding mode and flush-to-zero of the caller and of OpenMP's threads are not touched."""
    code = """
        import ctypes, ctypes.util, platform
        import numpy as np
        import convkit

        libm = ctypes.CDLL(ctypes.util.find_library("m"))

        def state():
            words = (ctypes.c_uint32 * 16)()
            assert libm.fegetenv(words) == 0
            control = words[7] & ~0x3F if platform.machine() == "x86_64" else 0
            return libm.fegetround(), control

        before = state()
        use_everything()
        assert state() == before, (before, state())

        tiny = np.full((8, 16, 64, 64), 1e-41, np.float32)
        one = np.ones((16, 1, 1, 1), np.float32)
        for threads in (1, 2, 3):
            y = convkit.conv2d(tiny, one, groups=16, num_threads=threads)
            assert np.array_equal(y, tiny), "subnormals were flushed to zero"
            assert np.array_equal(convkit.max_pool2d(tiny, 1, num_threads=threads), tiny)
            assert np.array_equal(convkit.avg_pool2d(tiny, 1, num_threads=threads), tiny)
        assert np.float32(1e-41) * np.float32(1) != 0
        print("same")
    """
    assert run_python("import numpy as np, convkit", USE_EVERYTHING, code) == "same"


@linux
def test_openmp_settings_of_others_stay() -> None:
    """What another user of the same OpenMP runtime asks for is what it set itself."""
    code = """
        import ctypes
        import numpy as np
        import convkit

        names = {
            line.split()[-1]
            for line in open("/proc/self/maps")
            if "libgomp" in line or "libomp" in line or "libiomp" in line
        }
        questions = (
            "omp_get_max_threads",
            "omp_get_dynamic",
            "omp_get_max_active_levels",
            "omp_get_thread_limit",
            "omp_get_num_procs",
        )

        def state():
            return {
                (name, q): getattr(ctypes.CDLL(name), q)() for name in sorted(names) for q in questions
            }

        for name in names:
            ctypes.CDLL(name).omp_set_num_threads(5)
        before = state()
        use_everything()
        assert state() == before, (before, state())
        assert all(v == 5 for (_, q), v in before.items() if q == "omp_get_max_threads")
        print("same", len(names))
    """
    answer = run_python("import numpy as np, convkit", USE_EVERYTHING, code)
    assert answer.startswith("same")
    if with_openmp():
        assert answer != "same 0", "no OpenMP runtime was found to ask"


def test_threadpools_of_others_stay() -> None:
    """threadpoolctl sees the same counts in BLAS and OpenMP before and after."""
    pytest.importorskip("threadpoolctl")
    before = """
        import numpy as np
        import threadpoolctl

        def state():
            return {p["filepath"]: p["num_threads"] for p in threadpoolctl.threadpool_info()}

        first = state()
        import convkit
        imported = state()
    """
    after = """
        use_everything()
        last = state()
        for path in first:
            assert first[path] == imported[path] == last[path], path
        for path in imported:
            assert imported[path] == last[path], path
        with threadpoolctl.threadpool_limits(1):
            use_everything()
        assert state() == last
        print("same", len(last))
    """
    assert run_python(before, USE_EVERYTHING, after).startswith("same")


def test_import_and_calls_print_nothing() -> None:
    code = """
        import io, contextlib, warnings
        warnings.simplefilter("error")
        import numpy as np
        import convkit
    """
    assert run_python(code, USE_EVERYTHING, "use_everything()") == ""
    child = subprocess.run(
        [sys.executable, "-c", "import convkit"],
        env=child_environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, b"", b"")


@pytest.mark.parametrize("count", [1, 4])
def test_exit_while_threads_compute(count: int) -> None:
    """Daemon threads inside long calls do not keep the interpreter from ending cleanly, however long it takes to end."""
    code = f"""
        import threading, time
        import numpy as np
        import convkit

        x = np.ones((1, 64, 256, 256), np.float32)
        w = np.ones((64, 64, 9, 9), np.float32)

        class Slow:
            def __del__(self, sleep=time.sleep):
                sleep(0.4)

        slow = Slow()

        def work():
            while True:
                convkit.conv2d(x, w, num_threads=2 * {count})

        for _ in range({count}):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        print("leaving", flush=True)
    """
    assert run_python(code, timeout=30) == "leaving"


@linux
def test_a_call_on_another_thread_never_asks_for_the_gil() -> None:
    """Only the main thread handles signals. At exit, a daemon that asked for the GIL would die within a parallel region."""
    code = """
        import ctypes, threading, time
        import numpy as np
        import convkit

        x = np.ones((1, 64, 512, 512), np.float32)
        w = np.ones((64, 64, 15, 15), np.float32)
        begun = threading.Event()

        def work():
            begun.set()
            convkit.conv2d(x, w, num_threads=1)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        begun.wait()
        time.sleep(0.2)  # by now the call computes
        before = open(f"/proc/self/task/{thread.native_id}/stat")
        after = open(f"/proc/self/task/{thread.native_id}/stat")

        def seconds(file):
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / 100

        start = seconds(before)
        ctypes.PyDLL(None).usleep(900_000)  # holds the GIL
        print(seconds(after) - start)
    """
    assert float(run_python(code)) > 0.2, "the call stood still while another thread held the GIL"
