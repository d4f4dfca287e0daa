from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from degradekit.density import FLARE, from_density, spread, to_density, to_linear, to_srgb

#: Of 65,535 parts, which is what a file of 16 bits can say.
PART = 1 / 65535


def exact_linear(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def ramp(count: int) -> NDArray[np.float32]:
    return np.linspace(0, 1, 3 * count, dtype=np.float32).reshape(1, -1, 3)


def test_there_and_back() -> None:
    values = ramp(100_000)
    assert np.abs(to_srgb(to_linear(values)) - values).max() < 3 * PART
    assert np.abs(from_density(to_density(values)) - values).max() < 5 * PART


def test_curves_are_those_of_the_standard() -> None:
    values = ramp(30_000)
    exact = exact_linear(values.astype(np.float64))
    assert np.abs(to_linear(values) - exact).max() < 3 * PART
    assert np.abs(to_density(values) + np.log10(exact + FLARE)).max() < 1e-3
    assert to_srgb(np.float32([[[0.0031308, 0.2140411, 1]]])).ravel() == pytest.approx(
        [0.04045, 0.5, 1], abs=1e-4
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_are_converted_exactly(dtype: type) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(-1, 16, 1).repeat(3, axis=2)
    exact = exact_linear(levels / np.iinfo(dtype).max)
    assert np.abs(to_linear(levels) - exact).max() < 1e-7
    assert np.abs(to_density(levels) + np.log10(exact + FLARE)).max() < 1e-6


@pytest.mark.parametrize("count", [1, 7, 40])
def test_values_beyond_the_range_are_clipped(count: int) -> None:
    beyond = np.float32([-5, -1e-9, 1.5, 70]).repeat(3 * count).reshape(1, -1, 3)
    assert to_srgb(beyond).reshape(4, -1).mean(axis=1).tolist() == [0, 0, 1, 1]
    assert to_linear(beyond).reshape(4, -1).mean(axis=1).tolist() == [0, 0, 1, 1]
    assert from_density(beyond).reshape(4, -1)[[0, 3]].mean(axis=1).tolist() == [1, 0]


def test_a_plane_for_three_channels() -> None:
    plane = ramp(4)[0]
    assert np.array_equal(spread(plane), np.stack([plane] * 3, axis=2))
    colour = np.float32([0.5, 1, 2])
    assert spread(plane, colour) == pytest.approx(plane[..., None] * colour)
