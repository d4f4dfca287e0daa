from __future__ import annotations

import numpy as np
import pytest

from degradekit.density import through, to_density, veil
from degradekit.ops import OPS, stains
from degradekit.photo import Photo
from degradekit.randomness import generator


def stained(name: str, px_per_mm: float = 4.0, seed: int = 5, **values: float | str) -> Photo:
    height, width = round(100 * px_per_mm), round(120 * px_per_mm)
    photo = Photo(np.full((height, width, 3), 0.8, np.float32), px_per_mm)
    defaults = {key: item.default for key, item in OPS[name].parameters.items()}
    return OPS[name](photo, generator(seed), **{**defaults, **values})


def added(photo: Photo) -> np.ndarray:
    clean = to_density(np.full((1, 1, 3), 0.8, np.float32))
    return to_density(photo.image) - clean


def test_through_adds_density() -> None:
    image = np.linspace(0.05, 1, 60, dtype=np.float32).reshape(1, 20, 3)
    layer = np.full_like(image, 0.3)
    assert to_density(through(image, layer)) == pytest.approx(to_density(image) + 0.3, abs=2e-3)
    amount, colour = np.full((2, 3), 0.3, np.float32), np.ones(3, np.float32)
    assert veil(amount, colour) == pytest.approx(1 - 10**-0.9, abs=1e-6)


def test_a_tideline_is_brown() -> None:
    photo = stained("water_stains", density_per_dm2=3.0)
    line = added(photo)[photo.masks["stain"] > 0.45].mean(axis=0)
    assert line[2] > line[1] > line[0] > 0.05


def test_a_tideline_is_sharp_outside_and_fades_inwards() -> None:
    depth = np.array([[-2.0, -0.5, 0.0, 1.0, 3.0, 8.0]], np.float32)
    outside, near, edge, *inwards = stains._tideline(depth, 10.0, 2.0)[0]
    assert outside == near == 0
    assert edge == pytest.approx(1)
    assert edge > inwards[0] > inwards[1] > inwards[2] > 0
    assert inwards[0] > 0.2, "the brown reaches in by millimetres"


@pytest.mark.parametrize("times", [1, 3])
def test_clouds_are_the_same_however_much_is_drawn_first(times: int) -> None:
    some, all_at_once = (
        stains._Clouds(24.0, generator(3), octaves=4, persistence=0.6, times=times) for _ in range(2)
    )
    small, large = (slice(10, 40), slice(20, 50)), (slice(0, 150), slice(0, 90))
    inner = slice(10, 34), slice(20, 44)  # Where a piece ends it does not know how the noise goes on.
    part = some.within(small)[:24, :24]
    assert np.abs(part - some.within(large)[inner]).max() < 2e-2
    assert np.array_equal(some.within(large), all_at_once.within(large))


def test_rings_add_lines_inside() -> None:
    one, four = (
        np.mean([(stained("water_stains", seed=s, rings=n).masks.get("stain", np.zeros(1)) > 0.2).mean()
                 for s in range(24)])
        for n in (1, 4)
    )  # fmt: skip
    assert four > one


def test_drops_are_darker_at_their_rim() -> None:
    photo = stained("spills", diameter_mm=16.0, density_per_dm2=2.0, seed=4)
    film = added(photo)[..., 2]
    assert (film > 0.01).any()
    inside = film[film > 0.05]
    assert np.percentile(inside, 95) > 1.5 * np.percentile(inside, 30)


def test_liquids_have_their_colours() -> None:
    ink, wine = (
        added(photo)[photo.masks["stain"] > 0.5].mean(axis=0)
        for photo in (stained("spills", liquid=name, density_per_dm2=5.0) for name in ("ink", "wine"))
    )
    assert ink[0] > ink[2], "ink is blue"
    assert wine[1] > wine[2] > wine[0], "wine is red"


def test_the_same_print_at_two_scales_is_stained_alike() -> None:
    for name in ("water_stains", "spills"):
        coarse, fine = (
            stained(name, scale, density_per_dm2=4.0).masks["stain"].mean() for scale in (3.0, 6.0)
        )
        assert coarse == pytest.approx(fine, rel=0.2), name
