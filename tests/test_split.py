"""How calls are split over threads, simulated for more threads than this machine has."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
import pytest
import workloads

import convkit
from convkit import _conv

THREADS = range(2, 65)
LAYERS = [
    layer for layer in workloads.LAYERS if layer.op == "conv" and layer.family in ("dense3x3", "pointwise", "dense", "nd")
]


def described(layer: Any, algorithm: str, layout: str) -> Any:
    sizes = tuple(layer.size)
    x_shape = (layer.n, layer.c, *sizes) if layout == "channels_first" else (layer.n, *sizes, layer.c)
    weight_shape = (layer.k, layer.c // layer.g, *layer.kernel)
    options = (tuple(layer.stride), tuple(layer.pad), tuple(layer.dil), layer.g, "zeros", layout, None, algorithm, True)
    return _conv.describe(x_shape, np.dtype("float32"), weight_shape, *options)


def loads(tasks: list[int], threads: int) -> list[int]:
    """Outputs of each thread that took a task, where every thread takes the next task as soon as it is free."""
    team = [0] * min(threads, len(tasks))
    for outputs in tasks:
        heapq.heapreplace(team, team[0] + outputs)
    return team


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("algorithm", convkit.algorithms())
def test_tasks_cover_the_output(algorithm: str, layout: str) -> None:
    """Every output is in one task, whatever the number of threads: the shares add up."""
    for layer in LAYERS:
        try:
            problem = described(layer, algorithm, layout)
        except NotImplementedError:
            continue
        outputs = int(np.prod(problem.sample))
        for n in (1, 3):
            for threads in (1, 2, 3, 7, 64):
                total = sum(problem.conv.task_outputs(n, threads))
                assert total == n * outputs if algorithm != "winograd" else total > 0, (layer.name, n, threads)


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("algorithm", convkit.algorithms())
def test_shares_are_even(algorithm: str, layout: str) -> None:
    """The busiest thread relative to the mean of the team: even for two threads, and for up to 64 on the average.

    Work that is repeated by finer tasks counts against them, so that a few layers stay uneven on large teams.
    """
    shares: dict[int, list[float]] = {threads: [] for threads in THREADS}
    for layer in LAYERS:
        try:
            problem = described(layer, algorithm, layout)
        except NotImplementedError:
            continue
        for threads in THREADS:
            team = loads(problem.conv.task_outputs(layer.n, threads), threads)
            shares[threads].append(max(team) * len(team) / sum(team))
    assert np.mean(np.array(shares[2]) <= 1.05) >= 0.8
    assert max(shares[2]) <= 1.15
    every = np.concatenate(list(shares.values()))
    assert every.mean() <= 1.12, every.mean()
    assert every.max() <= 1.75, every.max()
