from __future__ import annotations

import cv2
import numpy as np
import pytest
from pictures import picture

from benchmark.metrics import NoValueError
from benchmark.metrics.no_reference import blur, noise


@pytest.mark.parametrize("sigma", [3.0, 8.0, 20.0])
def test_noise_is_measured_in_steps_of_255(sigma: float) -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    gray = 128 + rng.normal(0, sigma, (200, 200, 1)) * np.ones(3)
    assert noise(np.rint(gray).clip(0, 255).astype(np.uint8)) == pytest.approx(sigma, rel=0.05)


def test_smooth_pictures_have_no_noise() -> None:
    ramp = np.repeat(np.add.outer(np.arange(60), np.arange(60))[..., None], 3, axis=2).astype(np.uint8)
    assert noise(ramp) == pytest.approx(0, abs=1e-12)


def test_blur_grows_with_blur() -> None:
    sharp = picture(0, 120, 120)
    values = [blur(sharp), *(blur(cv2.GaussianBlur(sharp, (0, 0), sigma)) for sigma in (1, 2, 4))]
    assert values == sorted(values)
    assert 0 <= values[0] < values[-1] <= 1


def test_blur_by_its_definition() -> None:
    """Crete et al. 2007, from the paper's equations, on the inner pixels scikit-image counts."""
    sharp = picture(2, 60, 70)
    gray = sharp.astype(float) @ (np.array([65.481, 128.553, 24.966]) / 219) / 255
    found = []
    for axis in (0, 1):
        flat = cv2.blur(gray, (1, 11) if axis == 0 else (11, 1), borderType=cv2.BORDER_REFLECT)
        across = (int(axis == 1), int(axis == 0))
        slopes = [np.abs(cv2.Sobel(image, cv2.CV_64F, *across, ksize=3)) for image in (gray, flat)]
        before, after = (image[2:-1, 2:-1] for image in slopes)
        found.append((before.sum() - np.maximum(before - after, 0).sum()) / before.sum())
    assert blur(sharp) == pytest.approx(max(found), abs=0.01)


def test_what_is_too_small_says_so() -> None:
    with pytest.raises(NoValueError, match="at least 11 pixels each way, got 40x10"):
        blur(picture(0, 10, 40))
