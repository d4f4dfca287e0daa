from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def touched(px_per_mm: float = 20.0, seed: int = 3, **values: float) -> Photo:
    side = round(30 * px_per_mm)
    photo = Photo(np.full((side, side, 3), 0.7, np.float32), px_per_mm)
    defaults = {name: item.default for name, item in OPS["fingerprints"].parameters.items()}
    values = {**defaults, **values}
    # The first seed with which there is a print: the same at every scale.
    made = (OPS["fingerprints"](photo, generator(number), **values) for number in range(seed, seed + 50))
    return next(photo for photo in made if "fingerprint" in photo.masks)


def period_mm(mask: NDArray[np.float32], px_per_mm: float) -> float:
    """The period with most power per unit of radius, ridges being the finest strong structure."""
    side = mask.shape[0]
    window = np.hanning(side)[:, None] * np.hanning(side)[None]
    power = np.abs(np.fft.fftshift(np.fft.fft2((mask - mask.mean()) * window))) ** 2
    axis = np.fft.fftshift(np.fft.fftfreq(side, 1 / px_per_mm))
    radius = np.hypot(axis[:, None], axis[None])
    bins = np.arange(0.8, 6, 0.08)
    spectrum = np.histogram(radius, bins, weights=power)[0]
    return float(1 / (bins[np.argmax(spectrum)] + 0.04))


@pytest.mark.parametrize("ridge_um", [450.0, 700.0])
def test_ridges_have_the_asked_spacing(ridge_um: float) -> None:
    values = {"density_per_dm2": 60, "ridge_um": ridge_um, "smudging": 0.0}
    masks = (touched(seed=seed, **values).masks["fingerprint"] for seed in range(6))
    assert np.median([period_mm(mask, 20) for mask in masks]) == pytest.approx(ridge_um * 1e-3, rel=0.15)


def test_the_mask_is_the_opacity_of_the_deposit() -> None:
    result = touched(density_per_dm2=15, gloss=0.0, deposit=0.3)
    green = ((result.image[..., 1] + 0.055) / 1.055) ** 2.4 / ((0.7 + 0.055) / 1.055) ** 2.4
    assert np.abs(1 - result.masks["fingerprint"] - green).max() < 0.01


def test_coarse_scans_blur_ridges_instead_of_aliasing() -> None:
    fine, coarse = (
        touched(scale, density_per_dm2=15, smudging=0.0).masks["fingerprint"] for scale in (20.0, 2.0)
    )
    blurred = fine.reshape(60, 10, 60, 10).mean(axis=(1, 3))
    assert coarse.mean() == pytest.approx(fine.mean(), rel=0.05)
    assert np.corrcoef(coarse.ravel(), blurred.ravel())[0, 1] > 0.9
    assert coarse.std() == pytest.approx(blurred.std(), rel=0.1)
