from __future__ import annotations

import numpy as np

from degradekit.density import to_density
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def flat(level: float, px_per_mm: float = 4.0) -> Photo:
    side = round(80 * px_per_mm)
    return Photo(np.full((side, side, 3), level, np.float32), px_per_mm)


def faded(level: float, **values: float) -> Photo:
    settings = {"border_lost": 0.0, "patchiness": 0.0, "warmth": 0.0, **values}
    return OPS["silver_fading"](flat(level), generator(1), **settings)


def kept(level: float) -> float:
    """Share of the density that is left in the middle."""
    return float(
        to_density(faded(level, highlights_lost=0.6).image).mean() / to_density(flat(level).image).mean()
    )


def mirroring(level: float, px_per_mm: float = 4.0) -> np.ndarray:
    return OPS["silver_mirroring"](flat(level, px_per_mm), generator(2), strength=0.8).masks["mirroring"]


def test_highlights_fade_first() -> None:
    shares = [kept(level) for level in (0.9, 0.6, 0.3, 0.05)]
    assert shares == sorted(shares)
    assert shares[0] < 0.6 and shares[-1] > 0.97


def test_borders_fade_more_than_the_middle() -> None:
    image = faded(0.7, highlights_lost=0.0, border_lost=0.8).image
    assert image[:6].mean() > image[150:170, 150:170].mean() + 0.03


def test_colloidal_silver_leaves_a_yellow_tint() -> None:
    colour = faded(0.7, highlights_lost=0.6, warmth=1.0).image.mean(axis=(0, 1))
    assert colour[0] > colour[1] > colour[2]


def test_mirroring_is_strongest_in_shadows_and_at_borders() -> None:
    dark, light = mirroring(0.1), mirroring(0.8)
    assert dark.mean() > 4 * light.mean()
    assert dark[:12].mean() > 3 * dark[140:180, 140:180].mean()


def test_mirroring_is_bluish_light() -> None:
    photo = flat(0.1)
    result = OPS["silver_mirroring"](photo, generator(2), strength=0.8)
    gain = (result.image - photo.image)[result.masks["mirroring"] > 0.3].mean(axis=0)
    assert gain[2] > gain[1] > gain[0] > 0.1


def test_the_same_print_at_two_scales_shines_alike() -> None:
    coarse, fine = mirroring(0.1, 3.0).mean(), mirroring(0.1, 9.0).mean()
    assert abs(coarse / fine - 1) < 0.1
