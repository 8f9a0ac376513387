"""Results of `convkit.bench`, and how they are shown: table, progress bar, plot."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from convkit._bench_layers import POOL_OPS, Layer, Variant

__all__ = ["Report", "Result", "has_module", "plot", "progress", "show", "show_table"]


@dataclass(frozen=True)
class Result:
    """What one case took."""

    layer: Layer
    variant: Variant
    algorithm: str
    seconds: tuple[float, ...]
    flops: int
    nbytes: int
    peak: float | None
    bandwidth: float
    oracle_seconds: float | None = None
    speedup: float | None = None

    @property
    def median(self) -> float:
        """Median over the rounds, in seconds."""
        return statistics.median(self.seconds)

    @property
    def gflops(self) -> float:
        """GFLOP/s."""
        return self.flops / self.median / 1e9

    @property
    def gbytes(self) -> float:
        """GB/s of inputs and outputs, each counted once."""
        return self.nbytes / self.median / 1e9

    @property
    def percent(self) -> float | None:
        """Percent of the probed FMA peak; of the probed bandwidth for pooling."""
        if self.layer.op in POOL_OPS:
            return 100 * self.gbytes / self.bandwidth
        return None if self.peak is None else 100 * self.gflops / self.peak

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "layer": self.layer._asdict(),
            "variant": self.variant._asdict(),
            "algorithm": self.algorithm,
            "ms": self.median * 1e3,
            "gflop_per_s": self.gflops,
            "gbyte_per_s": self.gbytes,
            "percent_of": "bandwidth" if self.layer.op in POOL_OPS else "fma_peak",
            "percent": self.percent,
            "fma_peak_gflop_per_s": self.peak,
            "bandwidth_gbyte_per_s": self.bandwidth,
            "speedup_over_first_variant": self.speedup,
            "reference_ms": None if self.oracle_seconds is None else self.oracle_seconds * 1e3,
            "rounds_ms": [1e3 * t for t in self.seconds],
        }


@dataclass(frozen=True)
class Report:
    """The results of one run, with the machine they belong to."""

    machine: dict[str, Any]
    results: list[Result]
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "machine": self.machine,
            "results": [result.as_dict() for result in self.results],
            "skipped": [{"case": case, "reason": reason} for case, reason in self.skipped],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of text; columns that say nothing are left out."""
        varying = [
            name
            for name in ("isa", "threads", "layout", "dtype")
            if len({getattr(result.variant, name) for result in self.results}) > 1
        ]
        ratios = any(result.speedup not in (None, 1.0) for result in self.results)
        oracle = any(result.oracle_seconds is not None for result in self.results)
        header = ["layer", "algorithm", *varying, "ms", "GFLOP/s", "GB/s", "% of peak"]
        header += ["x first"] * ratios + ["x NumPy"] * oracle
        rows = []
        for result in self.results:
            row = [result.layer.name, _algorithm_text(result)]
            row += [str(getattr(result.variant, name)) for name in varying]
            row += [f"{result.median * 1e3:.4g}", f"{result.gflops:.1f}", f"{result.gbytes:.1f}"]
            row.append(_percent_text(result))
            if ratios:
                row.append("-" if result.speedup is None else f"{result.speedup:.2f}")
            if oracle:
                slow = result.oracle_seconds
                row.append("-" if slow is None else f"{slow / result.median:.0f}")
            rows.append(row)
        return header, rows


def _algorithm_text(result: Result) -> str:
    if not result.algorithm:
        return "-"
    auto = " (auto)" if result.variant.algorithm == "auto" else ""
    return result.algorithm + auto


def _percent_text(result: Result) -> str:
    if result.percent is None:
        return "-"
    unit = "memory" if result.layer.op in POOL_OPS else "FMA"
    return f"{result.percent:.0f} {unit}"


def has_module(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Yield a function that moves a progress bar on; no bar without rich or a terminal."""
    if not (sys.stderr.isatty() and has_module("rich")):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("bench"), BarColumn(), TextColumn("{task.percentage:.0f} %")
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("bench", total=total)
        yield lambda: bar.advance(task)


def _machine_lines(report: Report) -> list[str]:
    lines = []
    machines: dict[tuple[str, int, str], tuple[float | None, float]] = {}
    for result in report.results:
        v = result.variant
        machines[v.isa, v.threads, v.dtype] = (result.peak, result.bandwidth)
    for (isa, threads, dtype), (peak, bandwidth) in machines.items():
        fma = "" if peak is None else f"FMA peak {peak:.0f} GFLOP/s, "
        lines.append(f"{isa}, {threads} thread(s), {dtype}: {fma}bandwidth {bandwidth:.0f} GB/s")
    return lines


def _plain_table(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, ["-" * width for width in widths], *rows):
        left = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
        right = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(left + right).rstrip())
    return "\n".join(lines)


def show_table(header: list[str], rows: list[list[str]]) -> None:
    """Print a table; its first two columns are text, the others figures."""
    if sys.stdout.isatty() and has_module("rich"):
        from rich.console import Console
        from rich.table import Table

        table = Table(header_style="bold")
        for index, name in enumerate(header):
            table.add_column(name, justify="left" if index < 2 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    else:
        print(_plain_table(header, rows))


def show(report: Report) -> None:
    show_table(*report.table())
    notes = [f"not run: {case}: {reason}" for case, reason in report.skipped]
    print("\n".join(_machine_lines(report) + notes))


def _label(variant: Variant, results: Sequence[Result]) -> str:
    """Name the settings in which the variants differ."""
    parts = []
    for name, value in variant._asdict().items():
        if len({getattr(result.variant, name) for result in results}) > 1:
            parts.append(f"{value} thread(s)" if name == "threads" else str(value))
    return ", ".join(parts) or "convkit"


def plot(report: Report, path: str) -> None:
    """Draw the results as bars, convolution in GFLOP/s and pooling in GB/s, with the peaks."""
    from matplotlib.figure import Figure

    convolutions = [result for result in report.results if result.layer.op not in POOL_OPS]
    pools = [result for result in report.results if result.layer.op in POOL_OPS]
    panels = [
        (results, unit, limit)
        for results, unit, limit in (
            (convolutions, "GFLOP/s", "FMA peak"),
            (pools, "GB/s", "memory bandwidth"),
        )
        if results
    ]
    if not panels:
        raise ValueError("plot must have results to draw, got none")
    heights = [0.8 + 0.2 * len(results) for results, _, _ in panels]
    figure = Figure(figsize=(8, 1.2 + sum(heights)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (results, unit, limit) in zip(axes, panels, strict=True):
        layers = list(dict.fromkeys(result.layer for result in results))
        variants = list(dict.fromkeys(result.variant for result in results))
        height = 0.8 / len(variants)
        for number, variant in enumerate(variants):
            chosen = [result for result in results if result.variant == variant]
            places = [layers.index(r.layer) + (number + 0.5) * height - 0.4 for r in chosen]
            values = [r.gflops if unit == "GFLOP/s" else r.gbytes for r in chosen]
            bars = axis.barh(places, values, 0.9 * height, label=_label(variant, results))
            axis.bar_label(bars, fmt="%.3g", padding=2, fontsize=7)
        limits = {r.peak if unit == "GFLOP/s" else r.bandwidth for r in results}
        for number, value in enumerate(sorted(v for v in limits if v is not None)):
            style = {"color": "0.4", "linestyle": "--", "linewidth": 0.9}
            axis.axvline(value, label=None if number else f"probed {limit}", **style)
        axis.set_yticks(range(len(layers)), [layer.name for layer in layers], fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel(unit)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.suptitle("\n".join(_machine_lines(report)), fontsize=8)
    figure.savefig(path, dpi=150)
