"""Find the edges of a photograph with the two Sobel kernels."""

import numpy as np
from skimage import data

import convkit

# One kernel for each direction: (out_channels, in_channels, height, width).
ACROSS = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SOBEL = np.array([[ACROSS], [np.transpose(ACROSS)]], dtype=np.float32)

photo = data.camera().astype(np.float32)  # (512, 512)

# A channel axis in front, a border that repeats the outermost pixels, the size kept.
slopes = convkit.conv2d(photo[None], SOBEL, padding=1, padding_mode="edge")
strength = np.hypot(slopes[0], slopes[1])
direction = np.degrees(np.arctan2(slopes[1], slopes[0]))

# The same at one pixel by hand.
y, x = 200, 240
window = photo[y - 1 : y + 2, x - 1 : x + 2]
assert slopes[0, y, x] == (window * ACROSS).sum()
assert slopes[1, y, x] == (window * np.transpose(ACROSS)).sum()

y, x = (int(i) for i in np.unravel_index(strength.argmax(), strength.shape))
print(f"shape            {photo.shape} -> {slopes.shape}")
print(f"mean strength    {strength.mean():.2f}")
print(f"strongest edge   {strength.max():.1f} at row {y}, column {x}")
print(f"its direction    {direction[y, x]:.0f} degrees (0: dark on the left, bright on the right)")
print(f"edge pixels      {np.mean(strength > 200):.1%} are stronger than 200")
