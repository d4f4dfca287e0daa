"""What hands leave on a photograph."""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.density import to_linear, to_srgb
from degradekit.fields import Field
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: A print is taller than broad by this; both vary by this standard deviation of the logarithm.
ASPECT = 1.35
SIZE_SPREAD = 0.18
#: Ridge endings and forks per mm2 of a full print.
MINUTIAE_PER_MM2 = 0.16
#: Ridges are drawn at least this finely and averaged down, so that fine ones blur instead of aliasing.
FINEST_PX_PER_MM = 11.0
#: Density of the deposit in red, green and blue: skin grease browns silver and gelatine.
TINT = np.array([0.85, 1.0, 1.2], dtype=np.float32)


@op(masks=("fingerprint",), neutral={"density_per_dm2": 0.0})
def fingerprints(
    photo: Photo,
    rng: Generator,
    *,
    density_per_dm2: Annotated[float, Bounds(0, 100, "per dm2")] = 2.0,
    size_mm: Annotated[float, Bounds(2, 60, "mm")] = 15.0,
    ridge_um: Annotated[float, Bounds(100, 3000, "um")] = 450.0,
    deposit: Annotated[float, Bounds(0, 2, "density")] = 0.35,
    gloss: Annotated[float, Bounds(0, 0.5, "1")] = 0.012,
    smudging: Annotated[float, Bounds(0, 1, "1")] = 0.35,
) -> Photo:
    """Finger marks: dim, brownish ridges in arches, loops or whorls, smeared here and fading out there.

    ``size_mm`` is the print's breadth, ``ridge_um`` the spacing of its ridges, ``deposit`` the optical
    density of a ridge pressed hard, ``gloss`` the light the greasy patch throws back, ``smudging`` how far
    the finger slid. The mask is the ridges' opacity, 1 - 10^-density. Source: ridges as the level lines of a
    phase that is smooth but for one spiral turn at each ending or fork, Larkin and Fletcher, Optics Express
    15(14), 8667 (2007); a ridge spacing of about 0.45 mm is usual in adults; the rest is our choice.
    """
    size = (photo.width / photo.px_per_mm, photo.height / photo.px_per_mm)
    count = int(rng.poisson(density_per_dm2 * photo.area_mm2 / 1e4))
    if count == 0 or deposit == 0:
        return photo
    density = np.zeros((photo.height, photo.width), np.float32)
    haze = np.zeros_like(density)
    for _ in range(count):
        middle = rng.random(2) * size * photo.px_per_mm
        ridges, patch = _print(size_mm, ridge_um * 1e-3, smudging, photo.px_per_mm, rng)
        strength = np.float32(deposit * rng.uniform(0.6, 1.1))
        top, left = (round(float(at) - side / 2) for at, side in zip(middle[::-1], ridges.shape, strict=True))
        _join(np.add, density, ridges * strength, top, left)
        _join(np.maximum, haze, patch * np.float32(gloss), top, left)
    touched = np.flatnonzero(haze + density)
    if touched.size == 0:
        return photo
    image = photo.image.copy()
    flat = image.reshape(-1, 3)
    passed = np.power(np.float32(10), -density.reshape(-1)[touched, None] * TINT)
    flat[touched] = to_srgb(to_linear(flat[touched]) * passed + haze.reshape(-1)[touched, None])
    return photo.painted(image, fingerprint=1 - np.power(np.float32(10), -density))


def _print(
    breadth: float, spacing: float, smudging: float, px_per_mm: float, rng: Generator
) -> tuple[Field, Field]:
    """One print, turned at random: what its ridges deposit, and the patch of skin; both in [0, 1]."""
    breadth = breadth * math.exp(SIZE_SPREAD * rng.standard_normal())
    length = breadth * ASPECT * math.exp(SIZE_SPREAD * rng.standard_normal())
    turn = rng.uniform(0, 2 * math.pi)
    side = math.hypot(breadth, length) * 1.05
    # Coarse prints of coarse ridges need fewer pixels; the pitch follows the ridge.
    fine = max(px_per_mm, FINEST_PX_PER_MM * min(1.0, 0.45 / spacing))
    pixels = max(4, math.ceil(side * fine))
    axis = (np.arange(pixels, dtype=np.float32) + np.float32(0.5)) / np.float32(fine) - np.float32(side / 2)
    x = axis[None] * np.float32(math.cos(turn)) + axis[:, None] * np.float32(math.sin(turn))
    y = axis[:, None] * np.float32(math.cos(turn)) - axis[None] * np.float32(math.sin(turn))
    shape = (pixels, pixels)
    ridge = np.cos(_phase(x, y, spacing, breadth, rng, fine))
    uneven = fields.fractal_noise(shape, 4.0 * fine, rng, octaves=3)
    grain = fields.fractal_noise(shape, 0.35 * fine, rng, octaves=2)
    # Pressure widens the ridges and falls off towards the border of the print.
    out = np.hypot(x / np.float32(breadth / 2), y / np.float32(length / 2))
    pressure = 1 - fields.smoothstep(out + np.float32(0.14) * uneven, 0.55, 1.0)
    width = np.float32(0.5) * (pressure - 1) + np.float32(0.22) * uneven + np.float32(0.25) * grain
    inked = fields.smoothstep(np.asarray(ridge + width, np.float32), -0.35, 0.45) * np.sqrt(pressure)
    pores = (fields.smooth_noise(shape, 0.3 * fine, rng) > 1.9) & (ridge > 0.6)
    inked *= 1 - np.float32(0.7) * pores
    inked *= np.clip(np.float32(0.8) + np.float32(0.35) * uneven, 0.15, 1)
    inked = _smeared(inked, smudging * rng.uniform(0.2, 1), spacing * fine, uneven, rng)
    target = max(1, round(side * px_per_mm))
    ridges, patch = (
        np.asarray(cv2.resize(plane, (target, target), interpolation=cv2.INTER_AREA), np.float32)
        for plane in (inked, pressure)
    )
    return ridges, patch


def _phase(x: Field, y: Field, spacing: float, breadth: float, rng: Generator, fine: float) -> Field:
    """Phase of the ridges; 2 pi from one to the next. Lengths in mm, the finger's tip towards -y."""
    kind = rng.choice(("loop", "whorl", "arch"), p=(0.6, 0.32, 0.08))
    bend = fields.smooth_noise(x.shape, 6.0 * fine, rng) * np.float32(0.35)
    if kind == "arch":
        distance = y + np.float32(0.22 * breadth) * np.exp(-((x / np.float32(0.3 * breadth)) ** 2))
    else:
        # A loop's ridges keep their distance from a ray that leaves the core, a whorl's from a short stick.
        lean, stick = (
            math.radians(rng.uniform(10, 40)) * rng.choice((-1, 1)),
            breadth * rng.uniform(0.05, 0.2),
        )
        reach = 10 * breadth if kind == "loop" else stick
        ax, ay = np.float32(math.sin(lean)), np.float32(math.cos(lean))
        along = np.clip(x * ax + y * ay, 0, np.float32(reach))
        distance = np.hypot(x - along * ax, (y - along * ay) * np.float32(0.9))
    carrier = np.float32(2 * math.pi / spacing) * (distance + bend)
    # Each ending or fork turns the phase once around itself; their product needs one angle in the end.
    spirals = np.ones(x.shape, np.complex64)
    for number in range(rng.poisson(MINUTIAE_PER_MM2 * breadth**2)):
        px, py = rng.uniform(-0.5, 0.5, 2) * (breadth, breadth * ASPECT)
        turn = (x - np.float32(px)) + np.complex64(1j if number % 2 else -1j) * (y - np.float32(py))
        spirals *= turn
        if number % 8 == 7:  # The product must not overflow.
            spirals /= np.abs(spirals) + np.float32(1e-12)
    return np.asarray(carrier + np.angle(spirals), dtype=np.float32)


def _smeared(inked: Field, amount: float, ridge_px: float, uneven: Field, rng: Generator) -> Field:
    """The print where the finger held still, drawn out along one direction where it slid."""
    length = round(amount * 4 * ridge_px)
    if length < 2:
        return inked
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    end = (round(length + length * math.cos(angle)), round(length + length * math.sin(angle)))
    cv2.line(kernel, (length, length), end, 1.0, 1)
    slid = cv2.filter2D(inked, cv2.CV_32F, kernel / kernel.sum(), borderType=cv2.BORDER_CONSTANT)
    where = fields.smoothstep(uneven, 0.6 - 1.5 * amount, 1.8 - 1.5 * amount)
    return np.asarray(inked + where * (slid * np.float32(0.9) - inked), dtype=np.float32)


def _join(how: np.ufunc, plane: Field, patch: Field, top: int, left: int) -> None:
    """Combine ``patch``, its corner at (top, left), with what it covers of ``plane``."""
    rows = slice(max(top, 0), min(top + patch.shape[0], plane.shape[0]))
    columns = slice(max(left, 0), min(left + patch.shape[1], plane.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        part = patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        how(plane[rows, columns], part, out=plane[rows, columns])
