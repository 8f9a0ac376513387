"""The rounding errors of all libraries side by side, float32 against the reference in float64: the table of docs/numerics.md.

``python -m bench.peers.errors`` needs what ``python -m bench.peers`` needs, and times nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convkit
from convkit.bench import load_layers

from ..workloads import Layer, make_inputs
from .expected import expected, relative_error
from .forms import Form
from .libraries import LIBRARIES, Library

__all__ = ["errors_of", "importable"]

Array = NDArray[Any]

LAYERS = "rn50.[2345]b,vgg.[1234]_2,vgg.5_1,deeplab.d12,inc3.5x5,inc3.1x7,rn50.conv1,alex.conv1,tcn.k3,c3d.2"
# What takes constant weights is given them: there a library may have transformed them.
FORMS = (
    *(Form("convkit", True, algorithm=algorithm) for algorithm in ("winograd", "direct")),
    *(Form(library) for library in ("ncnn", "torch", "onnxruntime", "openvino")),
)
DATA: dict[str, Callable[[Array], Array]] = {"normal": lambda x: x, "rectified": lambda x: np.maximum(x, 0)}


def importable(threads: int) -> dict[Form, Library]:
    """Return the forms whose libraries can be imported."""
    made: dict[Form, Library] = {}
    for form in FORMS:
        try:
            made[form] = LIBRARIES[form.library](threads)
        except ImportError as error:
            print(f"without {form.library}: {error}", file=sys.stderr)
    return made


def errors_of(layer: Layer, libraries: dict[Form, Library], data: str) -> dict[Form, float]:
    """Return the largest error of each library, relative to max|y|; what a library cannot run is left out."""
    x, weight = make_inputs(layer, values="normal")
    arrays = DATA[data](x), weight
    (wanted,) = expected(layer, tuple(array.astype(np.float64) for array in arrays))
    errors = {}
    for form, library in libraries.items():
        with suppress(NotImplementedError):
            result = library.build(layer, form, arrays).call()
            errors[form] = relative_error(result[0] if isinstance(result, tuple) else result, wanted)
    return errors


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, in units of 1e-6 max|y|."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.errors", description=__doc__)
    parser.add_argument(
        "--layers", default=LAYERS, metavar="LIST", help="of convolutions, as for bench.peers; default: %(default)s"
    )
    try:
        rows = load_layers(parser.parse_args(arguments).layers.split(","))
    except ValueError as error:
        parser.error(str(error))
    libraries = importable(convkit.get_num_threads())
    print("| layer | data | " + " | ".join(form.name for form in libraries) + " |\n|---|---|" + "---|" * len(libraries))
    for layer in (Layer.from_row(row) for row in rows if row.op == "conv"):
        for data in DATA:
            errors = errors_of(layer, libraries, data)
            cells = (f"{errors[form] * 1e6:.2f}" if form in errors else "–" for form in libraries)
            print(f"| {layer.name} | {data} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
