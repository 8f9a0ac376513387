"""Work on an RGB photograph as it comes: (height, width, channels)."""

import numpy as np
from skimage import data

import convkit

photo = data.astronaut().astype(np.float32) / 255  # (512, 512, 3)
last = {"layout": "channels_last"}

# Weights keep their order in either layout: (out_channels, in_channels, height, width).
rng = np.random.default_rng(2)
weight = rng.standard_normal((8, 3, 3, 3), dtype=np.float32)
features = convkit.conv2d(photo, weight, stride=2, padding=1, activation="relu", **last)
pooled = convkit.max_pool2d(features, 2, **last)
print(f"photograph  {photo.shape}")
print(f"features    {features.shape}")
print(f"pooled      {pooled.shape}")
assert features.shape == convkit.conv_output_shape(photo.shape, weight.shape, 2, 1, **last)

# The same numbers as channels first, in another order in memory.
first = convkit.conv2d(photo.transpose(2, 0, 1), weight, stride=2, padding=1, activation="relu")
assert np.allclose(features, first.transpose(1, 2, 0), rtol=1e-5, atol=1e-5)
print(f"layouts     agree, mean {features.mean():.4f}")

# A filter of its own for each colour: groups equal to the number of channels.
box = np.full((3, 1, 5, 5), 1 / 25, np.float32)
soft = convkit.conv2d(photo, box, padding="same", padding_mode="reflect", groups=3, **last)
assert soft.shape == photo.shape
assert np.allclose(soft[100, 200], photo[98:103, 198:203].mean(axis=(0, 1)), rtol=1e-5)
print(f"soft        {soft.shape}, varies by {soft.std():.3f} instead of {photo.std():.3f}")

# One number for each channel: the mean of the whole picture (this one wants a batch axis).
colour = convkit.global_avg_pool(photo[None], **last)
print(f"mean        {colour.shape}")
assert np.allclose(colour[0, 0, 0], photo.mean(axis=(0, 1), dtype=np.float64), rtol=1e-5)
