"""Draw the figure of demo.py: one row of panels for every two steps of the tour."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

MARGIN = 0.35
INK, SOFT, ACCENT, PALE = "#1f2933", "#66727f", "#0e7c7b", "#d3dbe1"
RED_GREEN = LinearSegmentedColormap.from_list("rg", ["#00a651", "#0d1117", "#ff3b30"])
YELLOW_BLUE = LinearSegmentedColormap.from_list("yb", ["#ffd60a", "#0d1117", "#2f7bff"])
MOTION = LinearSegmentedColormap.from_list("motion", ["#35a7ff", "#0d1117", "#ff8c1a"])
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": INK,
}


def title(axes, text: str, note: str = "") -> None:
    """Write a bold title above the left edge of a panel, and a soft note behind it."""
    axes.annotate(
        text, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
        fontsize=9, fontweight="bold", annotation_clip=False,
    )  # fmt: skip
    if note:
        axes.annotate(
            note, (1, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
            fontsize=7.5, color=SOFT, ha="right", annotation_clip=False,
        )  # fmt: skip


def picture(axes, image: np.ndarray, text: str, note: str = "", **options) -> None:
    """Show one image, (H, W) or (3, H, W), without axes."""
    if image.ndim == 3:
        image = np.clip(image, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    axes.imshow(image, **{"cmap": "gray", "interpolation": "antialiased", **options})
    axes.set_axis_off()
    title(axes, text, note)


def draw_grid(axes, values: np.ndarray, left: float, top: float, colours: np.ndarray) -> None:
    """Draw a small matrix of numbers as coloured unit squares."""
    for (i, j), value in np.ndenumerate(values):
        axes.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=colours[i, j], edgecolor="white", lw=2))
        axes.text(left + j + 0.5, top + i + 0.52, f"{value:.0f}", ha="center", va="center",
                  fontsize=10)  # fmt: skip


def draw_example(axes, result: np.ndarray) -> None:
    """Draw 3x3 image * 2x2 kernel = 2x2 result, the first window picked out."""
    warm, cool = "#ffd9a8", "#dfe7ec"
    image = np.full((3, 3), cool, dtype=object)
    image[:2, :2] = warm
    answer = np.full((2, 2), cool, dtype=object)
    answer[0, 0] = "#ff9d3c"
    draw_grid(axes, np.arange(9).reshape(3, 3), 0, 0, image)
    draw_grid(axes, np.arange(4).reshape(2, 2), 4.2, 0.5, np.full((2, 2), warm, dtype=object))
    draw_grid(axes, result, 7.4, 0.5, answer)
    axes.text(3.6, 1.55, "∗", ha="center", va="center", fontsize=14, color=SOFT)
    axes.text(6.8, 1.5, "=", ha="center", va="center", fontsize=13, color=SOFT)
    axes.text(0, 3.55, "0·0 + 1·1 + 3·2 + 4·3 = 19", fontsize=9, color=INK, va="center")
    axes.set(xlim=(-0.05, 9.5), ylim=(3.9, -0.05), aspect="equal", anchor="NW")
    axes.set_axis_off()
    title(axes, "A convolution")


def draw_field(axes, change: np.ndarray, text: str) -> None:
    """Show by how much each pixel of the input changes one output."""
    shown = np.where(change == 0, np.nan, change)
    axes.imshow(shown, cmap="YlGnBu", vmin=-2, vmax=11)
    for (i, j), value in np.ndenumerate(change):
        if value:
            axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7.5,
                      color="white" if value > 5 else INK)  # fmt: skip
    size = len(change)
    axes.set(xticks=np.arange(size + 1) - 0.5, yticks=np.arange(size + 1) - 0.5)
    axes.grid(color=PALE, lw=0.6)
    axes.tick_params(length=0, labelbottom=False, labelleft=False)
    axes.spines[:].set_visible(False)
    title(axes, text)


def draw_times(axes, table) -> None:
    """Draw a bar from convkit's time to the oracle's for the large operations."""
    rows = [row for row in table if row.shapes.split(" ")[0].count("x") >= 2][:9]
    for i, row in enumerate(rows):
        ours, oracle = row.seconds * 1e3, row.oracle_seconds * 1e3
        axes.plot([ours, oracle], [i, i], color=PALE, lw=4, solid_capstyle="round", zorder=1)
        axes.scatter(oracle, i, s=26, color=SOFT, zorder=2)
        axes.scatter(ours, i, s=26, color=ACCENT, zorder=3)
        ratio = oracle / ours
        axes.annotate(f"{ratio:.{int(ratio < 10)}f}×", (max(ours, oracle), i), (7, 0),
                      textcoords="offset points", va="center", fontsize=7.5,
                      color=SOFT)  # fmt: skip
    axes.set(yticks=range(len(rows)), xscale="log", ylim=(len(rows) - 0.4, -0.6))
    labels = [re.sub(r"(?<=\d)x(?=\d)", "×", row.label) for row in rows]
    axes.set_yticklabels(labels, fontsize=7.5)
    axes.margins(x=0.15)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7, which="both", length=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=PALE, lw=0.5)
    axes.set_axisbelow(True)
    title(axes, "Milliseconds")
    for x, colour, name in ((0.62, ACCENT, "● convkit"), (1, SOFT, "● NumPy oracle")):
        axes.annotate(name, (x, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
                      fontsize=8, color=colour, ha="right")  # fmt: skip


def mipmap(levels: list[np.ndarray]) -> np.ndarray:
    """Put all levels of a pyramid into one picture, each at its own size."""
    size = levels[0].shape[-1]
    canvas = np.full((3, size, size + size // 2 + 8), 255, np.float32)
    canvas[:, :, :size] = levels[0]
    top = 0
    for level in levels[1:]:
        n = level.shape[-1]
        canvas[:, top : top + n, size + 8 : size + 8 + n] = level
        top += n + 8
    return canvas


def mosaic(maps: np.ndarray, columns: int, gap: int) -> np.ndarray:
    """Lay feature maps out in a grid, each scaled to its own range."""
    count, h, w = maps.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap), np.nan, np.float32)
    for i, one in enumerate(maps):
        y, x = (i // columns) * (h + gap), (i % columns) * (w + gap)
        canvas[y : y + h, x : x + w] = one / max(float(one.max()), 1e-6)
    return canvas


def draw_lenet(axes, maps: dict[str, np.ndarray]) -> None:
    """Show the feature maps of every layer, all pixels of one size."""
    height, left = 92, 0
    blocks = (
        ("input", 1, "input\n1×32×32"),
        ("C1", 2, "conv 5×5\n6×28×28"),
        ("S2", 2, "avg pool\n6×14×14"),
        ("C3", 4, "conv 5×5\n16×10×10"),
        ("S4", 4, "avg pool\n16×5×5"),
    )
    for name, columns, text in blocks:
        image = mosaic(maps[name] - maps[name].min(), columns, gap=3)
        h, w = image.shape
        top = (height - h) / 2
        axes.imshow(image, cmap="magma", extent=(left, left + w, top + h, top),
                    interpolation="nearest")  # fmt: skip
        axes.text(left + w / 2, height + 4, text, ha="center", va="top", fontsize=7.5, color=SOFT)
        left += w + 20
    axes.set(xlim=(0, left - 20), ylim=(height + 20, -1), aspect="equal", anchor="NE")
    axes.set_axis_off()
    title(axes, "The layers of LeNet-5 on a photographed character")


def draw_motion(panels, motion: dict[str, np.ndarray]) -> None:
    """Show a frame, what a 2-D kernel makes of it, and what a 3-D kernel does."""
    frame, edges = motion["frame"], motion["edges"]
    moving = np.sign(motion["motion"]) * np.sqrt(np.abs(motion["motion"]))
    limit = np.percentile(np.abs(moving), 99.5)
    picture(panels[0], frame, "Coins, sliding")
    arrow = {"arrowstyle": "-|>", "color": "#ffd60a", "lw": 2, "mutation_scale": 14}
    for y, start, end in ((60, 88, 132), (134, 132, 88)):
        panels[0].annotate("", (end, y), (start, y), arrowprops=arrow)
    picture(panels[1], edges, "2-D kernel: edges", cmap="magma", vmax=np.percentile(edges, 99.5))
    picture(panels[2], moving, "3-D kernel: motion", cmap=MOTION, vmin=-limit, vmax=limit)
    for velocity, y, colour in zip(motion["velocity"], (66, 97, 128), ("#ff8c1a", "#8a96a3", "#35a7ff"), strict=True):
        text = f"{velocity:+.1f} pixel a frame".replace("-", "−") if velocity else "at rest"
        panels[2].text(110, y, text, color=colour, ha="center", va="center", fontsize=8)


def justified(figure, top: float, aspects: list[float], gap: float = 0.16) -> tuple[list, float]:
    """Add a row of panels of one height that fills the width; return them and the row's end.

    All lengths are in inches, from the top left corner.
    """
    wide, high = figure.get_size_inches()
    height = (wide - 2 * MARGIN - gap * (len(aspects) - 1)) / sum(aspects)
    left, panels = MARGIN, []
    for aspect in aspects:
        width = aspect * height
        box = (left / wide, 1 - (top + height) / high, width / wide, height / high)
        panels.append(figure.add_axes(box))
        left += width + gap
    return panels, top + height


def draw_header(figure) -> None:
    """Write the name and the subject into the top margin."""
    wide, high = figure.get_size_inches()
    figure.text(MARGIN / wide, 1 - 0.5 / high, "convkit", fontsize=21, fontweight="bold",
                color=ACCENT, va="baseline")  # fmt: skip
    figure.text((MARGIN + 1.45) / wide, 1 - 0.5 / high, va="baseline", fontsize=13, color=SOFT,
                s="convolution and pooling of real photographs")  # fmt: skip


def draw_kernels(panels, kernels: dict[str, np.ndarray]) -> None:
    """Show what five kernels make of the same part of the photograph."""
    view = np.s_[..., 0:330, 20:350]
    edges = kernels["edges"][view]
    red_green, blue_yellow = kernels["opponents"][view]
    picture(panels[0], kernels["photograph"][view], "Photograph")
    picture(panels[1], edges, "Sobel edges", cmap="magma", vmax=np.percentile(edges, 99))
    picture(panels[2], kernels["blur"][view], "Blur")
    picture(panels[3], kernels["sharpen"][view], "Sharpen")
    picture(panels[4], red_green, "Red − green", cmap=RED_GREEN, vmin=-120, vmax=120)
    picture(panels[5], blue_yellow, "Blue − yellow", cmap=YELLOW_BLUE, vmin=-90, vmax=90)


def draw_pyramids(panels, pyramids: dict[str, list[np.ndarray]], skipped: np.ndarray) -> None:
    """Show both pyramids, the smallest level of each enlarged, and pixels picked unpooled."""
    for i, (name, levels) in enumerate(pyramids.items()):
        picture(panels[2 * i], mipmap(levels), f"{name.capitalize()} pooling, 512 to 32")
        picture(panels[2 * i + 1], levels[-1], "32×32", interpolation="nearest")
    picture(panels[4], skipped, "Stride 16, no pooling", interpolation="nearest")


def draw(results: dict, table, out: Path) -> None:
    """Compose the panels and write the figure."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(14, 10.25), facecolor="white")
        draw_header(figure)

        panels, end = justified(figure, 0.92, [2.5, 1, 1, 0.8, 2.5])
        example, one, two, empty, bars = panels
        empty.remove()  # the labels of the bars stand here
        draw_example(example, results["example"])
        draw_field(one, results["fields"][0], "One layer sees 3×3")
        draw_field(two, results["fields"][1], "Two layers see 5×5")
        draw_times(bars, table)

        panels, end = justified(figure, end + 0.42, [1] * 6)
        draw_kernels(panels, results["kernels"])

        panels, end = justified(figure, end + 0.36, [1.516, 1, 1.516, 1, 1])
        draw_pyramids(panels, results["pyramids"], results["skipped"])

        height, width = results["motion"]["frame"].shape
        panels, end = justified(figure, end + 0.36, [width / height] * 3 + [2.45], gap=0.26)
        draw_motion(panels[:3], results["motion"])
        draw_lenet(panels[3], results["lenet"])

        figure.savefig(out, dpi=130)
        plt.close(figure)
