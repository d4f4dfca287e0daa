from __future__ import annotations

import math

import numpy as np
import pytest

from degradekit.density import to_linear
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def printed(level: float, px_per_mm: float, **values: float | str) -> np.ndarray:
    """Linear light of a flat 30 x 30 mm print."""
    side = round(30 * px_per_mm)
    photo = Photo(np.full((side, side, 3), level, np.float32), px_per_mm)
    settings = {"screen": "gray", "dot_gain": 0.0, "strength": 1.0, **values}
    return to_linear(OPS["halftone"](photo, generator(4), **settings).image)


@pytest.mark.parametrize("screen", ["gray", "cmyk"])
@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_tone_is_kept(level: float, screen: str) -> None:
    light = printed(level, 12.0, lines_per_inch=45.0, screen=screen)
    wanted = to_linear(np.full((1, 1, 3), level, np.float32)).mean()
    assert light.mean() == pytest.approx(wanted, abs=0.025)


@pytest.mark.parametrize("px_per_mm", [8.0, 14.0])
def test_screen_frequency_is_physical(px_per_mm: float) -> None:
    light = printed(0.7, px_per_mm, lines_per_inch=50.0)[..., 0]
    power = np.abs(np.fft.rfft2(light - light.mean()))
    row, column = np.unravel_index(power.argmax(), power.shape)
    frequencies = (
        np.fft.fftfreq(len(light), 1 / px_per_mm)[row],
        np.fft.rfftfreq(len(light), 1 / px_per_mm)[column],
    )
    assert math.hypot(*frequencies) == pytest.approx(50 / 25.4, rel=0.03)
    assert math.degrees(math.atan2(*np.abs(frequencies))) == pytest.approx(45, abs=3)


def test_dots_are_ink_or_paper() -> None:
    light = printed(0.735, 20.0, lines_per_inch=30.0)[..., 0]
    assert ((light < 0.02) | (light > 0.98)).mean() > 0.7


def test_a_screen_finer_than_the_pixels_is_even_tone() -> None:
    assert printed(0.5, 3.0, lines_per_inch=300.0).std() < 0.01


def test_dot_gain_darkens_half_tones_and_neither_end() -> None:
    assert printed(0.6, 10.0, dot_gain=0.2).mean() < printed(0.6, 10.0).mean() - 0.1
    assert printed(1.0, 10.0, dot_gain=0.2).min() > 0.99
    assert printed(0.0, 10.0, dot_gain=0.2).max() < 0.01
