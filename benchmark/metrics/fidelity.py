"""How close two images are, pixel by pixel and window by window."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import Pixels, metric, require_size


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


@metric(better="higher", unit="dB", convention="psnr_y[bt601-studio,255,crop0]", decimals=2, label="PSNR-Y")
def psnr_y(restored: Pixels, clean: Pixels) -> float:
    """PSNR of luma alone, as super-resolution papers give it; +inf for equal luma.

    Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 (ITU-R BT.601, studio range 16 .. 235), not rounded,
    while the peak stays 255; luma over the full range 0 .. 255 would read 1.32 dB less.
    """
    # The constant cancels.
    difference = (restored.astype(np.float64) - clean) @ (LUMA / 255)
    mean_squared = float(np.mean(difference * difference))
    return math.inf if mean_squared == 0 else 10 * math.log10(255.0**2 / mean_squared)


@metric(better="higher", unit="", convention="ssim[rgb,g11s1.5,valid,no-ds]", decimals=4)
def ssim(restored: Pixels, clean: Pixels) -> float:
    """Structural similarity, the mean over valid windows and over the three channels; 1 for equal images.

    Wang, Bovik, Sheikh & Simoncelli 2004, equation 13: 11x11 Gaussian window of sigma 1.5 normalised to 1,
    population moments, K1 = 0.01, K2 = 0.03, L = 255; no downsampling, nothing clamped.

    Raises:
        NoValueError: the images are smaller than the window.
    """
    # Every channel has as many windows, so the mean over all is the mean over channels.
    return float(ssim_map(restored, clean).mean())


@metric(better="higher", unit="", convention="ms_ssim[rgb,g11s1.5,valid,5]", decimals=4, label="MS-SSIM")
def ms_ssim(restored: Pixels, clean: Pixels) -> float:
    """Structural similarity over five scales, per channel, then the mean of the three; 1 for equal images.

    Wang, Simoncelli & Bovik 2003, equation 7: contrast and structure at every scale, luminance at the
    coarsest, to the powers 0.0448, 0.2856, 0.3001, 0.2363, 0.1333. Windows as in ``ssim``; scales are
    halved by 2x2 means, the last line of an odd side counted twice; a negative mean counts as 0.

    Raises:
        NoValueError: a side is under 161 pixels, so that the window does not fit the fifth scale.
    """
    require_size("ms_ssim", clean, 2 * RADIUS * 2 ** (len(SCALES) - 1) + 1)
    x, y = restored.astype(np.float64), clean.astype(np.float64)
    product = np.ones(3)
    for scale, power in enumerate(SCALES):
        luminance, structure = _luminance_and_structure(x, y)
        coarsest = scale == len(SCALES) - 1
        similarity = luminance * structure if coarsest else structure
        product *= np.maximum(similarity.mean(axis=(0, 1)), 0) ** power
        if not coarsest:
            x, y = _halved(x), _halved(y)
    return float(product.mean())


RADIUS = 5
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LUMA = np.array([65.481, 128.553, 24.966])
_TAPS = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / 1.5) ** 2)
_TAPS /= _TAPS.sum()


def ssim_map(restored: Pixels, clean: Pixels) -> NDArray[np.float64]:
    """Similarity of every window that lies inside the images, by its centre: (H - 10, W - 10, 3).

    Raises:
        NoValueError: the images are smaller than the window.
    """
    require_size("ssim", clean, 2 * RADIUS + 1)
    luminance, structure = _luminance_and_structure(restored.astype(np.float64), clean.astype(np.float64))
    return luminance * structure


def _luminance_and_structure(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mu_x, mu_y = _window_mean(x), _window_mean(y)
    var_x = _window_mean(x * x) - mu_x * mu_x
    var_y = _window_mean(y * y) - mu_y * mu_y
    covariance = _window_mean(x * y) - mu_x * mu_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mu_x * mu_y + c1) / (mu_x * mu_x + mu_y * mu_y + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return luminance, structure


def _window_mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-weighted means of all windows that lie inside the image, (H - 10, W - 10, 3)."""
    filtered = np.asarray(cv2.sepFilter2D(plane, cv2.CV_64F, _TAPS, _TAPS), np.float64)
    return filtered[RADIUS:-RADIUS, RADIUS:-RADIUS]


def _halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
