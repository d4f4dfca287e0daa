"""What air, light and damp do to the silver of a black-and-white print."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.density import (
    FLARE,
    developed,
    in_bands,
    mixed,
    spread,
    to_linear,
    to_srgb,
)
from degradekit.enlarging import border_distance, enlarged, times_larger, whole
from degradekit.fields import Field
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: Fading spares densities well above this one: fine, dispersed silver oxidises first.
SPARED_DENSITY = 0.4
#: Patches of fading and of sheen: correlation length.
PATCH_MM = 14.0
#: Colloidal silver left where the image oxidised: red, green, blue density per lost visual density.
COLLOID = np.array([-0.04, 0.10, 0.42], dtype=np.float32)
#: Linear reflection of a silver mirror patch, a cool gray; and the density at which silver is plentiful.
SHEEN = np.array([0.264, 0.342, 0.477], dtype=np.float32)
PLENTIFUL = 2.0
#: Luminance of linear sRGB.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


@op(neutral={"highlights_lost": 0.0, "border_lost": 0.0}, maker=developed)
def silver_fading(
    photo: Photo,
    rng: Generator,
    *,
    highlights_lost: Annotated[float, Bounds(0, 1, "1")] = 0.3,
    border_lost: Annotated[float, Bounds(0, 1, "1")] = 0.45,
    border_mm: Annotated[float, Bounds(0.5, 100, "mm")] = 12.0,
    patchiness: Annotated[float, Bounds(0, 1, "1")] = 0.4,
    warmth: Annotated[float, Bounds(0, 1, "1")] = 0.6,
) -> Photo:
    """Light tones bleach away while shadows hold, most along the borders; what is left there is yellowish.

    D' = D (1 - f exp(-D / 0.4)). f is ``highlights_lost`` plus ``border_lost`` falling by e over
    ``border_mm``, uneven by ``patchiness``. ``warmth``: how much of the lost silver stays behind as
    yellow-brown colloid. Source: Reilly, Care and Identification of 19th-Century Photographic Prints
    (1986), for highlights first and from the borders; formula our choice.
    """
    if highlights_lost == 0 and border_lost == 0:
        return photo
    shape = (photo.height, photo.width)
    # The finest patches are an eighth as large as the largest.
    times = min(_times_larger(photo, border_mm), times_larger(PATCH_MM / 8 * photo.px_per_mm))
    coarse = np.float32(border_lost) * _from_border(photo, border_mm, patchiness, rng, times)
    coarse += np.float32(highlights_lost)
    cell = PATCH_MM * photo.px_per_mm / times
    patches = fields.fractal_noise(coarse.shape, cell, rng, octaves=4)
    coarse *= np.maximum(1 + np.float32(0.5 * patchiness) * patches, 0)
    np.clip(coarse, 0, 1, out=coarse)
    fraction = enlarged(coarse, times, whole(shape))

    # What is lost, but for the colloid that the loss of the middle layer leaves behind in each.
    colloid = np.outer(np.float32(warmth) * COLLOID, (0, 1, 0)) - np.eye(3)

    def faded(density: Image, fraction: Field) -> Image:
        lost = density * np.float32(-1 / SPARED_DENSITY)
        cv2.exp(lost, dst=lost)
        lost *= density
        lost *= spread(fraction)
        density += mixed(lost, colloid)
        return density

    return photo.changed(developed, faded, fraction)


@op(masks=("mirroring",), neutral={"strength": 0.0})
def silver_mirroring(
    photo: Photo,
    rng: Generator,
    *,
    strength: Annotated[float, Bounds(0, 2, "1")] = 0.45,
    reach_mm: Annotated[float, Bounds(0.5, 100, "mm")] = 8.0,
    patchiness: Annotated[float, Bounds(0, 1, "1")] = 0.6,
) -> Photo:
    """A bluish metallic sheen over the dark parts, strongest at the borders.

    m = ``strength`` exp(-x / ``reach_mm``) D / 2 and a cloudy factor, x the distance from the border; the
    sheen adds its own light. The mask is m. Source: Di Pietro and Ligterink, JAIC 41(2), 2002 (silver ions
    diffuse in from the edge: steady state with uptake falls as exp(-x/L)); colours our choice.
    """
    if strength == 0:
        return photo
    shape, times = (photo.height, photo.width), _times_larger(photo, reach_mm)
    cloud = enlarged(_from_border(photo, reach_mm, patchiness, rng, times), times, whole(shape))
    # Sheen comes in lobes with a definite edge, as the air found its way.
    lobes = fields.fractal_noise(shape, PATCH_MM * photo.px_per_mm, rng, octaves=6)
    cloud *= np.maximum(1 + np.float32(0.7 * patchiness) * lobes, 0) * np.float32(strength)
    alpha = np.empty_like(cloud)

    def sheen(image: Image, cloud: Field, alpha: Field) -> Image:
        linear = to_linear(image)
        silver = np.log10(linear @ LUMINANCE + FLARE) * np.float32(-1 / PLENTIFUL)
        np.clip(np.clip(silver, 0, 1) * cloud, 0, 1, out=alpha)
        return to_srgb(linear + alpha[..., None] * SHEEN)

    image = in_bands(sheen, photo.editable(), cloud, alpha)
    return photo.painted(image, mirroring=alpha)


def _times_larger(photo: Photo, reach_mm: float) -> int:
    """How many times larger pixels may be for ``_from_border``."""
    return times_larger(reach_mm / 4 * photo.px_per_mm)


def _from_border(photo: Photo, reach_mm: float, unevenness: float, rng: Generator, times: int) -> Field:
    """1 at the border, falling by e over ``reach_mm``, which varies around it; on pixels ``times`` larger."""
    reach_px = reach_mm * photo.px_per_mm
    distance = border_distance((photo.height, photo.width), times)
    wander = fields.fractal_noise(distance.shape, 3 * reach_px / times, rng, octaves=3)
    local = fields.exp(np.float32(-0.6 * unevenness) * wander)
    local *= np.float32(-1 / reach_px)
    local *= distance
    return fields.exp(local)
