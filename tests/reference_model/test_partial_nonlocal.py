from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reference_model import partial_nonlocal
from reference_model.blocks import hole_positions
from reference_model.partial_nonlocal import GlobalBranch, PartialNonLocal


def _dense(block: PartialNonLocal, features: Tensor, hole: Tensor) -> Tensor:
    """The formula with its whole matrix: softmax over all, times validity, divided by the sum."""
    theta, phi, g = (layer(features).flatten(2) for layer in (block.theta, block.phi, block.g))
    valid = (~hole).flatten(2).to(features.dtype)
    weights = (theta.transpose(1, 2) @ phi).softmax(dim=2) * valid
    weights = weights / weights.sum(dim=2, keepdim=True)
    return block.out((g @ weights.transpose(1, 2)).view_as(features))


def _block(everywhere: bool = False) -> PartialNonLocal:
    torch.manual_seed(0)
    return PartialNonLocal(16, everywhere=everywhere)


def _features(height: int = 12, width: int = 9, batch: int = 2) -> Tensor:
    return torch.randn(batch, 16, height, width, generator=torch.Generator().manual_seed(1))


def _mask(height: int, width: int, batch: int = 2) -> Tensor:
    """Another hole in every item."""
    mask = torch.zeros(batch, 1, height, width)
    for item in range(batch):
        mask[item, :, 1 + item : 4 + 2 * item, 2:6] = 1
    return mask


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("pairs", [1 << 24, 700])
def test_equals_the_dense_formula(everywhere: bool, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_nonlocal, "PAIRS", pairs)
    block, features, mask = _block(everywhere), _features(), _mask(12, 9)
    dense = _dense(block, features, mask > 0)
    expected = dense if everywhere else torch.where(mask > 0, dense, features)
    assert torch.allclose(block(features, mask), expected, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(block(features, mask), expected, atol=1e-5)


@pytest.mark.parametrize("pairs", [1 << 24, 700])
def test_gradients_equal_those_of_the_dense_formula(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_nonlocal, "PAIRS", pairs)
    block, mask = _block(), _mask(12, 9)
    gradients = []
    for dense in (False, True):
        features = _features().requires_grad_()
        block.zero_grad()
        filled = (
            torch.where(mask > 0, _dense(block, features, mask > 0), features)
            if dense
            else block(features, mask)
        )
        filled.square().sum().backward()
        assert features.grad is not None
        gradients.append([features.grad, *(tensor.grad.clone() for tensor in block.parameters())])
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients, strict=True))


def test_intact_positions_stay_as_they_are() -> None:
    features, mask = _features(), _mask(12, 9)
    filled = _block()(features, mask)
    intact = (mask == 0).expand_as(features)
    assert torch.equal(filled[intact], features[intact])
    assert not torch.isclose(filled[~intact], features[~intact]).any()


def test_what_is_in_a_defect_does_not_reach_what_fills_another() -> None:
    mask = torch.zeros(1, 1, 12, 9)
    mask[..., 2, 2], mask[..., 8, 6] = 1, 1
    features = _features(batch=1)
    changed = features.clone()
    changed[..., 8, 6] += 5
    block = _block()
    assert torch.equal(block(features, mask)[..., 2, 2], block(changed, mask)[..., 2, 2])


def test_an_item_is_filled_from_itself_alone() -> None:
    features, mask = _features(), _mask(12, 9)
    together = _block()(features, mask)
    alone = torch.cat([_block()(features[i : i + 1], mask[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("everywhere", [False, True])
def test_an_empty_and_a_full_mask(value: float, everywhere: bool) -> None:
    features = _features()
    filled = _block(everywhere)(features, torch.full((2, 1, 48, 36), value))
    assert torch.isfinite(filled).all()
    if value == 1 or not everywhere:
        assert torch.equal(filled, features)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 3), (33, 17)])
def test_any_size_of_features_and_of_mask(height: int, width: int) -> None:
    features = _features(height, width)
    for factor in (1, 4, 5):
        mask = torch.zeros(2, 1, height * factor + factor // 2, width * factor)
        mask[..., 0, 0] = 0.3
        filled = _block()(features, mask)
        assert filled.shape == features.shape
        assert torch.isfinite(filled).all()


@pytest.mark.parametrize("offset", range(8))
def test_no_line_of_one_pixel_vanishes(offset: int) -> None:
    down, across = torch.zeros(1, 1, 32, 48), torch.zeros(1, 1, 32, 48)
    down[..., offset], across[..., offset, :] = 1, 1
    for size in ((8, 12), (7, 11)):
        assert hole_positions(down, size).any(dim=3).all()
        assert hole_positions(across, size).any(dim=2).all()
    assert int(hole_positions(down, (8, 12)).sum()) == 8
    assert int(hole_positions(across, (8, 12)).sum()) == 12


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("rising", [False, True])
def test_no_diagonal_vanishes(offset: int, rising: bool) -> None:
    mask = torch.eye(36)[:32, offset : offset + 32][None, None]
    holes = hole_positions(mask.flip(3) if rising else mask, (8, 8))[0, 0]
    touched = torch.zeros(8, 8, dtype=torch.bool)
    for row in range(32):
        if 0 <= row - offset < 32:
            touched[row // 4, (row - offset) // 4] = True
    assert torch.equal(holes, touched.flip(1) if rising else touched)
    assert holes.sum() >= 7


def test_the_global_branch_passes_on_what_is_intact() -> None:
    torch.manual_seed(0)
    branch = GlobalBranch(16, everywhere=True)
    features, mask = _features(), _mask(48, 36)
    fused = branch(features, mask)
    holes = hole_positions(mask, (12, 9)).expand_as(features)
    assert torch.equal(fused[~holes], features[~holes])
    assert not torch.equal(fused[holes], features[holes])


def test_the_published_size() -> None:
    assert sum(t.numel() for t in GlobalBranch(512, everywhere=True).parameters()) == 15_209_472
