from __future__ import annotations

import math

import numpy as np
import pytest

from degradekit import folds
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

GRAY = 0.35


def folded(px_per_mm: float = 8.0, seed: int = 2, side_mm: float = 60, **values: float) -> Photo:
    side = round(side_mm * px_per_mm)
    photo = Photo(np.full((side, side, 3), GRAY, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS["creases"].parameters.items()}
    return OPS["creases"](photo, generator(seed), **{**defaults, **values})


def test_the_core_is_white_paper() -> None:
    result = folded(width_um=900.0, loss=1.0, length_cm_per_dm2=40)
    core = result.image[result.masks["crease"] > 0.95]
    assert len(core) > 200
    assert np.median(core) > 0.85


def test_no_loss_leaves_only_hairline_cracks() -> None:
    values = {"branching": 0.0, "shading": 0.0, "length_cm_per_dm2": 40.0}
    bare, kept = (folded(loss=loss, **values).masks["crease"].mean() for loss in (1.0, 0.0))
    assert 0 < kept < 0.35 * bare


def test_the_mask_says_where_paper_and_shading_are() -> None:
    flat, shaded = (folded(shading=amount, length_cm_per_dm2=40) for amount in (0.0, 0.3))
    assert np.abs(flat.image[flat.masks["crease"] == 0] - GRAY).max() < 1e-6
    assert np.abs(shaded.image[shaded.masks["crease"] == 0] - GRAY).max() < 1e-6
    shading = (flat.masks["crease"] == 0) & (shaded.masks["crease"] > 0)
    assert shaded.masks["crease"][shading].max() < 0.9
    change = np.abs(shaded.image[shading][:, 0] / GRAY - 1)
    assert np.median(change - shaded.masks["crease"][shading]) == pytest.approx(0, abs=0.01)


def test_the_picture_is_drawn_into_the_fold_and_its_masks_with_it() -> None:
    scale = 8.0
    rng = np.random.Generator(np.random.PCG64(3))
    coarse = rng.random((60, 60), dtype=np.float32).repeat(8, axis=0).repeat(8, axis=1)
    photo = Photo(np.repeat(coarse[..., None], 3, axis=2), scale, {"dust": coarse}, coarse.copy())
    values = {name: item.default for name, item in OPS["creases"].parameters.items()}
    values |= {"shading": 0.0, "length_cm_per_dm2": 40.0}
    still, moved = (OPS["creases"](photo, generator(2), **{**values, "warp_mm": warp}) for warp in (0, 0.5))
    assert np.array_equal(still.masks["dust"], coarse)
    difference = np.abs(moved.masks["dust"] - coarse)
    assert 0.02 < (difference > 0.1).mean() < 0.5
    # Image and masks move alike, alpha stays, and nothing moves far from a fold.
    unpainted = moved.masks["crease"] == 0
    assert np.array_equal(moved.image[unpainted][:, 1], moved.masks["dust"][unpainted])
    assert np.array_equal(np.asarray(moved.alpha), coarse)
    assert (difference == 0).mean() > 0.3


def test_mean_length_follows_the_area() -> None:
    # Poisson lines: mean length per area is the parameter, whatever the sheet's size; 0.4 of them stop short.
    for side in (30.0, 90.0):
        areas = [
            folded(4, seed, side, length_cm_per_dm2=30, corner_folds=0, branching=0, loss=1.0, width_um=400.0)
            for seed in range(25)
        ]
        bared = [float(photo.masks["crease"].mean()) if photo.masks else 0.0 for photo in areas]
        # 30 cm per dm2 of 0.4 mm would be 0.012; flakes, swelling and shading make it more.
        assert np.mean(bared) == pytest.approx(0.0165, rel=0.3)


def test_corner_folds_stay_near_corners() -> None:
    mask = folded(side_mm=150, px_per_mm=4, length_cm_per_dm2=0, corner_folds=1.5, branching=0.0).masks[
        "crease"
    ]
    assert mask.max() > 0.5
    assert mask[250:350, 250:350].max() == 0


def test_same_damage_at_any_scale() -> None:
    covers = [folded(scale, length_cm_per_dm2=40).masks["crease"].mean() for scale in (4.0, 12.0)]
    assert covers[0] == pytest.approx(covers[1], rel=0.25)


def test_a_fold_fades_out_where_it_stops_within_the_sheet() -> None:
    drawn = ((seed, folds.lines((60, 60), 1.5e-2, generator(seed))) for seed in range(100))
    seed, (fold,) = next((seed, found) for seed, found in drawn if len(found) == 1 and found[0].stops)
    mask = folded(seed=seed, shading=0.3, length_cm_per_dm2=15, corner_folds=0, branching=0).masks["crease"]
    (band,) = folds.bands([fold], np.zeros(1), mask.shape, 8.0, 1.5, 6)
    at_end = mask.reshape(-1)[band.where]
    before, behind = (np.abs(band.s - fold.length - away) < 0.5 for away in (-1, 4))
    assert at_end[before].mean() > 0.1
    assert at_end[behind].size > 100
    assert at_end[behind].max() == 0


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, 2.5, -1.2])
def test_every_pixel_near_a_fold_is_given_once(angle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "BATCH", 150)
    shape, scale, starts = (160, 200), 5.0, np.array([100.0, 200.0])
    crossing = [folds.Fold(14.03, 17.01, turn, 15.0, 1.0) for turn in (angle, angle + 1)]
    row, column = np.indices(shape)
    right, below = (column + 0.5) / scale - 14.03, (row + 0.5) / scale - 17.01
    found = list(folds.bands(crossing, starts, shape, scale, 4, 6))
    assert all(band.where.size <= 150 for band in found)
    for number, fold in enumerate(crossing):
        s = right * math.cos(fold.angle) + below * math.sin(fold.angle)
        d = below * math.cos(fold.angle) - right * math.sin(fold.angle)
        near = np.flatnonzero((np.abs(d) <= 4) & (s >= -6) & (s <= 21))
        where, along, across = (
            np.concatenate(
                [getattr(band, name)[part] for band in found for one, part in band.parts if one == number]
            )
            for name in ("where", "s", "d")
        )
        assert np.array_equal(where, near)
        assert along - starts[number] == pytest.approx(s.flat[near], abs=1e-3)
        assert across == pytest.approx(d.flat[near], abs=1e-3)
