"""Blur kernels of the published super-resolution chains: anisotropic, generalised, plateau, sinc."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.ops import Bounds, op
from degradekit.photo import Photo


@op(neutral={"sigma_px": 0.0})
def kernel_blur(
    photo: Photo,
    rng: Generator,
    *,
    sigma_px: Annotated[float, Bounds(0, 20, "px")] = 1.5,
    ratio: Annotated[float, Bounds(0.05, 1, "1")] = 0.5,
    angle_deg: Annotated[float, Bounds(-180, 180, "degrees")] = 30.0,
    shape: Literal["gaussian", "generalized", "plateau"] = "gaussian",
    beta: Annotated[float, Bounds(0.2, 8, "1")] = 1.0,
    kernel_px: Annotated[int, Bounds(3, 51, "px")] = 21,
) -> Photo:
    """A softness that may be stronger one way than across it; in pixels, as published chains have it.

    ``sigma_px`` along ``angle_deg``, ``ratio`` times that across. With q the squared distance in those
    units: gaussian exp(-q/2), generalized exp(-q^beta / 2), plateau 1 / (1 + q^beta). Source: Wang et al.,
    Real-ESRGAN, ICCVW 2021; Liu et al., IEEE TIP 2020 (generalised and plateau forms).
    """
    if sigma_px < 0.05:
        return photo
    half = (kernel_px | 1) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    angle = math.radians(angle_deg)
    along, across = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    q = (along / sigma_px) ** 2 + (across / (sigma_px * ratio)) ** 2
    if shape == "plateau":
        kernel = 1 / (1 + q**beta)
    else:
        kernel = np.exp(-0.5 * q ** (beta if shape == "generalized" else 1.0))
    return _filtered(photo, kernel)


@op(neutral={"strength": 0.0})
def sinc_filter(
    photo: Photo,
    rng: Generator,
    *,
    cutoff: Annotated[float, Bounds(0.5, 3.1416, "rad/px")] = 2.0,
    kernel_px: Annotated[int, Bounds(3, 51, "px")] = 21,
    strength: Annotated[float, Bounds(0, 1, "1")] = 1.0,
) -> Photo:
    """Ringing at edges, as of over-sharpening or of a sharp low-pass filter in a codec.

    Circular low-pass of ``cutoff``: kernel c J1(c r) / (2 pi r). ``strength`` mixes it with the picture.
    Source: Wang et al., Real-ESRGAN, ICCVW 2021, 3.4.
    """
    if strength == 0:
        return photo
    from scipy.special import j1

    half = (kernel_px | 1) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    r = np.hypot(x, y)
    r[half, half] = 1.0
    kernel = cutoff * j1(cutoff * r) / (2 * math.pi * r)
    kernel[half, half] = cutoff**2 / (4 * math.pi)
    filtered = _filtered(photo, kernel)
    return photo.with_image(photo.image + np.float32(strength) * (filtered.image - photo.image))


def _filtered(photo: Photo, kernel: NDArray[np.float64]) -> Photo:
    kernel = kernel / kernel.sum()
    image = cv2.filter2D(
        photo.image, cv2.CV_32F, kernel.astype(np.float32), borderType=cv2.BORDER_REFLECT_101
    )
    return photo.with_image(np.asarray(image, dtype=np.float32))
