"""Each network learns four pairs by heart: what its loss, optimiser and schedule have to be able to do.

Narrow networks and small crops, so that each takes minutes on two cores.
"""

from __future__ import annotations

import pytest
import torch
from pictures import picture

from benchmark import method as methods
from benchmark import training
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.method import Method, Setting, Trainable

CPU = torch.device("cpu")


def _pairs(side: int) -> Batch:
    """Four faded pictures, each with a white scratch of its own."""
    clean = torch.cat([as_batch(picture(seed, side, side)) for seed in range(4)])
    degraded = clean * 0.6 + 0.25
    mask = torch.zeros(4, 1, side, side)
    for number in range(4):
        mask[number, :, 2 + side // 5 * number] = 1
    return Batch(torch.where(mask > 0, 0.95, degraded), clean, mask)


def _psnr_db(restored: torch.Tensor, clean: torch.Tensor) -> float:
    errors = (restored.clamp(0, 1) - clean).square().mean(dim=(1, 2, 3))
    return float((-10 * torch.log10(errors)).mean())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "width", "side", "steps", "least_db"),
    [("nafnet", 0.25, 32, 500, 35), ("owan", 0.25, 16, 6000, 35), ("pix2pix", 0.25, 256, 400, 30)],
)
def test_four_pairs_are_learned_by_heart(
    name: str, width: float, side: int, steps: int, least_db: float
) -> None:
    method = training.build(methods.find(name), Setting(width=width), CPU)
    assert isinstance(method, Trainable)
    assert isinstance(method, Method)
    batch = _pairs(side).to(CPU, torch.channels_last)
    descend = Descent(device=CPU)
    first = {id(group): group["lr"] for o in method.optimizers.values() for group in o.param_groups}
    for step in range(steps):
        torch.manual_seed(step)
        for optimizer in method.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = first[id(group)] * method.rate(step / steps)
        method.train_step(batch, step / steps, descend)
    with torch.no_grad():
        restored = torch.cat([method.restore(image, None) for image in batch.degraded.split(1)])
    reached = _psnr_db(restored, batch.clean)
    assert reached > least_db, (
        f"{name} reached {reached:.2f} dB from {_psnr_db(batch.degraded, batch.clean):.2f}"
    )
