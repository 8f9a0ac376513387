"""status.def: every row is reached from Python, and every message names its argument, its rule and the value given."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import convkit
from convkit import _conv, _core

X = np.ones((2, 4, 6, 7), np.float32)
W = np.ones((8, 4, 3, 3), np.float32)
GIANT = np.broadcast_to(np.float32(1), (2**40, 1, 2**20))

ROWS = {name: (code, argument, rule) for code, (name, argument, rule) in enumerate(_core.statuses())}

# Rows that a public function meets: the call, and the value that its message must carry.
PUBLIC: dict[str, list[tuple[Callable[[], Any], Any]]] = {
    "INPUT_SIZE": [
        (lambda: convkit.conv2d(X[:, :, :0], W), (2, 4, 0, 7)),
        (lambda: convkit.max_pool2d(X[:, :, :0], 2), (2, 4, 0, 7)),
        (lambda: convkit.adaptive_avg_pool2d(X[:, :0], 2), (2, 0, 6, 7)),
        (lambda: convkit.im2col(X[:, :, :0], 2), (2, 4, 0, 7)),
    ],
    "GROUPS": [(lambda: convkit.conv2d(X, W, groups=0), 0)],
    "GROUPS_IN": [(lambda: convkit.conv2d(X, W[:, :1], groups=3), 3)],
    "GROUPS_OUT": [(lambda: convkit.conv2d(X, W[:7, :2], groups=2), 2)],
    "WEIGHT_SIZE": [(lambda: convkit.conv2d(X, W[:0]), (0, 4, 3, 3)), (lambda: convkit.conv2d(X, W[:, :, :0]), (8, 4, 0, 3))],
    "KERNEL_SIZE": [(lambda: convkit.max_pool2d(X, (2, 0)), (2, 0)), (lambda: convkit.im2col(X, 0), 0)],
    "STRIDE": [(lambda: convkit.conv2d(X, W, stride=(1, 0)), (1, 0)), (lambda: convkit.avg_pool2d(X, 2, 0), 0)],
    "DILATION": [(lambda: convkit.conv2d(X, W, dilation=-1), -1), (lambda: convkit.max_pool2d(X, 2, dilation=0), 0)],
    "PADDING": [(lambda: convkit.conv2d(X, W, padding=((0, 0), (0, -1))), ((0, 0), (0, -1)))],
    "OUTPUT_PADDING": [
        (lambda: convkit.conv_output_shape((2, 8, 5), (8, 4, 3), 2, transposed=True, output_padding=2), 2),
    ],
    "OUTPUT_SIZE": [
        (lambda: convkit.conv2d(X, W, dilation=3), (0, 1)),
        (lambda: convkit.max_pool2d(X, (9, 2), 2), (-1, 3)),
        (lambda: convkit.conv_output_shape((2, 4, 6, 7), (8, 4, 9, 3), 2), (-1, 3)),
    ],
    "TARGET_SIZE": [
        (lambda: convkit.adaptive_max_pool2d(X, (2, 0)), (2, 0)),
        (lambda: convkit.col2im(np.ones((1, 4, 4)), (0, 3), 2), (0, 3)),
    ],
    "DIVISOR": [(lambda: convkit.avg_pool2d(X, 2, divisor_override=0), 0)],
    "NORM_TYPE": [(lambda: convkit.lp_pool2d(X, 0, 2), 0.0), (lambda: convkit.lp_pool2d(X, math.inf, 2), math.inf)],
    "WINDOW": [(lambda: convkit.max_pool2d(X, 2, 1, 3), 3)],
    "TOO_LARGE": [
        (lambda: convkit.conv1d(GIANT, np.ones((1, 1, 1), np.float32)), GIANT.shape),
        (lambda: convkit.max_pool1d(GIANT, 2), GIANT.shape),
        (lambda: convkit.im2col(GIANT, 2), GIANT.shape),
    ],
    "INDICES": [(lambda: convkit.max_unpool2d(X, np.full(X.shape, 168), 2), 168)],
    "NUM_THREADS": [
        (lambda: convkit.conv2d(X, W, num_threads=1025), 1025),
        (lambda: convkit.max_pool2d(X, 2, num_threads=0), 0),
    ],
}


def conv(**changed: Any) -> int:
    """Return the status of a convolution described to the core directly."""
    window = ((1, 6, 7), (1, 3, 3), (1, 1, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0))
    given = {"axes": 2, "n": 2, "groups": 1, "ic": 4, "oc": 8, "window": window, "dtype": 0, "layout": 0}
    return _core.Conv(**given | {"activation": 0, "algorithm": -1, "prepared": False} | changed).status


def pool(**changed: Any) -> int:
    """Return the status of a pooling described to the core directly."""
    window = ((1, 6, 7), (1, 2, 2), (1, 2, 2), (1, 1, 1), (0, 0, 0), (0, 0, 0))
    given = {"axes": 2, "n": 2, "c": 4, "window": window, "dtype": 0, "layout": 0, "kind": _core.POOL_AVERAGE}
    return _core.Pool(**given | changed).status


# Rows that Python's types or words leave no public way to: the core's own answers.
CORE: dict[str, list[Callable[[], int]]] = {
    "OK": [conv, pool, lambda: _core.isa_use(_core.isa_current())],
    "BATCH": [lambda: conv(n=-1), lambda: pool(n=-1)],
    "DIVISOR": [lambda: pool(divisor=math.nan)],
    "ALGORITHM": [lambda: conv(algorithm=len(convkit.algorithms())), lambda: conv(algorithm=-2)],
    "ISA": [lambda: _core.isa_use(len(convkit.isas())), lambda: _core.isa_use(-1)],
    "DTYPE": [lambda: conv(dtype=99), lambda: conv(dtype=-1), lambda: pool(dtype=99)],
    "LAYOUT": [lambda: conv(layout=2), lambda: conv(layout=-1), lambda: pool(layout=2)],
    "ACTIVATION": [lambda: conv(activation=3), lambda: conv(activation=-1)],
    "POOL_KIND": [lambda: pool(kind=3), lambda: pool(kind=-1)],
}


def test_every_row_is_reached() -> None:
    """INTERRUPTED is reached by test_threads_processes.test_keyboard_interrupt_ends_a_long_call."""
    assert PUBLIC.keys() | CORE.keys() | {"INTERRUPTED"} == ROWS.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_messages_of_public_calls(name: str) -> None:
    _, argument, rule = ROWS[name]
    for call, value in PUBLIC[name]:
        with pytest.raises(ValueError, match=f"^{re.escape(f'{argument} {rule}, got {value!r}')}$"):
            call()


@pytest.mark.parametrize("name", CORE)
def test_answers_of_the_core(name: str) -> None:
    for call in CORE[name]:
        assert call() == ROWS[name][0]


def test_the_core_checks_the_number_of_threads() -> None:
    """A caller from C may give any."""
    planned = _core.Conv(2, 2, 1, 4, 8, ((1, 6, 7), (1, 3, 3), (1, 1, 1), (1, 1, 1), (0,) * 3, (0,) * 3), 0, 0, 0, -1, False)
    y = np.empty((2, 8, 4, 5), np.float32)
    for threads in (0, -1, 1025, -(2**31)):
        with pytest.raises(ValueError, match=f"^num_threads must be from 1 to 1024, got {threads}$"):
            planned.run(X, W, None, y, threads)
    planned.run(X, W, None, y, 1)
    assert (y == 36).all()


@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"OK", "INTERRUPTED"}))
def test_check_raises_the_text(name: str) -> None:
    code, argument, rule = ROWS[name]
    expected = NotImplementedError if name == "ALGORITHM" else ValueError
    with pytest.raises(expected) as caught:
        _core.check(code, {argument: "this value"})
    assert type(caught.value) is expected
    assert str(caught.value) == f"{argument} {rule}, got 'this value'"
    with pytest.raises(KeyError):
        _core.check(code, {"another argument": 1})


def test_check_of_ok_and_of_an_interruption() -> None:
    _core.check(ROWS["OK"][0], {})
    with pytest.raises(KeyboardInterrupt):
        _core.check(ROWS["INTERRUPTED"][0], {})


class Declining:
    """A planned convolution whose algorithm does not serve the problem."""

    status = ROWS["ALGORITHM"][0]
    out = (4, 5)
    reason = "only kernels of 5x5 on Sundays"

    def __init__(self, *described: Any) -> None:
        self.described = described


@pytest.mark.parametrize("algorithm", convkit.algorithms())
def test_an_algorithm_that_declines_says_why(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NotImplementedError with the reason, from the function, its plan and explain."""
    text = re.escape(f"algorithm must serve this problem (only kernels of 5x5 on Sundays), got {algorithm!r}")
    monkeypatch.setattr(_conv._core, "Conv", Declining)
    with pytest.raises(NotImplementedError, match=f"^{text}$"):
        convkit.conv2d(X, W, algorithm=algorithm)
    with pytest.raises(NotImplementedError, match=f"^{text}$"):
        convkit.conv2d_plan(X.shape, W, algorithm=algorithm)


def test_the_reason_comes_from_the_core() -> None:
    window = ((1, 6, 7), (1, 3, 3), (1, 1, 1), (1, 1, 1), (0,) * 3, (0,) * 3)
    unknown = _core.Conv(2, 2, 1, 4, 8, window, 0, 0, 0, len(convkit.algorithms()), False)
    assert unknown.reason == "there is no such algorithm"
    for code in range(len(convkit.algorithms())):
        planned = _core.Conv(2, 2, 1, 4, 8, window, 0, 0, 0, code, False)
        declined = planned.declines(code)
        assert (planned.status == ROWS["ALGORITHM"][0]) == (declined is not None)
        assert planned.reason == (declined or "")
    assert _core.Conv(2, 2, 0, 4, 8, window, 0, 0, 0, 0, False).reason == ""
