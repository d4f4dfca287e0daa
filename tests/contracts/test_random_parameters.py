"""Every op at random parameters: finite values in range come out, and what went in is unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from degradekit.ops import OPS, Op
from degradekit.photo import Photo
from degradekit.randomness import generator

DRAWABLE = [op for op in OPS.values() if "folder" not in op.parameters]


def values(op: Op) -> st.SearchStrategy[dict[str, Any]]:
    """Any values within the bounds, the ends more often than chance would have them."""

    def one(name: str) -> st.SearchStrategy[Any]:
        parameter = op.parameters[name]
        if parameter.bounds is None:
            return st.sampled_from(parameter.choices)
        low, high = parameter.bounds.low, parameter.bounds.high
        # Rates and strengths are bounded far above what is usual; mostly stay where the work is bounded too.
        usual = min(high, max(4 * abs(float(parameter.default)), low + 0.1 * (high - low) / 10))
        if parameter.whole:
            return st.integers(int(low), int(high))
        return st.one_of(st.floats(low, max(usual, low)), st.sampled_from([low, float(parameter.default)]))

    return st.fixed_dictionaries({name: one(name) for name in op.parameters})


def check(op: Op, data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    seed = data.draw(st.integers(0, 2**32))
    rng = np.random.Generator(np.random.PCG64(seed))
    image = rng.random((height, width, 3), dtype=np.float32)
    mask = rng.random((height, width), dtype=np.float32)
    photo = Photo(image, data.draw(st.floats(0.5, 40)), {"scratch": mask}, mask.copy())
    before = (photo.image.tobytes(), photo.masks["scratch"].tobytes())
    chosen = data.draw(values(op))
    result = op(photo, generator(seed), **chosen)
    assert (photo.image.tobytes(), photo.masks["scratch"].tobytes()) == before
    for plane in (result.image, *result.masks.values()):
        assert plane.dtype == np.float32
        assert np.isfinite(plane).all()
        assert plane.min() >= 0
        assert plane.max() <= 1
    assert result.image.shape == (height, width, 3)
    again = op(photo, generator(seed), **chosen)
    assert again.image.tobytes() == result.image.tobytes()


COMMON: dict[str, Any] = {
    "deadline": None, "derandomize": True, "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}  # fmt: skip


@pytest.mark.parametrize("op", DRAWABLE, ids=[op.name for op in DRAWABLE])
@settings(max_examples=12, **COMMON)
@given(data=st.data())
def test_every_op_at_random_parameters(op: Op, data: st.DataObject) -> None:
    check(op, data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("op", DRAWABLE, ids=[op.name for op in DRAWABLE])
@settings(max_examples=10_000 // len(DRAWABLE) + 1, **COMMON)
@given(data=st.data())
def test_ten_thousand_draws(op: Op, data: st.DataObject) -> None:
    check(op, data)
