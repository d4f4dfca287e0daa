"""The second-order model against discs that are really thrown on a plane."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from degradekit.grainmodel import amplitude, covered
from degradekit.ops import OPS
from degradekit.ops.grain import grain_radius_um
from degradekit.photo import Photo
from degradekit.randomness import generator

#: Grains are drawn at this many times the pixel.
FINE = 16


def discs(level: float, radius: float, spread: float, sigma: float, side: int, seed: int) -> np.ndarray:
    """Boolean model: opaque lognormal discs (radius in px), seen through a Gaussian; (side, side) pixels."""
    rng = np.random.Generator(np.random.PCG64(seed))
    s = np.sqrt(np.log1p(spread**2))
    expected_area = np.pi * radius**2 * (1 + spread**2)
    count = rng.poisson(-np.log(1 - level) / expected_area * side**2)
    centres = rng.random((count, 2)) * side * FINE
    radii = radius * np.exp(s * rng.standard_normal(count) - s**2 / 2) * FINE
    canvas = np.zeros((side * FINE, side * FINE), np.uint8)
    for (x, y), r in zip((centres * 16).astype(int), (radii * 16).astype(int), strict=True):
        cv2.circle(canvas, (int(x), int(y)), int(r), 255, -1, shift=4)
    blurred = cv2.GaussianBlur(canvas.astype(np.float32) / 255, (0, 0), sigma * FINE)
    return blurred[FINE // 2 :: FINE, FINE // 2 :: FINE][4:-4, 4:-4]


@pytest.mark.parametrize(("radius", "spread"), [(0.3, 0.0), (0.3, 0.4)])
@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_amplitude_is_that_of_the_boolean_model(level: float, radius: float, spread: float) -> None:
    sigma = 0.8
    samples = np.concatenate([discs(level, radius, spread, sigma, 96, seed).ravel() for seed in range(3)])
    expected = amplitude(radius / sigma, spread)[round(level * 255)]
    # Drawn circles are a little larger than asked for, so the mean level is only nearly the one asked for.
    assert samples.mean() == pytest.approx(level, abs=0.06)
    assert samples.std() == pytest.approx(expected, rel=0.12)


def test_amplitude_agrees_with_the_integrated_table() -> None:
    # K(u) = (2 sigma sqrt(pi) sd / r)^2 for r much smaller than sigma, constant radius.
    levels = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    sd = np.interp(levels, np.arange(256) / 255, amplitude(0.01, 0.0))
    assert (2 * np.sqrt(np.pi) * sd / 0.01) ** 2 == pytest.approx(
        [0.275, 0.597, 0.644, 0.462, 0.137], rel=0.01
    )


def grained(level: float, **values: float) -> np.ndarray:
    photo = Photo(np.full((200, 200, 3), level, np.float32), 10.0)
    defaults = {name: item.default for name, item in OPS["film_grain"].parameters.items()}
    return OPS["film_grain"](photo, generator(3), **{**defaults, **values}).image


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_the_op_has_the_model_s_strength_and_keeps_the_mean(level: float) -> None:
    image = grained(level, radius_um=20, radius_spread=0.3, scanner_blur_px=0.9, chroma=1.0)
    expected = amplitude(0.2 / 0.9, 0.3)[round(level * 255)]
    assert image.std() == pytest.approx(expected, rel=0.05)
    assert image.mean() == pytest.approx(level, abs=0.003)


def test_black_and_white_have_no_grain() -> None:
    assert grained(0.0).max() == 0
    assert grained(1.0).min() > 0.99


def test_chroma_is_the_share_of_independent_variance() -> None:
    for chroma in (0.0, 0.4, 1.0):
        image = grained(0.5, chroma=chroma)
        correlation = np.corrcoef(image[..., 0].ravel(), image[..., 1].ravel())[0, 1]
        assert correlation == pytest.approx(1 - chroma, abs=0.05)


def test_grain_is_correlated_over_the_scanner_s_blur() -> None:
    for blur in (0.6, 1.5):
        plane = grained(0.5, scanner_blur_px=blur, chroma=0.0)[..., 0]
        plane = plane - plane.mean()
        neighbour = (plane[:, 1:] * plane[:, :-1]).mean() / plane.var()
        assert neighbour == pytest.approx(np.exp(-1 / (4 * blur**2)), abs=0.08)


@pytest.mark.parametrize("level", [0.15, 0.5, 0.85])
def test_the_exact_model_keeps_the_level_and_has_the_amplitude(level: float) -> None:
    plane = covered(np.full((220, 220), level, np.float32), 0.4, 0.3, 0.8, generator(1))
    assert plane.mean() == pytest.approx(level, abs=0.012)
    assert plane[6:-6, 6:-6].std() == pytest.approx(amplitude(0.5, 0.3)[round(level * 255)], rel=0.08)


def test_large_grains_are_skewed_only_in_the_exact_model() -> None:
    def skew(model: str) -> float:
        photo = Photo(np.full((300, 300, 3), 0.3, np.float32), 10.0)
        values = {
            "radius_um": 45,
            "radius_spread": 0.3,
            "scanner_blur_px": 0.8,
            "chroma": 1.0,
            "model": model,
        }
        plane = OPS["film_grain"](photo, generator(3), **values).image[..., 0].astype(float)
        return float(((plane - plane.mean()) ** 3).mean() / plane.std() ** 3)

    assert skew("boolean") > 0.25
    assert abs(skew("second_order")) < 0.1


def test_granularity_through_the_standard_aperture() -> None:
    # The radii that integrating the Boolean model over the 48 um aperture gives.
    for granularity, radius in [(8, 0.21), (17, 0.45), (25, 0.66), (40, 1.06)]:
        assert grain_radius_um(granularity, 0.0) == pytest.approx(radius, rel=0.02)


def test_granularity_is_measured_back_from_the_picture() -> None:
    # A scan of the film itself, 1 um per pixel, transmittance 0.1; the aperture is a disc of 24 um radius.
    photo = Photo(np.full((600, 600, 3), 0.9, np.float32), 1000.0)
    values = {
        "rms_granularity": 20.0,
        "enlargement": 1.0,
        "radius_spread": 0.0,
        "scanner_blur_px": 1.0,
        "chroma": 0.0,
    }
    covering = OPS["negative_grain"](photo, generator(5), **values).image[..., 0]
    y, x = np.mgrid[-24:25, -24:25]
    disc = (x**2 + y**2 <= 24**2).astype(np.float32)
    through = cv2.filter2D(1 - covering, -1, disc / disc.sum())[30:-30, 30:-30]
    assert 1000 * through.std() / (0.1 * np.log(10)) == pytest.approx(20, rel=0.15)
