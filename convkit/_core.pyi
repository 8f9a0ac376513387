from collections.abc import Callable
from typing import Any

VERSION: str
POOL_MAX: int
POOL_AVERAGE: int
POOL_LP: int

Axes = tuple[int, ...]
Window = tuple[Axes, Axes, Axes, Axes, Axes, Axes]

def check(status: int, given: dict[str, Any]) -> None: ...
def statuses() -> list[tuple[str, str, str]]: ...
def release_workspace() -> int: ...
def set_thread_source(source: Callable[[], int]) -> None: ...
def default_threads() -> int: ...
def has_openmp() -> bool: ...
def compiler() -> str: ...
def build_flags() -> str: ...
def isa_names() -> tuple[str, ...]: ...
def isa_current() -> int: ...
def isa_use(isa: int) -> int: ...
def algorithm_names() -> tuple[str, ...]: ...
def probe_fma(isa: int, dtype: int, iterations: int, num_threads: int) -> float: ...
def window_out(window: Window, axes: int, ceil_mode: bool = False) -> tuple[int, Axes]: ...

class Conv:
    status: int
    out: Axes
    @property
    def algorithm(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def cost(self) -> float: ...
    @property
    def packed_bytes(self) -> int: ...
    @property
    def thread_bytes(self) -> int: ...
    def __init__(
        self,
        axes: int,
        n: int,
        groups: int,
        ic: int,
        oc: int,
        window: Window,
        dtype: int,
        layout: int,
        activation: int,
        algorithm: int,
        prepared: bool,
    ) -> None: ...
    def declines(self, algorithm: int) -> str | None: ...
    def pack(self, weight: Any) -> None: ...
    def run(self, x: Any, weight: Any, bias: Any, y: Any, num_threads: int) -> None: ...

class Pool:
    status: int
    out: Axes
    def __init__(
        self,
        axes: int,
        n: int,
        c: int,
        window: Window,
        dtype: int,
        layout: int,
        kind: int,
        *,
        ceil_mode: bool = False,
        adaptive: Axes | None = None,
        count_include_pad: bool = True,
        with_indices: bool = False,
        divisor: float = 0,
        power: float = 0,
    ) -> None: ...
    def run(self, x: Any, y: Any, indices: Any, num_threads: int) -> None: ...

def unpool(
    x: Any,
    indices: Any,
    y: Any,
    n: int,
    c: int,
    in_plane: int,
    out_plane: int,
    dtype: int,
    layout: int,
    num_threads: int,
) -> int: ...
def lower(x: Any, y: Any, window: Window, n: int, c: int, dtype: int, back: bool, num_threads: int) -> int: ...
