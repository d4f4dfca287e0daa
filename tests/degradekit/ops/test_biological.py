from __future__ import annotations

import cv2
import numpy as np
import pytest

from degradekit.density import to_density
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def grown(name: str, px_per_mm: float = 5.0, seed: int = 7, **values: float) -> Photo:
    side = round(90 * px_per_mm)
    photo = Photo(np.full((side, side, 3), 0.8, np.float32), px_per_mm)
    defaults = {key: item.default for key, item in OPS[name].parameters.items()}
    return OPS[name](photo, generator(seed), **{**defaults, **values})


def test_foxing_takes_blue_most() -> None:
    photo = grown("foxing")
    added = to_density(photo.image) - to_density(np.full((1, 1, 3), 0.8, np.float32))
    spot = added[photo.masks["foxing"] > 0.3].mean(axis=0)
    assert spot[2] > 1.5 * spot[1] > 2 * spot[0] > 0


def test_foxing_spots_have_the_size_asked_for() -> None:
    photo = grown("foxing", radius_mm=1.5, density_per_dm2=40.0, clustering=0.0, bullseyes=0.0)
    count, _, stats, _ = cv2.connectedComponentsWithStats((photo.masks["foxing"] > 0.12).astype(np.uint8))
    radii = np.sqrt(stats[1:count, cv2.CC_STAT_AREA] / np.pi) / photo.px_per_mm
    assert 0.6 < np.median(radii[radii > 0.3]) < 2.0


@pytest.mark.parametrize(("name", "high"), [("foxing", 8.0), ("mould", 8.0)])
def test_clustering_crowds_them(name: str, high: float) -> None:
    def unevenness(clustering: float) -> float:
        cells = [
            cv2.resize(
                grown(name, 3.0, seed, clustering=clustering, density_per_dm2=80.0).masks[name],
                (6, 6),
                interpolation=cv2.INTER_AREA,
            )
            for seed in range(8)
        ]
        return float(np.mean([cell.std() / cell.mean() for cell in cells]))

    assert unevenness(high) > 1.25 * unevenness(0.0)


@pytest.mark.parametrize("name", ["foxing", "mould"])
def test_the_same_print_at_two_scales_is_covered_alike(name: str) -> None:
    coarse, fine = (grown(name, scale, density_per_dm2=60.0).masks[name].mean() for scale in (4.0, 10.0))
    assert coarse == pytest.approx(fine, rel=0.35)


def test_mould_is_dark_and_greenish() -> None:
    photo = grown("mould", density_per_dm2=60.0)
    colour = photo.image[photo.masks["mould"] > 0.6].mean(axis=0)
    assert colour.max() < 0.6
    assert colour[1] > colour[2]
