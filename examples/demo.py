"""A tour of convkit on the photographs that come with scikit-image.

Run ``make demo``, or ``python examples/demo.py [--out PATH]``. It prints a report and draws one
figure. Read the functions from top to bottom: each is one step of the tour.
"""

from __future__ import annotations

import argparse
import time
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _figure import draw
from skimage import data

import convkit
from convkit import reference

# 1-D weights; outer products of them make the 2-D and 3-D kernels below.
SMOOTH = np.array([1, 2, 1], np.float32)
SLOPE = np.array([-1, 0, 1], np.float32)
# The share of red, green and blue in the brightness: one output channel, three input channels.
LUMA = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1)
BELL = np.array([1, 8, 28, 56, 70, 56, 28, 8, 1], np.float32) / 256
# The rows of coins in the film of step 5: name, first and last line.
COIN_ROWS = (("top row", 0, 56), ("middle row", 56, 138), ("bottom row", 138, 208))


class Row(NamedTuple):
    """One line of the table of times."""

    label: str
    shapes: str
    seconds: float
    oracle_seconds: float
    agreement: str


def times(shape: tuple[int, ...]) -> str:
    """Write a shape as in the literature: (6, 28, 28) is 6x28x28."""
    return "x".join(map(str, shape))


def heading(number: int, title: str) -> None:
    """Print the title of a step."""
    print(f"\n{number}  {title}\n")


def fastest(function, *, budget: float) -> float:
    """Return the seconds of the fastest call among those that fit into the budget."""
    best, end = np.inf, time.perf_counter() + budget
    while True:
        start = time.perf_counter()
        function()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best


def tolerance(name: str, x: np.ndarray, args: tuple, expected: np.ndarray) -> float:
    """Return an upper bound of the rounding error: (terms + 2) * eps * sum of |x| |weight|.

    For kernels of 2 to 5 taps "auto" may take Winograd's algorithm: about 3e-6 of the largest result.
    """
    largest = float(np.abs(x).max())
    if name.startswith("max_pool"):
        return 0.0
    if name.startswith("avg_pool"):
        terms, weights = args[0] ** (x.ndim - 1), 1.0
    else:
        terms = args[0][0].size
        weights = float(np.abs(args[0]).reshape(len(args[0]), -1).sum(axis=1).max())
    bound = (terms + 2) * float(np.finfo(x.dtype).eps) * largest * weights
    if name.startswith("conv") and 2 <= args[0].shape[-1] <= 5:
        bound = max(bound, 3e-6 * float(np.abs(expected).max()))
    return bound


def both(table: list[Row], label: str, name: str, x: np.ndarray, *args, **options) -> np.ndarray:
    """Call a function of convkit and its NumPy oracle; compare, time, and return the result."""

    def ours():
        return getattr(convkit, name)(x, *args, **options)

    def oracle():
        return getattr(reference, name)(x, *args, **options)

    result, expected = ours(), oracle()
    assert result.shape == expected.shape and result.dtype == expected.dtype, label
    error = float(np.abs(result - expected).max())
    limit = tolerance(name, x, args, expected)
    assert error <= limit, f"{label}: off by {error:.3g}, allowed are {limit:.3g}"
    agreement = "equal" if error == 0 else f"within {error / np.abs(expected).max():.0e}"
    shapes = f"{times(x.shape)} -> {times(result.shape)}"
    row = Row(label, shapes, fastest(ours, budget=0.2), fastest(oracle, budget=0.0), agreement)
    table.append(row)
    return result


def worked_example() -> np.ndarray:
    """Slide a 2x2 kernel over a 3x3 image: 0*0 + 1*1 + 3*2 + 4*3 = 19, and so on."""
    heading(1, "A convolution: every output is a weighted sum of the pixels below the kernel")
    x = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    weight = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    y = convkit.conv2d(x, weight)
    assert y.tolist() == [[[19, 25], [37, 43]]]
    print("   image      kernel     result")
    columns = (str(a.astype(int)).splitlines() for a in (x[0], weight[0, 0], y[0]))
    for image, kernel, result in zip_longest(*columns, fillvalue=""):
        print(f"   {image:9}  {kernel:9}  {result}".rstrip())
    return y[0]


def padding_and_stride(photo: np.ndarray) -> np.ndarray:
    """A border of zeros keeps the size; taking every second position halves it."""
    heading(2, "Padding and stride decide the size of the result")
    small = np.tile(np.outer(SMOOTH, SMOOTH) / 16, (3, 1, 1, 1))
    point = np.ones((3, 1, 1, 1), np.float32)
    print("   input      kernel  padding  stride  output")
    for weight, padding, stride in ((small, 0, 1), (small, 1, 1), (small, 1, 2), (point, 0, 16)):
        y = convkit.conv2d(photo, weight, stride=stride, padding=padding, groups=3)
        shape = convkit.conv_output_shape(photo.shape, weight.shape, stride, padding, groups=3)
        assert y.shape == shape
        kernel = times(weight.shape[2:])
        print(f"   {times(photo.shape)}  {kernel:6}  {padding:<7}  {stride:<6}  {times(y.shape)}")
    return y  # every 16th pixel, nothing averaged


def kernels(photo: np.ndarray, table: list[Row]) -> dict[str, np.ndarray]:
    """What a convolution finds depends on its weights alone: edges, blur, detail, colour."""
    heading(3, "Kernels: the same operation, other weights, another picture")
    keep_size = {"padding": "same", "padding_mode": "edge"}

    grey = both(table, "grey (1x1)", "conv2d", photo, LUMA)

    across = np.outer(SMOOTH, SLOPE)
    sobel = np.stack([across, across.T])[:, None]
    gradient = both(table, "Sobel (3x3, two kernels)", "conv2d", grey, sobel, **keep_size)

    # groups=3 gives every colour channel a kernel of its own.
    blur = np.tile(np.outer(BELL, BELL), (3, 1, 1, 1))
    blurred = both(table, "blur (9x9, depthwise)", "conv2d", photo, blur, groups=3, **keep_size)

    identity = np.zeros((9, 9), np.float32)
    identity[4, 4] = 1
    sharpen = np.tile(identity + 2 * (identity - blur[0, 0]), (3, 1, 1, 1))
    sharp = both(table, "sharpen (9x9, depthwise)", "conv2d", photo, sharpen, groups=3, **keep_size)

    # A weight for every channel and tap: red against green, and blue against yellow.
    colours = np.array([[1, -1, 0], [-0.5, -0.5, 1]], np.float32)
    opponent = colours[:, :, None, None] * blur[0]
    opponents = both(table, "colour opponents (9x9)", "conv2d", photo, opponent, **keep_size)

    edges = np.hypot(*gradient)
    share = float((edges > 150).mean())
    detail = {"photograph": photo, "blur": blurred, "sharpen": sharp}
    for name, picture in detail.items():
        variation = float(np.abs(np.diff(picture, axis=-1)).mean())
        print(f"   {name:13} mean step between neighbours {variation:.2f}")
    print(f"   {'Sobel':13} {share:.1%} of the pixels lie on an edge (gradient above 150)")
    for name, values in zip(("red - green", "blue - yellow"), opponents, strict=True):
        print(f"   {name:13} from {values.min():.0f} to {values.max():.0f}")
    return {"edges": edges, "opponents": opponents, **detail}


def pyramids(photo: np.ndarray, table: list[Row]) -> dict[str, list[np.ndarray]]:
    """Pool 2x2 windows again and again: 512, 256, 128, 64, 32."""
    heading(4, "Pooling pyramids: a 256th of the pixels, and the object is still there")
    levels = {"average": [photo], "max": [photo]}
    for name, function in (("average", "avg_pool2d"), ("max", "max_pool2d")):
        for _ in range(4):
            x = levels[name][-1]
            label = f"{name} pooling (2x2)"
            if x is photo:
                y = both(table, label, function, x, 2)
            else:
                y = getattr(convkit, function)(x, 2)
            levels[name].append(y)
        small = levels[name][-1]
        enlarged = small.repeat(16, axis=1).repeat(16, axis=2)
        likeness = np.corrcoef(enlarged.ravel(), photo.ravel())[0, 1]
        widths = " -> ".join(str(level.shape[-1]) for level in levels[name])
        print(f"   {name:8} {widths}   correlation with the photograph {likeness:.2f}")
    return levels


def moving_coins() -> np.ndarray:
    """Make a film of a photograph: the top row of coins slides right, the bottom row left."""
    coins = data.coins().astype(np.float32)
    film = np.empty((5, 208, 220), np.float32)
    for t, frame in enumerate(film):
        for (_, top, bottom), speed in zip(COIN_ROWS, (1, 0, -1), strict=True):
            left = 20 - speed * (t - 2)
            frame[top:bottom] = coins[92 + top : 92 + bottom, left : left + 220]
    return film


def motion(table: list[Row]) -> dict[str, np.ndarray]:
    """A 2-D kernel sees edges; a kernel that also spans time sees where they go."""
    heading(5, "Convolution in space and time: five frames of coins, some of them sliding")
    keep_size = {"padding": "same", "padding_mode": "edge"}
    film = moving_coins()
    x_slope_2d = np.outer(SMOOTH, SLOPE)[None, None]
    edges = both(table, "2-D edges of five frames", "conv2d", film[:, None], x_slope_2d, **keep_size)

    along_x = np.einsum("t,y,x->tyx", SMOOTH, SMOOTH, SLOPE)
    along_t = np.einsum("t,y,x->tyx", SLOPE, SMOOTH, SMOOTH)
    weight = np.stack([along_x, along_t])[:, None]
    slopes = both(table, "3-D slopes of the film", "conv3d", film[None, None], weight, **keep_size)
    slope_x, slope_t = slopes[0, :, 2]
    velocities = []
    print("   coins       2-D response  3-D response  velocity (pixels a frame)")
    for name, top, bottom in COIN_ROWS:
        flat, gx, gt = (a[top + 4 : bottom - 4, 4:-4] for a in (edges[2, 0], slope_x, slope_t))
        # A brightness that moves with velocity v obeys gt = -v * gx: the least-squares v.
        velocity = 0.0 - float((gx * gt).sum() / (gx * gx).sum())
        velocities.append(velocity)
        responses = f"{np.abs(flat).mean():12.1f}  {np.abs(gt).mean():12.1f}"
        print(f"   {name:10}  {responses}  {velocity:+.2f}")
    assert np.allclose(velocities, (1, 0, -1), atol=0.05)
    return {
        "frame": film[2],
        "edges": np.abs(edges[2, 0]),
        "motion": -slope_x * slope_t,
        "velocity": velocities,
    }


def influence(crop: np.ndarray, weight: np.ndarray, layers: int) -> np.ndarray:
    """Change one pixel at a time, all in one batch, and see how the middle output changes."""
    size = crop.shape[-1]
    batch = crop + np.eye(size * size, dtype=crop.dtype).reshape(-1, 1, size, size)
    for _ in range(layers):
        crop = convkit.conv2d(crop, weight)
        batch = convkit.conv2d(batch, weight)
    middle = crop.shape[-1] // 2
    change = batch[:, 0, middle, middle] - crop[0, middle, middle]
    return change.reshape(size, size)


def receptive_field(photo: np.ndarray) -> list[np.ndarray]:
    """Two layers of 3x3 see 5x5 pixels: measured, and as the formula says."""
    heading(6, "The receptive field grows with every layer")
    weight = np.ones((1, 1, 3, 3), np.float32)
    crop = photo[:1, 100:109, 220:229]
    maps = []
    print("   layers      computed  pixels that change the output")
    for layers in (1, 2):
        computed = convkit.receptive_field([(3, 1)] * layers)
        change = influence(crop, weight, layers)
        rows, columns = (np.ptp(axis) + 1 for axis in np.nonzero(change))
        assert rows == columns == computed.size
        name = " + ".join(["3x3"] * layers)
        size = f"{computed.size}x{computed.size}"
        print(f"   {name:10}  {size:8}  {np.count_nonzero(change)} = {rows}x{columns}")
        maps.append(change)
    return maps


def oriented_edges(count: int, size: int) -> np.ndarray:
    """Return kernels that answer to edges of evenly spaced directions."""
    y, x = np.mgrid[:size, :size] - size // 2
    angle = np.arange(count)[:, None, None] * np.pi / count
    slope = (x * np.cos(angle) + y * np.sin(angle)) * np.exp(-(x**2 + y**2) / 4)
    return (slope / np.abs(slope).sum(axis=(1, 2), keepdims=True))[:, None].astype(np.float32)


def handwriting() -> np.ndarray:
    """Return a handwritten character of a photograph as a 1x32x32 image, ink bright."""
    crop = 255 - data.text()[None, 140:172, 58:122].astype(np.float32)
    return convkit.avg_pool2d(crop, (1, 2))


def lenet5(table: list[Row]) -> dict[str, np.ndarray]:
    """Run the layers of LeNet-5, untrained, and follow shapes and receptive fields."""
    heading(7, "The layers of LeNet-5 (edge and random weights, untrained: it is about the shapes)")
    rng = np.random.default_rng(5)
    c3, c5 = (
        rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32) for shape in ((16, 6, 5, 5), (120, 16, 5, 5))
    )
    layers = (
        ("C1", "conv2d", oriented_edges(6, 5)),
        ("S2", "avg_pool2d", 2),
        ("C3", "conv2d", c3),
        ("S4", "avg_pool2d", 2),
        ("C5", "conv2d", c5),
    )
    maps = {"input": handwriting()}
    x, seen = maps["input"], []
    print("   layer  operation          output    receptive field  step")
    print(f"   input  {'':17}  {times(x.shape):8}  1x1              1")
    for name, function, argument in layers:
        options = {"activation": "relu"} if function == "conv2d" else {}
        x = both(table, f"LeNet-5 {name}", function, x, argument, **options)
        seen.append((5, 1) if function == "conv2d" else (2, 2))
        field = convkit.receptive_field(seen)
        what = "conv2d 5x5, relu" if function == "conv2d" else "avg_pool2d 2x2"
        side = f"{field.size}x{field.size}"
        print(f"   {name:5}  {what:17}  {times(x.shape):8}  {side:15}  {field.stride}")
        maps[name] = x
    assert [maps[n].shape for n in ("C1", "S2", "C3", "S4", "C5")] == [
        (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1),
    ]  # fmt: skip
    return maps


def print_times(table: list[Row]) -> None:
    """Print the time of every call beside the NumPy oracle's."""
    heading(8, "Times beside the NumPy oracle, and whether both agree")
    wide = max(len(row.label) for row in table)
    shapes = max(len(row.shapes) for row in table)
    names = f"{'operation':{wide}}  {'shapes':{shapes}}"
    print(f"   {names}  {'convkit ms':>10}  {'NumPy ms':>9}  ratio  agreement")
    for row in table:
        ratio = row.oracle_seconds / row.seconds
        print(
            f"   {row.label:{wide}}  {row.shapes:{shapes}}  {row.seconds * 1e3:10.3f}"
            f"  {row.oracle_seconds * 1e3:9.2f}  {ratio:5.1f}  {row.agreement}"
        )
    print(f"\n   {len(table)} of {len(table)} results agree with convkit.reference.")
    print("   Agreement: the largest difference, as a share of the largest value.")
    print(f"   convkit's times are those of the fastest of many calls (threads: {convkit.get_num_threads()}). Beside busy")
    print("   programs threads wait for each other, small layers most: compare with CONVKIT_NUM_THREADS=1 make demo.")


def main() -> None:
    """Run all steps, print the report and draw the figure."""
    parser = argparse.ArgumentParser(description="A tour of convkit on real photographs.")
    parser.add_argument("--out", type=Path, default=Path("convkit-demo.png"), help="the figure")
    out = parser.parse_args().out

    print(f"convkit {convkit.__version__}, {convkit.isas()[0]}, {convkit.get_num_threads()} threads")
    photo = np.ascontiguousarray(data.astronaut().transpose(2, 0, 1), dtype=np.float32)
    table: list[Row] = []
    results = {
        "example": worked_example(),
        "skipped": padding_and_stride(photo),
        "kernels": kernels(photo, table),
        "pyramids": pyramids(photo, table),
        "motion": motion(table),
        "fields": receptive_field(photo),
        "lenet": lenet5(table),
    }
    print_times(table)

    draw(results, table, out)
    print(f"\nFigure: {out}")


if __name__ == "__main__":
    main()
