from __future__ import annotations

import numpy as np
import pytest

from degradekit.blending import MODES
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

GRAY = 0.4


def scratched(px_per_mm: float = 8.0, side_mm: float = 50, seed: int = 1, **values: float | str) -> Photo:
    side = round(side_mm * px_per_mm)
    photo = Photo(np.full((side, side, 3), GRAY, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS["scratches"].parameters.items()}
    return OPS["scratches"](photo, generator(seed), **{**defaults, **values})


def test_blending_modes_at_a_covered_pixel() -> None:
    below, layer = np.float32(0.4), np.float32(0.7)
    one = {name: float(mode(np.array(below), np.array(layer))) for name, mode in MODES.items()}
    assert one == pytest.approx({"addition": 1.0, "lighten_only": 0.7, "screen": 0.82})


@pytest.mark.parametrize("blend", ["addition", "lighten_only", "screen"])
def test_fully_covered_pixels_have_the_blend_s_value(blend: str) -> None:
    photo = scratched(blend=blend, opacity=1.0, tone=0.5, raggedness=0.0, density_per_cm2=3.0)
    covered = photo.image[photo.masks["scratch"] > 0.999]
    assert len(covered) > 20
    assert covered.mean() == pytest.approx(
        {"addition": 0.9, "lighten_only": 0.5, "screen": 0.7}[blend], abs=0.01
    )


def test_lighten_only_never_darkens() -> None:
    assert scratched(blend="lighten_only", tone=0.1, opacity=1.0).image.min() == pytest.approx(GRAY)


def test_coverage_is_the_same_at_any_resolution() -> None:
    covers = [
        np.mean(
            [scratched(scale, seed=seed, density_per_cm2=2.0).masks["scratch"].mean() for seed in range(6)]
        )
        for scale in (4.0, 12.0)
    ]
    assert covers[0] == pytest.approx(covers[1], rel=0.25)


def test_coverage_grows_with_density_and_width() -> None:
    def cover(**values: float) -> float:
        return float(np.mean([scratched(seed=seed, **values).masks["scratch"].mean() for seed in range(8)]))

    assert cover(density_per_cm2=4.0) > 2 * cover(density_per_cm2=0.8)
    assert cover(width_um=300.0) > 1.6 * cover(width_um=100.0)
    assert cover(length_mm=8.0) > 1.5 * cover(length_mm=2.0)


def test_opacity_scales_the_mask() -> None:
    full, half = (scratched(opacity=value).masks["scratch"] for value in (1.0, 0.5))
    assert half == pytest.approx(full / 2, abs=1e-6)


def test_hairlines_fade_instead_of_vanishing() -> None:
    thin = scratched(width_um=20, density_per_cm2=3.0, px_per_mm=5.0).masks["scratch"]
    # A tear is several times as wide; where two strokes cross they may hide their pixel.
    assert 0 < np.percentile(thin[thin > 0], 95) < 0.5
    assert (thin > 0.02).sum() > 50


def test_scratches_are_long_and_thin() -> None:
    import cv2

    mask = scratched(
        raggedness=0.1, density_per_cm2=0.8, elastic_mm=0.0, length_mm=6.0, px_per_mm=10.0
    ).masks["scratch"]
    contours, _ = cv2.findContours((mask > 0.3).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    boxes = [sorted(cv2.minAreaRect(contour)[1]) for contour in contours if len(contour) > 20]
    assert np.median([long / max(short, 1) for short, long in boxes]) > 5
