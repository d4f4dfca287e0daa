from __future__ import annotations

import cv2
import numpy as np
import pytest

from degradekit import fields
from degradekit.enlarging import border_distance, coarse_shape, enlarged, times_larger, whole, window_of
from degradekit.randomness import generator

SHAPE = (101, 147)


@pytest.mark.parametrize("times", [1, 2, 5, 16])
def test_a_slope_goes_on_to_the_sides(times: int) -> None:
    rows, columns = (
        (np.arange(side, dtype=np.float32) + np.float32(0.5)) * times for side in coarse_shape(SHAPE, times)
    )
    fine = enlarged(rows[:, None] + 2 * columns, times, whole(SHAPE))
    expected = np.arange(SHAPE[0])[:, None] + 0.5 + 2 * (np.arange(SHAPE[1]) + 0.5)
    assert np.abs(fine - expected).max() < 0.15 * times


@pytest.mark.parametrize("times", [1, 3, 8])
def test_a_window_is_a_part_of_the_whole(times: int) -> None:
    coarse = fields.fractal_noise(coarse_shape(SHAPE, times), 5.0, generator(1))
    window = (slice(13, 90), slice(0, 130))
    part = enlarged(coarse, times, window)
    assert part == pytest.approx(enlarged(coarse, times, whole(SHAPE))[window], abs=1e-5)


def test_windows_hold_what_is_chosen_and_end_with_the_picture() -> None:
    chosen = np.zeros(coarse_shape(SHAPE, 10), bool)
    chosen[3, 4] = chosen[10, 2] = True
    assert window_of(chosen, 10, SHAPE) == (slice(30, 101), slice(20, 50))


def test_distances_from_the_border_are_those_of_small_pixels() -> None:
    padded = np.pad(np.ones(SHAPE, np.uint8), 1)
    chessboard = cv2.distanceTransform(padded, cv2.DIST_C, cv2.DIST_MASK_3)[1:-1, 1:-1]
    assert np.array_equal(border_distance(SHAPE, 1), chessboard - 0.5)
    coarse = border_distance(SHAPE, 8)
    assert coarse[0, 5] == 4 and coarse[-1, 5] == 101 - 12.5 * 8


def test_pixels_grow_with_the_detail_up_to_a_bound() -> None:
    sizes = [times_larger(detail) for detail in (0.3, 1.0, 3.0, 20.0, 1e6)]
    assert sizes[:2] == [1, 1] and sizes == sorted(sizes) and sizes[2] == 2 and sizes[-1] == 16
