from __future__ import annotations

import numpy as np
import pytest

from degradekit.density import to_linear, to_srgb
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def flat(level: float = 0.5, shape: tuple[int, int] = (101, 151), px_per_mm: float = 2.0) -> Photo:
    return Photo(np.full((*shape, 3), level, np.float32), px_per_mm)


@pytest.mark.parametrize("stops", [0.5, 1.0, 3.0])
def test_corners_lose_the_stops_asked_for_and_the_centre_none(stops: float) -> None:
    photo = flat()
    light = to_linear(OPS["vignette"](photo, generator(0), corner_stops=stops).image)[..., 0]
    full = to_linear(photo.image)[0, 0, 0]
    assert light[50, 75] == pytest.approx(full, rel=1e-4)
    assert np.log2(full / light[0, 0]) == pytest.approx(stops, rel=0.05)
    assert light.max() <= full * (1 + 1e-4)


@pytest.mark.parametrize("brightest", [0.08, 0.3, 1.0])
@pytest.mark.parametrize("stops", [0.5, 4.0])
def test_light_falls_as_the_formula_says_in_shadows_too(brightest: float, stops: float) -> None:
    image = generator(1).random((101, 151, 3), dtype=np.float32) ** 2 * np.float32(brightest)
    result = OPS["vignette"](Photo(image, 2.0), generator(0), corner_stops=stops, power=3.0).image
    y, x = np.mgrid[-50:51, -75:76] / (np.hypot(101, 151) / 2)
    light = 1 / (1 + (2 ** (stops / 2) - 1) * np.hypot(x, y) ** 3) ** 2
    expected = to_srgb(np.float32(light[..., None]) * to_linear(image))
    assert np.abs(result - expected).max() < 1e-4


def test_vignette_is_the_same_at_any_resolution() -> None:
    small, large = (
        OPS["vignette"](flat(shape=shape), generator(0)).image.mean() for shape in ((50, 75), (200, 300))
    )
    assert small == pytest.approx(large, abs=0.002)


def test_a_leak_comes_in_from_one_side_and_is_warm_further_in() -> None:
    photo = flat(0.3, (240, 300), 3.0)
    result = OPS["light_leak"](photo, generator(3), strength=2.0)
    mask = result.masks["light_leak"]
    sides = [edge.max() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1])]
    assert max(sides) == pytest.approx(mask.max(), abs=0.02)
    gain = result.image - photo.image
    assert gain.min() > -1e-4, "light only adds"
    faint = (mask > 0.05) & (mask < 0.25)
    assert gain[faint].mean(axis=0)[0] > gain[faint].mean(axis=0)[2] + 0.02


def test_a_cold_leak_is_neutral() -> None:
    result = OPS["light_leak"](flat(0.3), generator(3), warmth=0.0)
    assert np.ptp(result.image, axis=2).max() < 1e-4


def test_halation_is_a_red_glow_around_lights_only() -> None:
    image = np.full((120, 120, 3), 0.05, np.float32)
    image[50:70, 50:70] = 1.0
    result = OPS["halation"](Photo(image, 6.0), generator(0), strength=4.0)
    gain = (result.image - image)[44:48, 55:65].mean(axis=(0, 1))
    assert gain[0] > gain[1] > gain[2] == pytest.approx(0, abs=1e-4)
    assert np.abs(result.image - image)[:10].max() < 1e-3
    assert OPS["halation"](flat(0.5), generator(0)).image == pytest.approx(flat(0.5).image, abs=1e-3)


def test_the_glow_reaches_as_far_in_mm_at_two_scales() -> None:
    def half_width_mm(px_per_mm: float) -> float:
        side = round(20 * px_per_mm)
        image = np.zeros((side, side, 3), np.float32)
        image[:, : side // 2] = 1.0
        row = OPS["halation"](Photo(image, px_per_mm), generator(0), strength=10.0).image[
            side // 2, side // 2 :, 0
        ]
        light = to_linear(np.repeat(row[None, :, None], 3, axis=2))[0, :, 0]
        return float((light > light[0] / 2).sum() / px_per_mm)

    assert half_width_mm(6.0) == pytest.approx(half_width_mm(18.0), abs=0.2)
