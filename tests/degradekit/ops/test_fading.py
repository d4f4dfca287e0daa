from __future__ import annotations

import numpy as np
import pytest

from degradekit.density import from_density, to_density, to_linear, to_srgb
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

NEUTRAL = {
    "cyan_kept": 1.0,
    "magenta_kept": 1.0,
    "yellow_kept": 1.0,
    "red_stain": 0.0,
    "green_stain": 0.0,
    "blue_stain": 0.0,
}


def faded(rgb: tuple[float, float, float], **values: float) -> np.ndarray:
    photo = Photo(np.full((2, 2, 3), rgb, np.float32), 5.0)
    return OPS["fading"](photo, generator(0), **{**NEUTRAL, **values}).image[0, 0]


def test_density_and_back() -> None:
    image = np.linspace(0, 1, 256 * 3, dtype=np.float32).reshape(1, 256, 3)
    assert from_density(to_density(image)) == pytest.approx(image, abs=2e-4)
    assert to_srgb(to_linear(image)) == pytest.approx(image, abs=8e-5)


def test_middle_gray_at_the_published_setting() -> None:
    # 128 -> (154, 135, 127) at k (.7, .92, .85), stain (.01, .03, .10), without black-point correction.
    stained = {"red_stain": 0.01, "green_stain": 0.03, "blue_stain": 0.10}
    result = faded((128 / 255,) * 3, cyan_kept=0.7, magenta_kept=0.92, yellow_kept=0.85, **stained) * 255
    assert result == pytest.approx([154, 135, 127], abs=2.0)


def test_cyan_loss_turns_red_and_magenta_loss_green() -> None:
    red = faded((0.4, 0.4, 0.4), cyan_kept=0.5)
    assert red[0] > red[1]
    assert red[0] > red[2]
    green = faded((0.4, 0.4, 0.4), magenta_kept=0.5)
    assert green[1] > green[0]
    assert green[1] > green[2]


def test_white_only_takes_the_stain_and_black_loses_most() -> None:
    assert faded((1, 1, 1), cyan_kept=0.3, magenta_kept=0.3, yellow_kept=0.3) == pytest.approx(
        [1, 1, 1], abs=2e-3
    )
    assert faded((1, 1, 1), blue_stain=0.2)[2] < 0.9
    assert faded((0, 0, 0), cyan_kept=0.6, magenta_kept=0.6, yellow_kept=0.6).min() > 0.1


def yellowed(**values: float) -> np.ndarray:
    photo = Photo(np.full((240, 320, 3), 0.9, np.float32), 3.0)
    result = OPS["yellowing"](photo, generator(3), **values)
    return to_density(result.image) - to_density(photo.image)


def test_yellowing_stops_blue_most_and_by_what_was_asked() -> None:
    red, green, blue = yellowed(blue_density=0.2, blotchiness=0.0, border=0.0).mean(axis=(0, 1))
    assert blue == pytest.approx(0.2, abs=0.003)
    assert blue > 2 * green > 4 * red > 0


def test_yellowing_is_stronger_at_the_border_and_blotchy_on_demand() -> None:
    border = yellowed(blotchiness=0.0, border=1.0)[..., 2]
    assert border[0].mean() > 1.4 * border[110:130, 150:170].mean()
    assert yellowed(blotchiness=1.0, border=0.0)[..., 2].std() > 0.03
