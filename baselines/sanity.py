"""Methods that need no training: what every learned one has to beat, and what each knows.

* ``identity`` returns its input: the score of doing nothing.
* ``median``: a 3x3 median of each channel, the classic answer to specks; it knows nothing of fading.
* ``biharmonic``: fills the pixels of the true mask smoothly from those around them (Damelin & Hoang, "On
  Surface Completion and Image Inpainting by Biharmonic Functions", 2018, as scikit-image implements it) and
  leaves all others as they are. It is told where the damage is, as nobody is on a real photograph.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data import as_batch, as_pixels
from benchmark.method import Declaration, Setting

#: Mask values from here on count as lost (half of the picture is gone there), and so does the next pixel in
#: every direction: the fill starts from the rim, and a rim with a little white paper in it pulls the whole
#: fill towards white. On training pairs of profile quick that pixel is worth 0.14 dB; a lower value than half
#: gains nothing and smooths pictures away under faint stains.
LOST = 128
#: A larger image is filled in tiles, so that time and memory grow with its area and no faster; pixels of one
#: tile see ``CONTEXT_PX`` beyond it. A hole wider than that can show a seam where two tiles meet.
TILE_PX = 768
CONTEXT_PX = 64


class Identity:
    """Nothing is done."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The input."""
        return degraded


class Median:
    """A median of 3x3 pixels in each channel; borders are repeated."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The filtered image."""
        return as_batch(np.asarray(cv2.medianBlur(as_pixels(degraded), 3), np.uint8))


class Biharmonic:
    """Smooth filling of the oracle mask."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The image with its lost pixels (see ``LOST``) filled; a tile that is lost as a whole stays."""
        if mask is None:
            raise ValueError("biharmonic needs the mask of lost pixels")
        pixels = as_pixels(degraded)
        hidden = np.rint(mask[0, 0].numpy() * 255) >= LOST
        lost = cv2.dilate(hidden.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        filled = pixels.copy()
        height, width = lost.shape
        for top in range(0, height, TILE_PX):
            for left in range(0, width, TILE_PX):
                bottom, right = min(top + TILE_PX, height), min(left + TILE_PX, width)
                rows = slice(max(top - CONTEXT_PX, 0), bottom + CONTEXT_PX)
                columns = slice(max(left - CONTEXT_PX, 0), right + CONTEXT_PX)
                if not lost[top:bottom, left:right].any() or lost[rows, columns].all():
                    continue
                tile = fill(pixels[rows, columns], lost[rows, columns])
                inner = tile[top - rows.start :, left - columns.start :]
                filled[top:bottom, left:right] = inner[: bottom - top, : right - left]
        return as_batch(filled)


def fill(pixels: NDArray[np.uint8], lost: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Fill the pixels (H, W, 3) where ``lost`` (H, W) holds; at least one pixel is not lost."""
    from skimage.restoration import inpaint_biharmonic

    values = inpaint_biharmonic(pixels.astype(np.float64), lost, channel_axis=-1)
    smooth: NDArray[np.uint8] = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return np.where(lost[..., None], smooth, pixels)


def _identity(setting: Setting) -> Identity:
    return Identity()


def _median(setting: Setting) -> Median:
    return Median()


def _biharmonic(setting: Setting) -> Biharmonic:
    return Biharmonic()


METHODS = (
    Declaration("identity", "the degraded image as it is", _identity),
    Declaration("median", "median of 3x3 pixels in each channel", _median),
    Declaration(
        "biharmonic", "smooth filling of the true damage mask, nothing else", _biharmonic, mask="oracle"
    ),
)
