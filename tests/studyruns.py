"""Runs whose methods' outputs a study can show, made in no time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pairfolders import write
from pictures import picture

from benchmark import profile
from benchmark.data import PairSet
from benchmark.store import Store
from degradekit import atomicfiles, imagefiles

#: What the methods do: nothing, and brighten by so much.
GAINS = {"identity": 1.0, "brightener": 1.05, "whitener_one": 1.1, "whitener_two": 1.25}


def study_run(folder: Path, photographs: int = 4, real: Path | None = None) -> Store:
    """A run of two variants of each photograph; with ``real``, of three real photographs too, put there."""
    store = Store(folder)
    changes = [] if real is None else [f"data.real={json.dumps([str(real)])}"]
    store.claim(profile.load("smoke", overrides=changes))
    pairs = PairSet(write(store.data("test"), count=photographs, variants=2))
    for name, gain in GAINS.items():
        for index, stem in enumerate(pairs.stems):
            _put(store.restored(name) / f"{stem}.png", pairs.degraded(index) * gain)
        atomicfiles.write_json(store.method(name) / "method.json", {"mask": "none"})
        store.mark_done(name, "score", {})
    for number in range(3) if real is not None else ():
        assert real is not None
        _put(real / f"aunt{number}.png", picture(20 + number) * 0.7)
        for name in ("brightener", "whitener_two"):
            _put(
                store.apart(name, "real") / f"aunt{number}.png.png", picture(20 + number) * 0.7 * GAINS[name]
            )
    return store


def _put(path: Path, pixels: np.ndarray) -> None:
    atomicfiles.write_bytes(path, imagefiles.encode_png(np.clip(pixels, 0, 255).astype(np.uint8)))


def answers(key: Path, participant: str, *best_first: str) -> dict[str, Any]:
    """What a participant saves who puts the methods of all photographs in this order."""
    known = json.loads(key.read_text())
    trials = [
        {
            "trial": trial,
            "shown": sorted(found["outputs"]),
            "ranking": sorted(found["outputs"], key=lambda token: best_first.index(found["outputs"][token])),
            "seconds": 12.5,
        }
        for trial, found in known["trials"].items()
    ]
    return {
        "format": "degradekit study answers 1",
        "study": known["study"],
        "participant": participant,
        "trials": trials,
    }
