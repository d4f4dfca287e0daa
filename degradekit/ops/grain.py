"""Film grain."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import fields, grainmodel
from degradekit.density import in_bands
from degradekit.fields import Field
from degradekit.levels import Image, quantise
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: RMS granularity is 1000 times the standard deviation of density at density 1 through this aperture.
APERTURE_UM2 = 1810.0
#: Grains smaller than this give less than a hundredth of a level of 8 bit.
INVISIBLE_PX = 1e-4

Spread = Annotated[float, Bounds(0, 1, "1")]
Blur = Annotated[float, Bounds(0.3, 4, "px")]
Chroma = Annotated[float, Bounds(0, 1, "1")]


@op(neutral={"radius_um": 0.0})
def film_grain(
    photo: Photo,
    rng: Generator,
    *,
    radius_um: Annotated[float, Bounds(0, 400, "um")] = 15.0,
    radius_spread: Spread = 0.25,
    scanner_blur_px: Blur = 0.8,
    chroma: Chroma = 0.2,
    model: Literal["second_order", "boolean"] = "second_order",
) -> Photo:
    """Fine noise that is strongest in the mid-tones and vanishes in black and white, as silver grain does.

    Randomly placed opaque discs of lognormal radius (mean ``radius_um`` on the print, standard deviation
    ``radius_spread`` times that), seen through a Gaussian of ``scanner_blur_px``. ``second_order`` is
    Gaussian noise of exactly the variance this has at every gray level, valid while grains are not resolved
    (radius under about 0.3 px); ``boolean`` throws the discs, slowly, and has the skew of large grains too.
    ``chroma`` is the share of the variance that is independent between channels: 0 for silver, 1 for three
    separate dye layers (``boolean`` draws one set of grains under 0.5, else one for each channel).
    Source: Newson, Faraj, Delon, Galerne, SSVM 2017; Boolean model: Newson, Delon, Galerne, CGF 2017; the
    correlation's width is matched in its second moment (our choice).
    """
    return _grained(photo, rng, radius_um, radius_spread, scanner_blur_px, chroma, model)


@op(neutral={"rms_granularity": 0.0})
def negative_grain(
    photo: Photo,
    rng: Generator,
    *,
    rms_granularity: Annotated[float, Bounds(0, 100, "1")] = 17.0,
    enlargement: Annotated[float, Bounds(0.1, 50, "times")] = 4.2,
    radius_spread: Spread = 0.25,
    scanner_blur_px: Blur = 0.8,
    chroma: Chroma = 0.0,
) -> Photo:
    """The grain of a named film, as far as the print's enlargement and the scan's resolution let it show.

    ``rms_granularity`` as film makers state it (fine 5-10, fast 15-25, old 25-40), ``enlargement`` from
    negative to print (1 for a scan of the film itself; 4.2 from 35 mm to 10 x 15 cm). At 150 dpi most of it
    is averaged away, as in life. The second-order model of ``film_grain`` with the disc radius that has this
    granularity through the standard 48 um aperture. Source: that definition; disc model as in film_grain.
    """
    radius_um = grain_radius_um(rms_granularity, radius_spread) * enlargement
    return _grained(photo, rng, radius_um, radius_spread, scanner_blur_px, chroma, "second_order")


def grain_radius_um(rms_granularity: float, spread: float) -> float:
    """Mean disc radius on the film, in micrometres, whose RMS granularity is the one given.

    At density 1 the transmittance is 0.1, so discs cover 0.9: sd(T) = r sqrt(K(0.9) / aperture), and
    sd(D) = sd(T) / (0.1 ln 10).
    """
    small = 0.01
    sd = grainmodel.amplitude(small, spread)
    at = float(np.interp(0.9, np.arange(256) / 255, sd))
    root_k = at * 2 * math.sqrt(math.pi) / small
    return rms_granularity / 1000 * 0.1 * math.log(10) * math.sqrt(APERTURE_UM2) / root_k


def _grained(
    photo: Photo, rng: Generator, radius_um: float, spread: float, blur_px: float, chroma: float, model: str
) -> Photo:
    radius_px = radius_um * 1e-3 * photo.px_per_mm
    if radius_px < INVISIBLE_PX:
        return photo
    if model == "boolean":
        return _boolean(photo, rng, radius_px, spread, blur_px, chroma)
    lookup = grainmodel.amplitude(radius_px / blur_px, spread)
    # Discs of radius r add r^2 / 4 per axis to half the covariance's second moment.
    blur = math.hypot(blur_px, radius_px / 2 * math.sqrt(1 + spread**2))
    shape = (photo.height, photo.width)
    noise, *moved = fields.displaced(_noise(tuple(side + fields.APART for side in shape), blur, rng), 3, rng)
    shared, apart = math.sqrt(1 - chroma), math.sqrt(chroma)

    def grained(image: Image, noise: Field, *moved: Field) -> Image:
        planes: list[Any] = [noise] * 3
        if chroma > 0:
            planes = [cv2.addWeighted(noise, shared, own, apart, 0) for own in moved]
        grain: Image = np.asarray(cv2.LUT(quantise(image), lookup), dtype=np.float32)
        grain *= cv2.merge(planes)
        grain += image
        return np.clip(grain, 0, 1, out=image)

    return photo.with_valid(in_bands(grained, photo.editable(), noise, *moved))


def _boolean(
    photo: Photo, rng: Generator, radius_px: float, spread: float, blur_px: float, chroma: float
) -> Photo:
    # Below a few hundredths of a pixel there would be thousands of discs a pixel, and nothing to see.
    radius_px = max(radius_px, 0.05)
    if chroma >= 0.5:
        planes = [
            grainmodel.covered(photo.image[..., channel], radius_px, spread, blur_px, rng)
            for channel in range(3)
        ]
        return photo.with_image(np.dstack(planes))
    level = np.asarray(photo.image.mean(axis=2), dtype=np.float32)
    grained = grainmodel.covered(level, radius_px, spread, blur_px, rng)
    # One layer of silver: every channel takes the same deviation from the smooth picture.
    smooth = cv2.GaussianBlur(level, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT_101)
    return photo.with_image(photo.image + (grained - smooth)[..., None])


def _noise(shape: tuple[int, ...], blur_px: float, rng: Generator) -> Field:
    """Gaussian noise (H, W) of unit variance, correlated over ``blur_px``."""
    reach = max(1, math.ceil(3 * blur_px))
    white = fields.white_noise((shape[0] + 2 * reach, shape[1] + 2 * reach), rng)
    kernel = cv2.getGaussianKernel(2 * reach + 1, blur_px, cv2.CV_32F)
    # Dividing by the kernel's own norm keeps the variance at one for the sampled, cut-off Gaussian too.
    kernel = kernel / np.linalg.norm(kernel)
    noise = cv2.sepFilter2D(white, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(noise[reach:-reach, reach:-reach], dtype=np.float32)
