"""Loss of sharpness."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator

from degradekit.ops import Bounds, op
from degradekit.photo import Photo


@op(neutral={"sigma_mm": 0.0})
def gaussian_blur(
    photo: Photo, rng: Generator, *, sigma_mm: Annotated[float, Bounds(0, 5, "mm")] = 0.15
) -> Photo:
    """An even softness, as of a simple lens or an enlarger out of focus.

    Gaussian of standard deviation ``sigma_mm`` on the print, mirrored at the border. Source: standard.
    """
    sigma_px = sigma_mm * photo.px_per_mm
    if sigma_px < 0.05:  # A narrower kernel is the identity in float32.
        return photo
    blurred = cv2.GaussianBlur(photo.image, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101)
    return photo.with_image(np.asarray(blurred, dtype=np.float32))
