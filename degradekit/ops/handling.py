"""What hands leave on a photograph."""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.density import to_linear, to_srgb
from degradekit.fields import Field
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.randomness import child

#: A print is taller than broad by this; both vary by this standard deviation of the logarithm.
ASPECT = 1.35
SIZE_SPREAD = 0.18
#: Ridge endings and forks per mm2 of a full print.
MINUTIAE_PER_MM2 = 0.16
#: Ridges are drawn at least this finely and averaged down, so that fine ones blur instead of aliasing.
FINEST_PX_PER_MM = 11.0
#: The spirals that make endings and forks are drawn on a grid of this many ridge spacings.
SPIRALS_SPACINGS = 0.8
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
    the finger slid. The mask is the ridges' opacity, 1 - 10^-density, joined with the gloss. Source: ridges
    as the level lines of a phase that is smooth but for one spiral turn at each ending or fork, Larkin and
    Fletcher, Optics Express 15(14), 8667 (2007); a ridge spacing of about 0.45 mm is usual in adults; the
    rest is our choice.
    """
    count = int(rng.poisson(density_per_dm2 * photo.area_mm2 / 1e4))
    if count == 0 or deposit == 0:
        return photo
    density = np.zeros((photo.height, photo.width), np.float32)
    haze = np.zeros_like(density)
    for _ in range(count):
        own = child(rng)
        middle = own.random(2) * (photo.width, photo.height)
        strength = deposit * own.uniform(0.6, 1.1)
        ridges, patch, (left, top) = _print(
            middle, size_mm, ridge_um * 1e-3, strength, smudging, photo.px_per_mm, own
        )
        _join(np.add, density, ridges, top, left)
        _join(np.maximum, haze, patch * np.float32(gloss), top, left)
    touched = np.flatnonzero(haze + density)
    if touched.size == 0:
        return photo
    image = photo.editable()
    flat = image.reshape(-1, 3)
    passed = np.power(np.float32(10), -density.reshape(-1)[touched, None] * TINT)
    flat[touched] = to_srgb(to_linear(flat[touched]) * passed + haze.reshape(-1)[touched, None])
    clear = np.power(np.float32(10), -density) * (1 - haze)
    return photo.painted(image, fingerprint=1 - clear)


def _print(
    middle: NDArray[np.float64],
    breadth: float,
    spacing: float,
    strength: float,
    smudging: float,
    px_per_mm: float,
    rng: Generator,
) -> tuple[Field, Field, tuple[int, int]]:
    """One print around ``middle`` (x, y, in pixels), turned at random.

    The density its ridges deposit, the patch of skin in [0, 1], and the pixel in their upper left corner.
    """
    breadth = breadth * math.exp(SIZE_SPREAD * rng.standard_normal())
    length = breadth * ASPECT * math.exp(SIZE_SPREAD * rng.standard_normal())
    turn = rng.uniform(0, 2 * math.pi)
    side = math.hypot(breadth, length) * 1.05 * px_per_mm
    left, top = (math.floor(at - side / 2) for at in middle)
    target = math.ceil(side) + 1
    # Coarse prints of coarse ridges need fewer pixels; the pitch follows the ridge.
    wanted = max(px_per_mm, FINEST_PX_PER_MM * min(1.0, 0.45 / spacing))
    pixels = max(4, math.ceil(target / px_per_mm * wanted))
    fine = pixels / target * px_per_mm
    axes = [
        ((np.arange(pixels) + 0.5) / fine - (at - corner) / px_per_mm).astype(np.float32)
        for at, corner in zip(middle, (left, top), strict=True)
    ]
    x, y = _turned(axes[0][None], axes[1][:, None], turn)
    shape = (pixels, pixels)
    ridge = _ridges(x, y, spacing, breadth, child(rng), fine)
    uneven = fields.fractal_noise(shape, 4.0 * fine, rng, octaves=3)
    grain = fields.fractal_noise(shape, 0.35 * fine, rng, octaves=2)
    # Pressure widens the ridges and falls off towards the border of the print.
    out = np.hypot(x / np.float32(breadth / 2), y / np.float32(length / 2))
    pressure = 1 - fields.smoothstep(out + np.float32(0.14) * uneven, 0.55, 1.0)
    width = np.float32(0.5) * (pressure - 1) + np.float32(0.22) * uneven + np.float32(0.25) * grain
    inked = fields.smoothstep(ridge + width, -0.35, 0.45) * np.sqrt(pressure)
    pores = (fields.smooth_noise(shape, 0.3 * fine, rng) > 1.9) & (ridge > 0.6)
    inked *= 1 - np.float32(0.7) * pores
    inked *= np.clip(np.float32(0.8) + np.float32(0.35) * uneven, 0.15, 1)
    inked = _smeared(inked, smudging * rng.uniform(0.2, 1), spacing * fine, uneven, rng)
    # A pixel wider than a ridge passes the mean of the light, not of the density.
    passed = cv2.exp(inked * np.float32(-strength * math.log(10)))
    passed, patch = (
        np.asarray(cv2.resize(plane, (target, target), interpolation=cv2.INTER_AREA), np.float32)
        for plane in (passed, pressure)
    )
    return np.log10(np.maximum(passed, np.float32(1e-4))) * np.float32(-1), patch, (left, top)


def _turned(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Places (x, y) seen in axes that are turned by ``angle``."""
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _ridges(x: Field, y: Field, spacing: float, breadth: float, rng: Generator, fine: float) -> Field:
    """Waves in [-1, 1], 1 in the middle of a ridge. Lengths in mm, the finger's tip towards -y."""
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
    real, imaginary = _spirals(x, y, spacing, breadth, rng, fine)
    # The cosine of the carrier plus the spirals' angle.
    wave = np.cos(carrier) * real - np.sin(carrier) * imaginary
    wave /= np.sqrt(real * real + imaginary * imaginary) + np.float32(1e-12)
    return np.asarray(wave, dtype=np.float32)


def _spirals(
    x: Field, y: Field, spacing: float, breadth: float, rng: Generator, fine: float
) -> tuple[Field, Field]:
    """A complex field (real, imaginary) whose angle turns once around each ending or fork of a ridge.

    It is a product of factors that are linear near their zeros, so it may be drawn coarsely and interpolated.
    """
    whole = x.shape[::-1]
    step = max(1, round(SPIRALS_SPACINGS * spacing * fine))
    size = (max(1, whole[0] // step), max(1, whole[1] // step))
    x, y = (np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32) for plane in (x, y))
    count = rng.poisson(MINUTIAE_PER_MM2 * breadth**2)
    middles = rng.uniform(-0.5, 0.5, (count, 2)) * (breadth, breadth * ASPECT)
    total = np.ones(x.shape, np.complex64)
    for number, (px, py) in enumerate(middles.astype(np.float32)):
        turn = (x - px) + np.complex64(1j if number % 2 else -1j) * (y - py)
        # Far from its zero a factor is about 1, so that the product keeps within range.
        total *= turn / (np.abs(turn) + np.float32(0.2 * spacing))
    real, imaginary = (
        np.asarray(cv2.resize(np.ascontiguousarray(part), whole, interpolation=cv2.INTER_LINEAR), np.float32)
        for part in (total.real, total.imag)
    )
    return real, imaginary


def _smeared(inked: Field, amount: float, ridge_px: float, uneven: Field, rng: Generator) -> Field:
    """The print where the finger held still, drawn out along one direction where it slid."""
    length = round(amount * 4 * ridge_px)
    if length < 2:
        return inked
    angle = rng.uniform(0, 2 * math.pi)
    dx, dy = round(length * math.cos(angle)), round(length * math.sin(angle))
    kernel = np.zeros((abs(dy) + 1, abs(dx) + 1), np.float32)
    start, end = (max(-dx, 0), max(-dy, 0)), (max(dx, 0), max(dy, 0))
    cv2.line(kernel, start, end, 1.0, 1)
    kernel /= kernel.sum()
    slid = cv2.filter2D(inked, cv2.CV_32F, kernel, anchor=start, borderType=cv2.BORDER_CONSTANT)
    where = fields.smoothstep(uneven, 0.6 - 1.5 * amount, 1.8 - 1.5 * amount)
    return np.asarray(inked + where * (slid * np.float32(0.9) - inked), dtype=np.float32)


def _join(how: np.ufunc, plane: Field, patch: Field, top: int, left: int) -> None:
    """Combine ``patch``, its corner at (top, left), with what it covers of ``plane``."""
    rows = slice(max(top, 0), min(top + patch.shape[0], plane.shape[0]))
    columns = slice(max(left, 0), min(left + patch.shape[1], plane.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        part = patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        how(plane[rows, columns], part, out=plane[rows, columns])
