from __future__ import annotations

import numpy as np
import pytest

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

SIDE = 200


def warped(px_per_mm: float = 4.0, **values: float) -> Photo:
    """A photograph whose channels are its own x and y, and one mask and alpha that equal x."""
    y, x = (np.mgrid[0:SIDE, 0:SIDE] / SIDE).astype(np.float32)
    photo = Photo(np.stack([x, y, x], axis=2), px_per_mm, {"hole": x.copy()}, x.copy())
    return OPS["elastic_distortion"](photo, generator(4), **values)


def test_masks_move_with_the_picture_and_alpha_stays() -> None:
    result = warped(rms_mm=1.0, correlation_mm=15.0)
    assert np.allclose(result.masks["hole"], result.image[..., 0], atol=1e-5)
    x = np.tile((np.arange(SIDE) / SIDE).astype(np.float32), (SIDE, 1))
    assert np.array_equal(np.asarray(result.alpha), x)


def test_displacement_is_as_strong_as_asked() -> None:
    # Weak enough not to be held back from folding; the middle is free of the border's repetition.
    result = warped(rms_mm=0.25, correlation_mm=5.0, px_per_mm=4.0)
    x = (np.arange(SIDE, dtype=np.float32) / SIDE)[None]
    moved = ((result.image[..., 0] - x) * SIDE)[30:-30, 30:-30]
    assert moved.std() == pytest.approx(0.25 * 4, rel=0.4)


@pytest.mark.parametrize("rms_mm", [1.0, 20.0])
def test_nothing_folds(rms_mm: float) -> None:
    image = warped(rms_mm=rms_mm, correlation_mm=6.0).image
    inner = image[30:-30, 30:-30]
    (x_down, x_right), (y_down, y_right) = np.gradient(inner[..., 0]), np.gradient(inner[..., 1])
    assert (x_right * y_down - x_down * y_right).min() > 0


def test_the_border_repeats_instead_of_turning_black() -> None:
    photo = Photo(np.full((60, 60, 3), 0.5, np.float32), 4.0)
    result = OPS["elastic_distortion"](photo, generator(1), rms_mm=5.0, correlation_mm=20.0)
    assert np.allclose(result.image, 0.5)
