"""Layers and variants: what `convkit.bench` can be asked to time."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import convkit

__all__ = ["POOL_OPS", "TYPICAL", "Layer", "Variant", "load_layers"]

POOL_OPS = ("max", "maxidx", "avg")


class Layer(NamedTuple):
    """One layer: a row of ``bench/workloads.py`` of the source tree, or of a JSON file."""

    family: str
    name: str
    op: str
    n: int
    c: int
    size: tuple[int, ...]
    k: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dil: tuple[int, ...]
    g: int

    @classmethod
    def of(cls, row: object) -> Layer:
        """Take the fields from an object's attributes, or from a dict (``in`` may mean size)."""
        if isinstance(row, dict):
            row = {"size": row.get("in"), "family": "", "g": 1, **row}
            values = [row.get(name) for name in cls._fields]
        else:
            values = [getattr(row, name, None) for name in cls._fields]
        for name, value in zip(cls._fields, values, strict=True):
            if value is None:
                raise ValueError(f"layers must have a field {name!r}, got {row!r}")
        return cls._make(tuple(v) if isinstance(v, list) else v for v in values)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial size of the result."""
        axes = zip(self.size, self.kernel, self.stride, self.pad, self.dil, strict=True)
        return tuple((i + 2 * p - d * (k - 1) - 1) // s + 1 for i, k, s, p, d in axes)

    @property
    def flops(self) -> int:
        """Twice the multiplications; for pooling one operation an element of each window."""
        per_output = math.prod(self.kernel)
        if self.op == "conv":
            per_output *= 2 * (self.c // self.g)
        return self.n * self.k * math.prod(self.output_size) * per_output


TYPICAL: tuple[Layer, ...] = tuple(
    Layer(family, name, op, 1, c, size, k, kernel, stride, pad, (1,) * len(size), g)
    for family, name, op, c, size, k, kernel, stride, pad, g in (
        ("dense3x3", "rn50.2b", "conv", 64, (56, 56), 64, (3, 3), (1, 1), (1, 1), 1),
        ("dense3x3", "rn50.5b", "conv", 512, (7, 7), 512, (3, 3), (1, 1), (1, 1), 1),
        ("pointwise", "rn50.2c", "conv", 64, (56, 56), 256, (1, 1), (1, 1), (0, 0), 1),
        ("dense", "rn50.conv1", "conv", 3, (224, 224), 64, (7, 7), (2, 2), (3, 3), 1),
        ("depthwise", "mbv2.dw", "conv", 144, (56, 56), 144, (3, 3), (1, 1), (1, 1), 144),
        ("small", "gray3", "conv", 1, (1024, 1024), 1, (3, 3), (1, 1), (1, 1), 1),
        ("nd", "tcn.k3", "conv", 512, (300,), 512, (3,), (1,), (1,), 1),
        ("pool", "rn50.max3s2", "max", 64, (112, 112), 64, (3, 3), (2, 2), (1, 1), 1),
        ("pool", "gln3.avg3s1", "avg", 288, (35, 35), 288, (3, 3), (1, 1), (1, 1), 1),
    )
)


class Variant(NamedTuple):
    """How a layer is run."""

    algorithm: str
    isa: str
    threads: int
    layout: str = "channels_first"
    dtype: str = "float32"
    plan: bool = False
    reuse_out: bool = False


def _checkout_workloads() -> Path | None:
    root = Path(convkit.__file__).resolve().parent.parent
    path = root / "bench" / "workloads.py"
    return path if path.is_file() and (root / "csrc" / "convkit.h").is_file() else None


def _read_layers(path: Path) -> list[Layer]:
    """Layers of a JSON list of objects, or of a Python file that defines ``LAYERS``."""
    if path.suffix == ".json":
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"layers must be a file of JSON, got {str(path)!r}: {error}") from error
    else:
        spec = importlib.util.spec_from_file_location("_convkit_workloads", path)
        if spec is None or spec.loader is None:
            raise ValueError(f"layers must be a .py or .json file, got {str(path)!r}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        rows = module.LAYERS
    return [Layer.of(row) for row in rows]


def load_layers(layers: Sequence[str] = (), families: Sequence[str] = (), workloads: str | None = None) -> list[Layer]:
    """Select layers.

    Parameters
    ----------
    layers : sequence of str
        Names, patterns (``rn50.*``) or families, or paths of ``.json`` or ``.py`` files.
    families : sequence of str
        Families, in addition to `layers`; ``"all"`` is every family.
    workloads : str, optional
        The table to select from. By default ``bench/workloads.py`` of the source tree that the
        package was imported from, and outside of one the layers in `TYPICAL`.

    Returns
    -------
    list of Layer
        Without `layers`, `families` and `workloads`: `TYPICAL`.

    Raises
    ------
    ValueError
        If an entry selects nothing.

    """
    if not layers and not families and workloads is None:
        return list(TYPICAL)
    path = Path(workloads) if workloads is not None else _checkout_workloads()
    table = list(TYPICAL) if path is None else _read_layers(path)
    if not layers and not families:
        return table
    chosen: dict[Layer, None] = {}
    for entry in layers:
        if entry.endswith((".json", ".py")):
            found = _read_layers(Path(entry))
        else:
            found = [r for r in table if entry == r.family or fnmatch.fnmatch(r.name, entry)]
        if not found:
            raise ValueError(f"layers must be names, families or files, got {entry!r}")
        chosen.update(dict.fromkeys(found))
    for entry in families:
        found = [row for row in table if entry in (row.family, "all")]
        if not found:
            known = ", ".join(sorted({row.family for row in table}))
            raise ValueError(f"family must be one of {known} or all, got {entry!r}")
        chosen.update(dict.fromkeys(found))
    return list(chosen)
