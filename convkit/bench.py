"""Timing of single layers: what ``python -m convkit bench`` runs.

Every pair of a layer and a variant (algorithm, instruction set, threads, layout, dtype, plan or
call) is one `Case`. `run` checks each case against `convkit.reference`, then gives all of them a
turn, then all of them the next turn, with a probe of the machine in each round; so a disturbance
of the machine hits every case alike, and ratios of one run can be trusted where times can not.

The module is imported on demand only. rich (table, progress bar) and matplotlib (plot) are
optional.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convkit
from convkit import _arguments as arg
from convkit import reference, runtime
from convkit._bench_layers import POOL_OPS, TYPICAL, Layer, Variant, load_layers
from convkit._bench_report import Report, Result, has_module, plot, progress, show

__all__ = [
    "POOL_OPS",
    "TYPICAL",
    "Case",
    "Layer",
    "Report",
    "Result",
    "Variant",
    "current_isa",
    "load_layers",
    "main",
    "make_inputs",
    "run",
]

Array = NDArray[Any]

OPS = ("conv", *POOL_OPS)
TURN_SECONDS = 0.01
CHECK_OPERATIONS = 10**9


def make_inputs(layer: Layer, dtype: str, layout: str) -> tuple[Array, ...]:
    """``(x, weight)``, or ``(x,)`` for pooling, of small integers: their sums are exact."""
    rng = np.random.default_rng(0)

    def fill(shape: tuple[int, ...]) -> Array:
        return rng.integers(-4, 5, size=shape, dtype=np.int8).astype(dtype)

    if layout == "channels_last":
        x = fill((layer.n, *layer.size, layer.c))
    else:
        x = fill((layer.n, layer.c, *layer.size))
    if layer.op in POOL_OPS:
        return (x,)
    return x, fill((layer.k, layer.c // layer.g, *layer.kernel))


class Case:
    """A layer made ready to be timed in one variant.

    Parameters
    ----------
    layer : Layer
        An operation that the package does not have is a `NotImplementedError`, as is an
        algorithm that does not serve the layer.
    variant : Variant
        How to run it.
    inputs : tuple of ndarray, optional
        What `make_inputs` returned.

    Attributes
    ----------
    call : callable
        One run, without arguments.
    algorithm : str
        The algorithm that runs; empty for pooling.
    flops, nbytes : int
        Arithmetic of one run, and bytes of its inputs and outputs.
    times : list of float
        Seconds a run, one entry a turn.

    """

    def __init__(self, layer: Layer, variant: Variant, inputs: tuple[Array, ...] | None = None) -> None:
        if layer.op not in OPS:
            raise NotImplementedError(f"op must be one of {OPS}, got {layer.op!r}")
        self.layer, self.variant = layer, variant
        self.inputs = inputs or make_inputs(layer, variant.dtype, variant.layout)
        self.times: list[float] = []
        self.number = 1
        self.repeats = 1
        with convkit.use_isa(variant.isa):
            function, arguments, options, self.algorithm = self._bind()
            options["num_threads"] = variant.threads
            self.result: Any = function(*arguments, **options)
        if variant.reuse_out:
            options["out"] = self.result
        self.call: Callable[[], Any] = lambda: function(*arguments, **options)
        self.flops = layer.flops
        self.nbytes = sum(array.nbytes for array in (*self.inputs, *self._outputs()))

    def _bind(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]:
        layer, variant = self.layer, self.variant
        axes = len(layer.size)
        options: dict[str, Any] = {"stride": layer.stride, "padding": layer.pad}
        options |= {"dilation": layer.dil, "layout": variant.layout}
        if layer.op in POOL_OPS:
            kind = "avg" if layer.op == "avg" else "max"
            if layer.op == "maxidx":
                options["return_indices"] = True
            pool = getattr(convkit, f"{kind}_pool{axes}d")
            return pool, (self.inputs[0], layer.kernel), options, ""
        x, weight = self.inputs
        options |= {"groups": layer.g, "algorithm": variant.algorithm}
        if variant.plan:
            make_plan = getattr(convkit, f"conv{axes}d_plan")
            plan = make_plan(x.shape, weight, **options)
            return plan, (x,), {}, plan.algorithm
        algorithm = variant.algorithm
        if algorithm == "auto":
            del options["algorithm"]
            explained = convkit.explain(f"conv{axes}d", x.shape, weight.shape, dtype=x.dtype, **options)
            algorithm = explained.algorithm
        return getattr(convkit, f"conv{axes}d"), (x, weight), options, algorithm

    def _outputs(self) -> tuple[Array, ...]:
        return self.result if isinstance(self.result, tuple) else (self.result,)

    def run_reference(self) -> Any:
        """Run the whole layer in `convkit.reference`, without checking it."""
        layer, x = self.layer, _channels_first(self.inputs[0], self.variant.layout)
        return _reference(layer, x, self.inputs[1:], [(p, p) for p in layer.pad], layer.g)

    def check(self) -> None:
        """Compare the first, middle and last output channel with `convkit.reference`.

        Large planes are compared in the corner of the first 64 positions. The data are integers,
        so the bound (that of the most careless algorithm) lets no wrong sum pass.

        Raises
        ------
        AssertionError
            If they differ.

        """
        layer = self.layer
        x = _channels_first(self.inputs[0], self.variant.layout)
        outputs = [_channels_first(y, self.variant.layout) for y in self._outputs()]
        x, pads, corner = _corner(layer, x)
        for channel in sorted({0, layer.k // 2, layer.k - 1}):
            if layer.op == "conv":
                width = layer.c // layer.g
                start = channel // (layer.k // layer.g) * width
                seen = x[:, start : start + width]
                weights = [self.inputs[1][channel : channel + 1]]
            else:
                seen, weights = x[:, channel : channel + 1], []
            expected = _reference(layer, seen, weights, pads, 1)
            expected = expected if isinstance(expected, tuple) else (expected,)
            for y, wanted in zip(outputs, expected, strict=True):
                found = y[(slice(None), slice(channel, channel + 1), *corner)]
                self._compare(found, wanted[(slice(None), slice(None), *corner)], channel)

    def _compare(self, found: Array, wanted: Array, channel: int) -> None:
        if wanted.dtype.kind == "f":
            bound = 3e-6 if wanted.dtype == np.float32 else 1e-13
            error = np.abs(found.astype(np.float64) - wanted).max()
            same = bool(error <= bound * np.abs(wanted).max())
        else:
            same = np.array_equal(found, wanted)
        if not same:
            raise AssertionError(
                f"{self.layer.name} differs from convkit.reference in channel {channel}: {self.layer!r}, {self.variant!r}"
            )

    def calibrate(self) -> None:
        """Choose how many runs make a turn."""
        with convkit.use_isa(self.variant.isa):
            seconds = _seconds_per_call(self.call, 1)
            if seconds < TURN_SECONDS:
                seconds = min(seconds, _seconds_per_call(self.call, 2))
        self.number = max(1, min(10_000, int(TURN_SECONDS / seconds)))
        self.repeats = 3 if seconds < 0.5 else 1

    def turn(self) -> None:
        """Warm up, time, and append the best of a few to `times`."""
        with convkit.use_isa(self.variant.isa):
            if self.repeats > 1:
                self.call()
            self.times.append(min(_seconds_per_call(self.call, self.number) for _ in range(self.repeats)))


def _seconds_per_call(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return max(time.perf_counter() - start, 1e-9) / number


def _channels_first(array: Array, layout: str) -> Array:
    return np.moveaxis(array, -1, 1) if layout == "channels_last" else array


def _corner(layer: Layer, x: Array) -> tuple[Array, list[tuple[int, int]], tuple[slice, ...]]:
    """Cut `x` to what the first output positions see, if the reference would take too long."""
    pads = [(p, p) for p in layer.pad]
    if layer.flops * min(3, layer.k) <= CHECK_OPERATIONS * layer.k:
        return x, pads, (slice(None),) * len(layer.size)
    cuts, corner = [], []
    for axis, (length, out) in enumerate(zip(layer.size, layer.output_size, strict=True)):
        before, reach = layer.pad[axis], layer.dil[axis] * (layer.kernel[axis] - 1) + 1
        count = min(out, 64)
        needed = (count - 1) * layer.stride[axis] + reach - before
        if needed < length:
            pads[axis] = (before, 0)
        cuts.append(slice(min(needed, length)))
        corner.append(slice(count))
    return x[(slice(None), slice(None), *cuts)], pads, tuple(corner)


def _reference(layer: Layer, x: Array, weights: Sequence[Array], pads: list[tuple[int, int]], groups: int) -> Any:
    axes = len(layer.size)
    options: dict[str, Any] = {"stride": layer.stride, "padding": pads, "dilation": layer.dil}
    if layer.op == "conv":
        return getattr(reference, f"conv{axes}d")(x, weights[0], groups=groups, **options)
    if layer.op == "maxidx":
        options["return_indices"] = True
    kind = "avg" if layer.op == "avg" else "max"
    return getattr(reference, f"{kind}_pool{axes}d")(x, layer.kernel, **options)


class _Probes:
    """FMA peak and bandwidth, the best of all rounds."""

    def __init__(self, variants: Iterable[Variant]) -> None:
        self._fma: dict[tuple[str, int, str], float] = {}
        self._bandwidth: dict[int, float] = {}
        for v in variants:
            self._bandwidth[v.threads] = 0.0
            if v.dtype in ("float32", "float64"):
                self._fma[v.isa, v.threads, v.dtype] = 0.0

    def turn(self) -> None:
        for (isa, threads, dtype), best in self._fma.items():
            with convkit.use_isa(isa):
                found = runtime.probe_fma_peak(num_threads=threads, dtype=dtype)
            self._fma[isa, threads, dtype] = max(best, found)
        for threads, best in self._bandwidth.items():
            found = runtime.probe_bandwidth(num_threads=threads)
            self._bandwidth[threads] = max(best, found)

    def fma(self, variant: Variant) -> float | None:
        return self._fma.get((variant.isa, variant.threads, variant.dtype))

    def bandwidth(self, variant: Variant) -> float:
        return self._bandwidth[variant.threads]


def _distinct(layer: Layer, variants: Sequence[Variant]) -> list[Variant]:
    """Return the variants that differ for the layer: pooling has no algorithms and no plans."""
    if layer.op in POOL_OPS:
        variants = [variant._replace(algorithm="auto", plan=False) for variant in variants]
    return list(dict.fromkeys(variants))


def _build(
    layers: Sequence[Layer], variants: Sequence[Variant], advance: Callable[[], None]
) -> tuple[list[Case], list[tuple[str, str]]]:
    """Build and check the cases; return them and what cannot be run, with the reason."""
    cases, skipped = [], []
    inputs: dict[tuple[Layer, str, str], tuple[Array, ...]] = {}
    for layer in layers:
        if layer.op not in OPS:
            skipped.append((layer.name, f"op must be one of {OPS}, got {layer.op!r}"))
            continue
        for variant in _distinct(layer, variants):
            advance()
            try:
                key = layer, variant.dtype, variant.layout
                if key not in inputs:
                    inputs[key] = make_inputs(*key)
                case = Case(layer, variant, inputs[key])
            except NotImplementedError as error:
                skipped.append((f"{layer.name} {variant.algorithm} {variant.isa}", str(error)))
                continue
            case.check()
            case.calibrate()
            cases.append(case)
    return cases, skipped


def run(
    layers: Sequence[Layer],
    variants: Sequence[Variant],
    *,
    repeat: int = 5,
    oracle: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Report:
    """Check, then time every layer in every variant, in interleaved rounds.

    Parameters
    ----------
    layers : sequence of Layer
        See `load_layers`.
    variants : sequence of Variant
        The first one is what the others are compared with.
    repeat : int
        Number of rounds.
    oracle : bool
        Time `convkit.reference` too, once a layer.
    advance : callable
        Called at most ``(repeat + 1) * len(layers) * len(variants)`` times, for a progress bar.

    Returns
    -------
    Report
        Times are medians over the rounds; a speedup is the median of the ratios within a round.

    """
    if repeat < 1:
        raise ValueError(f"repeat must be at least 1, got {repeat!r}")
    cases, skipped = _build(layers, variants, advance)
    probes = _Probes(case.variant for case in cases)
    slow: dict[tuple[Layer, str, str], float] = {}
    for case in cases if oracle else ():
        key = case.layer, case.variant.dtype, case.variant.layout
        if key not in slow:
            slow[key] = _seconds_per_call(case.run_reference, 1)
    for _ in range(repeat):
        probes.turn()
        for case in cases:
            case.turn()
            advance()
    firsts: dict[Layer, Case] = {}
    results = []
    for case in cases:
        first = firsts.setdefault(case.layer, case)
        pairs = zip(first.times, case.times, strict=True)
        results.append(
            Result(
                layer=case.layer,
                variant=case.variant,
                algorithm=case.algorithm,
                seconds=tuple(case.times),
                flops=case.flops,
                nbytes=case.nbytes,
                peak=probes.fma(case.variant),
                bandwidth=probes.bandwidth(case.variant),
                oracle_seconds=slow.get((case.layer, case.variant.dtype, case.variant.layout)),
                speedup=None if case is first else statistics.median(theirs / ours for theirs, ours in pairs),
            )
        )
    return Report(convkit.show_config(mode="dict"), results, skipped)


def current_isa() -> str:
    """Return the instruction set that kernels are taken from now."""
    return str(convkit.show_config(mode="dict")["isa"]["used"])


def _variants(
    algorithms: Sequence[str],
    isas: Sequence[str],
    threads: Sequence[int],
    layouts: Sequence[str],
    dtypes: Sequence[str],
    *,
    plan: bool,
    reuse_out: bool,
) -> list[Variant]:
    if "all" in algorithms:
        algorithms = [name for name in convkit.algorithms() if name != "auto"]
    if "all" in isas:
        isas = convkit.isas()
    isas = isas or [current_isa()]
    for name in isas:
        arg.choice("isa", name, dict.fromkeys(convkit.isas()))
    threads = threads or [convkit.get_num_threads()]
    products = itertools.product(algorithms or ["auto"], isas, threads, layouts, dtypes)
    return [Variant(*product, plan, reuse_out) for product in products]


def main(
    *,
    layers: Sequence[str] = (),
    families: Sequence[str] = (),
    workloads: str | None = None,
    repeat: int = 5,
    algorithms: Sequence[str] = (),
    isas: Sequence[str] = (),
    threads: Sequence[int] = (),
    layouts: Sequence[str] = ("channels_first",),
    dtypes: Sequence[str] = ("float32",),
    plan: bool = False,
    reuse_out: bool = False,
    oracle: bool = False,
    json_path: str | None = None,
    plot_path: str | None = None,
) -> int:
    """Run the benchmark command; sequences of settings are combined with each other.

    Returns
    -------
    int
        Exit status: 1 if nothing could be run.

    """
    if plot_path is not None and not has_module("matplotlib"):
        raise ValueError(f"plot must have matplotlib (pip install matplotlib), got {plot_path!r}")
    if json_path not in (None, "-") and not Path(str(json_path)).parent.is_dir():
        raise ValueError(f"json must be in a directory that exists, got {json_path!r}")
    chosen = load_layers(layers, families, workloads)
    variants = _variants(algorithms, isas, threads, layouts, dtypes, plan=plan, reuse_out=reuse_out)
    with progress((repeat + 1) * len(chosen) * len(variants)) as advance:
        report = run(chosen, variants, repeat=repeat, oracle=oracle, advance=advance)
    if json_path == "-":
        print(json.dumps(report.as_dict(), indent=2))
    else:
        show(report)
    if json_path not in (None, "-"):
        Path(str(json_path)).write_text(json.dumps(report.as_dict(), indent=2), encoding="utf-8")
    if plot_path is not None and report.results:
        plot(report, plot_path)
    return 0 if report.results else 1
