"""Plans: a convolution with constant weights, packed once and called many times."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _arguments as arg
from . import _conv, _core
from ._arguments import Array, Ints
from .runtime import Explanation, explain_with


class ConvPlan:
    """A convolution prepared for one sample's shape and dtype; made by `conv2d_plan` and its siblings.

    Immutable: any number of threads may call it at once. The batch length may differ from call to
    call.

    Attributes
    ----------
    algorithm : str
        The algorithm chosen.
    output_shape : tuple of int
        Shape of the result for the `input_shape` that the plan was made with.
    workspace_bytes : int
        Scratch memory of each thread during a call; independent of the batch.
    shared_bytes : int
        Scratch memory that the threads of a call share; 0 but for Winograd convolution whose transformed input they share.
    packed_bytes : int
        Memory of the packed weights.
    flops : int
        Floating-point operations for the plan's `input_shape` (2 per multiply-add).

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> plan = convkit.conv2d_plan((1, 1, 3, 3), np.ones((1, 1, 2, 2)))
    >>> plan(np.ones((1, 1, 3, 3)))[0, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """

    __slots__ = ("_axes", "_dtype", "_full", "_has_batch", "_options", "_problem", "_weights", "algorithm", "flops", "output_shape", "packed_bytes", "shared_bytes", "workspace_bytes")  # fmt: skip

    _axes: int
    _dtype: np.dtype[Any]
    _full: Ints
    _options: dict[str, Any]
    _has_batch: bool
    _problem: _conv.Problem
    _weights: _conv.Weights
    algorithm: str
    output_shape: Ints
    workspace_bytes: int
    shared_bytes: int
    packed_bytes: int
    flops: int

    def __init__(self, axes: int, input_shape: Any, weight: Any, bias: Any, dtype: Any, **options: Any) -> None:
        full, has_batch = arg.batched_shape("input_shape", input_shape, axes)
        w = arg.array("weight", weight)
        planned = w.dtype if dtype is None else arg.data_type(dtype)
        weights = _conv.coerce_weights(planned, w.copy(), None, axes)
        bias_array = None if bias is None else _conv.coerce_bias(bias, weights.weight.shape[0], weights.weight.dtype).copy()
        weights = weights._replace(bias=bias_array)
        shape, defaults = weights.weight.shape, _conv.default_names()
        problem = _conv.describe(full, weights.x_dtype, shape, prepared=True, defaults=defaults, **options)
        problem.conv.pack(weights.weight)
        out = arg.shape_of(full[0], weights.weight.shape[0], problem.conv.out, problem.layout)
        fields = {
            "_axes": axes, "_dtype": planned, "_full": full, "_options": options, "_has_batch": has_batch, "_problem": problem,
            "_weights": weights, "algorithm": problem.conv.algorithm,
            "output_shape": out if has_batch else out[1:], "workspace_bytes": problem.conv.thread_bytes,
            "shared_bytes": problem.conv.shared_bytes, "packed_bytes": problem.conv.packed_bytes,
            "flops": 2 * int(np.prod(out, dtype=object)) * int(np.prod(weights.weight.shape[1:], dtype=object)),
        }  # fmt: skip
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a plan is immutable; {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a plan is immutable; {name} cannot be deleted")

    def __copy__(self) -> ConvPlan:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ConvPlan:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a plan cannot be pickled: it holds packed weights of this process; make it anew where it is needed")

    def __call__(self, x: ArrayLike, out: Array | None = None, num_threads: int | None = None) -> Array:
        """Convolve `x` with the plan's weights.

        Parameters
        ----------
        x : array_like
            One sample's shape as planned, with any batch length.
        out : ndarray, optional
            Receives the result.
        num_threads : int, optional
            Threads of this call.

        Returns
        -------
        ndarray
            As `output_shape`, with the batch length of `x`.

        Raises
        ------
        ValueError
            If `x` has another sample shape.
        TypeError
            If `x` has another dtype.
        """
        a = arg.array("x", x)
        if a.dtype != self._dtype:
            raise TypeError(f"x must have the plan's dtype {self._dtype}, got dtype {a.dtype}")
        expected = self._full[1:]
        if (a.shape[1:] if self._has_batch else a.shape) != expected or a.ndim != self._axes + 1 + self._has_batch:
            arg.fail("x", f"must have the plan's sample shape {expected}", a.shape)
        batched = a if self._has_batch else a[None]
        return _conv.execute(
            self._problem, batched, self._weights, self._options["padding_mode"], out, num_threads, self._has_batch
        )

    def explain(self) -> Explanation:
        """Tell which algorithms serve the plan's problem and which one it uses.

        Returns
        -------
        Explanation
            As `convkit.explain`; prints as a table.
        """
        fixed = (self._full, self._weights.x_dtype, self._weights.weight.shape)

        def described(algorithm: str) -> _core.Conv:
            return _conv.describe(*fixed, prepared=True, **self._options | {"algorithm": algorithm}).conv

        return explain_with(described, self.algorithm, self._full, self._weights.weight.shape, self._options["layout"])

    def __repr__(self) -> str:
        return f"<ConvPlan {self._full[1:]} -> {self.output_shape}, {self.algorithm}>"


_DOC = """Prepare a {axes}-D convolution with constant weights.

    Packs the weights once; the returned plan is called with arrays.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of `x`, with or without the batch axis; the batch length is only an example.
    weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm
        As in `convkit.conv{axes}d`. Weights and bias are copied.
    dtype : dtype, optional
        dtype of the arrays that the plan will be called with; default: the weight's. Combined with
        the weight's by ``np.result_type``, as in a call.

    Returns
    -------
    ConvPlan
        Callable as ``plan(x, out=None, num_threads=None)``.

    Raises
    ------
    ValueError, TypeError, MemoryError, NotImplementedError
        As `convkit.conv{axes}d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convkit
    >>> plan = convkit.conv{axes}d_plan({shape}, np.ones({weight}), padding=1)
    >>> plan.output_shape
    {shape}
    """


def conv1d_plan(
    input_shape: Any, weight: ArrayLike, bias: ArrayLike | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, padding_mode: str = "zeros", layout: str = "channels_first", activation: str | None = None,
    algorithm: str = "auto", dtype: DTypeLike | None = None,
) -> ConvPlan:  # fmt: skip
    return ConvPlan(1, input_shape, weight, bias, dtype, stride=stride, padding=padding, dilation=dilation, groups=groups,
                    padding_mode=padding_mode, layout=layout, activation=activation, algorithm=algorithm)  # fmt: skip


def conv2d_plan(
    input_shape: Any, weight: ArrayLike, bias: ArrayLike | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, padding_mode: str = "zeros", layout: str = "channels_first", activation: str | None = None,
    algorithm: str = "auto", dtype: DTypeLike | None = None,
) -> ConvPlan:  # fmt: skip
    return ConvPlan(2, input_shape, weight, bias, dtype, stride=stride, padding=padding, dilation=dilation, groups=groups,
                    padding_mode=padding_mode, layout=layout, activation=activation, algorithm=algorithm)  # fmt: skip


def conv3d_plan(
    input_shape: Any, weight: ArrayLike, bias: ArrayLike | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, padding_mode: str = "zeros", layout: str = "channels_first", activation: str | None = None,
    algorithm: str = "auto", dtype: DTypeLike | None = None,
) -> ConvPlan:  # fmt: skip
    return ConvPlan(3, input_shape, weight, bias, dtype, stride=stride, padding=padding, dilation=dilation, groups=groups,
                    padding_mode=padding_mode, layout=layout, activation=activation, algorithm=algorithm)  # fmt: skip


for _axes, _make in ((1, conv1d_plan), (2, conv2d_plan), (3, conv3d_plan)):
    _make.__doc__ = _DOC.format(axes=_axes, shape=(1, 1, *(4,) * _axes), weight=(1, 1, *(3,) * _axes))
