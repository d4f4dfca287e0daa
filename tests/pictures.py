"""Pictures for tests, made from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def picture(seed: int, height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    """A smooth colourful picture with edges, uint8 (H, W, 3)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        127 + 90 * np.sin((x * rng.uniform(0.02, 0.2)) + y * rng.uniform(0.02, 0.2) + rng.uniform(0, 6))
        for _ in range(3)
    ]
    image = np.stack(planes, axis=2)
    top, left = rng.integers(height // 2), rng.integers(width // 2)
    image[top : top + height // 3, left : left + width // 3] = rng.uniform(20, 235, 3)
    return np.rint(image).clip(0, 255).astype(np.uint8)
