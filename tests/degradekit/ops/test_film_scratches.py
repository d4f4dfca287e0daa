from __future__ import annotations

import numpy as np
import pytest

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

GRAY = 0.4


def ran(px_per_mm: float = 10.0, seed: int = 1, **values: float | str) -> Photo:
    rows, columns = round(40 * px_per_mm), round(60 * px_per_mm)
    photo = Photo(np.full((rows, columns, 3), GRAY, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS["film_scratches"].parameters.items()}
    return OPS["film_scratches"](photo, generator(seed), **{**defaults, **values})


@pytest.mark.parametrize("travel", ["vertical", "horizontal"])
def test_lines_lie_within_a_few_degrees_of_the_film_s_way(travel: str) -> None:
    mask = ran(travel=travel, density_per_cm2=0.3).masks["scratch"]
    along, across = np.gradient(mask if travel == "vertical" else mask.T)
    # The tensor of the gradient: a line's gradient points across it.
    tilt = 0.5 * np.degrees(np.arctan2(2 * (along * across).mean(), (across**2 - along**2).mean()))
    assert mask.max() > 0.3
    assert abs(tilt) < 3.5
    assert (across**2).mean() > 10 * (along**2).mean()


def test_tilt_turns_all_lines_of_a_frame() -> None:
    tilts = []
    for seed in range(6):
        mask = ran(seed=seed, tilt_deg=8.0, density_per_cm2=0.2).masks["scratch"]
        along, across = np.gradient(mask)
        tilts.append(0.5 * np.degrees(np.arctan2(2 * (along * across).mean(), (across**2 - along**2).mean())))
    assert np.std(tilts) > 2


def test_colour_film_loses_yellow_first() -> None:
    shallow = ran(film="colour", depth=1.0, light_share=1.0, density_per_cm2=0.3).image
    assert np.abs(shallow[..., :2] - GRAY).max() < 0.02
    assert shallow[..., 2].max() > GRAY + 0.1
    deep = ran(film="colour", depth=3.0, light_share=1.0, density_per_cm2=0.3).image
    assert deep[..., 0].max() > GRAY + 0.1
    assert (np.ptp(deep, axis=2) > 0.1).any()


def test_black_and_white_film_stays_gray() -> None:
    assert np.ptp(ran(density_per_cm2=0.3).image, axis=2).max() < 1e-5


def test_polarity() -> None:
    # The damped cosine's second lobe goes the other way, but less far.
    light, dark = (ran(light_share=share, density_per_cm2=0.3).image - GRAY for share in (1.0, 0.0))
    assert light.max() > -3 * light.min()
    assert -dark.min() > 3 * dark.max()


def test_same_damage_at_any_scale() -> None:
    covers = [
        ran(scale, density_per_cm2=0.3, width_um=600.0).masks["scratch"].mean() for scale in (4.0, 12.0)
    ]
    assert covers[0] == pytest.approx(covers[1], rel=0.15)
