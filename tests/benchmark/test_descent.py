from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.descent import Descent

CPU = torch.device("cpu")


def _pair() -> tuple[nn.Linear, nn.Linear, torch.optim.Optimizer, torch.optim.Optimizer]:
    torch.manual_seed(0)
    first, second = nn.Linear(3, 3), nn.Linear(3, 1)
    return first, second, *(torch.optim.SGD(net.parameters(), lr=0.1) for net in (first, second))


def test_it_moves_what_it_is_told_and_nothing_else() -> None:
    first, second, optimizer, _ = _pair()
    before = second.weight.clone(), first.weight.clone()
    Descent(device=CPU)(second(first(torch.ones(4, 3))).sum(), optimizer)
    assert torch.equal(second.weight, before[0])
    assert second.weight.grad is None
    assert not torch.equal(first.weight, before[1])


def test_parts_of_a_batch_add_up_to_the_batch() -> None:
    data = torch.linspace(-1, 1, 12).view(4, 3)
    weights = []
    for parts in (1, 2, 4):
        first, second, *optimizers = _pair()
        descend = Descent(parts=parts, device=CPU)
        for _ in range(3):
            for descend.part, piece in enumerate(data.split(4 // parts)):
                descend(second(first(piece)).square().mean(), *optimizers)
        weights.append(torch.cat([first.weight.flatten(), second.weight.flatten()]))
    assert torch.allclose(weights[0], weights[1], atol=1e-6)
    assert torch.allclose(weights[0], weights[2], atol=1e-6)


def test_gradients_are_clipped_together() -> None:
    first, second, *optimizers = _pair()

    def norm(clip: float | None) -> Tensor:
        Descent(device=CPU)(1000 * second(first(torch.ones(1, 3))).sum(), *optimizers, clip_norm=clip)
        gradients = [p.grad for net in (first, second) for p in net.parameters() if p.grad is not None]
        return torch.cat([g.flatten() for g in gradients]).norm()

    assert torch.allclose(norm(0.5), torch.tensor(0.5), atol=1e-4)
    assert norm(None) > 1
