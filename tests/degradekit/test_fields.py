from __future__ import annotations

import numpy as np
import pytest

from degradekit import fields
from degradekit.randomness import generator

SHAPE = (60, 80)


def everywhere(shape: tuple[int, int]) -> tuple[fields.Field, fields.Field]:
    row, column = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    return column.astype(np.float32), row.astype(np.float32)


def test_white_noise_is_normal_and_independent() -> None:
    noise = fields.white_noise((301, 403), generator(3))
    assert noise.dtype == np.float32 and noise.shape == (301, 403)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(noise) > 3).mean() == pytest.approx(0.0027, rel=0.2)
    for apart in (1, 2, 3, 4, 403):
        flat = noise.ravel()
        assert np.corrcoef(flat[:-apart], flat[apart:])[0, 1] == pytest.approx(0, abs=0.01)


def test_white_noise_comes_from_the_stream() -> None:
    assert np.array_equal(fields.white_noise(SHAPE, generator(1)), fields.white_noise(SHAPE, generator(1)))
    assert not np.array_equal(
        fields.white_noise(SHAPE, generator(1)), fields.white_noise(SHAPE, generator(2))
    )


@pytest.mark.parametrize("width", [300, 301, 302])
def test_colour_noise_is_independent_in_each_channel_and_between_near_pixels(width: int) -> None:
    noise = fields.colour_noise((250, width), generator(3))
    assert noise.shape == (250, width, 3)
    assert noise.mean(axis=(0, 1)) == pytest.approx(np.zeros(3), abs=0.015)
    assert noise.std(axis=(0, 1)) == pytest.approx(np.ones(3), abs=0.015)
    whole = noise.reshape(-1, 3).T
    for apart in (1, 2, width // 3, width // 3 + 1, width - 1, width, width + 1):
        ahead = np.corrcoef(whole[:, : whole.shape[1] - apart], whole[:, apart:])[:3, 3:]
        assert np.diag(ahead) == pytest.approx(np.zeros(3), abs=0.015)
    assert np.corrcoef(whole) == pytest.approx(np.eye(3), abs=0.015)


@pytest.mark.parametrize("cell", [1.0, 1.37, 2.0, 3.3, 6.0, 11.0])
def test_smooth_noise_has_unit_variance(cell: float) -> None:
    found = [fields.smooth_noise((200, 240), cell, generator(seed)).var() for seed in range(12)]
    assert np.mean(found) == pytest.approx(1, abs=0.06)


def test_displacement_at_places_is_the_field_there() -> None:
    whole = fields.displacement(SHAPE, 3.0, 25.0, generator(7))
    at = fields.displacement_at(SHAPE, everywhere(SHAPE), 3.0, 25.0, generator(7))
    for one, other in zip(whole, at, strict=True):
        assert other.reshape(SHAPE) == pytest.approx(one, abs=0.5)
        assert np.corrcoef(other, one.ravel())[0, 1] > 0.995


def test_displacement_at_no_place() -> None:
    nothing = np.zeros(0, np.float32)
    assert fields.displacement_at(SHAPE, (nothing, nothing), 3.0, 8.0, generator(1))[1].size == 0


def test_noise_of_no_size_at_all() -> None:
    noise = fields.fractal_noise((8, 8), 1e-307, generator(0), octaves=6)
    assert np.isfinite(noise).all()


def test_lengths_are_the_same_wherever_in_memory_they_lie() -> None:
    vectors = np.random.default_rng(0).standard_normal((2, 37, 53), dtype=np.float32)
    expected = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=0))
    found = set()
    for offset in range(16):
        x, y = (np.zeros(vectors[0].size + 64, np.float32)[k : k + vectors[0].size] for k in (offset, 0))
        x[:], y[:] = vectors.reshape(2, -1)
        length = fields.magnitude(x.reshape(37, 53), y.reshape(37, 53))
        assert length == pytest.approx(expected, rel=1e-6)
        found.add(length.tobytes())
    assert len(found) == 1
