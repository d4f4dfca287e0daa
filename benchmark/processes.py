"""Several processes that train one method together, as ``torchrun`` starts them.

Each takes its part of every batch; gradients are averaged before each step, so weights stay equal. Rank 0
alone writes. Without ``torchrun`` there is one process, and nothing in here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join() -> None:
    """Join the processes that ``torchrun`` started with this one, once."""
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave() -> None:
    """End the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def together() -> bool:
    """Whether there is more than this process."""
    return dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_rank() -> int:
    """Number of this process on its machine: the CUDA device it takes."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def wait() -> None:
    """Wait until all processes are here."""
    if together():
        dist.barrier()


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Set each gradient to its mean over the processes, in one exchange per type of number."""
    if not together():
        return
    for parameter in parameters:
        if parameter.grad is None:
            # A process whose part of the batch did not use it still takes part in the sum.
            parameter.grad = torch.zeros_like(parameter)
    by_type: dict[torch.dtype, list[Tensor]] = {}
    for parameter in parameters:
        assert parameter.grad is not None
        by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
    for gradients in by_type.values():
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= count()
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))


def average(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Means of scalars over the processes."""
    if not together():
        return dict(values)
    flat = torch.stack([values[name] for name in sorted(values)])
    dist.all_reduce(flat)
    return dict(zip(sorted(values), flat / count(), strict=True))


def share(tensors: Iterable[Tensor]) -> None:
    """Set tensors to those of rank 0, in place."""
    if together():
        for tensor in tensors:
            dist.broadcast(tensor.detach(), 0)


def tell(value: Any) -> Any:
    """Rank 0's ``value``, on every process."""
    if not together():
        return value
    box = [value]
    dist.broadcast_object_list(box, 0)
    return box[0]
