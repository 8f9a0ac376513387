"""A functional call remembers the last few problems it described: nobody must be able to tell but by the clock."""

import numpy as np
import pytest

import convkit
from convkit import _conv

X = np.arange(2 * 6 * 6, dtype=np.float32).reshape(1, 2, 6, 6)
WEIGHT = np.ones((3, 2, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("stride", 1, 1.0),
        ("stride", (1, 1), (1.0, 1)),
        ("dilation", 1, np.float64(1)),
        ("dilation", (1, 1), (1, 1.0)),
        ("padding", 0, 0.0),
        ("padding", ((0, 0), (0, 0)), ((0, 0), (0, 0.0))),
        ("groups", 1, 1.0),
    ],
)
def test_equal_is_not_valid(name: str, good: object, bad: object) -> None:
    """1.0 == 1, but only one of them is an integer, also after a call with the other."""
    convkit.conv2d(X, WEIGHT, **{name: good})
    with pytest.raises(TypeError, match=name):
        convkit.conv2d(X, WEIGHT, **{name: bad})


def test_sequences_are_remembered() -> None:
    """Tuples and lists are what most callers pass; an error shows them as they were."""
    options = {"stride": [2, 1], "padding": [(1, 0), (2, 1)], "dilation": (1, 1)}
    convkit.conv2d(X, WEIGHT, **options)
    hits = _conv._described_on.cache_info().hits
    convkit.conv2d(X, WEIGHT, **options | {"stride": (2, 1)})
    assert _conv._described_on.cache_info().hits == hits + 1
    with pytest.raises(ValueError, match=r"got \[2, 0\]$"):
        convkit.conv2d(X, WEIGHT, stride=[2, 0])
    for wrong in ((1, (1, 1)), [], [[1]], ((1, 1), (1, (1, 1)))):
        with pytest.raises((TypeError, ValueError), match="padding"):
            convkit.conv2d(X, WEIGHT, padding=wrong)


def test_unhashable_words_get_their_own_error() -> None:
    for name in ("layout", "activation", "algorithm", "padding_mode"):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            convkit.conv2d(X, WEIGHT, **{name: ["zeros"]})


def test_instruction_set_is_part_of_the_problem() -> None:
    for isa in convkit.isas():
        with convkit.use_isa(isa):
            convkit.conv2d(X, WEIGHT)
            x_shape, dtype, words = X.shape, X.dtype, (1, 0, 1, 1, "zeros", "channels_first", None, "auto")
            assert _conv._described(x_shape, dtype, WEIGHT.shape, *words).conv.isa == isa


def test_an_error_is_raised_again() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=r"got 0$"):
            convkit.conv2d(X, WEIGHT, stride=0)


def test_the_memory_is_bounded() -> None:
    for length in range(3, 400):
        convkit.conv1d(np.ones((1, 1, length), np.float32), np.ones((1, 1, 3), np.float32))
    remembered = _conv._described_on.cache_info()
    assert remembered.maxsize is not None
    assert remembered.currsize <= remembered.maxsize <= 1024
