"""Numbers of a restored real photograph, of which no clean version exists.

Only formulas that need no training are here. BRISQUE and NIQE are defined by models fitted to data sets
whose terms keep them out of this package, and the same formula with other statistics would be another
metric.

They measure one property each, not quality: a method that blurs has little noise, one that sharpens little
blur.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.metrics import Pixels, metric, require_size
from benchmark.metrics.fidelity import LUMA


@metric(
    better="lower",
    unit="",
    convention="blur[crete2007,h11,bt601-luma]",
    decimals=4,
    scope="real",
    label="Blur",
)
def blur(restored: Pixels) -> float:
    """Blur by re-blurring, 0 (sharp) to 1: how little the image changes when it is blurred once more.

    Crete, Dolmiere, Ladret & Nicolas 2007, window of 11 pixels, the worse of both directions; the code is
    scikit-image's.
    """
    require_size("blur", restored, 11)
    from skimage.measure import blur_effect

    return float(blur_effect(_luma(restored) / 255, h_size=11))


@metric(
    better="lower",
    unit="/255",
    convention="noise[immerkaer1996,bt601-luma]",
    decimals=2,
    scope="real",
    label="Noise",
)
def noise(restored: Pixels) -> float:
    """Standard deviation of the noise, from second differences, which smooth picture content has little of.

    Immerkaer 1996: sqrt(pi / 2) / 6 times the mean of |I * N| over the inner pixels, N the difference of two
    Laplacians; of luma, in steps of 255. Fine texture counts as noise.
    """
    require_size("noise", restored, 3)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    response = np.asarray(cv2.filter2D(_luma(restored), cv2.CV_64F, kernel), np.float64)[1:-1, 1:-1]
    return math.sqrt(math.pi / 2) / 6 * float(np.abs(response).mean())


def _luma(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """BT.601 luma over the full range 0 .. 255, (H, W)."""
    return np.asarray(pixels.astype(np.float64) @ (LUMA / LUMA.sum()))
