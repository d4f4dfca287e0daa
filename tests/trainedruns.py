"""Run folders with a detector in them, made in no time: its weights are random."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmark import checkpoints, method, profile, training
from benchmark.method import Setting, Trainable
from benchmark.store import Store


def run_with(folder: Path, *names: str) -> Path:
    """A run of profile smoke in ``folder`` that has weights of these methods."""
    store, smoke = Store(folder), profile.load("smoke")
    store.claim(smoke)
    for name in names:
        made = training.build(method.find(name), Setting(width=smoke.width), torch.device("cpu"))
        assert isinstance(made, Trainable)
        checkpoints.save_weights(made, store.method(name) / training.WEIGHTS)
    return folder
