from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pictures import picture

from benchmark.metrics import NoValueError, find
from benchmark.metrics.fidelity import ms_ssim, psnr, psnr_y, ssim
from degradekit import imagefiles

PHOTOGRAPHS = (
    *("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg"),
    *("hubble_deep_field.jpg", "retina.jpg", "ihc.png", "camera.png", "gravel.png"),
)


def _pair(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The middle 240x210 of one of scikit-image's photographs: dimmed and noisy, and as it is."""
    import skimage

    whole = imagefiles.read(Path(skimage.data_dir) / name).rgb.astype(np.uint8)
    top, left = whole.shape[0] // 2 - 105, whole.shape[1] // 2 - 120
    clean = np.ascontiguousarray(whole[top : top + 210, left : left + 240])
    rng = np.random.Generator(np.random.PCG64(3))
    noisy = np.clip(clean * 0.8 + rng.normal(10, 15, clean.shape), 0, 255).astype(np.uint8)
    return noisy, clean


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_psnr_and_ssim_equal_scikit_image(name: str) -> None:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    restored, clean = _pair(name)
    reference = peak_signal_noise_ratio(clean, restored, data_range=255)
    assert psnr(restored, clean) == pytest.approx(reference, abs=1e-9)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    reference = structural_similarity(clean, restored, channel_axis=2, data_range=255, **options)
    assert ssim(restored, clean) == pytest.approx(reference, abs=1e-9)


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "ihc.png"])
def test_ms_ssim_equals_pytorch_msssim(name: str) -> None:
    package = pytest.importorskip("pytorch_msssim")
    import torch

    # On sides that halve evenly; at odd ones that package pads with black.
    restored, clean = (image[:208, :176] for image in _pair(name))
    tensors = [torch.from_numpy(image.transpose(2, 0, 1)[None].astype(float)) for image in (restored, clean)]
    assert ms_ssim(restored, clean) == pytest.approx(
        float(package.ms_ssim(*tensors, data_range=255)), abs=1e-5
    )
    assert ms_ssim(clean, clean) == pytest.approx(1, abs=1e-12)


def test_ms_ssim_refuses_what_the_coarsest_window_does_not_fit() -> None:
    small, fitting = picture(0, 160, 200), picture(0, 161, 163)
    with pytest.raises(NoValueError, match="at least 161 pixels each way, got 200x160"):
        ms_ssim(small, small)
    assert ms_ssim(255 - fitting, fitting) == 0  # Structure turned around: a negative mean counts as 0.
    assert 0.5 < ms_ssim(fitting // 2, fitting) < 1


def test_psnr_y_by_hand() -> None:
    clean = np.full((8, 8, 3), 100, np.uint8)
    restored = clean.copy()
    restored[..., 1] += 10
    assert psnr_y(restored, clean) == pytest.approx(20 * math.log10(255 / (10 * 128.553 / 255)))
    # 16 .. 235 instead of 0 .. 255.
    assert psnr_y(clean + np.uint8(10), clean) - psnr(clean + np.uint8(10), clean) == pytest.approx(
        20 * math.log10(255 / 219)
    )
    assert psnr_y(clean, clean) == math.inf


def test_psnr_by_hand() -> None:
    clean = np.zeros((12, 12, 3), np.uint8)
    off_by_one = clean + np.uint8(1)
    assert psnr(off_by_one, clean) == pytest.approx(20 * math.log10(255))
    one_value = clean.copy()
    one_value[0, 0, 0] = 255
    assert psnr(one_value, clean) == pytest.approx(10 * math.log10(12 * 12 * 3))
    # Unsigned integers must not wrap around.
    assert psnr(clean, off_by_one) == psnr(off_by_one, clean)


def test_equal_images() -> None:
    clean = picture(0)
    assert psnr(clean, clean) == math.inf
    assert ssim(clean, clean) == 1


def test_ssim_of_flat_images_by_hand() -> None:
    dark, light = np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(light, dark) == pytest.approx(expected, abs=1e-9)


def test_ssim_counts_valid_windows_only() -> None:
    clean = picture(1, 11, 11)
    corner = clean.copy()
    corner[0, 0] = 255 - corner[0, 0]
    # One window fits; its corner weighs little but not nothing.
    assert 0.9 < ssim(corner, clean) < 1
    with pytest.raises(ValueError, match="at least 11 pixels each way, got 96x10"):
        ssim(picture(0, 10), picture(1, 10))


def test_what_is_no_pair_of_8_bit_rgb_images_is_refused() -> None:
    metric = find("psnr")
    clean = picture(0)
    with pytest.raises(ValueError, match="restored image is uint16"):
        metric(clean.astype(np.uint16), clean)
    with pytest.raises(ValueError, match="clean image is uint8"):
        metric(clean, clean[..., 0])
    with pytest.raises(ValueError, match="restored image is 96x63, the clean one 96x64"):
        metric(clean[:-1], clean)
