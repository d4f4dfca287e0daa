from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.bm3d import METHOD, denoise, estimate_noise, rms, settings, white_noise
from benchmark.data import as_batch
from benchmark.method import Setting


def _photographs() -> tuple[Tensor, Tensor]:
    """The camera man's head and camera in gray, the astronaut's face in colour."""
    from skimage import data

    gray = data.camera()[60:188, 180:308].astype(np.float32) / 255
    return torch.from_numpy(gray)[None, None], as_batch(data.astronaut()[30:158, 160:288])


GRAY, COLOUR = _photographs()


def _with_noise(clean: Tensor, sigma: float, seed: int = 0) -> Tensor:
    noise = np.random.default_rng(seed).normal(0, sigma / 255, clean.shape)
    return clean + torch.from_numpy(noise.astype(np.float32))


def _psnr(image: Tensor, clean: Tensor) -> float:
    return float(-10 * torch.log10((image - clean).double().square().mean()))


# Expected: the authors' package, version 4.0.3, on the same noise.
@pytest.mark.parametrize(("sigma", "expected"), [(10, 34.17), (25, 29.41), (35, 27.79), (50, 26.02)])
def test_gray(sigma: float, expected: float) -> None:
    restored = denoise(_with_noise(GRAY, sigma), white_noise(sigma / 255, 1))
    assert _psnr(restored, GRAY) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(("sigma", "expected"), [(25, 30.11), (50, 26.96)])
def test_colour(sigma: float, expected: float) -> None:
    restored = denoise(_with_noise(COLOUR, sigma), white_noise(sigma / 255, 3))
    assert _psnr(restored, COLOUR) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("sigma", [10, 25, 45])
def test_the_noise_level_is_found(sigma: float) -> None:
    gray = estimate_noise(_with_noise(GRAY, sigma))
    # Fine texture counts as noise, so a little more than there is.
    assert 0.98 * sigma < 255 * float(gray) < 1.1 * sigma + 1.5
    colour = estimate_noise(_with_noise(COLOUR, sigma))
    assert 0.98 * sigma < 255 * rms(colour) < 1.1 * sigma + 1.5
    assert (255 * colour).tolist() == pytest.approx(white_noise(sigma, 3).tolist(), rel=0.1, abs=2)


def test_grain_that_is_the_same_in_all_colours_has_no_chrominance() -> None:
    grain = _with_noise(torch.zeros_like(GRAY), 20)
    luminance, *chrominances = (255 * estimate_noise(COLOUR + grain)).tolist()
    assert 19.5 < luminance < 22
    assert max(chrominances) < 2
    assert rms(torch.tensor([20.0, 0, 0])) == pytest.approx(20)
    assert rms(white_noise(20, 3)) == pytest.approx(20)


def test_the_noise_estimate_is_capped() -> None:
    assert rms(estimate_noise(_with_noise(COLOUR, 90))) == pytest.approx(50 / 255)
    assert float(estimate_noise(_with_noise(GRAY, 90))) == pytest.approx(50 / 255)


def test_lost_pixels_do_not_count_as_noise() -> None:
    noisy, lost = _with_noise(GRAY, 10), torch.zeros_like(GRAY)
    lost[..., :, :80] = 1
    damaged = torch.where(lost > 0, _with_noise(torch.full_like(GRAY, 0.5), 120), noisy)
    blind, told = estimate_noise(damaged), estimate_noise(damaged, lost > 0)
    assert 255 * float(blind) > 30
    assert 255 * float(told) == pytest.approx(10, abs=2)
    # Nothing left to look at: better a poor estimate than none.
    assert torch.equal(estimate_noise(damaged, torch.ones_like(lost) > 0), blind)
    method = METHOD.build(Setting())
    colour, mask = damaged.expand(-1, 3, -1, -1), lost
    right = (slice(None), slice(None), slice(None), slice(90, None))
    clean = GRAY.expand(-1, 3, -1, -1)[right]
    errors = [_psnr(method.restore(colour, given)[right], clean) for given in (None, mask)]
    assert errors[1] > errors[0] + 2


def test_settings_by_noise() -> None:
    assert [settings(white_noise(s / 255, 1))[0].match for s in (5, 25)] == pytest.approx(
        [2500, 2500], rel=1e-5
    )
    assert settings(white_noise(40 / 255, 3))[1].block == 8
    assert settings(white_noise(40 / 255, 1))[0].match == pytest.approx(6400, rel=1e-3)
    first, second, threshold = settings(white_noise(41 / 255, 3))
    assert (first.match, first.stride, second.block, threshold) == (25_000, 4, 11, 2.8)


def test_an_image_without_noise_stays() -> None:
    flat = torch.full((1, 3, 40, 50), 0.3)
    assert torch.equal(METHOD.build(Setting()).restore(flat, None), flat)


def test_a_channel_without_noise_stays() -> None:
    grain = _with_noise(torch.zeros_like(GRAY), 20)[..., :64, :64]
    noisy = COLOUR[..., :64, :64] + grain
    restored = denoise(noisy, torch.tensor([20 / 255, 0, 0]))
    for one, other in ((0, 2), (0, 1)):
        before = noisy[:, one] - noisy[:, other]
        assert torch.allclose(restored[:, one] - restored[:, other], before, atol=1e-4)
    assert _psnr(restored, COLOUR[..., :64, :64]) > _psnr(noisy, COLOUR[..., :64, :64]) + 5


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (8, 9), (12, 11)])
def test_any_size(size: tuple[int, int]) -> None:
    noisy = _with_noise(torch.full((1, 3, *size), 0.5), 60)
    restored = denoise(noisy, white_noise(60 / 255, 3))
    assert restored.shape == noisy.shape
    assert torch.isfinite(restored).all()
    if min(size) > 2:
        assert float(restored.std()) < 0.5 * float(noisy.std())
    assert torch.isfinite(METHOD.build(Setting()).restore(noisy, None)).all()
