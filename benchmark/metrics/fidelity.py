"""How close two images are, pixel by pixel and window by window."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import Pixels, metric


@metric(better="higher", unit="dB", convention="psnr[rgb,255,crop0]", decimals=2)
def psnr(restored: Pixels, clean: Pixels) -> float:
    """Peak signal-to-noise ratio over all pixels of all three channels; +inf for equal images.

    PSNR = 10 log10(255² / MSE), one MSE over H x W x 3, no border cropped, nothing added in the logarithm.
    """
    # Integers, so that the error is exact and in no summation order.
    difference = restored.astype(np.int64) - clean.astype(np.int64)
    squared_error = int(np.sum(difference * difference))
    if squared_error == 0:
        return math.inf
    return 10 * math.log10(255.0**2 * difference.size / squared_error)


@metric(better="higher", unit="", convention="ssim[rgb,g11s1.5,valid,no-ds]", decimals=4)
def ssim(restored: Pixels, clean: Pixels) -> float:
    """Structural similarity, the mean over valid windows and over the three channels; 1 for equal images.

    Wang, Bovik, Sheikh & Simoncelli 2004, equation 13: 11x11 Gaussian window of sigma 1.5 normalised to 1,
    population moments, K1 = 0.01, K2 = 0.03, L = 255; no downsampling, nothing clamped.

    Raises:
        ValueError: the images are smaller than the window.
    """
    if min(clean.shape[:2]) < 2 * RADIUS + 1:
        raise ValueError(
            f"ssim needs at least {2 * RADIUS + 1} pixels each way, got {clean.shape[1]}x{clean.shape[0]}"
        )
    x, y = restored.astype(np.float64), clean.astype(np.float64)
    mu_x, mu_y = _window_mean(x), _window_mean(y)
    var_x = _window_mean(x * x) - mu_x * mu_x
    var_y = _window_mean(y * y) - mu_y * mu_y
    covariance = _window_mean(x * y) - mu_x * mu_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mu_x * mu_y + c1) * (2 * covariance + c2)
    similarity /= (mu_x * mu_x + mu_y * mu_y + c1) * (var_x + var_y + c2)
    # Every channel has as many windows, so the mean over all is the mean over channels.
    return float(similarity.mean())


RADIUS = 5
_TAPS = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / 1.5) ** 2)
_TAPS /= _TAPS.sum()


def _window_mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-weighted means of all windows that lie inside the image, (H - 10, W - 10, 3)."""
    filtered = np.asarray(cv2.sepFilter2D(plane, cv2.CV_64F, _TAPS, _TAPS), np.float64)
    return filtered[RADIUS:-RADIUS, RADIUS:-RADIUS]
