"""Pixels as whole numbers, as files hold them, and as floats in [0, 1]."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

#: uint8 or uint16, (H, W, 3) or (H, W).
Pixels: TypeAlias = NDArray[np.uint8 | np.uint16]
#: float32, sRGB-encoded, (H, W, 3), in [0, 1].
Image: TypeAlias = NDArray[np.float32]
#: float32, (H, W) or (H, W, 3).
Plane: TypeAlias = NDArray[np.float32]
#: float32, (H, W), in [0, 1]; 1 = the picture is fully lost there.
Mask: TypeAlias = NDArray[np.float32]


def as_float(pixels: Pixels) -> NDArray[np.float32]:
    """Integers to float32 in [0, 1]."""
    scale = np.float32(1.0 / np.iinfo(pixels.dtype).max)
    values = pixels.astype(np.float32)
    values *= scale
    return values


def quantise(values: Image | Mask, bits: int = 8) -> Pixels:
    """float32 in [0, 1] to the nearest 8 or 16 bit integer (half to even); what is over 1 is clipped."""
    if not values.size:
        return np.empty(values.shape, np.uint8 if bits == 8 else np.uint16)
    # Scales, rounds and clips at once. The first knows 8 bits only, and takes a third of the time.
    if bits == 8:
        return np.asarray(cv2.convertScaleAbs(values, alpha=255), np.uint8).reshape(values.shape)
    scaled = cv2.addWeighted(values, 65535, values, 0, 0, dtype=cv2.CV_16U)
    return np.asarray(scaled, np.uint16).reshape(values.shape)
