"""Weights and checkpoints of methods: saved whole, or not at all."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.method import Trainable, about, averages, memory
from degradekit import atomicfiles
from degradekit.errors import DataError


class Averages:
    """Exponential moving averages of the networks that a method wants averaged.

    The decay grows from 2/11 towards the method's, (1 + n) / (10 + n) after n steps, so that the initial
    weights are forgotten soon (our choice, as TensorFlow's ``ExponentialMovingAverage`` does it).
    """

    def __init__(self, method: Trainable) -> None:
        """Begin at the present weights."""
        self.decays = dict(averages(method))
        self.networks: Mapping[str, nn.Module] = {
            name: deepcopy(method.networks[name]).requires_grad_(False) for name in self.decays
        }

    @torch.no_grad()
    def update(self, method: Trainable, step: int) -> None:
        """Take in the weights after ``step`` steps; buffers are copied."""
        for name, average in self.networks.items():
            decay = min(self.decays[name], (1 + step) / (10 + step))
            live = method.networks[name]
            for mean, weight in zip(average.parameters(), live.parameters(), strict=True):
                mean.lerp_(weight.to(mean.dtype), 1 - decay)
            for kept, buffer in zip(average.buffers(), live.buffers(), strict=True):
                kept.copy_(buffer)

    @contextmanager
    def in_place(self, method: Trainable) -> Iterator[None]:
        """Inside, the method works with the averages."""
        live = {name: deepcopy(method.networks[name].state_dict()) for name in self.networks}
        for name, average in self.networks.items():
            method.networks[name].load_state_dict(average.state_dict())
        try:
            yield
        finally:
            for name, state in live.items():
                method.networks[name].load_state_dict(state)


def save_weights(method: Trainable, path: Path) -> None:
    """All networks' weights and buffers in one safetensors file, named NETWORK.TENSOR.

    What the method says ``about`` itself is in the file's metadata.
    """
    from safetensors.torch import save

    tensors = {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, network in method.networks.items()
        for key, tensor in network.state_dict().items()
    }
    atomicfiles.write_bytes(path, save(tensors, about(method)))


def load_weights(method: Trainable, path: Path) -> None:
    """Read what ``save_weights`` wrote.

    Raises:
        DataError: the file is missing, damaged or of other networks.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(path.read_bytes())
        for name, network in method.networks.items():
            prefix = f"{name}."
            state = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be loaded ({error})") from error


def save(
    method: Trainable, means: Averages, path: Path, *, key: str, step: int, seconds: float, scaler: Any
) -> None:
    """Everything that going on after ``step`` steps depends on."""
    state = {"key": key, "step": step, "seconds": seconds, "scaler": scaler}
    parts = _parts(method, means)
    state |= {part: {name: one.state_dict() for name, one in those.items()} for part, those in parts.items()}
    file = io.BytesIO()
    torch.save(state, file)
    atomicfiles.write_bytes(path, file.getvalue())


def resume(
    method: Trainable, means: Averages, path: Path, *, key: str, device: torch.device
) -> dict[str, Any] | None:
    """Load a checkpoint that has ``key``; its ``step``, ``seconds`` and ``scaler``, or None if there is none.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: damaged ({error}); remove it to train this method again") from error
    if state["key"] != key:
        return None
    for part, those in _parts(method, means).items():
        for name, one in those.items():
            one.load_state_dict(state[part][name])
    return state


def tensors(method: Trainable) -> Iterator[Tensor]:
    """All weights and buffers."""
    for network in method.networks.values():
        yield from network.parameters()
        yield from network.buffers()


def _parts(method: Trainable, means: Averages) -> dict[str, Mapping[str, Any]]:
    return {
        "networks": method.networks,
        "optimizers": method.optimizers,
        "averages": means.networks,
        "memory": memory(method),
    }
