"""Noise of digital sensors and of the degradation chains in the literature; per pixel, not per mm."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import cv2
import numpy as np
from numpy.random import Generator

from degradekit.density import exposed, in_bands, mixed
from degradekit.fields import Field, colour_noise
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

Channels: TypeAlias = Literal["independent", "shared"]

#: Gains that white balance puts on red, green, blue of a daylight sensor: less light, more noise.
WHITE_BALANCE = np.array([1.9, 1.0, 1.5], dtype=np.float32)


@op(neutral={"iso": 0.0}, maker=exposed)
def sensor_noise(
    photo: Photo,
    rng: Generator,
    *,
    iso: Annotated[float, Bounds(0, 102_400, "ISO")] = 800.0,
    full_well_e: Annotated[float, Bounds(500, 200_000, "electrons")] = 20_000.0,
    read_noise_e: Annotated[float, Bounds(0, 100, "electrons")] = 6.0,
    row_noise_e: Annotated[float, Bounds(0, 100, "electrons")] = 0.0,
) -> Photo:
    """Grainy colour noise of a digital camera or scanner, most visible in the shadows.

    White at ISO 100 is ``full_well_e`` electrons and proportionally fewer at higher ``iso``. In linear
    light a channel of gain g has variance g I / N + (g r / N)^2, N the electrons of white and r
    ``read_noise_e``; ``row_noise_e`` is shared by each row. The Gaussian form, good above some ten
    electrons. Source: Foi et al., IEEE TIP 17(10), 2008 (Poissonian-Gaussian model); gains our choice.
    """
    if iso == 0:
        return photo
    electrons = full_well_e * 100 / iso
    shot = WHITE_BALANCE * np.float32(1 / electrons)
    read = (WHITE_BALANCE * np.float32(read_noise_e / electrons)) ** 2
    variance = np.column_stack([np.diag(shot), read])
    rows = rng.standard_normal((photo.height, 1, 3), dtype=np.float32)
    rows *= WHITE_BALANCE * np.float32(row_noise_e / electrons)
    noise = colour_noise((photo.height, photo.width), rng)

    def noisy(linear: Image, noise: Image, rows: Image) -> Image:
        deviation = mixed(linear, variance)
        cv2.sqrt(deviation, dst=deviation)
        deviation *= noise
        deviation += linear
        if row_noise_e:
            deviation += rows
        return deviation

    return photo.changed(exposed, noisy, noise, rows)


@op(neutral={"scale": 0.0})
def poisson_noise(
    photo: Photo,
    rng: Generator,
    *,
    scale: Annotated[float, Bounds(0, 10, "1")] = 1.0,
    channels: Channels = "independent",
) -> Photo:
    """Noise that grows with brightness, as of counted photons; on encoded values, as in published chains.

    ``scale`` times the deviation of a Poisson count with mean 256 x value, divided by 256. Source: Wang et
    al., Real-ESRGAN, ICCVW 2021 (its degradation model).
    """
    if scale == 0:
        return photo
    level: Image = photo.image
    if channels == "shared":
        level = level.mean(axis=2, keepdims=True, dtype=np.float32)
    deviation = rng.poisson(level * 256).astype(np.float32) * np.float32(1 / 256) - level
    return photo.with_image(photo.image + np.float32(scale) * deviation)


@op(neutral={"sigma_levels": 0.0})
def gaussian_noise(
    photo: Photo,
    rng: Generator,
    *,
    sigma_levels: Annotated[float, Bounds(0, 128, "/255")] = 12.0,
    channels: Channels = "independent",
) -> Photo:
    """Even additive noise, coloured or gray.

    N(0, ``sigma_levels`` / 255) added to the sRGB-encoded values. Source: standard; 5 to 50 per channel in
    the released degradation chain of Wan et al., CVPR 2020.
    """
    if sigma_levels == 0:
        return photo
    return photo.with_image(photo.image + np.float32(sigma_levels / 255) * _normal(photo, rng, channels))


@op(neutral={"sigma_levels": 0.0})
def speckle_noise(
    photo: Photo,
    rng: Generator,
    *,
    sigma_levels: Annotated[float, Bounds(0, 128, "/255")] = 20.0,
    channels: Channels = "independent",
) -> Photo:
    """Noise in proportion to brightness: none in black, strongest in white.

    I + I N(0, ``sigma_levels`` / 255) on the sRGB-encoded values. Source: standard; 5 to 50 per channel in
    the released degradation chain of Wan et al., CVPR 2020.
    """
    if sigma_levels == 0:
        return photo
    factor = 1 + np.float32(sigma_levels / 255) * _normal(photo, rng, channels)
    return photo.with_image(photo.image * factor)


@op(neutral={"amount": 0.0})
def salt_and_pepper(
    photo: Photo,
    rng: Generator,
    *,
    amount: Annotated[float, Bounds(0, 1, "1")] = 0.005,
    salt_share: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    channels: Channels = "independent",
) -> Photo:
    """Single pixels are white or black; with independent channels, of any pure colour.

    Each value is hit with probability ``amount`` and becomes 1 with probability ``salt_share``, else 0.
    Source: standard; up to 0.01, salt 0.3 to 0.8, per channel in the released degradation chain of Wan et
    al., CVPR 2020.
    """
    if amount == 0:
        return photo

    def hit(image: Image) -> Image:
        draw = rng.random((*image.shape[:2], 3 if channels == "independent" else 1), dtype=np.float32)
        salted = np.where(draw < amount * salt_share, np.float32(1), image)
        return np.where((draw >= amount * salt_share) & (draw < amount), np.float32(0), salted)

    return photo.with_image(in_bands(hit, photo.editable()))


def _normal(photo: Photo, rng: Generator, channels: Channels) -> Image | Field:
    """Standard normal, (H, W, 3) or (H, W, 1)."""
    depth = 3 if channels == "independent" else 1
    return rng.standard_normal((photo.height, photo.width, depth), dtype=np.float32)
