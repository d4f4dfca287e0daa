"""Procedural fields: smooth and fractal noise, paper, displacement. Arrays in, float32 arrays out."""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float32]

#: Displacements stay under this part of the distance between grid points, so that no fold can appear.
NO_FOLD = 0.4


def smooth_noise(shape: tuple[int, int], cell_px: float, rng: Generator) -> Field:
    """Gaussian noise that varies over about ``cell_px`` pixels: zero mean, unit variance in expectation.

    A random grid, interpolated cubically; its phase is random, so no feature sits at the picture's corner.
    Source: our choice.
    """
    cell = max(cell_px, 1.0)
    rows, columns = (math.ceil(side / cell) + 4 for side in shape)
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    phase = rng.random(2)
    # Pixel (0, 0) lies between grid points 1 and 2, so the cubic's four neighbours always exist.
    scale = np.float32(1 / cell)
    matrix = np.array([[scale, 0, 1 + phase[0]], [0, scale, 1 + phase[1]]], dtype=np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    field = cv2.warpAffine(grid, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
    # The cubic's squared weights average to about 0.74 per axis over the cell.
    return np.asarray(field * np.float32(1 / 0.74), dtype=np.float32)


def fractal_noise(
    shape: tuple[int, int], cell_px: float, rng: Generator, *, octaves: int = 5, persistence: float = 0.55
) -> Field:
    """Sum of ``smooth_noise`` at ``cell_px``, half of it, ...; each octave ``persistence`` times as strong.

    Zero mean, unit variance in expectation. Octaves finer than a pixel are left out. Source: our choice.
    """
    total = np.zeros(shape, dtype=np.float32)
    power = 0.0
    for octave in range(octaves):
        cell = cell_px / 2**octave
        if octave and cell < 1:
            break
        gain = persistence**octave
        total += np.float32(gain) * smooth_noise(shape, cell, rng)
        power += gain**2
    return total / np.float32(math.sqrt(power))


def displacement(
    shape: tuple[int, int], rms_px: float, correlation_px: float, rng: Generator
) -> tuple[Field, Field]:
    """Elastic displacement (dx, dy) in pixels: about ``rms_px`` strong, smooth over ``correlation_px``.

    Simard, Steinkraus, Platt 2003 with the smoothed noise replaced by an interpolated grid; bounded to 0.4
    of the grid's spacing so that the map never folds.
    """
    cell = max(correlation_px, 2.0)
    limit = NO_FOLD * cell
    dx, dy = (
        np.clip(smooth_noise(shape, cell, rng) * np.float32(rms_px), -limit, limit, dtype=np.float32)
        for _ in range(2)
    )
    return dx, dy


def warp(array: Field, dx: Field, dy: Field) -> Field:
    """Each pixel (x, y) of the result is ``array`` at (x + dx, y + dy), bilinear; outside is 0."""
    height, width = dx.shape
    x = np.arange(width, dtype=np.float32)[None] + dx
    y = np.arange(height, dtype=np.float32)[:, None] + dy
    moved = cv2.remap(array, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(moved, dtype=np.float32)


def smoothstep(values: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, a smooth cubic between."""
    t = np.clip((values - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def gradient(field: Field) -> tuple[Field, Field]:
    """Change per pixel along x and along y (Sobel, 3x3)."""
    dx = cv2.Sobel(field, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(field, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    return np.asarray(dx, dtype=np.float32), np.asarray(dy, dtype=np.float32)


def slope(field: Field) -> Field:
    """Magnitude of the gradient, per pixel."""
    return np.hypot(*gradient(field), dtype=np.float32)


def light_from_upper_left(height: Field, gain: float) -> Field:
    """Shading factor around 1 of a surface of that ``height`` (any unit), lit from the upper left."""
    dx, dy = gradient(height)
    return np.asarray(1 + np.float32(gain) * (dx + dy), dtype=np.float32)
