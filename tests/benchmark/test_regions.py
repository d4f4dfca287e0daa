from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import picture

from benchmark.metrics import NoValueError, damaged
from benchmark.metrics.fidelity import psnr, ssim_map
from benchmark.metrics.regions import (
    border,
    psnr_border,
    psnr_inside,
    psnr_outside,
    ssim_border,
    ssim_inside,
    ssim_outside,
)


def _mask() -> np.ndarray:
    mask = np.zeros((64, 96), bool)
    mask[20:40, 30:70] = True
    return mask


def test_half_lost_counts_as_damaged() -> None:
    assert damaged(np.array([[0, 127, 128, 255]], np.uint8)).tolist() == [[False, False, True, True]]


def test_errors_are_where_they_were_made() -> None:
    clean, mask = picture(0), _mask()
    restored = clean.copy()
    restored[30, 50] = clean[30, 50] ^ 16  # Deep inside.
    assert psnr_outside(restored, clean, mask) == math.inf
    assert psnr_border(restored, clean, mask) == math.inf
    assert psnr_inside(restored, clean, mask) == pytest.approx(
        10 * math.log10(255**2 * mask.sum() * 3 / (3 * 16**2))
    )
    restored = clean.copy()
    restored[41, 50] ^= 16  # Outside, two pixels off the edge.
    assert psnr_inside(restored, clean, mask) == math.inf
    assert math.isfinite(psnr_border(restored, clean, mask))
    assert math.isfinite(psnr_outside(restored, clean, mask))


def test_regions_add_up_to_the_whole() -> None:
    clean, mask = picture(1), _mask()
    restored = np.roll(clean, 3, axis=1)
    mse = {name: 10 ** (-value / 10) for name, value in _psnrs(restored, clean, mask).items()}
    share = mask.mean()
    assert mse["inside"] * share + mse["outside"] * (1 - share) == pytest.approx(
        10 ** (-psnr(restored, clean) / 10)
    )
    similarity = ssim_map(restored, clean)
    centres = mask[5:-5, 5:-5]
    assert ssim_inside(restored, clean, mask) == pytest.approx(similarity[centres].mean())
    both = ssim_inside(restored, clean, mask) * centres.mean()
    both += ssim_outside(restored, clean, mask) * (1 - centres.mean())
    assert both == pytest.approx(similarity.mean())
    assert ssim_border(clean, clean, mask) == 1


def _psnrs(restored: np.ndarray, clean: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    return {
        "inside": psnr_inside(restored, clean, mask),
        "outside": psnr_outside(restored, clean, mask),
    }


def test_the_border_is_three_pixels_on_either_side_and_not_the_images_own_edge() -> None:
    mask = np.zeros((30, 40), bool)
    mask[:, :12] = True
    expected = np.zeros((30, 40), bool)
    expected[:, 9:15] = True
    assert np.array_equal(border(mask), expected)
    assert not border(np.ones((20, 20), bool)).any()
    assert border(~mask).sum() == expected.sum()


def test_where_there_is_nothing_there_is_no_value() -> None:
    clean = picture(0)
    nothing, everything = np.zeros((64, 96), bool), np.ones((64, 96), bool)
    for metric in (psnr_inside, ssim_inside):
        with pytest.raises(NoValueError, match="no damaged pixel"):
            metric(clean, clean, nothing)
    for metric in (psnr_outside, ssim_outside):
        with pytest.raises(NoValueError, match="every pixel"):
            metric(clean, clean, everything)
    for metric in (psnr_border, ssim_border):
        with pytest.raises(NoValueError, match="no edge"):
            metric(clean, clean, everything)
