"""Command line: ``python -m bench.peers``, from the root of the source tree."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import convkit
from convkit._bench_report import has_module, progress
from convkit.bench import load_layers

from ..workloads import Layer
from .forms import comparison, default_comparisons
from .libraries import LIBRARIES
from .report import plot, show
from .run import Settings, run

ROUNDS, TURN = 3, 0.04
QUICK_ROUNDS, QUICK_TURN = 1, 0.01


def _parser(algorithms: Sequence[str]) -> argparse.ArgumentParser:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description="Time convkit side by side with other libraries. Lists are separated by commas.",
    )
    peers = [name for name in LIBRARIES if name != "convkit"]
    forms = ",".join(each.name for each in default_comparisons(algorithms))
    add = parser.add_argument
    add("--family", type=names, default=[], metavar="LIST", help="families of workloads.py, or all")
    add("--layers", type=names, default=[], metavar="LIST", help="names, patterns (rn50.*), families, or .json files")
    add("--compare", type=names, default=[], metavar="LIST", help=f"comparisons; default: {forms}")
    add("--peers", type=names, default=peers, metavar="LIST", help=f"libraries, or none; default: {','.join(peers)}")
    add("--threads", type=int, default=convkit.get_num_threads(), help="threads of every library; default: %(default)s")
    add(
        "--rounds",
        type=int,
        help=f"turns of each library on each layer, up to twice as many where they disagree; default: {ROUNDS}",
    )
    add("--turn", type=float, metavar="MS", help=f"length of a turn; default: {1e3 * TURN:.0f}")
    add("--quick", action="store_true", help=f"{QUICK_ROUNDS} round, turns of {1e3 * QUICK_TURN:.0f} ms")
    add("--json", metavar="FILE", help="write the results; - for standard output, instead of tables")
    add("--plot", metavar="FILE", help="draw the ratios (needs matplotlib)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1 if anything failed or nothing ran, 2 for an argument that is not right."""
    algorithms = [name for name in convkit.algorithms() if name != "auto"]
    parser = _parser(algorithms)
    options = parser.parse_args(arguments)
    rounds = options.rounds if options.rounds is not None else QUICK_ROUNDS if options.quick else ROUNDS
    turn = options.turn / 1e3 if options.turn is not None else QUICK_TURN if options.quick else TURN
    peers = [] if options.peers == ["none"] else options.peers
    unknown = [name for name in peers if name not in LIBRARIES or name == "convkit"]
    if unknown:
        parser.error(f"--peers must be of {', '.join(name for name in LIBRARIES if name != 'convkit')}, got {unknown[0]!r}")
    if min(rounds, options.threads) < 1 or not turn > 0:
        parser.error("--rounds and --threads must be at least 1, --turn above 0")
    if options.plot is not None and not has_module("matplotlib"):
        parser.error("--plot must have matplotlib (pip install matplotlib)")
    try:
        rows = load_layers(options.layers, options.family)
        comparisons = [comparison(name, algorithms) for name in options.compare] or default_comparisons(algorithms)
    except ValueError as error:
        parser.error(str(error))
    layers = [Layer.from_row(row) for row in rows]
    forms = {form for each in comparisons for form in (each.ours, *each.theirs)}
    with progress(len(layers) * len(forms) * rounds) as advance:
        report = run(layers, comparisons, Settings(options.threads, rounds, rounds if rounds > 1 else 0, turn), peers, advance)
    text = json.dumps(report.as_dict(), indent=1)
    if options.json == "-":
        print(text)
    else:
        show(report)
        if options.json is not None:
            Path(options.json).write_text(text + "\n", encoding="utf-8")
    if options.plot is not None and any(row.peers for row in report.all_rows()):
        plot(report, options.plot)
    return 0 if report.timings and not report.failures else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
