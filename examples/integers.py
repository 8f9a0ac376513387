"""Convolve and pool whole numbers exactly: no rounding, no scaling, a wider result."""

import numpy as np

import convkit

rng = np.random.default_rng(1)
image = rng.integers(0, 256, (1, 64, 64), dtype=np.uint8)

# Blur with whole weights that sum to 256; the division is yours to choose.
row = np.array([1, 4, 6, 4, 1], dtype=np.uint8)
weight = np.outer(row, row)[None, None]
sums = convkit.conv2d(image, weight, padding="same", padding_mode="edge")
blurred = ((sums + 128) >> 8).astype(np.uint8)
print(f"blur        {image.dtype} x {weight.dtype} -> {sums.dtype}, up to {sums.max()}")
assert sums.dtype == np.int32
assert sums[0, 30, 40] == (image[0, 28:33, 38:43].astype(int) * weight[0, 0]).sum()
assert blurred.std() < image.std()

# Count neighbours: one step of Conway's Game of Life on a grid without edges.
glider = np.zeros((1, 8, 8), dtype=bool)
glider[0, [0, 1, 2, 2, 2], [1, 2, 0, 1, 2]] = True
ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)[None, None]
alive = glider
for _ in range(4):
    neighbours = convkit.conv2d(alive, ring, padding=1, padding_mode="wrap")
    alive = (neighbours == 3) | (alive & (neighbours == 2))
assert neighbours.dtype == np.int32
assert np.array_equal(alive, np.roll(glider, (1, 1), axis=(1, 2)))
print(f"life        a glider of {np.count_nonzero(alive)} cells moved by (1, 1) in 4 steps")

# 32-bit numbers are summed in 64 bits.
large = np.full((1, 4), 2_000_000_000, dtype=np.int32)
total = convkit.conv1d(large, np.ones((1, 1, 4), dtype=np.int32))
assert total.dtype == np.int64 and total.item() == 8_000_000_000
print(f"wide sums   4 x 2000000000 = {total.item()}")

# The maximum keeps the dtype, the mean is a float64.
highest, mean = convkit.max_pool2d(image, 8), convkit.avg_pool2d(image, 8)
print(f"pooling     max -> {highest.dtype}, average -> {mean.dtype}")
assert highest.dtype == np.uint8 and mean.dtype == np.float64
assert mean.mean() == image.mean()
