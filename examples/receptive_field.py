"""How much of the input does one output see? Compute it, then measure it."""

import numpy as np

import convkit

# (kernel, stride, dilation, padding) of each layer, from input to output.
STACKS = {
    "one 3x3": [(3, 1, 1, 1)],
    "two 3x3": [(3, 1, 1, 1)] * 2,
    "three 3x3": [(3, 1, 1, 1)] * 3,
    "3x3 with stride 2, 3x3": [(3, 2, 1, 1), (3, 1, 1, 1)],
    "3x3 with dilations 1, 2, 4": [(3, 1, 1, 1), (3, 1, 2, 2), (3, 1, 4, 4)],
    "7x7 with stride 2, pool 3x3": [(7, 2, 1, 3), (3, 2, 1, 1)],
}
SIZE = 41
POSITION = 5  # the output looked at, along each axis


def measure(layers: list[tuple[int, int, int, int]]) -> tuple[int, int]:
    """Change the pixels one by one and return the first and the last that change the output."""
    # All pixels of the diagonal are enough: the kernels are square. One image for each.
    images = np.zeros((SIZE + 1, 1, SIZE, SIZE))
    diagonal = np.arange(SIZE)
    images[diagonal, 0, diagonal, diagonal] = 1
    for kernel, stride, dilation, padding in layers:
        weight = np.ones((1, 1, kernel, kernel))
        images = convkit.conv2d(images, weight, None, stride, padding, dilation)
    output = images[:, 0, POSITION, POSITION]
    changed = np.flatnonzero(output[:-1] != output[-1])
    return int(changed[0]), int(changed[-1])


print(f"{'layers':28}  size  every  first pixel of output {POSITION}")
for name, layers in STACKS.items():
    field = convkit.receptive_field(layers)
    first = field.start + POSITION * field.stride
    # Where the field sticks out of the image there is padding, which cannot be changed.
    inside = max(first, 0), min(first + field.size, SIZE) - 1
    assert measure(layers) == inside, name
    print(f"{name:28}  {field.size:<4}  {field.stride:<5}  {first}")
print(f"measured: {len(STACKS)} of {len(STACKS)} agree")
