"""Printing screens: pictures cut from newspapers, magazines and postcards."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.density import in_bands, to_linear, to_srgb
from degradekit.fields import Field
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: Angles that keep four screens apart; yellow, the faintest, sits nearest to another.
ANGLES_DEG = {"cyan": 15.0, "magenta": 75.0, "yellow": 0.0, "black": 45.0}
#: Share of the gray component that black ink takes over from the colours.
BLACK_SHARE = 0.7
MM_PER_INCH = 25.4
#: Luminance of linear sRGB.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
#: Steps of the lookup from ink coverage to threshold.
STEPS = 1024


@op(neutral={"strength": 0.0})
def halftone(
    photo: Photo,
    rng: Generator,
    *,
    lines_per_inch: Annotated[float, Bounds(10, 400, "lines/inch")] = 65.0,
    screen: Literal["gray", "cmyk"] = "cmyk",
    dot_gain: Annotated[float, Bounds(0, 0.25, "1")] = 0.08,
    strength: Annotated[float, Bounds(0, 1, "1")] = 1.0,
) -> Photo:
    """The picture is made of ink dots on a fine grid: one black screen, or a rosette of four inks.

    Dots grow with the ink coverage that gives each tone its linear reflectance (Murray-Davies);
    ``dot_gain`` is how much larger half-tone dots print than they should. Dots are antialiased, and a
    screen finer than the pixels turns into even tone. ``strength`` mixes the print with the picture.
    Source: amplitude-modulated screening, ISO 12647-1 for angles and dot gain; formula our choice.
    """
    if strength == 0:
        return photo
    frequency = lines_per_inch / MM_PER_INCH / photo.px_per_mm
    phases = rng.random((4, 2)) * 2 * math.pi

    def inked(coverage: Field, rows: Field, ink: str) -> Field:
        number = list(ANGLES_DEG).index(ink)
        grown = coverage + np.float32(4 * dot_gain) * coverage * (1 - coverage)
        return _screened(grown, rows, frequency, ANGLES_DEG[ink], phases[number])

    def gray(linear: Image, rows: Field) -> Image:
        ink = inked(1 - np.clip(linear @ LUMINANCE, 0, 1), rows, "black")
        return np.repeat((1 - ink)[..., None], 3, axis=2)

    def cmyk(linear: Image, rows: Field) -> Image:
        # Far faster than the maximum over an axis of three.
        brightest = np.maximum(np.maximum(linear[..., 0], linear[..., 1]), linear[..., 2])
        black = np.float32(BLACK_SHARE) * (1 - brightest)
        key = 1 - inked(black, rows, "black")
        printed = np.empty_like(linear)
        for channel, ink in enumerate(("cyan", "magenta", "yellow")):
            # Inks at different angles overlap at random, so coverages multiply (Demichel).
            share = 1 - linear[..., channel] / np.maximum(1 - black, np.float32(1e-4))
            printed[..., channel] = key * (1 - inked(np.clip(share, 0, 1), rows, ink))
        return printed

    separate = gray if screen == "gray" else cmyk

    def printed(image: Image, rows: Field) -> Image:
        return image + np.float32(strength) * (to_srgb(separate(to_linear(image), rows)) - image)

    rows = np.arange(photo.height, dtype=np.float32)[:, None]
    return photo.with_image(in_bands(printed, photo.editable(), rows))


def _screened(
    coverage: Field, rows: Field, frequency: float, angle_deg: float, phase: NDArray[np.float64]
) -> Field:
    """Ink (H, W) in [0, 1]: ``coverage`` rendered as antialiased dots.

    ``rows`` (H, 1): where the rows lie in the picture; ``frequency``: lines per pixel.
    """
    turn = 2 * math.pi * frequency
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    x = np.arange(coverage.shape[1], dtype=np.float32)[None]
    u = np.float32(turn * cosine) * x + (np.float32(turn * sine) * rows + np.float32(phase[0]))
    v = np.float32(-turn * sine) * x + (np.float32(turn * cosine) * rows + np.float32(phase[1]))
    surface = np.float32(0.5) * (np.cos(u) + np.cos(v))
    su, sv = np.sin(u), np.sin(v)
    steepness = np.float32(0.5 * turn) * np.sqrt(su * su + sv * sv)
    threshold = np.take(_thresholds(), (coverage * np.float32(STEPS) + np.float32(0.5)).astype(np.int32))
    # One pixel spans about this much of the surface, which never leaves [-1, 1]: the share of that span
    # above the threshold is ink, none of it on bare paper and all of it in solid ink.
    half = np.maximum(steepness, np.float32(0.02)) / 2
    high, low = np.minimum(surface + half, 1), np.maximum(surface - half, -1)
    dots = np.clip((high - threshold) / (high - low), 0, 1)
    # What a square pixel passes of a pattern of that frequency; beyond it only the tone is left.
    passed = np.float32(max(_sinc(frequency * cosine) * _sinc(frequency * sine), 0) if frequency < 1 else 0)
    return np.asarray(coverage + passed * (dots - coverage), dtype=np.float32)


def _sinc(value: float) -> float:
    return math.sin(math.pi * value) / (math.pi * value) if value else 1.0


@lru_cache(maxsize=1)
def _thresholds() -> NDArray[np.float32]:
    """Height above which (cos u + cos v) / 2 lies over each of STEPS + 1 shares of the area."""
    angle = np.cos((np.arange(512) + 0.5) * (np.pi / 512))
    heights = np.sort((0.5 * (angle[:, None] + angle[None])).ravel())
    table = np.quantile(heights, 1 - np.arange(STEPS + 1) / STEPS)
    table[[0, -1]] = 1, -1
    return np.asarray(table, dtype=np.float32)
