"""What the scanner adds."""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.density import in_bands, to_linear, to_srgb
from degradekit.fields import Field
from degradekit.levels import Image, Plane
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.randomness import child

#: Standard deviation of ln(width) of streaks; share of them that reaches from end to end.
WIDTH_SPREAD = 0.5
WHOLE_SHARE = 0.6
#: Shadow of the sheet on the lid: how wide and how deep.
SHADOW_MM = 1.2
SHADOW_DEPTH = 0.35
#: Screen angles of four inks in degrees and how much each takes out of linear red, green, blue.
INKS = (
    (15.0, (0.80, 0.15, 0.02)),
    (75.0, (0.10, 0.80, 0.25)),
    (0.0, (0.00, 0.05, 0.50)),
    (45.0, (0.45, 0.45, 0.45)),
)
MM_PER_INCH = 25.4

Values = NDArray[np.float64]


@op(masks=("scanner_streak",), neutral={"density_per_cm": 0.0, "banding": 0.0})
def scanner_streaks(
    photo: Photo,
    rng: Generator,
    *,
    density_per_cm: Annotated[float, Bounds(0, 20, "per cm")] = 0.25,
    width_um: Annotated[float, Bounds(5, 2000, "um")] = 90.0,
    opacity: Annotated[float, Bounds(0, 1, "1")] = 0.8,
    coloured: Annotated[float, Bounds(0, 1, "1")] = 0.4,
    banding: Annotated[float, Bounds(0, 0.2, "1")] = 0.004,
) -> Photo:
    """Straight vertical lines, the same over the whole height: dust on the sensor, and uneven sensor cells.

    ``width_um`` is the median; ``opacity`` the greatest; ``coloured`` the share of lines that only one
    channel of the sensor has; ``banding`` the standard deviation of each column's gain, which has no mask.
    The mask is the lines' opacity in the channel that suffers most. Source: our choice.
    """
    if density_per_cm == 0 and banding == 0:
        return photo
    count = int(rng.poisson(density_per_cm * photo.width / photo.px_per_mm / 10))
    columns = np.arange(photo.width, dtype=np.float32)
    rows = np.arange(photo.height, dtype=np.float32)
    gain = 1 + np.float32(banding) * child(rng).standard_normal((photo.width, 3), dtype=np.float32)
    image = np.asarray(photo.image * gain, dtype=np.float32)
    mask = np.zeros((photo.height, photo.width), np.float32)
    for _ in range(count):
        half = width_um * 5e-4 * photo.px_per_mm * math.exp(WIDTH_SPREAD * rng.standard_normal())
        at, tone = rng.uniform(0, photo.width), float(rng.choice([0.05, 0.97]))
        # Dust may come or go half way through the scan.
        start = 0.0 if rng.random() < WHOLE_SHARE else rng.uniform(0, photo.height)
        channels = np.eye(3, dtype=np.float32)[rng.integers(3)] if rng.random() < coloured else np.ones(3)
        first, last = max(0, math.floor(at - half)), min(photo.width, math.ceil(at + half) + 1)
        near = columns[first:last]
        cover = np.clip(np.minimum(near + 1, at + half) - np.maximum(near, at - half), 0, 1)
        line = cover[None] * np.clip(rows - np.float32(start - 1), 0, 1)[:, None]
        line = (line * (opacity * rng.uniform(0.3, 1))).astype(np.float32)
        alpha = line[..., None] * channels.astype(np.float32)
        window = (slice(None), slice(first, last))
        image[window] += alpha * (np.float32(tone) - image[window])
        np.maximum(mask[window], alpha.max(axis=2), out=mask[window])
    return photo.painted(image, scanner_streak=mask)


@op(masks=("background",), neutral={"angle_deg": 0.0}, moves=True)
def scanner_tilt(
    photo: Photo,
    rng: Generator,
    *,
    angle_deg: Annotated[float, Bounds(-20, 20, "degrees")] = 1.2,
    lid: Annotated[float, Bounds(0, 1, "1")] = 0.9,
) -> Photo:
    """The print lay askew on the glass: it is turned a little, and the lid shows at its sides.

    Turned by ``angle_deg`` (anticlockwise) about its centre at the same size, so corners are cut; ``lid``
    is the lid's gray, darker along the sheet where its thickness throws a shadow. Masks move along;
    "background" is where there is no photograph. Source: standard.
    """
    if angle_deg == 0:
        return photo
    size = (photo.width, photo.height)
    matrix = cv2.getRotationMatrix2D(((photo.width - 1) / 2, (photo.height - 1) / 2), angle_deg, 1.0)

    def turned(plane: Plane) -> Plane:
        moved = cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_LINEAR, borderValue=0)
        return np.asarray(moved, dtype=np.float32)

    present = turned(np.ones((photo.height, photo.width), np.float32))
    absent = 1 - present
    # The lamp stands below: the shadow lies above the sheet's sides.
    soft = cv2.GaussianBlur(present, (0, 0), max(SHADOW_MM * photo.px_per_mm / 2, 0.3))
    back = np.float32(lid) * (1 - np.float32(SHADOW_DEPTH) * np.clip(2 * soft, 0, 1))
    moved = photo.moved(turned)
    # The turned picture has already lost its share in half-covered pixels.
    return moved.painted(moved.image + (absent * back)[..., None], background=absent)


@op(neutral={"contrast": 0.0})
def moire(
    photo: Photo,
    rng: Generator,
    *,
    lines_per_inch: Annotated[float, Bounds(20, 400, "lines/inch")] = 133.0,
    scan_dpi: Annotated[float, Bounds(30, 2400, "1/inch")] = 100.0,
    contrast: Annotated[float, Bounds(0, 1, "1")] = 0.3,
) -> Photo:
    """Coloured waves over the picture: a printed screen was scanned too coarsely for its dots.

    Each ink's screen of ``lines_per_inch``, sampled at ``scan_dpi``, turns into a coarse wave of the
    aliased frequency, strongest in the mid-tones, where dots are half open. ``contrast`` is the share of
    the light the strongest ink modulates. Source: sampling theorem; inks and angles our choice.
    """
    if contrast == 0:
        return photo
    # Paper stretches and the carriage is uneven: waves wander.
    wander = 2 * fields.smooth_noise((photo.height, photo.width), 30 * photo.px_per_mm, rng)
    phases = rng.uniform(0, 2 * math.pi, (len(INKS), 2))

    fx, fy, passed = _waves(lines_per_inch, scan_dpi, photo.px_per_mm)
    # Per channel, how strong each wave is; the two directions in which the dots of one screen line up.
    strength = np.repeat([absorbed for _, absorbed in INKS], 2, axis=0) * passed[:, None] / 2
    along_x = 2 * math.pi * fx[:, None] * np.arange(photo.width) / photo.px_per_mm
    along_y = 2 * math.pi * np.arange(photo.height)[:, None] / photo.px_per_mm * fy + phases.ravel()
    # The cosine of a sum is a sum of products, each of something along x and something along y.
    across = np.concatenate([np.cos(along_x), np.sin(along_x)]).astype(np.float32)
    even = [np.hstack([np.cos(along_y) * part, -np.sin(along_y) * part]) for part in strength.T]
    odd = [np.hstack([np.sin(along_y) * part, np.cos(along_y) * part]) for part in strength.T]
    down = np.stack([*even, *odd], axis=1).astype(np.float32)

    def scanned(image: Image, down: Field, wander: Field) -> Image:
        change = np.empty_like(image)
        cosine, sine = np.cos(wander), np.sin(wander)
        for channel in range(3):
            change[..., channel] = (down[:, channel] @ across) * cosine
            change[..., channel] -= (down[:, 3 + channel] @ across) * sine
        linear = to_linear(image)
        return to_srgb(linear * (1 + np.float32(4 * contrast) * linear * (1 - linear) * change))

    return photo.with_image(in_bands(scanned, photo.editable(), down, wander))


def _waves(lines_per_inch: float, scan_dpi: float, px_per_mm: float) -> tuple[Values, Values, Values]:
    """Frequency along x and y, per mm, of each ink's two waves, and what part of them pixels can show."""
    angles = np.radians([angle + turn for angle, _ in INKS for turn in (0, 90)])
    fx, fy = (
        _aliased(lines_per_inch * part, scan_dpi) / MM_PER_INCH for part in (np.cos(angles), np.sin(angles))
    )
    # Waves the pixels cannot show are gone before they are drawn.
    return fx, fy, np.maximum(0, 1 - 2 * np.hypot(fx, fy) / px_per_mm)


def _aliased(frequency: Values, sampling: float) -> Values:
    """The frequency that samples at the rate ``sampling`` show instead; same unit."""
    return frequency - sampling * np.round(frequency / sampling)
