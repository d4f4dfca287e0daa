"""The one training loop: every trained method gets these steps, crops, seeds, checkpoints and no others.

Which weights are tested is one rule for all methods, the profile's ``select``: those after the last step, or
those of the checkpoint with the best validation PSNR.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import checkpoints, metrics, processes, restoring
from benchmark.checkpoints import Averages
from benchmark.data import CropStream, PairSet
from benchmark.descent import Descent
from benchmark.method import Declaration, Detector, Method, Setting, Trainable, memory
from benchmark.profile import Train
from degradekit import atomicfiles
from degradekit.errors import DataError, OptionError
from degradekit.randomness import seed_of

CHECKPOINT, WEIGHTS, BEST, LOG = "checkpoint.pt", "weights.safetensors", "best.safetensors", "training.jsonl"

#: Progress is less than 1 in every step.
BEFORE_END = math.nextafter(1.0, 0.0)


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
    if train.precision == "float16" and not cuda:
        raise OptionError("train.precision: float16 needs a CUDA device; on a CPU take bfloat16 or float32")
    return torch.device("cuda", processes.local_rank()) if cuda else torch.device("cpu")


def build(declaration: Declaration, setting: Setting, device: torch.device) -> Method | Detector:
    """The method with its initial weights, a function of (seed, name)."""
    torch.manual_seed(seed_of(setting.seed, "build", declaration.weights_of))
    method = declaration.build(setting)
    # A method that fits a network to each image has networks too, though it does not train here.
    networks: Mapping[str, nn.Module] = getattr(method, "networks", {})
    for network in (*networks.values(), *memory(method).values()):
        # In this layout convolutions on CPUs with AVX-512 run about twice as fast in bfloat16.
        network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if declaration.trains != "none" and not isinstance(method, Trainable):
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
) -> dict[str, Any]:
    """Train from the checkpoint in ``folder`` that has ``key``, or from the start; write the final weights.

    Step n is a function of the weights before it and of (seed, n): a run that was killed and goes on from
    a checkpoint ends with the same bits as one that was not (on CPU, at one thread count). With several
    processes, as ``torchrun`` starts them, each takes its part of every batch, and rank 0 writes.

    Returns:
        What it took: ``updates``, ``images`` seen, ``seconds`` (those that a killed run lost are not among
        them) and ``processes``.

    Raises:
        DivergedError: a loss is not finite.
        OptionError: the batch cannot be divided among the processes.
    """
    parts = _parts(budget)
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
    processes.share(checkpoints.tensors(method))
    means = Averages(method)
    descend = Descent(parts=len(parts), device=device, scaled=budget.precision == "float16")
    first, spent = 0, 0.0
    state = checkpoints.resume(method, means, folder / CHECKPOINT, key=key, device=device)
    if state is not None:
        first, spent = int(state["step"]), float(state["seconds"])
        descend.scaler.load_state_dict(state["scaler"])
    log = _read_log(folder / LOG, first)
    start = time.monotonic() - spent
    sums: dict[str, Tensor] = {}
    counts: Counter[str] = Counter()

    def keep() -> None:
        """Validate, and write the log, the checkpoint and, if they are, the best weights after a step."""
        # A loss of one stage of several is averaged over the steps that had it.
        by_step = {name: total / counts[name] for name, total in sums.items()}
        losses_by_name = {name: float(mean) for name, mean in processes.average(by_step).items()}
        _refuse_infinite(losses_by_name, finished)
        sums.clear()
        counts.clear()
        processes.share(checkpoints.tensors(method))  # Running statistics are each process's own.
        if processes.rank() != 0:
            return
        with means.in_place(method):
            psnr = validate(method, declaration, validation, seed)
            best = max((line["val_psnr"] for line in log), default=psnr)
            if budget.select == "best" and psnr >= best:
                checkpoints.save_weights(method, folder / BEST)
        log.append({"step": finished, "rate": rate, "losses": losses_by_name, "val_psnr": psnr})
        # The log first: on resume, lines beyond the checkpoint are dropped, missing ones stay so.
        atomicfiles.write_text(folder / LOG, "".join(json.dumps(line) + "\n" for line in log))
        checkpoints.save(
            method,
            means,
            folder / CHECKPOINT,
            key=key,
            step=finished,
            seconds=time.monotonic() - start,
            scaler=descend.scaler.state_dict(),
        )

    finished = kept = first
    _show(on_progress, budget, first, spent)
    for step, batches in enumerate(crops.batches(first, budget.steps, parts), first):
        # Time differs between processes, and all have to stop at the same step.
        progress = processes.tell(_progress(budget, step, time.monotonic() - start))
        # A first step is made even if its crops were waited for until the time was over.
        if progress >= 1 and finished > 0:
            break
        progress = min(progress, BEFORE_END)
        torch.manual_seed(seed_of(seed, "train", declaration.name, step, processes.rank()))
        rate = method.rate(progress)
        for optimizer in method.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
        for descend.part, batch in enumerate(batches):
            with _autocast(budget, device):
                losses = method.train_step(batch.to(device, torch.channels_last), progress, descend)
            for name, loss in losses.items():
                so_far = sums.get(name, torch.zeros((), device=device, dtype=torch.float64))
                sums[name] = so_far + loss.detach().double()
                counts[name] += 1
        finished = step + 1
        means.update(method, finished)

        if finished % budget.every == 0 or finished == budget.steps:
            keep()
            kept = finished
        _show(on_progress, budget, finished, time.monotonic() - start)
    # Time may be over between two steps.
    if finished > kept:
        keep()

    if processes.rank() == 0:
        if budget.select == "best":
            # It stays as long as the checkpoint does: without a mark, training ends once more.
            atomicfiles.write_bytes(folder / WEIGHTS, (folder / BEST).read_bytes())
        else:
            with means.in_place(method):
                checkpoints.save_weights(method, folder / WEIGHTS)
    processes.wait()
    return {
        "updates": finished,
        "images": finished * budget.batch,
        "seconds": round(time.monotonic() - start, 1),
        "processes": processes.count(),
    }


def validate(
    method: Method | Detector | Trainable, declaration: Declaration, pairs: PairSet, seed: int
) -> float:
    """Mean PSNR (dB) of the restored validation images, computed as on the test images.

    For a detector, of the probabilities it finds against the true mask: -10 log10 of the mean squared error.
    """
    values = []
    for index, stem in enumerate(pairs.stems):
        given = pairs.mask(index) if declaration.mask != "none" else None
        made = restoring.restore(method, declaration, pairs.degraded(index), given, seed=seed, stem=stem)
        if declaration.kind == "detector":
            true = pairs.mask(index) / 255.0
            values.append(-10 * math.log10(max(float(((made / 65535.0 - true) ** 2).mean()), 1e-10)))
        else:
            values.append(metrics.find("psnr")(made.astype("uint8"), pairs.clean(index)))
    return sum(values) / len(values)


def _parts(budget: Train) -> list[slice]:
    """Which crops of a batch this process takes, cut for accumulation."""
    parts = processes.count() * budget.accumulate
    if budget.batch % parts:
        raise OptionError(
            f"train.batch ({budget.batch}) cannot be divided among {processes.count()} processes, "
            f"in {budget.accumulate} parts each"
        )
    size = budget.batch // parts
    begin = processes.rank() * budget.accumulate
    return [slice(part * size, (part + 1) * size) for part in range(begin, begin + budget.accumulate)]


def _progress(budget: Train, step: int, seconds: float) -> float:
    if budget.seconds is not None:
        return seconds / budget.seconds
    assert budget.steps is not None
    return step / budget.steps


def _show(on_progress: Callable[[int, int], None], budget: Train, step: int, seconds: float) -> None:
    if budget.seconds is not None:
        on_progress(min(round(seconds), budget.seconds), budget.seconds)
    else:
        assert budget.steps is not None
        on_progress(step, budget.steps)


def _autocast(budget: Train, device: torch.device) -> AbstractContextManager[Any]:
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(budget.precision)
    # No cache of casts: a step may update weights and use them again, and would then see the old ones.
    return torch.autocast(device.type, kind or torch.bfloat16, enabled=kind is not None, cache_enabled=False)


def _refuse_infinite(losses: dict[str, float], step: int) -> None:
    for name, mean in losses.items():
        if not math.isfinite(mean):
            raise DivergedError(f"diverged: loss '{name}' is {mean} by step {step}")


def _read_log(path: Path, first: int) -> list[dict[str, Any]]:
    """The lines up to step ``first``."""
    if first == 0 or not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["step"] <= first]
