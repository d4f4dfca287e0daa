from __future__ import annotations

import cv2
import numpy as np
import pytest

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

GRAY = 0.35


def torn(px_per_mm: float = 6.0, seed: int = 1, **values: float) -> Photo:
    rows, columns = round(60 * px_per_mm), round(80 * px_per_mm)
    photo = Photo(np.full((rows, columns, 3), GRAY, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS["tears"].parameters.items()}
    return OPS["tears"](photo, generator(seed), **{**defaults, **values})


@pytest.mark.parametrize("seed", range(4))
def test_every_rip_starts_at_an_edge(seed: int) -> None:
    mask = torn(seed=seed, corners=0.0, density_per_m=12, core_um=700.0).masks.get("tear")
    if mask is None:
        return
    whole = cv2.dilate((mask > 0.2).astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2)
    count, labels = cv2.connectedComponents(whole)
    at_edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    large = [n for n in range(1, count) if mask[labels == n].sum() > 40]
    assert large
    assert set(large) <= set(at_edge.tolist())


def test_lips_are_paper_and_the_gap_is_background() -> None:
    result = torn(corners=0.0, density_per_m=12, gap_um=1500.0, core_um=1200.0, background=0.02)
    lost = result.image[result.masks["tear"] > 0.99].mean(axis=1)
    assert ((lost > 0.75).mean() > 0.3) and ((lost < 0.1).mean() > 0.1)


def test_missing_corners_show_the_background() -> None:
    result = torn(density_per_m=0.0, corners=1.0, background=0.6, corner_mm=10.0)
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert result.masks["tear"][row, column] == pytest.approx(1)
        assert result.image[row, column] == pytest.approx(0.6, abs=0.01)
    # Four triangles of legs about 10 mm, lognormal.
    gone = (result.masks["tear"] > 0.5).sum() / 6.0**2
    assert 80 < gone < 700


def test_middle_of_the_sheet_is_safe_from_missing_corners() -> None:
    result = torn(density_per_m=0.0, corners=1.0)
    assert result.masks["tear"][170:190, 220:260].max() == 0


def test_same_damage_at_any_scale() -> None:
    covers = [torn(scale, seed=3, density_per_m=30).masks["tear"].mean() for scale in (4.0, 12.0)]
    assert covers[0] == pytest.approx(covers[1], rel=0.2)
