from __future__ import annotations

import numpy as np
import pytest

from degradekit.density import to_density
from degradekit.layers import tinted


def test_tinted_adds_density_where_there_is_any_and_tells_how_opaque_it_is() -> None:
    # More rows than are looked through at a time.
    below = np.full((300, 500, 3), 0.6, np.float32)
    first, second = np.zeros((2, 300, 500), np.float32)
    first[10:290, 100:300], second[200:, 250:400] = 0.3, 0.2
    brown, washed = np.array([0.2, 0.4, 1.0], np.float32), np.array([-0.1, 0.0, 0.1], np.float32)
    below.setflags(write=False)
    image, opacity = tinted(below, (first, brown), (second, washed))
    added = first[..., None] * brown + second[..., None] * washed
    assert np.abs(to_density(image) - to_density(below) - added).max() < 1e-3
    bare = (first == 0) & (second == 0)
    assert (image[bare] == 0.6).all() and (opacity[bare] == 0).all()
    assert opacity == pytest.approx(1 - 10 ** -(1.6 * first + 0.2 * second), abs=1e-5)
