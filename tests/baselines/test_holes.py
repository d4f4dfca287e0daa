from __future__ import annotations

import torch

from baselines import holes


def test_holes_are_two_pixels_wider() -> None:
    lost = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    lost[..., 10, 10] = True
    hole = holes.widened(lost)
    assert hole.sum() == 25
    assert hole[..., 8:13, 8:13].all()


def test_training_takes_the_pairs_own_holes() -> None:
    mask = torch.zeros(2, 1, 64, 64)
    mask[:, :, 20:40, 10:30] = 0.6
    mask[:, :, :, 50:] = 0.4
    assert torch.equal(holes.for_training(mask), holes.widened(mask > 0.5))


def test_crops_with_too_little_or_too_much_missing_get_strokes() -> None:
    mask = torch.zeros(3, 1, 64, 64)
    mask[1] = 1
    mask[2, :, :20, :20] = 1
    torch.manual_seed(0)
    hole = holes.for_training(mask)
    assert torch.equal(hole[2:], holes.widened(mask[2:] > 0.5))
    assert all(0 < float(share) < 0.9 for share in hole.mean(dim=(1, 2, 3)))
    assert not torch.equal(hole[0], hole[1])
    torch.manual_seed(0)
    assert torch.equal(holes.for_training(mask), hole)


def test_strokes_cover_some_of_the_area_at_any_size() -> None:
    torch.manual_seed(1)
    for height, width in ((64, 64), (48, 100)):
        shares = torch.stack([holes.irregular(height, width).mean() for _ in range(40)])
        assert 0.08 < float(shares.mean()) < 0.3
        assert float(shares.quantile(0.1)) > 0.02
        assert float(shares.max()) < 0.7
    values = holes.irregular(30, 40)
    assert values.shape == (1, 30, 40)
    assert set(values.unique().tolist()) <= {0.0, 1.0}
