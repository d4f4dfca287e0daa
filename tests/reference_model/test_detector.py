from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from benchmark.data import Batch
from benchmark.method import Setting
from reference_model.detector import (
    SYNTHETIC_SHARE,
    DetectorUNet,
    MultiscaleDetector,
    ScratchDetector,
    Shrink,
    weighted_cross_entropy,
)


class _Descent:
    """What the training loop gives, and the pictures whose losses it was given."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def __call__(self, loss: Tensor, *optimizers: Optimizer, clip_norm: float | None = None) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        torch.autograd.backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        self.losses.append(float(loss.detach()))


def _scratched(seed: int, count: int = 4, side: int = 32) -> Batch:
    """Smooth gray pictures with white and black lines across."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 4, 4, generator=generator)
    clean = 0.25 + 0.5 * F.interpolate(coarse, side, mode="bilinear").expand(-1, 3, -1, -1)
    mask = torch.zeros(count, 1, side, side)
    degraded = clean.clone()
    for number in range(count):
        row = int(torch.randint(2, side - 3, (1,), generator=generator))
        mask[number, :, row : row + 2] = 1
        degraded[number, :, row : row + 2] = float(number % 2)
    return Batch(degraded, clean, mask)


@pytest.fixture
def detector() -> ScratchDetector:
    torch.manual_seed(0)
    return ScratchDetector(Setting(width=1 / 16))


def test_parameters_as_published() -> None:
    assert sum(weight.numel() for weight in DetectorUNet(64).parameters()) == 37_626_177


def test_shrinking_keeps_a_constant_and_has_nothing_to_learn() -> None:
    shrink = Shrink(3)
    assert torch.allclose(shrink(torch.full((2, 3, 8, 6), 0.7)), torch.tensor(0.7))
    assert not list(shrink.parameters())
    assert not shrink.state_dict()
    # The finest stripes there are would alias to a constant that depends on where they begin.
    stripes = (torch.arange(16) % 2).float().expand(1, 3, 16, 16)
    assert torch.allclose(shrink(stripes), torch.tensor(0.5))


def test_it_learns_to_find_scratches(detector: ScratchDetector) -> None:
    descend, steps = _Descent(), 100
    (optimizer,) = detector.optimizers.values()
    rate = optimizer.param_groups[0]["lr"]
    for step in range(steps):
        # As the training loop does; at a steady rate the last steps' noise decides.
        optimizer.param_groups[0]["lr"] = rate * detector.rate(step / steps)
        torch.manual_seed(step)
        losses = detector.train_step(_scratched(step), step / steps, descend)
        assert set(losses) == {"cross_entropy"}
    unseen = _scratched(1000, count=16)
    found = torch.cat([detector.detect(image[None]) for image in unseen.degraded])
    at_lost, at_kept = found[unseen.mask == 1], found[unseen.mask == 0]
    higher = (at_lost[:, None] > at_kept[None]).float().mean()
    assert higher > 0.95
    assert descend.losses[-1] < 0.5 * descend.losses[0]


@torch.no_grad()
def test_any_size_and_only_the_luma(detector: ScratchDetector) -> None:
    for height, width in ((1, 1), (7, 300), (61, 83)):
        image = torch.rand(1, 3, height, width)
        found = detector.detect(image)
        assert found.shape == (1, 1, height, width)
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
    red = torch.zeros(1, 3, 40, 40)
    red[:, 0] = 0.5
    gray = torch.full((1, 3, 40, 40), 0.299 * 0.5)
    assert torch.allclose(detector.detect(red), detector.detect(gray), atol=1e-6)


def test_real_labels_come_in_the_last_part_of_the_budget(detector: ScratchDetector) -> None:
    synthetic = _scratched(0)
    # Labels that contradict every synthetic one.
    labelled = replace(synthetic, labelled=(synthetic.degraded, 1 - synthetic.mask))
    state = {key: value.clone() for key, value in detector.network.state_dict().items()}
    losses = {}
    for name, batch, progress in (
        ("first", synthetic, 0.0),
        ("first with labels", labelled, 0.0),
        ("second", synthetic, SYNTHETIC_SHARE),
        ("second with labels", labelled, SYNTHETIC_SHARE),
    ):
        detector.network.load_state_dict(state)
        torch.manual_seed(0)
        loss = detector.train_step(batch, progress, _Descent())["cross_entropy"]
        losses[name] = float(loss.detach())
    assert losses["first"] == losses["first with labels"] == losses["second"]
    assert losses["second with labels"] > 1.2 * losses["second"]


def test_loss_by_hand() -> None:
    lost = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    logits = torch.logit(torch.tensor([[0.8, 0.1, 0.3, 0.2]]))
    entropies = [-math.log(0.8), -math.log(0.9), -math.log(0.7), -math.log(0.8)]
    expected = (math.sqrt(3) * entropies[0] + sum(entropies[1:])) / (math.sqrt(3) + 3)
    assert float(weighted_cross_entropy(logits, lost)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_crops_without_damage_or_nothing_else_have_a_loss(value: float) -> None:
    logits = torch.zeros(1, 1, 4, 4)
    loss = float(weighted_cross_entropy(logits, torch.full_like(logits, value)))
    assert 0.5 * math.log(2) < loss < 2 * math.log(2)


def test_two_scales_are_averaged(detector: ScratchDetector) -> None:
    both = MultiscaleDetector(Setting(width=1 / 16))
    both.network.load_state_dict(detector.network.state_dict())
    image = torch.rand(1, 3, 64, 96)
    # Each pixel doubled: halved it is the image again.
    doubled = F.interpolate(image, scale_factor=2, mode="nearest")
    coarse = F.interpolate(detector.detect(image), scale_factor=2, mode="bilinear")
    assert torch.allclose(both.detect(doubled), (detector.detect(doubled) + coarse) / 2, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 50), (33, 32)])
def test_two_scales_of_any_size(height: int, width: int) -> None:
    both = MultiscaleDetector(Setting(width=1 / 16))
    assert both.detect(torch.rand(1, 3, height, width)).shape == (1, 1, height, width)
