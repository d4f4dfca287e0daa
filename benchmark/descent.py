"""One step down a loss, on one process or several, on a batch at once or in parts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmark import processes


class Descent:
    """What ``train_step`` is given as ``descend``; see ``benchmark.method.Descend``.

    Args:
        parts: calls of ``train_step`` per update. Gradients are averaged over them, and optimisers step in
            the last; the loop says which it is by setting ``part``. A discriminator that steps before the
            generator's loss is computed does so in the last part alone, so for the parts before it the
            generator is judged by the discriminator of the previous update.
        device: loss scaling is for float16 on CUDA.
        scaled: scale losses, so that small gradients do not vanish in float16.
    """

    def __init__(self, *, parts: int = 1, device: torch.device, scaled: bool = False) -> None:
        """Nothing accumulated yet."""
        self.parts = parts
        self.part = 0
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaled)

    def __call__(self, loss: Tensor, *optimizers: Optimizer, clip_norm: float | None = None) -> None:
        """Descend; see ``benchmark.method.Descend``."""
        parameters = [p for optimizer in optimizers for p in _parameters(optimizer) if p.requires_grad]
        if self.part == 0:
            for parameter in parameters:
                parameter.grad = None
        scaled = self.scaler.scale(loss.float() / self.parts)
        torch.autograd.backward(scaled, inputs=parameters)
        if self.part < self.parts - 1:
            return
        processes.average_gradients(parameters)
        for optimizer in optimizers:
            if self.scaler.is_enabled():
                self.scaler.unscale_(optimizer)
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        for optimizer in optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()


def _parameters(optimizer: Optimizer) -> Iterable[torch.nn.Parameter]:
    for group in optimizer.param_groups:
        yield from group["params"]
