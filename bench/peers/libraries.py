"""The libraries: how each runs one layer, from NumPy arrays to NumPy arrays.

One small class a library. Its ``__init__`` imports the library and sets the number of threads; ``build`` returns one run
of a layer as a function without arguments, with everything done beforehand that the library allows for that form. What a
library cannot do is a `NotImplementedError` with the reason.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..workloads import POOL_OPS, Layer
from .forms import Form

__all__ = ["LIBRARIES", "Built", "Convkit", "Library"]

Array = NDArray[Any]


class Built(NamedTuple):
    """A layer made ready, and the algorithm if the library tells."""

    call: Callable[[], Any]
    algorithm: str = ""


class Library:
    """What the libraries have in common.

    Attributes
    ----------
    modules : tuple of str
        What must be importable, the library itself first.
    ops : tuple of str
        Operations that it is asked for.

    """

    modules: ClassVar[tuple[str, ...]]
    ops: ClassVar[tuple[str, ...]]

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.module, *self.others = (import_module(name) for name in self.modules)

    def versions(self) -> dict[str, str]:
        """Return the versions of what was imported."""
        return {module.__name__: str(getattr(module, "__version__", "?")) for module in (self.module, *self.others)}

    def build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Built:
        """Make a layer ready."""
        if layer.op not in self.ops:
            raise NotImplementedError(f"not asked for {layer.op}")
        return Built(self._build(layer, form, arrays))

    def _build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Callable[[], Any]:
        raise NotImplementedError


class Convkit(Library):
    """This library; what `convkit.bench` can time."""

    modules = ("convkit", "convkit.bench", "convkit.runtime")

    def versions(self) -> dict[str, Any]:
        return {"convkit": self.module.__version__}

    def machine(self) -> dict[str, Any]:
        """Return how the library was built and what it found."""
        with self.module.threads(self.threads):
            return dict(self.module.show_config(mode="dict"))

    def probe(self, dtype: str) -> float:
        """Return the FMA peak in GFLOP/s; for ``dtype="memory"`` the bandwidth in GB/s."""
        runtime = self.others[1]
        if dtype == "memory":
            return float(runtime.probe_bandwidth(num_threads=self.threads))
        return float(runtime.probe_fma_peak(num_threads=self.threads, dtype=dtype))

    def build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Built:
        bench = self.others[0]
        variant = bench.Variant(
            form.algorithm, bench.current_isa(), self.threads, layout=form.layout, dtype=form.dtype, plan=form.plan
        )
        case = bench.Case(bench.Layer.of(layer), variant, arrays)
        return Built(case.call, case.algorithm)


class Torch(Library):
    """PyTorch's functional interface: contiguous, or in its channels_last memory format."""

    modules = ("torch",)
    ops = ("conv", "convt", "dgrad", "wgrad", *POOL_OPS)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.module.set_num_threads(threads)
        self.module.set_grad_enabled(False)

    def _build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Callable[[], Any]:
        torch, (x, *others) = self.module, arrays
        from_numpy = torch.from_numpy
        function, arguments = self._function(layer, others, form.layout)
        if layer.op == "maxidx":
            if form.layout == "channels_last":
                raise NotImplementedError("indices in channels_last are not compared")
            return lambda: tuple(y.numpy() for y in function(from_numpy(x), *arguments))
        if form.layout == "channels_first" or layer.op == "wgrad":
            return lambda: function(from_numpy(x), *arguments).numpy()
        axes = layer.ndim
        first, last = (0, axes + 1, *range(1, axes + 1)), (0, *range(2, axes + 2), 1)
        return lambda: function(from_numpy(x).permute(first), *arguments).permute(last).contiguous().numpy()

    def _function(self, layer: Layer, others: list[Array], layout: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Return what runs the layer on a tensor, and the further arguments."""
        torch, axes = self.module, layer.ndim
        functional = torch.nn.functional
        stride, pad, dil, groups = layer.stride, layer.pad, layer.dil, layer.g
        if layer.op in ("max", "maxidx"):
            return getattr(functional, f"max_pool{axes}d"), (layer.kernel, stride, pad, dil, False, layer.op == "maxidx")
        if layer.op == "avg":
            return getattr(functional, f"avg_pool{axes}d"), (layer.kernel, stride, pad)
        weight = torch.from_numpy(others[0])
        if layer.op == "wgrad":
            if layout == "channels_last":
                raise NotImplementedError("weight gradients in channels_last are not compared")
            return getattr(torch.nn.grad, f"conv{axes}d_weight"), (layer.weight_shape, weight, stride, pad, dil, groups)
        formats = {2: torch.channels_last, 3: torch.channels_last_3d}
        if layout == "channels_last" and axes in formats:
            weight = weight.contiguous(memory_format=formats[axes])
        if layer.op == "convt":
            return getattr(functional, f"conv_transpose{axes}d"), (weight, None, stride, pad, layer.outpad, groups, dil)
        if layer.op == "conv":
            return getattr(functional, f"conv{axes}d"), (weight, None, stride, pad, dil, groups)
        gradient = getattr(torch.nn.grad, f"conv{axes}d_input")
        return lambda y: gradient(layer.x_shape, weight, y, stride, pad, dil, groups), ()


def _onnx_model(onnx: Any, layer: Layer, weight: Array | None) -> bytes:
    """Return a model of the one layer with constant weights."""
    helper = onnx.helper
    kind = {"conv": "Conv", "convt": "ConvTranspose", "avg": "AveragePool"}.get(layer.op, "MaxPool")
    attributes: dict[str, Any] = {"kernel_shape": layer.kernel, "strides": layer.stride, "pads": (*layer.pad, *layer.pad)}
    if layer.op == "avg":
        attributes["count_include_pad"] = 1
    else:
        attributes["dilations"] = layer.dil
    if layer.op in ("conv", "convt"):
        attributes["group"] = layer.g
    if layer.op == "convt":
        attributes["output_padding"] = layer.outpad
    names = ["y", "indices"] if layer.op == "maxidx" else ["y"]
    types = [onnx.TensorProto.FLOAT, onnx.TensorProto.INT64]
    outputs = [helper.make_tensor_value_info(name, t, layer.output_shape) for name, t in zip(names, types, strict=False)]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, layer.x_shape)
    constants = [] if weight is None else [onnx.numpy_helper.from_array(weight, "weight")]
    node = helper.make_node(kind, ["x", *(constant.name for constant in constants)], names, **attributes)
    graph = helper.make_graph([node], "layer", [x], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


class OnnxRuntime(Library):
    """ONNX Runtime on the CPU, its optimisations as they are by default."""

    modules = ("onnxruntime", "onnx")
    ops = ("conv", "convt", *POOL_OPS)

    def _build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Callable[[], Any]:
        options = self.module.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        model = _onnx_model(self.others[0], layer, arrays[1] if len(arrays) > 1 else None)
        session = self.module.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feed = {"x": arrays[0]}
        return lambda: tuple(session.run(None, feed))


class OpenVino(Library):
    """OpenVINO in float32, tuned for latency; it may read and write the arrays in place."""

    modules = ("openvino", "onnx")
    ops = ("conv", "convt", *POOL_OPS)

    def _build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Callable[[], Any]:
        core = self.module.Core()
        model = core.read_model(_onnx_model(self.others[0], layer, arrays[1] if len(arrays) > 1 else None))
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
        compiled = core.compile_model(model, "CPU", settings | {"INFERENCE_NUM_THREADS": str(self.threads)})
        request, x, count = compiled.create_infer_request(), arrays[0], len(compiled.outputs)

        def call() -> tuple[Any, ...]:
            results = request.infer(x, share_inputs=True, share_outputs=True)
            return tuple([results[i] for i in range(count)])

        return call


class Ncnn(Library):
    """ncnn in float32, with everything on that keeps float32."""

    modules = ("ncnn",)
    ops = ("conv", "max", "avg")

    def _build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Callable[[], Any]:
        if layer.n != 1 or layer.ndim != 2:
            raise NotImplementedError("one image at a time")
        net = self.module.Net()
        options = net.opt
        options.num_threads = self.threads
        options.lightmode = options.use_packing_layout = True
        options.use_winograd_convolution = options.use_sgemm_convolution = True
        for name in dir(options):
            if name.startswith(("use_fp16", "use_bf16", "use_int8")):
                setattr(options, name, False)
        if net.load_param_mem(self._text(layer)):
            raise NotImplementedError("the layer does not load")
        with tempfile.NamedTemporaryFile() as file:
            # A tag that says "float32" stands before the weights.
            file.write(b"".join(bytes(4) + weight.tobytes() for weight in arrays[1:]))
            file.flush()
            if net.load_model(file.name):
                raise NotImplementedError("the weights do not load")
        mat, x = self.module.Mat, arrays[0][0]

        def call() -> Array:
            extractor = net.create_extractor()
            extractor.input("x", mat(x))
            return np.asarray(extractor.extract("y")[1])[None]

        return call

    @staticmethod
    def _text(layer: Layer) -> str:
        """Return the network in ncnn's text format: numbered parameters, those of the height are 10 more."""
        if layer.op == "conv":
            kind = "Convolution" if layer.g == 1 else "ConvolutionDepthWise"
            fields = {0: layer.k, 6: int(np.prod(layer.weight_shape)), 7: layer.g}
            names = {1: layer.kernel, 2: layer.dil, 3: layer.stride, 4: layer.pad}
            fields |= {15: layer.pad[1], 16: layer.pad[0]}
        else:
            kind = "Pooling"
            fields = {0: int(layer.op == "avg"), 5: 1, 6: 1}
            names = {1: layer.kernel, 2: layer.stride, 3: layer.pad}
            fields |= {14: layer.pad[1], 15: layer.pad[0]}
        for number, (height, width) in names.items():
            fields |= {number: width, 10 + number: height}
        text = " ".join(f"{number}={value}" for number, value in sorted(fields.items()))
        return f"7767517\n2 2\nInput x 0 1 x\n{kind} y 1 1 x y {text}\n"


class OpenCv(Library):
    """OpenCV's filter of one plane."""

    modules = ("cv2",)
    ops = ("conv",)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.module.setNumThreads(threads)

    def _build(self, layer: Layer, form: Form, arrays: tuple[Array, ...]) -> Callable[[], Any]:
        same = all(2 * p + 1 == k for p, k in zip(layer.pad, layer.kernel, strict=True))
        plain = set(layer.stride) == set(layer.dil) == {1}
        if not (layer.ndim == 2 and (layer.n, layer.c, layer.k) == (1, 1, 1) and same and plain):
            raise NotImplementedError("filters of one plane that keep its size")
        cv2, (image, kernel) = self.module, (array[0, 0] for array in arrays)
        depth, border = cv2.CV_32F, cv2.BORDER_CONSTANT
        return lambda: cv2.filter2D(image, depth, kernel, borderType=border)[None, None]


LIBRARIES: dict[str, type[Library]] = {
    "convkit": Convkit,
    "torch": Torch,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "ncnn": Ncnn,
    "opencv": OpenCv,
}
