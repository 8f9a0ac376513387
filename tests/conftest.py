"""Fixtures of all tests: what the library registers, instruction sets, seeds, hypothesis."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from cases import generator
from hypothesis import HealthCheck, settings

import convkit

SEED = int(os.environ.get("CONVKIT_TEST_SEED", "0"))

settings.register_profile(
    "ci",
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("deep", settings.get_profile("ci"), max_examples=20_000, derandomize=False)
settings.load_profile("ci")


def pytest_report_header() -> str:
    return f"convkit: isas {', '.join(convkit.isas())}; algorithms {', '.join(convkit.algorithms())}; CONVKIT_TEST_SEED={SEED}"


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of the session; CONVKIT_TEST_SEED sets it."""
    return SEED


@pytest.fixture
def rng(request: pytest.FixtureRequest, seed: int) -> np.random.Generator:
    """A generator of its own for each test."""
    return generator(request.node.nodeid, seed)


@pytest.fixture(scope="session")
def algorithms() -> tuple[str, ...]:
    """Every value that algorithm= takes."""
    return ("auto", *convkit.algorithms())


@pytest.fixture(scope="session")
def isas() -> tuple[str, ...]:
    """Every instruction set that this machine runs."""
    return tuple(convkit.isas())


@pytest.fixture(params=("auto", *convkit.algorithms()))
def algorithm(request: pytest.FixtureRequest) -> str:
    """One value that algorithm= takes."""
    return str(request.param)


@pytest.fixture(params=convkit.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """One instruction set, chosen for the time of the test."""
    with convkit.use_isa(request.param):
        yield str(request.param)
