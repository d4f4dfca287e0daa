from __future__ import annotations

import numpy as np
import pytest

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def grating(line_pairs_per_mm: float, px_per_mm: float) -> Photo:
    at = np.arange(round(30 * px_per_mm)) / px_per_mm
    row = (0.5 + 0.4 * np.sin(2 * np.pi * line_pairs_per_mm * at)).astype(np.float32)
    return Photo(np.broadcast_to(row[None, :, None], (40, len(row), 3)).copy(), px_per_mm)


@pytest.mark.parametrize("px_per_mm", [8.0, 16.0])
def test_only_detail_coarser_than_the_pitch_survives(px_per_mm: float) -> None:
    kept, lost = (
        OPS["resolution_loss"](grating(frequency, px_per_mm), generator(0), pitch_mm=0.5).image.std()
        / grating(frequency, px_per_mm).image.std()
        for frequency in (0.25, 1.7)
    )
    assert kept > 0.85
    assert lost < 0.25


def test_a_pitch_finer_than_the_pixels_changes_nothing() -> None:
    photo = grating(1.0, 8.0)
    assert OPS["resolution_loss"](photo, generator(0), pitch_mm=0.1) is photo


def test_nearest_gives_blocks() -> None:
    photo = grating(0.3, 8.0)
    image = OPS["downscale"](photo, generator(0), width_kept=0.25, height_kept=1.0, up="nearest").image
    steps = np.abs(np.diff(image[0, :, 0])) > 0
    assert steps.mean() < 0.3, "most neighbours are equal"


def test_each_side_has_its_own_factor() -> None:
    photo = grating(1.0, 8.0)
    untouched = OPS["downscale"](photo, generator(0), width_kept=1.0, height_kept=0.3, down="area").image
    assert untouched == pytest.approx(photo.image, abs=1e-5)
