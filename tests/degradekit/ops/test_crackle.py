from __future__ import annotations

import cv2
import numpy as np
import pytest

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def cracked(px_per_mm: float = 8.0, seed: int = 1, **values: float) -> Photo:
    side = round(60 * px_per_mm)
    photo = Photo(np.full((side, side, 3), 0.4, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS["crackle"].parameters.items()}
    return OPS["crackle"](photo, generator(seed), **{**defaults, **values})


def test_coverage_is_the_cracked_part_of_the_sheet() -> None:
    parts = []
    for coverage in (0.2, 0.8):
        nets = [
            cracked(5, seed, coverage=coverage).masks.get("crackle", np.zeros((300, 300), np.float32))
            for seed in range(8)
        ]
        # A net of 2.6 mm cells, closed over a cell and a half, covers its patch.
        kernel = np.ones((19, 19), np.uint8)
        parts.append(np.mean([cv2.morphologyEx((net > 0.05) * 1.0, cv2.MORPH_CLOSE, kernel) for net in nets]))
    assert parts[0] == pytest.approx(0.2, abs=0.2)
    assert parts[1] > 0.55


def test_smaller_cells_make_more_cracks() -> None:
    wide, narrow = (cracked(coverage=1.0, cell_mm=cell).masks["crackle"].mean() for cell in (8.0, 2.0))
    assert narrow > 2 * wide


def test_grime_darkens_and_paper_lightens() -> None:
    values = {"coverage": 1.0, "curl": 0.0, "width_um": 300.0}
    clean, dirty = (cracked(grime=grime, flaking=0.0, **values).image for grime in (0.0, 1.0))
    assert clean.min() >= 0.4 - 1e-5 and clean.max() > 0.8
    assert dirty.max() <= 0.4 + 1e-5 and dirty.min() < 0.25


def test_flaking_bares_whole_cells() -> None:
    kept, lost = (cracked(coverage=1.0, flaking=share).masks["crackle"] for share in (0.0, 0.5))
    core = [
        cv2.erode((mask > 0.9).astype(np.uint8), np.ones((7, 7), np.uint8)).mean() for mask in (kept, lost)
    ]
    assert core[0] == 0
    assert core[1] > 0.05
