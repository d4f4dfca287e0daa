from __future__ import annotations

import numpy as np
import pytest

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def flat(px_per_mm: float = 6.0) -> Photo:
    return Photo(np.full((round(60 * px_per_mm), round(80 * px_per_mm), 3), 0.3, np.float32), px_per_mm)


@pytest.mark.parametrize("px_per_mm", [3.0, 9.0])
def test_the_border_has_its_width_in_mm_and_is_cream(px_per_mm: float) -> None:
    result = OPS["frame"](flat(px_per_mm), generator(1), width_mm=6.0, unevenness_mm=0.0, yellowing=1.0)
    mask = result.masks["frame"]
    middle = mask.shape[0] // 2
    assert mask[middle].sum() / px_per_mm == pytest.approx(12, abs=0.3)
    colour = result.image[mask > 0.99].mean(axis=0)
    assert colour[0] > colour[1] > colour[2] > 0.5
    inside = mask == 0
    assert np.array_equal(result.image[inside], flat(px_per_mm).image[inside])


def test_a_deckle_edge_shows_what_lies_behind() -> None:
    straight, deckle = (
        OPS["frame"](flat(), generator(1), edge=edge, behind=0.1) for edge in ("straight", "deckle")
    )
    assert not straight.masks["background"].any()
    beyond = deckle.masks["background"] > 0.99
    assert 0.002 < beyond.mean() < 0.05
    assert deckle.image[beyond] == pytest.approx(0.1, abs=0.01)
    # Bites: along the very edge, background and sheet take turns.
    assert np.abs(np.diff((deckle.masks["background"][1] > 0.5).astype(int))).sum() > 20


@pytest.mark.parametrize("px_per_mm", [4.0, 10.0])
def test_only_corners_are_worn(px_per_mm: float) -> None:
    result = OPS["worn_corners"](flat(px_per_mm), generator(3), radius_mm=5.0)
    lost = np.maximum(result.masks["background"], result.masks["hole"])
    height, width = lost.shape
    for corner in (lost[0, 0], lost[0, -1], lost[-1, 0], lost[-1, -1]):
        assert corner > 0.99
    assert not lost[:, width // 2].any() and not lost[height // 2].any()
    # A rounding of radius r takes (1 - pi / 4) r^2 of each corner; the rim a little more.
    assert 5 < lost.sum() / px_per_mm**2 < 120


def test_bare_paper_is_pale_and_what_is_gone_shows_the_background() -> None:
    result = OPS["worn_corners"](flat(), generator(3), radius_mm=6.0, behind=0.2)
    assert result.image[result.masks["hole"] > 0.99].mean() > 0.6
    assert result.image[result.masks["background"] > 0.999] == pytest.approx(0.2, abs=2e-3)
