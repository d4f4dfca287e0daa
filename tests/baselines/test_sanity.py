from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pictures import picture

from baselines import sanity
from baselines.sanity import Biharmonic, Identity, Median
from benchmark.data import as_batch, as_pixels

Pixels = NDArray[np.uint8]


def _fill(pixels: Pixels, mask: Pixels) -> Pixels:
    return as_pixels(Biharmonic().restore(as_batch(pixels), as_batch(mask)))


def _ramp(height: int = 60, width: int = 80) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([2 * y, 2 * x, 20 + y + x], axis=2).astype(np.uint8)


def test_identity_changes_nothing() -> None:
    image = as_batch(picture(0))
    assert torch.equal(Identity().restore(image, None), image)


def test_median_is_the_median_of_nine() -> None:
    pixels = picture(0)
    pixels[20, 30] = (255, 0, 255)
    filtered = as_pixels(Median().restore(as_batch(pixels), None))
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    assert np.array_equal(filtered, np.median(windows, axis=(3, 4)).astype(np.uint8))


def test_a_hole_in_a_ramp_is_filled_as_if_it_had_not_been() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:35, 30:50] = 255
    torn = _ramp()
    torn[mask > 0] = 255
    assert np.abs(_fill(torn, mask).astype(int) - _ramp()).max() <= 1


def test_pixels_outside_the_mask_stay() -> None:
    pixels = picture(3)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[10:14, 10:40] = 255
    filled = _fill(pixels, mask)
    changed = np.argwhere((filled != pixels).any(axis=2))
    assert len(changed) > 0
    assert (changed.min(axis=0) >= (9, 9)).all()  # The mask, and one pixel around it.
    assert (changed.max(axis=0) <= (14, 40)).all()


def test_a_faint_mask_is_no_loss() -> None:
    pixels = picture(3)
    faint = np.full(pixels.shape[:2], sanity.LOST - 1, np.uint8)
    assert np.array_equal(_fill(pixels, faint), pixels)


def test_full_and_empty_masks_leave_the_image() -> None:
    pixels = picture(1)
    for value in (0, 255):
        assert np.array_equal(_fill(pixels, np.full(pixels.shape[:2], value, np.uint8)), pixels)


def test_all_but_one_pixel_lost() -> None:
    mask = np.full((24, 24), 255, np.uint8)
    mask[:3, :3] = 0
    filled = _fill(picture(2, 24, 24), mask)
    assert filled.shape == (24, 24, 3)


def test_tiles_agree_with_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[5:15, 10:25] = mask[28:36, 38:44] = mask[50:, 70:] = 255
    torn = _ramp()
    torn[mask > 0] = 255
    whole = _fill(torn, mask)
    monkeypatch.setattr(sanity, "TILE_PX", 32)
    monkeypatch.setattr(sanity, "CONTEXT_PX", 16)
    assert np.abs(_fill(torn, mask).astype(int) - whole).max() <= 1


def test_a_mask_is_required() -> None:
    with pytest.raises(ValueError, match="needs the mask"):
        Biharmonic().restore(as_batch(picture(0)), None)
