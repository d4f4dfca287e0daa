"""Detail lost to coarse sampling."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import cv2
import numpy as np
from numpy.random import Generator

from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

Down: TypeAlias = Literal["area", "bilinear", "bicubic", "antialiased_bicubic", "nearest"]
Up: TypeAlias = Literal["bilinear", "bicubic", "nearest"]

ANTIALIASED = "antialiased_bicubic"
KERNELS = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}


@op(neutral={"pitch_mm": 0.0})
def resolution_loss(
    photo: Photo,
    rng: Generator,
    *,
    pitch_mm: Annotated[float, Bounds(0, 20, "mm")] = 0.4,
    down: Down = "area",
    up: Up = "bicubic",
) -> Photo:
    """Fine detail is gone, or in blocks: the print was once scanned at a low resolution and enlarged.

    Samples ``pitch_mm`` apart on the print (so 1 / (2 ``pitch_mm``) line pairs per mm survive), taken with
    the kernel ``down``, interpolated back with ``up``. "area" and "antialiased_bicubic" (Pillow's) average;
    the others alias, as OpenCV does. A pitch finer than a pixel changes nothing. Source: standard.
    """
    kept = 1 / (pitch_mm * photo.px_per_mm) if pitch_mm > 0 else 1.0
    return _resampled(photo, min(kept, 1.0), min(kept, 1.0), down, up)


@op(neutral={"width_kept": 1.0, "height_kept": 1.0})
def downscale(
    photo: Photo,
    rng: Generator,
    *,
    width_kept: Annotated[float, Bounds(0.01, 1, "1")] = 0.5,
    height_kept: Annotated[float, Bounds(0.01, 1, "1")] = 0.5,
    down: Down = "antialiased_bicubic",
    up: Up = "bilinear",
) -> Photo:
    """The file was shrunk and enlarged again, each side by its own factor: soft, or in blocks.

    Width and height shrink to those shares and come back. In pixels, whatever the print's size: for
    super-resolution chains. Source: standard; each side drawn from [1/2, 1], bicubic down, nearest or
    bilinear up in the released degradation chain of Wan et al., CVPR 2020.
    """
    return _resampled(photo, width_kept, height_kept, down, up)


def _resampled(photo: Photo, width_kept: float, height_kept: float, down: Down, up: Up) -> Photo:
    size = (max(1, round(photo.width * width_kept)), max(1, round(photo.height * height_kept)))
    if size == (photo.width, photo.height):
        return photo
    small = _antialiased(photo.image, size) if down == ANTIALIASED else _plain(photo.image, size, down)
    return photo.with_image(_plain(small, (photo.width, photo.height), up))


def _plain(image: Image, size: tuple[int, int], kernel: str) -> Image:
    return np.asarray(cv2.resize(image, size, interpolation=KERNELS[kernel]), dtype=np.float32)


def _antialiased(image: Image, size: tuple[int, int]) -> Image:
    """Pillow's bicubic, whose kernel widens with the reduction; channel by channel, in float."""
    import PIL.Image

    planes = [
        PIL.Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(
            size, PIL.Image.Resampling.BICUBIC
        )
        for channel in range(3)
    ]
    return np.dstack([np.asarray(plane, dtype=np.float32) for plane in planes])
