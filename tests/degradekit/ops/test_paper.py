from __future__ import annotations

import numpy as np
import pytest

from degradekit import papersheet
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def holed(px_per_mm: float = 6.0, seed: int = 1, level: float = 0.3, **values: float) -> Photo:
    side = round(60 * px_per_mm)
    photo = Photo(np.full((side, side, 3), level, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS["paper_holes"].parameters.items()}
    return OPS["paper_holes"](photo, generator(seed), **{**defaults, "density_per_dm2": 30.0, **values})


def test_paper_shows_where_the_mask_is_full() -> None:
    photo = holed(yellowing=0.0)
    bared = photo.image[photo.masks["hole"] > 0.999]
    assert len(bared) > 500
    assert bared.mean() > 0.75
    assert bared.std(axis=0).min() > 0.005, "paper has a texture"


def test_yellow_paper_is_yellow() -> None:
    fresh, old = (
        papersheet.texture((80, 80), 6.0, yellowing, generator(2), np.arange(6400)).mean(axis=0)
        for yellowing in (0, 1)
    )
    assert fresh.max() - fresh.min() < 0.05
    assert old[0] > old[1] > old[2]
    assert old[0] - old[2] > 0.2


def test_a_large_sheet_shows_no_seams() -> None:
    """Neighbouring pixels differ as much where the pieces meet as anywhere else."""
    side = round(2.2 * papersheet.PIECE_MM * 12)
    paper = papersheet.texture((side, side), 12.0, 0.3, generator(2), np.arange(side * side))
    steps = np.abs(np.diff(paper.reshape(side, side, 3)[..., 2], axis=1)).mean(axis=0)
    assert steps.max() < 1.4 * steps.mean()


def test_the_picture_is_untouched_far_from_holes() -> None:
    photo = holed()
    import cv2

    near = cv2.dilate(photo.masks["hole"], np.ones((15, 15), np.uint8))
    assert np.array_equal(photo.image[near == 0], np.full_like(photo.image[near == 0], np.float32(0.3)))


def test_the_emulsion_s_edge_throws_a_shadow() -> None:
    photo = holed(level=0.5)
    mask = photo.masks["hole"]
    shaded = photo.image[(mask > 0.1) & (mask < 0.34)].mean(axis=1)
    assert (shaded < 0.47).mean() > 0.5
    assert np.array_equal(photo.image[mask == 0], np.full_like(photo.image[mask == 0], np.float32(0.5)))


def test_feather_softens_the_edge() -> None:
    def soft_share(feather_mm: float) -> float:
        mask = holed(feather_mm=feather_mm).masks["hole"]
        return float(((mask > 0.05) & (mask < 0.95)).sum() / (mask > 0.5).sum())

    assert soft_share(1.0) > 2 * soft_share(0.0)


def test_holes_on_the_border() -> None:
    mask = holed(at_border=1.0, diameter_mm=2.0).masks["hole"] > 0.5
    middle = mask[mask.shape[0] // 4 : -mask.shape[0] // 4, mask.shape[1] // 4 : -mask.shape[1] // 4]
    assert middle.mean() < 0.2 * mask.mean()


def test_coverage_is_the_same_at_any_resolution() -> None:
    covers = [
        np.mean([holed(scale, seed).masks["hole"].mean() for seed in range(10)]) for scale in (3.0, 9.0)
    ]
    assert covers[0] == pytest.approx(covers[1], rel=0.25)
