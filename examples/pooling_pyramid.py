"""Shrink a photograph from 512 to 32 pixels by pooling 2x2 windows four times."""

import numpy as np
from skimage import data

import convkit

photo = data.camera()[None].astype(np.float32)  # (1, 512, 512)

average = [photo]
highest = [photo]
for _ in range(4):
    average.append(convkit.avg_pool2d(average[-1], 2))
    highest.append(convkit.max_pool2d(highest[-1], 2))

print("level  shape            mean of averages  mean of maxima")
for level, (a, m) in enumerate(zip(average, highest, strict=True)):
    print(f"{level:<5}  {a.shape!s:15}  {a.mean():16.2f}  {m.mean():14.2f}")

# Four poolings of 2x2 are one of 16x16: exactly for the maximum, up to rounding for the mean.
assert np.array_equal(highest[-1], convkit.max_pool2d(photo, 16))
assert np.allclose(average[-1], convkit.avg_pool2d(photo, 16), rtol=1e-6)

# The place of each maximum comes with it, as a flat index into the plane.
values, places = convkit.max_pool2d(photo, 16, return_indices=True)
assert np.array_equal(photo.reshape(-1)[places], values)
brightest = int(places.reshape(-1)[values.argmax()])
print(f"brightest pixel  {values.max():.0f} at {divmod(brightest, 512)}")

# Laid out on the old grid again: every maximum at its place, zeros elsewhere.
spread = convkit.max_unpool2d(values, places, 16)
assert spread.shape == photo.shape
assert np.count_nonzero(spread) == np.count_nonzero(values)
print(f"unpooled         {spread.shape}, {np.count_nonzero(spread)} pixels set")
