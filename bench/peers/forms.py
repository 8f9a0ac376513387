"""What is compared with what.

A `Form` is one way to run a layer in one library. A `Comparison` is a form of convkit with the forms of other
libraries that promise the same: a functional call receives its weights with each call, a prepared form has packed
them beforehand. The two are never mixed, nor are layouts and dtypes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..workloads import POOL_OPS, Layer

__all__ = ["Comparison", "Form", "comparison", "default_comparisons"]

# Libraries that sum in the order of the definition (or of im2col); ncnn has Winograd beside.
DIRECT_PEERS = ("torch", "onnxruntime", "openvino")
PREPARED_PEERS = ("onnxruntime", "openvino", "ncnn")


class Form(NamedTuple):
    """One way to run a layer."""

    library: str
    plan: bool = False
    layout: str = "channels_first"
    dtype: str = "float32"
    algorithm: str = "auto"

    @property
    def name(self) -> str:
        """Name for people, less what is the default."""
        words = [self.library]
        if self.library == "convkit":
            words.append("plan" if self.plan else "call")
        if self.layout == "channels_last":
            words.append("last")
        if self.dtype != "float32":
            words.append(self.dtype)
        if self.algorithm != "auto":
            words.append(self.algorithm)
        return " ".join(words)

    def on(self, layer: Layer) -> Form:
        """Return the form that runs the layer: pooling has neither plans nor algorithms."""
        return self._replace(plan=False, algorithm="auto") if layer.op in POOL_OPS else self


class Comparison(NamedTuple):
    """A form of convkit, and the forms whose best it is measured by."""

    name: str
    ours: Form
    theirs: tuple[Form, ...]

    def serves(self, layer: Layer) -> bool:
        """Return whether the layer has a row: no algorithm on pooling, ``image`` on filters of one plane only."""
        if self.name == "image":
            return layer.op == "conv" and layer.c == layer.k == 1
        return layer.op not in POOL_OPS or self.ours.algorithm == "auto"


def comparison(name: str, algorithms: Sequence[str]) -> Comparison:
    """Return the comparison of that name.

    Parameters
    ----------
    name : str
        ``call`` or ``plan``, then any of ``last`` (channels last), ``float64`` and an algorithm, joined by ``-``;
        or ``image``, a functional call against OpenCV's filter.
    algorithms : sequence of str
        What convkit has.

    """
    if name == "image":
        return Comparison(name, Form("convkit"), (Form("opencv"),))
    kind, *words = name.split("-")
    layout = "channels_last" if "last" in words else "channels_first"
    dtype = "float64" if "float64" in words else "float32"
    algorithm = "-".join(word for word in words if word not in ("last", "float64")) or "auto"
    if kind not in ("call", "plan") or algorithm not in ("auto", *algorithms):
        known = f"image, or call or plan, then -last, -float64, or - and one of {', '.join(algorithms)}"
        raise ValueError(f"compare must be {known}; got {name!r}")
    ours = Form("convkit", kind == "plan", layout, dtype, algorithm)
    libraries: Sequence[str] = ("torch",)
    if ours.plan and (layout, dtype) == ("channels_first", "float32"):
        libraries = PREPARED_PEERS
        if algorithm != "auto":
            libraries = DIRECT_PEERS if algorithm in ("direct", "im2col") else ("torch", *PREPARED_PEERS)
    return Comparison(name, ours, tuple(Form(library, False, layout, dtype) for library in libraries))


def default_comparisons(algorithms: Sequence[str]) -> list[Comparison]:
    """Return every comparison that is made unless others are asked for."""
    names = ["call", "plan", "call-last", "plan-last", "call-float64"]
    names += [f"{kind}-{algorithm}" for algorithm in algorithms for kind in ("call", "plan")]
    return [comparison(name, algorithms) for name in (*names, "image")]
