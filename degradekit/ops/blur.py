"""Loss of sharpness."""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.curves import profile
from degradekit.density import to_linear, to_srgb
from degradekit.levels import Image, Pixels
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: A Gaussian is cut off at so many standard deviations; its sum stays under 1, whatever rounding adds.
REACH = 4
UNDER_ONE = np.float32(1 - 2**-20)


@op(neutral={"sigma_mm": 0.0})
def gaussian_blur(
    photo: Photo,
    rng: Generator,
    *,
    sigma_mm: Annotated[float, Bounds(0, 5, "mm")] = 0.15,
    kernel_px: Annotated[int, Bounds(0, 99, "px")] = 0,
) -> Photo:
    """An even softness, as of a simple lens or an enlarger out of focus.

    Gaussian of standard deviation ``sigma_mm`` on the print, mirrored at the border. ``kernel_px`` cuts the
    kernel off at that side (the next odd number), as published chains do; 0 leaves it whole. Source:
    standard.
    """
    sigma_px = sigma_mm * photo.px_per_mm
    if sigma_px < 0.2:  # A narrower kernel changes nothing by a step of 16 bits.
        return photo
    side = kernel_px or round(2 * REACH * sigma_px + 1)
    kernel = cv2.getGaussianKernel(side | 1, sigma_px, cv2.CV_32F) * UNDER_ONE
    blurred = cv2.sepFilter2D(photo.image, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
    return photo.with_valid(np.asarray(blurred, dtype=np.float32))


@op(neutral={"length_mm": 0.0})
def motion_blur(
    photo: Photo,
    rng: Generator,
    *,
    length_mm: Annotated[float, Bounds(0, 20, "mm")] = 1.0,
    angle_deg: Annotated[float, Bounds(-180, 180, "degrees")] = 20.0,
    shake: Annotated[float, Bounds(0, 1, "1")] = 0.15,
) -> Photo:
    """Everything is smeared along one direction: the camera moved during a long exposure.

    The mean, in linear light, over a path of ``length_mm`` on the print at ``angle_deg`` from the
    horizontal (anticlockwise); ``shake`` bends the path sideways by that share of its length. Source:
    standard; the bend is our choice.
    """
    length = length_mm * photo.px_per_mm
    if length < 0.1:  # Less than a tenth of a pixel shows nothing.
        return photo
    along = np.linspace(-0.5, 0.5, max(16, 8 * math.ceil(length))) * length
    bend = profile(len(along), 4, rng) * (shake * length / 4)
    bend -= bend.mean()
    angle = math.radians(angle_deg)
    x = along * math.cos(angle) + bend * math.sin(angle)
    y = bend * math.cos(angle) - along * math.sin(angle)
    return photo.with_valid(_convolved(photo.values, path_kernel(x, y)))


@op(neutral={"diameter_mm": 0.0})
def defocus_blur(
    photo: Photo, rng: Generator, *, diameter_mm: Annotated[float, Bounds(0, 10, "mm")] = 0.7
) -> Photo:
    """Points of light become discs: the picture was taken out of focus.

    The mean, in linear light, over a disc of ``diameter_mm`` on the print. Source: geometrical optics, a
    circle of confusion.
    """
    diameter = diameter_mm * photo.px_per_mm
    if diameter < 0.3:  # Such a disc lies within its pixel.
        return photo
    return photo.with_valid(_convolved(photo.values, disc_kernel(diameter / 2)))


def path_kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    """Kernel of equal weight at each point (x, y) in pixels, shared among the four nearest; sum 1."""
    reach = math.ceil(max(np.abs(x).max(), np.abs(y).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, low = x - column, y - row
    for dx, dy, weight in (
        (0, 0, (1 - right) * (1 - low)),
        (1, 0, right * (1 - low)),
        (0, 1, (1 - right) * low),
        (1, 1, right * low),
    ):
        np.add.at(kernel, (row + dy + reach, column + dx + reach), weight)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def disc_kernel(radius: float) -> NDArray[np.float32]:
    """Share of each pixel that a disc of ``radius`` pixels covers, by supersampling; sum 1."""
    reach = math.ceil(radius + 0.5)
    fine = 8 if radius < 16 else 2
    at = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = np.hypot(at[:, None], at[None]) <= radius
    side = 2 * reach + 1
    kernel = inside.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _convolved(image: Image | Pixels, kernel: NDArray[np.float32]) -> Image:
    # OpenCV correlates; turning the kernel by half makes it a convolution.
    blurred = cv2.filter2D(to_linear(image), -1, kernel[::-1, ::-1], borderType=cv2.BORDER_REFLECT_101)
    return to_srgb(np.asarray(blurred, dtype=np.float32))
