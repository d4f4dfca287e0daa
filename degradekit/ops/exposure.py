"""Light that fell where it should not have, or did not reach where it should."""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.curves import profile
from degradekit.density import in_bands, spread, to_linear, to_srgb
from degradekit.fields import Field
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: How far red, green, blue leaked light reaches, relative to red: each dye layer filters the next.
LEAK_REACH = np.array([1.0, 0.55, 0.30], dtype=np.float32)
#: Light scattered back from the film base, per channel: the red layer lies nearest to it.
HALATION = np.array([0.05, 0.015, 0.0], dtype=np.float32)
#: A clipped highlight was this much brighter than the white it was recorded as.
CLIPPED_GAIN = 5.0
#: sRGB above ``SRGB_DARK`` is light to the power 1 / ``SRGB_POWER``, up to a factor, less ``SRGB_OFFSET``.
SRGB_POWER = 2.4
SRGB_OFFSET, SRGB_DARK = np.float32(0.055), np.float32(0.04045)
#: With more than this part of a picture at the dark end, tables are faster.
MOSTLY_DARK = 0.2


@op(neutral={"corner_stops": 0.0})
def vignette(
    photo: Photo,
    rng: Generator,
    *,
    corner_stops: Annotated[float, Bounds(0, 6, "stops")] = 1.0,
    power: Annotated[float, Bounds(1, 8, "1")] = 2.0,
    off_centre: Annotated[float, Bounds(0, 0.5, "1")] = 0.0,
) -> Photo:
    """The corners are darker than the middle, as simple lenses draw.

    Light falls as 1 / (1 + k r^power)^2 with r = 1 in the corners, which lose ``corner_stops`` stops;
    ``power`` 2 is natural fall-off, more keeps the middle even and shades only the corners.
    ``off_centre`` moves the bright middle, as a share of the half diagonal. Source: power 2 is cos^4 of
    the field angle; others our choice.
    """
    if corner_stops == 0:
        return photo
    half = math.hypot(photo.width, photo.height) / 2
    heading = rng.uniform(0, 2 * math.pi)
    x = (np.arange(photo.width, dtype=np.float32) - np.float32((photo.width - 1) / 2)) / np.float32(half)
    y = (np.arange(photo.height, dtype=np.float32) - np.float32((photo.height - 1) / 2)) / np.float32(half)
    x -= np.float32(off_centre * math.cos(heading))
    y -= np.float32(off_centre * math.sin(heading))
    # k r^power = (k^(2 / power) r^2)^(power / 2)
    scale = np.float32((2 ** (corner_stops / 2) - 1) ** (2 / power))
    across, down = scale * x**2, scale * y[:, None] ** 2

    def shaded(image: Image, down: Field) -> Image:
        fall = across + down
        if power != 2:
            cv2.pow(fall, power / 2, dst=fall)
        fall += 1
        return _weaker(image, fall)

    return photo.with_valid(in_bands(shaded, photo.editable(), down))


def _weaker(image: Image, root: Field) -> Image:
    """``image`` in light that is ``root`` (H, W), 1 or more, squared times weaker; written to ``image``."""
    some = image[::8, ::8]
    if np.count_nonzero(some < 2 * SRGB_DARK) > MOSTLY_DARK * some.size:
        light = to_linear(image)
        light /= spread(root * root)
        return to_srgb(light, out=image)
    # Above the dark end sRGB is a power of light and a constant: there less light is a factor.
    factor = fields.exp(np.asarray(cv2.log(root), np.float32) * np.float32(-2 / SRGB_POWER))
    image += SRGB_OFFSET
    image *= spread(factor)
    image -= SRGB_OFFSET
    dark = np.flatnonzero(image < SRGB_DARK)
    if dark.size:
        pixel = dark // 3
        full = (image.take(dark) + SRGB_OFFSET) / factor.take(pixel) - SRGB_OFFSET
        image.put(dark, to_srgb(to_linear(full) / root.take(pixel) ** 2))
    return image


@op(masks=("light_leak",), neutral={"strength": 0.0})
def light_leak(
    photo: Photo,
    rng: Generator,
    *,
    strength: Annotated[float, Bounds(0, 10, "1")] = 1.5,
    reach_mm: Annotated[float, Bounds(1, 200, "mm")] = 16.0,
    width_mm: Annotated[float, Bounds(1, 500, "mm")] = 45.0,
    streaks: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    warmth: Annotated[float, Bounds(0, 1, "1")] = 1.0,
) -> Photo:
    """Stray light burnt in from one side of the film: nearly white at the edge, then orange, then red.

    Light of ``strength`` (1 = enough to expose mid-gray to light gray) enters along ``width_mm`` of one
    random side and falls by e over ``reach_mm``; ``streaks`` are slanted rays within it; ``warmth`` 0
    keeps it white, for monochrome film. Light adds to the picture's and saturates as film does,
    1 - (1 - I) exp(-L). The mask is 1 - exp(-L), mean of the channels. Source: our choice.
    """
    if strength == 0:
        return photo
    scale = np.float32(1 / photo.px_per_mm)
    side, slant = int(rng.integers(4)), math.tan(rng.uniform(-0.3, 0.3))
    length, depth = (photo.width, photo.height) if side < 2 else (photo.height, photo.width)
    inwards = (np.arange(depth, dtype=np.float32)[:, None] + np.float32(0.5)) * scale
    # Streaks are constant along a slanted line, so a profile is read where that line meets the edge.
    along = np.arange(length, dtype=np.float32)[None] * scale + inwards * np.float32(slant)
    centre = rng.uniform(0.1, 0.9) * length * float(scale)
    envelope = np.exp(-(((along - np.float32(centre)) / np.float32(width_mm / 2)) ** 2))
    knots = np.linspace(-width_mm, width_mm, 512)
    rays = 0.8 * profile(512, 9, rng) + 0.25 * profile(512, 30, rng)
    ray = np.interp(along, knots + centre, rays).astype(np.float32)
    light = np.float32(strength) * envelope * np.exp(np.float32(streaks) * ray)
    reach = np.float32(reach_mm) * (1 + np.float32(0.25 * streaks) * np.tanh(ray))
    light, fall = ((plane, plane[::-1], plane.T, plane[::-1].T)[side] for plane in (light, -inwards / reach))
    colours = 1 + np.float32(warmth) * (LEAK_REACH - 1)
    mask = np.empty((photo.height, photo.width), np.float32)

    def exposed(image: Image, light: Field, fall: Field, mask: Field) -> Image:
        spared = np.exp(-light[..., None] * np.exp(fall[..., None] / colours))
        mask[:] = 1 - (spared[..., 0] + spared[..., 1] + spared[..., 2]) / 3
        return to_srgb(1 - (1 - to_linear(image)) * spared)

    return photo.painted(in_bands(exposed, photo.editable(), light, fall, mask), light_leak=mask)


@op(neutral={"strength": 0.0})
def halation(
    photo: Photo,
    rng: Generator,
    *,
    strength: Annotated[float, Bounds(0, 10, "1")] = 1.5,
    sigma_um: Annotated[float, Bounds(10, 10_000, "um")] = 900.0,
    warmth: Annotated[float, Bounds(0, 1, "1")] = 1.0,
) -> Photo:
    """A soft reddish glow around lamps and bright edges: light thrown back by the film base.

    Bright parts are blurred by ``sigma_um`` (on the print: the film's 50 to 100 um times the enlargement)
    and add 5 %, 1.5 % and 0 % of their light in red, green and blue per unit of ``strength``. ``warmth`` 0
    gives all channels the mean share, for monochrome film. Source: layer order of colour film for the
    weights; the brightness behind clipped whites is our choice.
    """
    if strength == 0:
        return photo
    bright = in_bands(_brightness, photo.image)
    sigma = max(sigma_um * 1e-3 * photo.px_per_mm, 0.1)
    glow = cv2.GaussianBlur(bright, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    share = np.float32(strength) * (HALATION.mean() + np.float32(warmth) * (HALATION - HALATION.mean()))

    # Only the light that was spread shows as a glow; flat areas keep their exposure.
    def added(image: Image, glow: Image) -> Image:
        linear = to_linear(image)
        return to_srgb(linear + share * np.maximum(glow - linear, 0))

    return photo.with_image(
        in_bands(added, photo.editable(), np.asarray(glow, np.float32).reshape(bright.shape))
    )


def _brightness(image: Image) -> Image:
    """Linear light with clipped highlights raised to what they may have been."""
    linear = to_linear(image)
    return linear * (1 + np.float32(CLIPPED_GAIN) * fields.smoothstep(linear, 0.6, 1.0))
