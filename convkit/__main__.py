"""Command line: ``python -m convkit info | selftest | explain | bench``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import convkit


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be integers (1,2,3), got {text!r}") from None


def _number_or_numbers(text: str) -> int | tuple[int, ...]:
    numbers = _numbers(text)
    return numbers[0] if len(numbers) == 1 else numbers


def _padding(text: str) -> str | int | tuple[int, ...]:
    return text if text.replace("_", "").isalpha() else _number_or_numbers(text)


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _info(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(convkit.show_config(mode="dict"), indent=2, default=str))
    else:
        convkit.show_config()
    return 0


def _selftest(arguments: argparse.Namespace) -> int:
    from convkit import selftest

    outcome = selftest.run(only=arguments.only)
    print(json.dumps(outcome.as_dict(), indent=2) if arguments.json else outcome)
    return 0 if outcome else 1


def _explain(arguments: argparse.Namespace) -> int:
    explanation = convkit.explain(
        arguments.function,
        arguments.x,
        arguments.weight,
        stride=arguments.stride,
        padding=arguments.padding,
        dilation=arguments.dilation,
        groups=arguments.groups,
        layout=arguments.layout,
        dtype=arguments.dtype,
        plan=arguments.plan,
    )
    if arguments.json:
        candidates = [
            {"name": c.name, "accepts": c.accepts, "reason": c.reason, "cost": c.cost} for c in explanation.candidates
        ]
        found = {"algorithm": explanation.algorithm, "candidates": candidates}
        print(json.dumps(found, indent=2))
    else:
        print(explanation)
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from convkit import bench

    options = {k: v for k, v in vars(arguments).items() if k not in ("command", "run")}
    return bench.main(**options)


def _add_explain(commands: Any) -> None:
    parser = commands.add_parser(
        "explain",
        help="which algorithm a convolution takes, and why",
        epilog="example: python -m convkit explain conv2d --x 1,64,56,56 --weight 64,64,3,3",
    )
    parser.add_argument("function", choices=("conv1d", "conv2d", "conv3d"))
    add = parser.add_argument
    add("--x", type=_numbers, required=True, metavar="N,C,...", help="shape of the input")
    add("--weight", type=_numbers, required=True, metavar="O,I,...", help="shape of the weights")
    add("--stride", type=_number_or_numbers, default=1, metavar="INTS", help="one, or one per axis (default: 1)")
    add("--padding", type=_padding, default=0, metavar="INTS|NAME", help="numbers, or a word such as 'same' (default: 0)")
    add("--dilation", type=_number_or_numbers, default=1, metavar="INTS", help="one, or one per axis (default: 1)")
    add("--groups", type=int, default=1, metavar="INT", help="default: 1")
    add("--layout", default="channels_first", help="channels_first (default) or channels_last")
    add("--dtype", default="float32", help="of the input (default: float32)")
    add("--plan", action="store_true", help="with weights packed beforehand")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_explain)


def _add_bench(commands: Any) -> None:
    parser = commands.add_parser(
        "bench",
        help="time layers of well-known networks",
        description="Time layers in interleaved rounds. Settings that take a list (a,b,c) are "
        "combined with each other; the first combination is what the others are compared with.",
    )
    add = parser.add_argument
    add("--layers", type=_words, default=[], metavar="LIST", help="names, patterns, families")
    add("--family", dest="families", type=_words, default=[], metavar="LIST", help="or 'all'")
    add("--workloads", metavar="FILE", help="table to select from (.py with LAYERS, or .json)")
    add("--repeat", type=int, default=5, metavar="INT", help="rounds (default: 5)")
    add("--algorithm", dest="algorithms", type=_words, default=[], metavar="LIST", help="or 'all'")
    add("--isa", dest="isas", type=_words, default=[], metavar="LIST", help="or 'all'")
    add("--threads", type=_numbers, default=(), metavar="LIST", help="numbers of threads")
    add("--layout", dest="layouts", type=_words, default=["channels_first"], metavar="LIST", help="default: channels_first")
    add("--dtype", dest="dtypes", type=_words, default=["float32"], metavar="LIST", help="default: float32")
    add("--plan", action="store_true", help="time plans: weights packed beforehand")
    add("--reuse-out", action="store_true", help="write into the same output array each time")
    add("--oracle", action="store_true", help="time convkit.reference too (slow)")
    add("--json", dest="json_path", metavar="FILE", help="write the results ('-': standard output)")
    add("--plot", dest="plot_path", metavar="FILE", help="draw the results (needs matplotlib)")
    parser.set_defaults(run=_bench)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m convkit", description=convkit.__doc__)
    parser.add_argument("--version", action="version", version=f"convkit {convkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info", help="version, compiler, instruction sets, threads")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=_info)
    selftest = commands.add_parser("selftest", help="check this installation, in seconds")
    selftest.add_argument("--only", metavar="PATTERN", help="names of the checks to run")
    selftest.add_argument("--json", action="store_true", help="print JSON")
    selftest.set_defaults(run=_selftest)
    _add_explain(commands)
    _add_bench(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; by default those of the process.

    Returns
    -------
    int
        0, 1 if the self-test failed or nothing could be timed, 2 for a bad argument.

    """
    arguments = _parser().parse_args(argv)
    try:
        result: int = arguments.run(arguments)
    except (ValueError, TypeError, NotImplementedError, OSError) as error:
        print(f"python -m convkit {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return result


if __name__ == "__main__":
    sys.exit(main())
