"""Ratios of the measured times: tables, JSON, plot."""

from __future__ import annotations

import math
import statistics
import textwrap
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from convkit._bench_report import show_table

from ..workloads import POOL_OPS, Layer
from .forms import Comparison, Form

__all__ = ["Report", "Row", "Summary", "Timing", "Turn", "plot", "show"]


# Percent that the two best turns of a form may differ by, and that its threads may wait for a core in the best.
MOST_SPREAD, MOST_WAITED = 5, 10


class Turn(NamedTuple):
    """Seconds a call, and the share of the turn that threads were ready and got no core."""

    seconds: float
    waited: float


@dataclass(frozen=True)
class Timing:
    """What one form of a layer took."""

    layer: Layer
    form: Form
    algorithm: str
    nbytes: int
    turns: list[Turn] = field(default_factory=list)

    @property
    def best(self) -> float:
        """Seconds of the best turn: whatever else runs on a machine only ever adds time."""
        return min(self.turns).seconds

    @property
    def spread(self) -> float | None:
        """How much longer the second best turn took, in percent; None of a single turn."""
        return 100 * (sorted(self.turns)[1].seconds / self.best - 1) if len(self.turns) > 1 else None

    @property
    def waited(self) -> float:
        """Percent of the best turn that threads got no core. Turns that are all held up alike agree."""
        return 100 * min(self.turns).waited

    @property
    def settled(self) -> bool:
        """Whether the time can be trusted, as far as it shows."""
        return bool(self.turns) and (self.spread or 0) <= MOST_SPREAD and self.waited <= MOST_WAITED

    def percent(self, peaks: dict[str, float]) -> float | None:
        """Percent of the probed FMA peak; of the probed bandwidth for pooling."""
        pool = self.layer.op in POOL_OPS
        peak = peaks.get("memory" if pool else self.form.dtype)
        return None if peak is None else 100 * (self.nbytes if pool else self.layer.flops) / self.best / 1e9 / peak


@dataclass(frozen=True)
class Row:
    """A layer in a comparison; the peers in order, the fastest first."""

    comparison: str
    layer: Layer
    ours: Timing
    peers: tuple[Timing, ...]

    @property
    def ratio(self) -> float | None:
        """Time of the fastest peer, divided by convkit's."""
        return self.peers[0].best / self.ours.best if self.peers else None

    @property
    def fastest(self) -> str:
        """Name of the fastest peer."""
        return self.peers[0].form.name if self.peers else ""

    @property
    def timings(self) -> tuple[Timing, ...]:
        """The two whose ratio it is."""
        return (self.ours, *self.peers[:1])


@dataclass(frozen=True)
class Summary:
    """A comparison over a family, or over all of them."""

    comparison: str
    family: str
    layers: int
    ahead: int
    geomean: float
    worst: float
    worst_layer: str


@dataclass(frozen=True)
class Report:
    """The measured times of one run, with the machine they belong to."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    peaks: dict[str, float]
    timings: list[Timing]
    comparisons: list[Comparison]
    notes: list[str]
    failures: list[str]

    def rows(self, comparison: Comparison) -> list[Row]:
        """Return the layers of a comparison that convkit ran."""
        found = {(timing.layer, timing.form): timing for timing in self.timings}
        rows = []
        for layer in dict.fromkeys(timing.layer for timing in self.timings):
            ours = found.get((layer, comparison.ours.on(layer)))
            if ours is None or not comparison.serves(layer):
                continue
            theirs = (found.get((layer, form)) for form in comparison.theirs)
            peers = sorted((timing for timing in theirs if timing), key=lambda timing: timing.best)
            rows.append(Row(comparison.name, layer, ours, tuple(peers)))
        return rows

    def all_rows(self) -> list[Row]:
        """Return the rows of every comparison."""
        return [row for comparison in self.comparisons for row in self.rows(comparison)]

    def summaries(self) -> list[Summary]:
        """Summarize each comparison by family; over all families too, where there are several."""
        result = []
        for comparison in self.comparisons:
            rows = [row for row in self.rows(comparison) if row.ratio is not None]
            families = list(dict.fromkeys(row.layer.family for row in rows))
            for family in [*families, "all"] if len(families) > 1 else families:
                part = {r.layer.name: r.ratio for r in rows if r.ratio is not None and family in (r.layer.family, "all")}
                geomean = math.exp(statistics.fmean(map(math.log, part.values())))
                worst = min(part, key=part.__getitem__)
                ahead = sum(ratio >= 1 for ratio in part.values())
                result.append(Summary(comparison.name, family, len(part), ahead, geomean, part[worst], worst))
        return result

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "machine": self.machine,
            "settings": self.settings,
            "peaks": {"memory_gbyte_per_s" if k == "memory" else f"fma_{k}_gflop_per_s": v for k, v in self.peaks.items()},
            "timings": [
                {
                    "family": timing.layer.family,
                    "layer": timing.layer.name,
                    "problem": timing.layer.id,
                    "form": timing.form.name,
                    **timing.form._asdict(),
                    "algorithm_used": timing.algorithm,
                    "ms": timing.best * 1e3,
                    "turns_ms": [1e3 * turn.seconds for turn in timing.turns],
                    "spread_percent": timing.spread,
                    "waited_percent": timing.waited,
                    "settled": timing.settled,
                    "gflop_per_s": timing.layer.flops / timing.best / 1e9,
                    "percent_of": "bandwidth" if timing.layer.op in POOL_OPS else "fma_peak",
                    "percent": timing.percent(self.peaks),
                }
                for timing in self.timings
            ],
            "comparisons": [
                {
                    "comparison": row.comparison,
                    "family": row.layer.family,
                    "layer": row.layer.name,
                    "form": row.ours.form.name,
                    "ms": row.ours.best * 1e3,
                    "fastest_peer": row.fastest,
                    "ratio": row.ratio,
                    "ratios": {timing.form.name: timing.best / row.ours.best for timing in row.peers},
                    "settled": all(timing.settled for timing in row.timings),
                }
                for row in self.all_rows()
            ],
            "summary": [vars(summary) for summary in self.summaries()],
            "notes": self.notes,
            "failures": self.failures,
        }

    def machine_lines(self) -> list[str]:
        """Return what every figure of the run stands for."""
        machine, peaks = self.machine, self.peaks
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        limits = [f"FMA peak {name} {peak:.0f} GFLOP/s" for name, peak in peaks.items() if name != "memory"]
        limits += [f"bandwidth {peak:.0f} GB/s" for name, peak in peaks.items() if name == "memory"]
        settings = self.settings
        lines = [
            f"{machine['cpu']}, {machine['cpus']} CPUs, convkit on {machine['isa']}, {settings['threads']} thread(s), "
            f"{settings['rounds']} round(s) of {1e3 * settings['turn_seconds']:.0f} ms, load before {machine['load_before']}",
            f"{', '.join(limits)}",
            f"Python {machine['python']}, NumPy {machine['numpy']}, {versions}",
        ]
        if machine["environment"]:
            lines.append("environment: " + " ".join(f"{key}={value}" for key, value in machine["environment"].items()))
        return lines


def _layer_table(report: Report, rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one comparison."""
    names = list(dict.fromkeys(timing.form.name for row in rows for timing in row.peers))
    header = ["layer", "algorithm", "ms", "% of peak", *(f"{name} ms" for name in names)]
    header += ["ratio", "to", "spread %", "waited %"] if names else []
    table = []
    for row in rows:
        cells = [row.layer.name, row.ours.algorithm or "-", f"{row.ours.best * 1e3:.4g}"]
        cells.append(_number(row.ours.percent(report.peaks), ".0f"))
        times = {timing.form.name: timing.best for timing in row.peers}
        cells += [f"{times[name] * 1e3:.4g}" if name in times else "-" for name in names]
        if names:
            spread = max((timing.spread for timing in row.timings if timing.spread is not None), default=None)
            waited = max(timing.waited for timing in row.timings)
            cells += [_number(row.ratio, ".2f"), row.fastest or "-", _number(spread, ".0f"), f"{waited:.0f}"]
        table.append(cells)
    return header, table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def show(report: Report) -> None:
    """Print a table a comparison, the summary, the machine and the remarks."""
    for comparison in report.comparisons:
        rows = report.rows(comparison)
        if rows:
            against = ", ".join(form.name for form in comparison.theirs)
            print(f"\n{comparison.name}: {comparison.ours.name} against {against}")
            show_table(*_layer_table(report, rows))
    summaries = report.summaries()
    if summaries:
        print("\nratio: time of the fastest peer / time of convkit; above 1 convkit is faster")
        header = ["comparison", "family", "layers", "ahead", "geomean", "worst", "worst layer"]
        cells = [
            [s.comparison, s.family, str(s.layers), str(s.ahead), f"{s.geomean:.2f}", f"{s.worst:.2f}", s.worst_layer]
            for s in summaries
        ]
        show_table(header, cells)
    print("\n" + "\n".join(report.machine_lines()))
    ratios = [row for row in report.all_rows() if row.peers]
    shaky = sum(not all(timing.settled for timing in row.timings) for row in ratios)
    if shaky:
        print(
            f"{shaky} of {len(ratios)} ratios have a spread above {MOST_SPREAD} % or waited above {MOST_WAITED} %: "
            "something else was running, do not trust those"
        )
    for text in (*report.notes, *(f"FAILURE: {failure}" for failure in report.failures)):
        print(textwrap.fill(text, 128, subsequent_indent="  "))


def plot(report: Report, path: str) -> None:
    """Draw the ratios: a panel a comparison, a dot a layer, all on one logarithmic scale."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    panels = {c.name: {r.layer: r.ratio for r in report.rows(c) if r.ratio is not None} for c in report.comparisons}
    panels = {name: ratios for name, ratios in panels.items() if ratios}
    layers = [layer for layer in dict.fromkeys(t.layer for t in report.timings) if any(layer in p for p in panels.values())]
    if not panels:
        raise ValueError("plot must have ratios to draw, got none: no other library was timed")
    columns = min(len(panels), 5)
    lines = math.ceil(len(panels) / columns)
    size = 2.5 + 1.8 * columns, 1.2 + lines * (0.8 + 0.16 * len(layers))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    families = list(dict.fromkeys(layer.family for layer in layers))
    for axis, (name, ratios) in zip(grid.flat, panels.items(), strict=False):
        for place, layer in enumerate(layers):
            if layer in ratios:
                color = f"C{families.index(layer.family) % 10}"
                axis.plot([1, ratios[layer]], [place, place], color=color, linewidth=1.5)
                axis.plot(ratios[layer], place, "o", color=color, markersize=4)
        axis.axvline(1, color="0.4", linewidth=0.9)
        axis.set_title(name, fontsize=8)
        axis.set_axisbelow(True)
        axis.grid(axis="x", color="0.9")
        axis.tick_params(labelsize=7, labelbottom=True)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in grid.flat[len(panels) :]:
        axis.set_axis_off()
    grid[0, 0].set_xscale("log", base=2)
    grid[0, 0].xaxis.set_major_locator(LogLocator(base=2, numticks=5))
    grid[0, 0].xaxis.set_major_formatter("{x:.2g}")
    grid[0, 0].set_yticks(range(len(layers)), [f"{layer.family} {layer.name}" for layer in layers])
    grid[0, 0].set_ylim(len(layers) - 0.5, -0.5)
    figure.supxlabel("time of the fastest peer / time of convkit", fontsize=8)
    figure.suptitle("\n".join(textwrap.fill(line, int(15 * size[0])) for line in report.machine_lines()[:2]), fontsize=7)
    figure.savefig(path, dpi=150)
