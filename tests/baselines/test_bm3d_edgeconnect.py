from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import picture
from torch import Tensor

from baselines import bm3d, bm3d_edgeconnect, holes
from baselines.bm3d_edgeconnect import METHODS, Sequential
from baselines.edgeconnect import EdgeConnect
from benchmark.data import as_batch
from benchmark.method import Setting

NARROW = Setting(width=1 / 16)


def _damaged() -> tuple[Tensor, Tensor, Tensor]:
    """A clean picture, the same with noise and a white bar, and the bar's mask."""
    clean = as_batch(picture(2))
    noise = np.random.default_rng(0).normal(0, 20 / 255, clean.shape).astype(np.float32)
    mask = torch.zeros(1, 1, *clean.shape[2:])
    mask[..., 30:34, 20:70] = 1
    return clean, torch.maximum(clean + torch.from_numpy(noise), 1.0 * mask), mask


def test_what_is_declared() -> None:
    trained, oracle, alone = METHODS
    assert (trained.mask, trained.trained_as) == ("detected", None)
    assert (oracle.mask, oracle.trained_as, oracle.in_all) == ("oracle", "bm3d_edgeconnect", True)
    assert (alone.mask, alone.trained_as, alone.in_all) == ("oracle", "bm3d_edgeconnect", False)
    networks = [set(one.build(NARROW).networks) for one in METHODS]  # type: ignore[union-attr]
    assert networks[0] == networks[1] == networks[2]


def test_denoised_outside_and_filled_inside() -> None:
    clean, damaged, mask = _damaged()
    torch.manual_seed(0)
    method = METHODS[1].build(NARROW)
    assert isinstance(method, Sequential)
    restored = method.restore(damaged, mask)
    hole = holes.widened(mask > 0.5)
    denoised = bm3d.denoise(damaged, bm3d.estimate_noise(damaged, hole > 0))
    assert torch.equal(restored * (1 - hole), denoised * (1 - hole))
    before, after = ((image - clean).mul(1 - hole).square().mean() for image in (damaged, restored))
    assert after < 0.25 * before
    assert torch.equal(restored, method.fill(denoised, hole))


def test_detected_pixels_are_lost_from_a_lower_value() -> None:
    _, damaged, mask = _damaged()
    found = 0.45 * mask
    detected, oracle = (METHODS[n].build(NARROW) for n in (0, 1))
    assert isinstance(detected, Sequential)
    assert isinstance(oracle, Sequential)
    plain = bm3d.denoise(damaged, bm3d.estimate_noise(damaged))
    assert torch.equal(oracle.restore(damaged, found), plain)
    changed = (detected.restore(damaged, found) != plain).any(dim=1, keepdim=True)
    assert changed[..., 28:36, 18:72].float().mean() > 0.9


def test_an_image_is_denoised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Tensor] = []

    def counted(image: Tensor, sigma: Tensor) -> Tensor:
        calls.append(image)
        return image.clone()

    monkeypatch.setattr(bm3d_edgeconnect.bm3d, "denoise", counted)
    monkeypatch.setattr(bm3d_edgeconnect, "KEPT_VALUES", 2 * 3 * 64 * 96)
    method = METHODS[0].build(NARROW)
    assert isinstance(method, Sequential)
    images = [as_batch(picture(seed)) for seed in range(3)]
    mask = torch.zeros(1, 1, 64, 96)
    for image in (images[0], images[1], images[0], images[1]):
        assert torch.equal(method.restore(image, mask), image)
    assert len(calls) == 2
    method.restore(images[2], mask)
    method.restore(images[1], mask)
    assert len(calls) == 3
    method.restore(images[0], mask)
    assert len(calls) == 4


@pytest.mark.parametrize("declaration", METHODS, ids=lambda one: one.name)
def test_a_mask_is_required(declaration: object) -> None:
    method = EdgeConnect(NARROW) if declaration is METHODS[2] else METHODS[0].build(NARROW)
    with pytest.raises(ValueError, match="mask"):
        method.restore(as_batch(picture(0)), None)  # type: ignore[union-attr]
