from __future__ import annotations

import math

import numpy as np
import pytest

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def flat(px_per_mm: float = 5.0, level: float = 0.4) -> Photo:
    shape = (round(40 * px_per_mm), round(60 * px_per_mm), 3)
    return Photo(np.full(shape, level, np.float32), px_per_mm)


def test_streaks_are_vertical_and_constant_over_the_height() -> None:
    photo = flat()
    result = OPS["scanner_streaks"](photo, generator(1), density_per_cm=3.0, banding=0.0)
    mask = result.masks["scanner_streak"]
    assert (mask > 0.2).any()
    below = mask[-1]  # A streak that sets in half way stays until the end.
    assert (np.diff(mask, axis=0) >= -1e-6).all()
    assert mask.max(axis=0) == pytest.approx(below, abs=1e-6)
    changed = np.abs(result.image - photo.image).max(axis=2) > 1e-3
    assert not changed[mask == 0].any()


def test_banding_is_a_gain_per_column() -> None:
    image = OPS["scanner_streaks"](flat(), generator(1), density_per_cm=0.0, banding=0.02).image
    assert np.ptp(image, axis=0).max() < 1e-6
    assert image[0].std() / 0.4 == pytest.approx(0.02, rel=0.2)


def test_tilt_moves_masks_with_the_picture_and_marks_the_background() -> None:
    photo = flat(level=0.0)
    mask = np.zeros(photo.image.shape[:2], np.float32)
    mask[80:120, 200:260] = 1
    image = np.repeat(mask[..., None], 3, axis=2)
    result = OPS["scanner_tilt"](Photo(image, 5.0, {"hole": mask}), generator(0), angle_deg=8.0, lid=0.5)
    background = result.masks["background"]
    assert result.image[..., 0][background < 0.01] == pytest.approx(
        result.masks["hole"][background < 0.01], abs=5e-3
    )
    assert 0.3 < result.image[background > 0.99].mean() < 0.51
    # Anticlockwise: what was right of the centre has gone up.
    rows, columns = np.nonzero(result.masks["hole"] > 0.5)
    right, up = columns.mean() - 149.5, 99.5 - rows.mean()
    assert math.degrees(math.atan2(up, right)) == pytest.approx(8, abs=1)


def test_moire_is_a_wave_of_the_aliased_frequency() -> None:
    def strongest_per_mm(px_per_mm: float) -> float:
        image = OPS["moire"](flat(px_per_mm, 0.7), generator(2), contrast=0.5).image[..., 1]
        power = np.abs(np.fft.rfft2(image - image.mean()))
        row, column = np.unravel_index(power.argmax(), power.shape)
        height, width = image.shape
        down, across = (
            np.fft.fftfreq(height, 1 / px_per_mm)[row],
            np.fft.rfftfreq(width, 1 / px_per_mm)[column],
        )
        return math.hypot(down, across)

    # Magenta takes most of green: 133 lines per inch at 75 degrees, 100 samples per inch.
    across, down = 133 * math.cos(math.radians(75)), 133 * math.sin(math.radians(75)) - 100
    for px_per_mm in (10.0, 14.0):
        assert strongest_per_mm(px_per_mm) == pytest.approx(math.hypot(across, down) / 25.4, rel=0.05)
