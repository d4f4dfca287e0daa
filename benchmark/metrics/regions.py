"""PSNR and SSIM where the picture was damaged, where it was not, and along the edge between the two."""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.metrics import Mask, NoValueError, Pixels, metric
from benchmark.metrics.fidelity import RADIUS, ssim_map

#: Pixels on either side of a mask's edge that count as its border.
BORDER_PX = 3


@metric(
    better="higher",
    unit="dB",
    convention="psnr_inside[rgb,255,mask>=128]",
    decimals=2,
    scope="masked",
    label="PSNR inside",
)
def psnr_inside(restored: Pixels, clean: Pixels, mask: Mask) -> float:
    """PSNR over the damaged pixels alone: how well what was lost came back."""
    return _psnr(restored, clean, mask, "no damaged pixel in this image")


@metric(
    better="higher",
    unit="dB",
    convention="psnr_outside[rgb,255,mask<128]",
    decimals=2,
    scope="masked",
    label="PSNR outside",
)
def psnr_outside(restored: Pixels, clean: Pixels, mask: Mask) -> float:
    """PSNR over the other pixels: what was not lost, but may have faded."""
    return _psnr(restored, clean, ~mask, "every pixel of this image is damaged")


@metric(
    better="higher",
    unit="dB",
    convention="psnr_border[rgb,255,mask+-3px]",
    decimals=2,
    scope="masked",
    label="PSNR border",
)
def psnr_border(restored: Pixels, clean: Pixels, mask: Mask) -> float:
    """PSNR within 3 pixels of the edges of the damage: seams of filled holes show here."""
    return _psnr(restored, clean, border(mask), "no edge of damage in this image")


@metric(
    better="higher",
    unit="",
    convention="ssim_inside[rgb,g11s1.5,mask>=128]",
    decimals=4,
    scope="masked",
    label="SSIM inside",
)
def ssim_inside(restored: Pixels, clean: Pixels, mask: Mask) -> float:
    """Mean SSIM of the windows whose centre is a damaged pixel."""
    return _ssim(restored, clean, mask, "no damaged pixel in this image")


@metric(
    better="higher",
    unit="",
    convention="ssim_outside[rgb,g11s1.5,mask<128]",
    decimals=4,
    scope="masked",
    label="SSIM outside",
)
def ssim_outside(restored: Pixels, clean: Pixels, mask: Mask) -> float:
    """Mean SSIM of the windows whose centre is not damaged."""
    return _ssim(restored, clean, ~mask, "every pixel of this image is damaged")


@metric(
    better="higher",
    unit="",
    convention="ssim_border[rgb,g11s1.5,mask+-3px]",
    decimals=4,
    scope="masked",
    label="SSIM border",
)
def ssim_border(restored: Pixels, clean: Pixels, mask: Mask) -> float:
    """Mean SSIM of the windows centred within 3 pixels of the edges of the damage."""
    return _ssim(restored, clean, border(mask), "no edge of damage in this image")


def border(mask: Mask) -> Mask:
    """The pixels at most BORDER_PX, in either direction, from the other side of an edge of the mask."""
    square = np.ones((2 * BORDER_PX + 1, 2 * BORDER_PX + 1), np.uint8)
    inside = mask.astype(np.uint8)
    near = cv2.dilate(inside, square)
    # The image's own edge is no edge of the damage.
    deep = cv2.erode(inside, square, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return np.asarray(near > deep)


def _psnr(restored: Pixels, clean: Pixels, region: Mask, empty: str) -> float:
    if not region.any():
        raise NoValueError(empty)
    difference = restored[region].astype(np.int64) - clean[region]
    squared_error = int(np.sum(difference * difference))
    return math.inf if squared_error == 0 else 10 * math.log10(255.0**2 * difference.size / squared_error)


def _ssim(restored: Pixels, clean: Pixels, region: Mask, empty: str) -> float:
    similarity = ssim_map(restored, clean)
    centres = region[RADIUS:-RADIUS, RADIUS:-RADIUS]
    if not centres.any():
        raise NoValueError(empty)
    return float(similarity[centres].mean())
