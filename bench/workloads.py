"""Named layers of well-known networks: what the benchmarks time and the layer tests check.

``LAYERS`` holds one frozen `Layer` a row. The module needs NumPy only (not convkit), so that the
programs that time other libraries can use it too. A row reads::

    name, op, n, c, size, k, kernel, stride, pad, dil, g, where in the network

A single integer for kernel, stride, pad or dil stands for every spatial axis. The part of the name
before the first dot is the key of ``NETWORKS``.

Operations: ``conv``, ``convt`` (transposed), ``dgrad`` and ``wgrad`` (gradients of the forward
convolution that the row describes), ``max``, ``maxidx`` (max with indices), ``avg``.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["FAMILIES", "LAYERS", "Layer", "by_name", "family", "make_inputs"]

POOL_OPS = ("max", "maxidx", "avg")

NETWORKS = {
    "alex": "AlexNet, Krizhevsky et al. 2012",
    "avg2s2": "DenseNet-121, Huang et al. 2017",
    "c3d": "C3D, Tran et al. 2015",
    "cnx": "ConvNeXt-T, Liu et al. 2022",
    "ctas": "Conv-TasNet, Luo and Mesgarani 2019",
    "dcgan": "DCGAN generator, Radford et al. 2016",
    "deeplab": "DeepLabv3, Chen et al. 2017",
    "eff": "EfficientNet-B0, Tan and Le 2019",
    "espcn": "ESPCN, Shi et al. 2016",
    "gln": "GoogLeNet, Szegedy et al. 2015",
    "gln3": "Inception-v3, Szegedy et al. 2016",
    "global7": "ResNet-50, He et al. 2016",
    "gray3": "image filter",
    "gray7": "image filter",
    "hifigan": "HiFi-GAN V1, Kong et al. 2020",
    "idx": "SegNet, Badrinarayanan et al. 2017",
    "inc3": "Inception-v3, Szegedy et al. 2016",
    "large31": "grey-scale dilation, van Herk 1992",
    "lenet": "LeNet-5, LeCun et al. 1998",
    "mbv1": "MobileNetV1, Howard et al. 2017",
    "mbv2": "MobileNetV2, Sandler et al. 2018",
    "mbv3": "MobileNetV3-Large, Howard et al. 2019",
    "odd5": "synthetic",
    "rgb5dw": "image filter",
    "rn50": "ResNet-50, He et al. 2016",
    "rnx101": "ResNeXt-101 32x8d, Xie et al. 2017",
    "rnx50": "ResNeXt-50 32x4d, Xie et al. 2017",
    "spp": "YOLOv3-SPP, after He et al. 2015",
    "sppf": "YOLOv5s, Jocher et al. 2022",
    "tcn": "TCN, Bai et al. 2018",
    "tiny1": "synthetic",
    "tiny8": "synthetic",
    "unet": "U-Net, Ronneberger et al. 2015",
    "unet3d": "3D U-Net, Cicek et al. 2016",
    "vgg": "VGG-16, Simonyan and Zisserman 2015",
    "wavenet": "WaveNet, van den Oord et al. 2016",
}

# fmt: off
_TABLE: dict[str, tuple[tuple[Any, ...], ...]] = {}
_TABLE["dense3x3"] = (
    # name,        op,     n, c,   size,       k,   kernel, stride, pad, dil, g, where
    ("rn50.2b",    "conv", 1, 64,  (56, 56),   64,  3, 1, 1,  1,  1, "conv2_x 3x3"),
    ("rn50.3b",    "conv", 1, 128, (28, 28),   128, 3, 1, 1,  1,  1, "conv3_x 3x3"),
    ("rn50.4b",    "conv", 1, 256, (14, 14),   256, 3, 1, 1,  1,  1, "conv4_x 3x3"),
    ("rn50.5b",    "conv", 1, 512, (7, 7),     512, 3, 1, 1,  1,  1, "conv5_x 3x3"),
    ("vgg.1_2",    "conv", 1, 64,  (224, 224), 64,  3, 1, 1,  1,  1, "conv1_2"),
    ("vgg.2_2",    "conv", 1, 128, (112, 112), 128, 3, 1, 1,  1,  1, "conv2_2"),
    ("vgg.3_2",    "conv", 1, 256, (56, 56),   256, 3, 1, 1,  1,  1, "conv3_2"),
    ("vgg.4_2",    "conv", 1, 512, (28, 28),   512, 3, 1, 1,  1,  1, "conv4_2"),
    ("vgg.5_1",    "conv", 1, 512, (14, 14),   512, 3, 1, 1,  1,  1, "conv5_1"),
    ("unet.4",     "conv", 1, 32,  (282, 282), 32,  3, 1, 0,  1,  1, "unpadded 3x3, 32 channels"),
    ("alex.conv3", "conv", 1, 256, (13, 13),   384, 3, 1, 1,  1,  1, "conv3"),
    ("deeplab.d12", "conv", 1, 256, (33, 33),  256, 3, 1, 12, 12, 1, "ASPP branch, rate 12"),
)
_TABLE["pointwise"] = (
    ("rn50.2a",    "conv", 1, 64,  (56, 56),   64,   1, 1, 0, 1, 1, "conv2_1 first 1x1"),
    ("rn50.2c",    "conv", 1, 64,  (56, 56),   256,  1, 1, 0, 1, 1, "conv2_x last 1x1"),
    ("rn50.2red",  "conv", 1, 256, (56, 56),   64,   1, 1, 0, 1, 1, "conv2_x first 1x1"),
    ("rn50.3c",    "conv", 1, 128, (28, 28),   512,  1, 1, 0, 1, 1, "conv3_x last 1x1"),
    ("rn50.4c",    "conv", 1, 256, (14, 14),   1024, 1, 1, 0, 1, 1, "conv4_x last 1x1"),
    ("rn50.5c",    "conv", 1, 512, (7, 7),     2048, 1, 1, 0, 1, 1, "conv5_x last 1x1"),
    ("rn50.3down", "conv", 1, 256, (56, 56),   512,  1, 2, 0, 1, 1, "conv3_1 shortcut"),
    ("mbv1.pw2",   "conv", 1, 32,  (112, 112), 64,   1, 1, 0, 1, 1, "first pointwise layer"),
    ("mbv1.pw8",   "conv", 1, 512, (14, 14),   512,  1, 1, 0, 1, 1, "repeated 14x14 block"),
    ("mbv2.exp",   "conv", 1, 24,  (56, 56),   144,  1, 1, 0, 1, 1, "56x56 expansion"),
    ("mbv2.proj",  "conv", 1, 144, (56, 56),   24,   1, 1, 0, 1, 1, "56x56 projection"),
    ("eff.se",     "conv", 1, 672, (1, 1),     28,   1, 1, 0, 1, 1, "squeeze-and-excite"),
)
_TABLE["dense"] = (
    ("rn50.conv1",  "conv", 1, 3,   (224, 224), 64,  7,  2, 3, 1, 1, "conv1"),
    ("rn50.3a_s2",  "conv", 1, 128, (56, 56),   128, 3,  2, 1, 1, 1, "conv3_1 strided 3x3"),
    ("rn50.5a_s2",  "conv", 1, 512, (14, 14),   512, 3,  2, 1, 1, 1, "conv5_1 strided 3x3"),
    ("vgg.1_1",     "conv", 1, 3,   (224, 224), 64,  3,  1, 1, 1, 1, "conv1_1"),
    ("alex.conv1",  "conv", 1, 3,   (227, 227), 96,  11, 4, 0, 1, 1, "conv1"),
    ("inc3.5x5",    "conv", 1, 48,  (35, 35),   64,  5,  1, 2, 1, 1, "35x35 block, 5x5"),
    ("inc3.1x7",    "conv", 1, 160, (17, 17),   160, (1, 7), 1, (0, 3), 1, 1, "17x17 block, 1x7"),
    ("cnx.stem",    "conv", 1, 3,   (224, 224), 96,  4,  4, 0, 1, 1, "patchify stem"),
    ("espcn.3",     "conv", 1, 32,  (360, 640), 9,   3,  1, 1, 1, 1, "sub-pixel layer, x3"),
    ("mbv1.conv1",  "conv", 1, 3,   (224, 224), 32,  3,  2, 1, 1, 1, "first layer"),
)
_TABLE["depthwise"] = (
    ("mbv1.dw2_1",  "conv", 1, 32,   (112, 112), 32,   3, 1, 1, 1, 32,   "first depthwise layer"),
    ("mbv1.dw2_2",  "conv", 1, 64,   (112, 112), 64,   3, 2, 1, 1, 64,   "first strided depthwise"),
    ("mbv2.dw",     "conv", 1, 144,  (56, 56),   144,  3, 1, 1, 1, 144,  "56x56 depthwise"),
    ("mbv1.dw5",    "conv", 1, 512,  (14, 14),   512,  3, 1, 1, 1, 512,  "repeated 14x14 block"),
    ("mbv1.dw6",    "conv", 1, 1024, (7, 7),     1024, 3, 1, 1, 1, 1024, "last depthwise layer"),
    ("mbv3.dw5",    "conv", 1, 120,  (28, 28),   120,  5, 1, 2, 1, 120,  "28x28 depthwise 5x5"),
    ("cnx.dw7",     "conv", 1, 96,   (56, 56),   96,   7, 1, 3, 1, 96,   "stage 1 depthwise 7x7"),
    ("rnx50.g32",   "conv", 1, 128,  (56, 56),   128,  3, 1, 1, 1, 32,   "conv2 grouped 3x3"),
    ("rnx101.g32",  "conv", 1, 512,  (28, 28),   512,  3, 1, 1, 1, 32,   "conv3 grouped 3x3"),
)
_TABLE["small"] = (
    ("lenet.c1", "conv", 64, 1, (32, 32),     6,  5, 1, 0, 1, 1, "C1, batch 64"),
    ("lenet.c3", "conv", 64, 6, (14, 14),     16, 5, 1, 0, 1, 1, "C3 (dense), batch 64"),
    ("gray3",    "conv", 1,  1, (1024, 1024), 1,  3, 1, 1, 1, 1, "1 megapixel, grey, 3x3"),
    ("gray7",    "conv", 1,  1, (1024, 1024), 1,  7, 1, 3, 1, 1, "1 megapixel, grey, 7x7"),
    ("rgb5dw",   "conv", 1,  3, (1080, 1920), 3,  5, 1, 2, 1, 3, "full HD, each colour, 5x5"),
    ("tiny8",    "conv", 1,  8, (8, 8),       8,  3, 1, 1, 1, 1, "8x8x8: call overhead"),
    ("tiny1",    "conv", 1,  1, (3, 3),       1,  2, 1, 0, 1, 1, "2x2 out: call overhead"),
    ("odd5",     "conv", 1,  5, (50, 50),     7,  3, 1, 1, 1, 1, "odd channel counts"),
)
_TABLE["nd"] = (
    ("ctas.1x1", "conv", 1, 128, (3199,),      512, 1, 1, 0, 1,   1,   "1x1, 4 s at 8 kHz"),
    ("ctas.dw",  "conv", 1, 512, (3199,),      512, 3, 1, 8, 8,   512, "depthwise, dilation 8"),
    ("wavenet",  "conv", 1, 32,  (16000,),     32,  2, 1, 0, 512, 1,   "dilation 512, 1 s, 16 kHz"),
    ("tcn.k3",   "conv", 1, 512, (300,),       512, 3, 1, 1, 1,   1,   "hidden layer, 300 steps"),
    ("c3d.2",    "conv", 1, 64, (16, 56, 56),  128, 3, 1, 1, 1,   1,   "conv2a"),
    ("unet3d",   "conv", 1, 32, (32, 64, 64),  64,  3, 1, 1, 1,   1,   "first level, cropped"),
)
_TABLE["transposed"] = (
    ("dcgan.2",    "convt", 1, 512, (4, 4),   256, 4,  2, 1, 1, 1, "layer 2"),
    ("dcgan.4",    "convt", 1, 128, (16, 16), 64,  4,  2, 1, 1, 1, "layer 4"),
    ("dcgan.5",    "convt", 1, 64,  (32, 32), 3,   4,  2, 1, 1, 1, "layer 5"),
    ("unet.up",    "convt", 1, 128, (64, 64), 64,  2,  2, 0, 1, 1, "last up-convolution"),
    ("hifigan.up", "convt", 1, 512, (100,),   256, 16, 8, 4, 1, 1, "first upsampling"),
)
_TABLE["gradient"] = (
    ("rn50.2b.dgrad",    "dgrad", 8, 64,  (56, 56), 64,  3, 1, 1, 1, 1, "conv2_x 3x3, batch 8"),
    ("rn50.4b.dgrad",    "dgrad", 8, 256, (14, 14), 256, 3, 1, 1, 1, 1, "conv4_x 3x3, batch 8"),
    ("rn50.3c.dgrad",    "dgrad", 8, 128, (28, 28), 512, 1, 1, 0, 1, 1, "conv3_x 1x1, batch 8"),
    ("rn50.3a_s2.dgrad", "dgrad", 8, 128, (56, 56), 128, 3, 2, 1, 1, 1, "conv3_1 3x3, batch 8"),
    ("lenet.c3.dgrad",   "dgrad", 8, 6,   (14, 14), 16,  5, 1, 0, 1, 1, "C3 (dense), batch 8"),
    ("rn50.2b.wgrad",    "wgrad", 8, 64,  (56, 56), 64,  3, 1, 1, 1, 1, "conv2_x 3x3, batch 8"),
    ("rn50.4b.wgrad",    "wgrad", 8, 256, (14, 14), 256, 3, 1, 1, 1, 1, "conv4_x 3x3, batch 8"),
    ("rn50.3c.wgrad",    "wgrad", 8, 128, (28, 28), 512, 1, 1, 0, 1, 1, "conv3_x 1x1, batch 8"),
    ("rn50.3a_s2.wgrad", "wgrad", 8, 128, (56, 56), 128, 3, 2, 1, 1, 1, "conv3_1 3x3, batch 8"),
    ("lenet.c3.wgrad",   "wgrad", 8, 6,   (14, 14), 16,  5, 1, 0, 1, 1, "C3 (dense), batch 8"),
)
_TABLE["pool"] = (
    ("rn50.max3s2", "max",    1, 64,   (112, 112),   64,   3,  2, 1,  1, 1, "pool after conv1"),
    ("vgg.max2s2",  "max",    1, 64,   (224, 224),   64,   2,  2, 0,  1, 1, "pool1"),
    ("gln.max3s1",  "max",    1, 256,  (28, 28),     256,  3,  1, 1,  1, 1, "inception 3b branch"),
    ("sppf.max5",   "max",    1, 256,  (20, 20),     256,  5,  1, 2,  1, 1, "SPPF"),
    ("spp.max13",   "max",    1, 512,  (13, 13),     512,  13, 1, 6,  1, 1, "window 13"),
    ("idx.max2s2",  "maxidx", 1, 64,   (112, 112),   64,   2,  2, 0,  1, 1, "encoder pool"),
    ("avg2s2",      "avg",    1, 128,  (56, 56),     128,  2,  2, 0,  1, 1, "transition 1"),
    ("gln3.avg3s1", "avg",    1, 288,  (35, 35),     288,  3,  1, 1,  1, 1, "35x35 pool branch"),
    ("global7",     "avg",    1, 2048, (7, 7),       2048, 7,  1, 0,  1, 1, "global average pool"),
    ("large31",     "max",    1, 1,    (2048, 2048), 1,    31, 1, 15, 1, 1, "31x31, 4 megapixels"),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with its input; a gradient row describes the forward convolution."""

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
    outpad: tuple[int, ...]
    source: str

    @classmethod
    def from_row(cls, row: Any) -> Self:
        """Complete a row of `convkit.bench.load_layers`, which may come from a file of the user's."""
        return cls(**row._asdict(), outpad=(0,) * len(row.size), source="")

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.size)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial size of the forward result."""
        axes = zip(self.size, self.kernel, self.stride, self.pad, self.dil, self.outpad, strict=True)
        if self.op == "convt":
            return tuple((i - 1) * s - 2 * p + d * (k - 1) + 1 + o for i, k, s, p, d, o in axes)
        return tuple((i + 2 * p - d * (k - 1) - 1) // s + 1 for i, k, s, p, d, _ in axes)

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Shape of the input, channels first."""
        return (self.n, self.c, *self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the forward result, channels first."""
        return (self.n, self.k, *self.output_size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights as the Python API takes them; empty for pooling."""
        if self.op in POOL_OPS:
            return ()
        if self.op == "convt":
            return (self.c, self.k // self.g, *self.kernel)
        return (self.k, self.c // self.g, *self.kernel)

    @property
    def flops(self) -> int:
        """Twice the multiplications; for pooling one operation for each element of each window.

        Taps that fall into the padding count, as is usual.
        """
        taps = math.prod(self.kernel)
        if self.op in POOL_OPS:
            return math.prod(self.output_shape) * taps
        if self.op == "convt":
            return 2 * math.prod(self.x_shape) * (self.k // self.g) * taps
        return 2 * math.prod(self.output_shape) * (self.c // self.g) * taps

    @property
    def id(self) -> str:
        """One-line problem id; stride, padding and dilation appear where they are not the default.

        Operations other than ``conv`` put their name in front.
        """
        prefix = "" if self.op == "conv" else f"{self.op}_"
        groups = f"g{self.g}" if self.g != 1 else ""
        parts = [f"{prefix}n{self.n}{groups}ic{self.c}", _axes("i", self.size)]
        parts += [f"oc{self.k}", _axes("k", self.kernel)]
        for letter, values, default in (
            ("s", self.stride, 1),
            ("p", self.pad, 0),
            ("d", self.dil, 1),
            ("o", self.outpad, 0),
        ):
            if any(value != default for value in values):
                parts.append(_axes(letter, values))
        return "".join(parts)


def _axes(letter: str, values: Sequence[int]) -> str:
    names = "dhw"[-len(values) :]
    return "".join(f"{letter}{name}{value}" for name, value in zip(names, values, strict=True))


def _layers() -> Iterator[Layer]:
    for family_name, rows in _TABLE.items():
        for name, op, n, c, size, k, kernel, stride, pad, dil, g, where in rows:

            def each(value: int | tuple[int, ...], axes: int = len(size)) -> tuple[int, ...]:
                return value if isinstance(value, tuple) else (value,) * axes

            network, _, paper = NETWORKS[name.split(".")[0]].partition(", ")
            source = f"{network} {where}, {paper}" if paper else f"{network}: {where}"
            yield Layer(
                family=family_name,
                name=name,
                op=op,
                n=n,
                c=c,
                size=size,
                k=k,
                kernel=each(kernel),
                stride=each(stride),
                pad=each(pad),
                dil=each(dil),
                g=g,
                outpad=each(0),
                source=source,
            )


LAYERS: tuple[Layer, ...] = tuple(_layers())
FAMILIES: tuple[str, ...] = tuple(_TABLE)


def family(name: str) -> tuple[Layer, ...]:
    """Return the layers of one family, in table order; an unknown name is a `ValueError`."""
    if name not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {name!r}")
    return tuple(row for row in LAYERS if row.family == name)


def by_name(name: str) -> Layer:
    """Return the layer of that name; an unknown name is a `ValueError`."""
    for row in LAYERS:
        if row.name == name:
            return row
    raise ValueError(f"layer must be a name of the table, got {name!r}")


def make_inputs(
    layer: Layer,
    dtype: DTypeLike = np.float32,
    layout: str = "channels_first",
    rng: np.random.Generator | None = None,
    values: str = "integers",
) -> tuple[NDArray[Any], ...]:
    """Return the arrays that the layer's operation takes, filled with random data.

    ``values="integers"``: small integers. Their sums are exact in float32, so results can be compared with ``==``.
    ``values="normal"``: normally distributed float32 values, the same in every dtype; unlike small integers they
    show whether a library rounds its operands to fewer bits.

    Returns
    -------
    tuple of ndarray
        ``(x, weight)``; ``(grad_output, weight)`` for ``dgrad``; ``(x, grad_output)`` for
        ``wgrad``; ``(x,)`` for pooling. ``layout`` applies to all but the weight, and orders
        the same data.

    """
    if layout not in ("channels_first", "channels_last"):
        raise ValueError(f"layout must be channels_first or channels_last, got {layout!r}")
    if values not in ("integers", "normal"):
        raise ValueError(f"values must be integers or normal, got {values!r}")
    rng = np.random.default_rng(0) if rng is None else rng

    def fill(shape: tuple[int, ...], channels_last: bool) -> NDArray[Any]:
        if values == "normal":
            array = rng.standard_normal(shape, np.float32).astype(dtype)
        else:
            array = rng.integers(-4, 5, size=shape, dtype=np.int8).astype(dtype)
        return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if channels_last else array

    last = layout == "channels_last"
    if layer.op in POOL_OPS:
        return (fill(layer.x_shape, last),)
    if layer.op == "dgrad":
        return fill(layer.output_shape, last), fill(layer.weight_shape, False)
    if layer.op == "wgrad":
        return fill(layer.x_shape, last), fill(layer.output_shape, last)
    return fill(layer.x_shape, last), fill(layer.weight_shape, False)
