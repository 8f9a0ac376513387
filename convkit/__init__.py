"""convkit: convolution and pooling of NumPy arrays on the CPU."""

from . import _core
from ._conv import conv1d, conv2d, conv3d
from ._lowering import col2im, im2col
from ._pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    global_avg_pool,
    global_max_pool,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from .plan import ConvPlan, conv1d_plan, conv2d_plan, conv3d_plan
from .runtime import (
    Candidate,
    Explanation,
    algorithms,
    default_algorithms,
    explain,
    get_default_algorithms,
    get_include,
    get_library_dir,
    get_num_threads,
    isas,
    release_workspace,
    set_default_algorithms,
    set_num_threads,
    show_config,
    threads,
    use_isa,
)
from .shapes import ReceptiveField, conv_output_shape, pool_output_shape, receptive_field

__version__ = _core.VERSION

__all__ = [
    "Candidate",
    "ConvPlan",
    "Explanation",
    "ReceptiveField",
    "__version__",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "algorithms",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "col2im",
    "conv1d",
    "conv1d_plan",
    "conv2d",
    "conv2d_plan",
    "conv3d",
    "conv3d_plan",
    "conv_output_shape",
    "default_algorithms",
    "explain",
    "get_default_algorithms",
    "get_include",
    "get_library_dir",
    "get_num_threads",
    "global_avg_pool",
    "global_max_pool",
    "im2col",
    "isas",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "pool_output_shape",
    "receptive_field",
    "reference",
    "release_workspace",
    "set_default_algorithms",
    "set_num_threads",
    "show_config",
    "threads",
    "use_isa",
]


def __getattr__(name: str) -> object:
    """Load the oracle on first use only: it is not part of the fast path."""
    if name == "reference":
        from importlib import import_module

        return import_module(".reference", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
