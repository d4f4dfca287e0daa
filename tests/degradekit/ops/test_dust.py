from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from degradekit import specks
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator
from degradekit.specks import Spots

GRAY = 0.4


def settled(name: str, px_per_mm: float = 10.0, side_mm: float = 40, seed: int = 1, **values: float) -> Photo:
    side = round(side_mm * px_per_mm)
    photo = Photo(np.full((side, side, 3), GRAY, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS[name].parameters.items()}
    return OPS[name](photo, generator(seed), **{**defaults, **values})


def shapes(mask: NDArray[np.float32], at_least: float = 0.15) -> tuple[int, NDArray[np.float64]]:
    """Number of connected shapes and the area of each, in pixels of full coverage."""
    count, labels = cv2.connectedComponents((mask > at_least).astype(np.uint8))
    areas = np.bincount(labels.ravel(), mask.ravel(), count)[1:]
    return count - 1, areas


def test_dust_per_mm2_is_the_same_at_any_scale() -> None:
    side, per_cm2 = 60.0, 4.0
    expected = per_cm2 * side**2 / 100
    counts = [
        shapes(settled("dust", scale, side, density_per_cm2=per_cm2, clustering=0.0).masks["dust"])[0]
        for scale in (6.0, 12.0)
    ]
    # Four standard deviations of a Poisson count; touching specks count as one.
    assert counts == pytest.approx([expected, expected], abs=4 * np.sqrt(expected))
    assert counts[0] == pytest.approx(counts[1], rel=0.1)


@pytest.mark.parametrize("name", ["dust", "dirt", "hair"])
def test_same_print_scanned_finer_has_the_same_damage(name: str) -> None:
    coarse, fine = (settled(name, scale, 40, density_per_cm2=5.0) for scale in (3.0, 12.0))
    small = cv2.resize(fine.masks[name], coarse.masks[name].shape[::-1], interpolation=cv2.INTER_AREA)
    assert coarse.masks[name].mean() == pytest.approx(fine.masks[name].mean(), rel=0.1)
    assert np.corrcoef(small.ravel(), coarse.masks[name].ravel())[0, 1] > 0.8


def test_dust_areas_are_lognormal_around_the_asked_median() -> None:
    result = settled("dust", 20.0, 50, density_per_cm2=15, opacity=1.0, clustering=0.0, diameter_um=400.0)
    _, labels = cv2.connectedComponents((result.masks["dust"] > 0).astype(np.uint8))
    # Opacity differs from speck to speck; dividing by it leaves the area.
    peak = np.zeros(labels.max() + 1)
    np.maximum.at(peak, labels.ravel(), result.masks["dust"].ravel())
    areas = (np.bincount(labels.ravel(), result.masks["dust"].ravel()) / np.maximum(peak, 1e-6))[1:] / 20**2
    logs = np.log(areas)
    assert np.median(areas) == pytest.approx(np.pi * 0.2**2, rel=0.08)
    # Specks that touch widen the tail: quartiles instead of the standard deviation.
    assert np.subtract(*np.percentile(logs, [75, 25])) / 1.349 == pytest.approx(0.5, abs=0.08)


def test_specks_under_a_pixel_fade_but_keep_their_area() -> None:
    ones = np.ones(1)
    for radius in (0.1, 0.3, 1.0, 4.0):
        spots = Spots(ones * 10.3, ones * 9.8, ones * radius, ones, np.ones((1, 8)), ones, ones)
        assert specks.cover((20, 20), spots).amounts.sum() == pytest.approx(np.pi * radius**2, rel=0.05)


def test_clustering_spreads_the_counts_of_patches() -> None:
    ratios = []
    for clustering in (0.0, 1.5):
        points = specks.scatter((600.0, 600.0), 0.05, clustering, 20.0, 0.0, generator(3))
        counts, _, _ = np.histogram2d(*points.T, bins=30, range=[[0, 600]] * 2)
        assert counts.mean() == pytest.approx(20, rel=0.25)
        ratios.append(counts.var() / counts.mean())
    assert ratios[0] == pytest.approx(1, abs=0.2)
    assert ratios[1] > 5


def test_specks_are_as_dense_at_the_border_as_inside() -> None:
    points = specks.scatter((200.0, 200.0), 0.5, 0.3, 12.0, 0.0, generator(2))
    at_border = np.minimum(points, 200 - points).min(axis=1) < 10
    assert at_border.mean() == pytest.approx(1 - 180**2 / 200**2, abs=0.03)


def test_polarity() -> None:
    white = settled("dust", light_share=1.0, density_per_cm2=10)
    dark = settled("dirt", light_share=0.0, density_per_cm2=10)
    assert white.image.min() >= GRAY - 1e-5
    assert white.image.max() > 0.8
    assert dark.image.max() <= GRAY + 1e-5
    assert dark.image.min() < 0.25


def test_hair_lengths_are_lognormal() -> None:
    lengths = []
    for seed in range(12):
        mask = settled(
            "hair",
            10,
            60,
            seed,
            density_per_cm2=0.5,
            lint_share=0.0,
            opacity=1.0,
            curl_rad=0.0,
            width_um=200.0,
        ).masks["hair"]
        _, _, boxes, _ = cv2.connectedComponentsWithStats((mask > 0.2).astype(np.uint8))
        left, top, width, height = boxes[1:, :4].T
        inside = (left > 0) & (top > 0) & (left + width < 600) & (top + height < 600)
        lengths += list(np.hypot(width, height)[inside] / 10)
    assert len(lengths) > 60
    assert np.median(lengths) == pytest.approx(4.3, rel=0.2)
    assert np.log(lengths).std() == pytest.approx(0.53, abs=0.15)


def test_curl_shortens_the_extent_of_hairs() -> None:
    straight, curled = (
        settled("hair", 8, 60, 4, curl_rad=curl, lint_share=0.0, light_share=1.0).masks["hair"]
        for curl in (0.0, 6.0)
    )
    extents = []
    for mask in (straight, curled):
        _, _, boxes, _ = cv2.connectedComponentsWithStats((mask > 0.15).astype(np.uint8))
        extents.append(float(np.median(np.hypot(boxes[1:, 2], boxes[1:, 3]))))
    assert extents[1] < 0.8 * extents[0]
