"""Prepare a convolution once and use it for many images, also from many threads."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import convkit

rng = np.random.default_rng(0)
images = rng.standard_normal((40, 16, 56, 56), dtype=np.float32)
weight = rng.standard_normal((32, 16, 3, 3), dtype=np.float32)
bias = rng.standard_normal(32, dtype=np.float32)

# A plan belongs to the shape of a sample, whatever the length of the batch. It packs the weights.
plan = convkit.conv2d_plan((1, 16, 56, 56), weight, bias, padding=1, activation="relu")
print(f"algorithm   {plan.algorithm}")
print(f"result      {tuple(plan.output_shape)}")
print(f"work        {plan.flops / 1e6:.1f} million floating-point operations an image")
print(f"workspace   {plan.workspace_bytes / 1024:.0f} KiB a thread")
print(f"weights     {plan.packed_bytes / 1024:.0f} KiB packed")

# One buffer for every result: no new memory an image. An earlier result serves best, see the tutorial.
out = plan(images[:1])
kept = []
start = time.perf_counter()
for image in np.split(images, len(images)):
    assert plan(image, out=out) is out
    kept.append(float(out.mean()))
seconds = time.perf_counter() - start
print(f"time        {seconds / len(images) * 1e3:.3f} ms an image")

# The batch length may vary, and so may the number of threads: the bits stay the same.
batch = plan(images)
assert batch.shape == (40, 32, 56, 56)
assert np.array_equal(batch, plan(images, num_threads=1))
assert np.array_equal(batch[-1:], out)

# A plan never changes, so any number of Python threads may call it at once.
with ThreadPoolExecutor(4) as pool:
    concurrent = list(pool.map(lambda part: plan(part, num_threads=1), np.split(images, 8)))
assert np.array_equal(np.concatenate(concurrent), batch)

with convkit.threads(1):
    assert np.array_equal(plan(images), batch)
print(f"agreement   loop, batch, 1 thread and 4 callers: equal, mean {np.mean(kept):.4f}")
