"""The one training loop: every trained method gets these steps, crops, seeds, checkpoints and no others.

The weights after the last step are the ones that are tested, for every method alike; validation PSNR is
recorded along the way and selects nothing.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark import metrics, restoring
from benchmark.data import CropStream, PairSet
from benchmark.method import Declaration, Method, Setting, Trainable
from benchmark.profile import Train
from degradekit import atomicfiles
from degradekit.errors import DataError
from degradekit.randomness import seed_of

CHECKPOINT, WEIGHTS, LOG = "checkpoint.pt", "weights.safetensors", "training.jsonl"


class DivergedError(Exception):
    """A loss is no longer a finite number."""


def prepare(train: Train) -> torch.device:
    """Set torch's threads and determinism, and choose the device: numbers depend on all three."""
    torch.set_num_threads(train.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # Deterministic matrix products on CUDA need this before the first of them.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if train.device == "cuda" and not torch.cuda.is_available():
        raise DataError("train.device is cuda, but torch finds no CUDA device here")
    cuda = train.device == "cuda" or (train.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if cuda else "cpu")


def build(declaration: Declaration, setting: Setting, device: torch.device) -> Method:
    """The method with its initial weights, a function of (seed, name)."""
    torch.manual_seed(seed_of(setting.seed, "build", declaration.name))
    method = declaration.build(setting)
    if isinstance(method, Trainable):
        for network in method.networks.values():
            # In this layout convolutions on CPUs with AVX-512 run about twice as fast in bfloat16.
            network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    elif declaration.trains != "none":
        raise TypeError(f"{declaration.name} declares training but is not Trainable")
    return method


def train(
    method: Trainable,
    declaration: Declaration,
    crops: CropStream,
    validation: PairSet,
    *,
    budget: Train,
    device: torch.device,
    seed: int,
    folder: Path,
    key: str,
    on_progress: Callable[[int, int], None],
) -> float:
    """Train from the checkpoint in ``folder`` that has ``key``, or from the start; write the final weights.

    Step n is a function of the weights before it and of (seed, n): a run that was killed and goes on from
    a checkpoint ends with the same bits as one that was not (on CPU, at one thread count).

    Returns:
        Seconds it took; those that a killed run lost are not among them.

    Raises:
        DivergedError: a loss is not finite.
    """
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
    first, seconds = _resume(method, folder / CHECKPOINT, key, device)
    start = time.monotonic() - seconds
    log = _read_log(folder / LOG, first)
    sums: dict[str, Tensor] = {}
    # No cache of casts: a step may update weights and use them again, and would then see the old ones.
    autocast = torch.autocast(
        device.type, torch.bfloat16, enabled=budget.precision == "bfloat16", cache_enabled=False
    )

    on_progress(first, budget.iterations)
    for step, batch in enumerate(crops.batches(first, budget.iterations), first):
        torch.manual_seed(seed_of(seed, "train", declaration.name, step))
        rate = method.rate(step / budget.iterations)
        for optimizer in method.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
        with autocast:
            losses = method.train_step(batch.to(device, torch.channels_last), step)
        for name, loss in losses.items():
            sums[name] = sums.get(name, torch.zeros((), device=device)) + loss.detach().double()

        finished = step + 1
        if finished % budget.every == 0 or finished == budget.iterations:
            steps = finished - (log[-1]["step"] if log else 0)
            means = {name: float(total) / steps for name, total in sums.items()}
            for name, mean in means.items():
                if not math.isfinite(mean):
                    raise DivergedError(f"diverged: loss '{name}' is {mean} by step {finished}")
            psnr = validate(method, declaration, validation, seed)
            log.append({"step": finished, "rate": rate, "losses": means, "val_psnr": psnr})
            sums = {}
            # The log first: on resume, lines beyond the checkpoint are dropped; missing ones would stay so.
            atomicfiles.write_text(folder / LOG, "".join(json.dumps(line) + "\n" for line in log))
            _save(method, folder / CHECKPOINT, key, finished, time.monotonic() - start)
        on_progress(finished, budget.iterations)

    save_weights(method, folder / WEIGHTS)
    return time.monotonic() - start


def validate(method: Method, declaration: Declaration, pairs: PairSet, seed: int) -> float:
    """Mean PSNR (dB) of the restored validation images, computed as on the test images."""
    psnr = metrics.find("psnr")
    values = []
    for index, stem in enumerate(pairs.stems):
        mask = pairs.mask(index) if declaration.needs_mask else None
        restored = restoring.restore(method, declaration, pairs.degraded(index), mask, seed=seed, stem=stem)
        values.append(psnr(restored, pairs.clean(index)))
    return sum(values) / len(values)


def save_weights(method: Trainable, path: Path) -> None:
    """All networks' weights and buffers in one safetensors file, named NETWORK.TENSOR."""
    from safetensors.torch import save

    tensors = {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, network in method.networks.items()
        for key, tensor in network.state_dict().items()
    }
    atomicfiles.write_bytes(path, save(tensors))


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


def _save(method: Trainable, path: Path, key: str, step: int, seconds: float) -> None:
    state = {
        "key": key,
        "step": step,
        "seconds": seconds,
        "networks": {name: network.state_dict() for name, network in method.networks.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in method.optimizers.items()},
    }
    file = io.BytesIO()
    torch.save(state, file)
    atomicfiles.write_bytes(path, file.getvalue())


def _resume(method: Trainable, path: Path, key: str, device: torch.device) -> tuple[int, float]:
    """Load a checkpoint that has ``key``; returns the steps and seconds it has behind it, else zeros."""
    if not path.is_file():
        return 0, 0.0
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: damaged ({error}); remove it to train this method again") from error
    if state["key"] != key:
        return 0, 0.0
    for name, network in method.networks.items():
        network.load_state_dict(state["networks"][name])
    for name, optimizer in method.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    return int(state["step"]), float(state["seconds"])


def _read_log(path: Path, first: int) -> list[dict[str, Any]]:
    """The lines up to step ``first``."""
    if first == 0 or not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["step"] <= first]
