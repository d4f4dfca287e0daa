"""Measures what every method of a run costs on one image of a size, and writes it beside its results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmark import checkpoints, method, restoring, store, training
from benchmark.data import Pixels, mirrored
from benchmark.efficiency import Efficiency, measure
from benchmark.method import Declaration, Detector, Method, Setting, Trainable
from benchmark.store import Store
from degradekit import atomicfiles, deadleaves
from degradekit.errors import DataError, OptionError, unknown

#: In a method's folder. Numbers of this machine at this moment: no table of scores holds them.
FILE = "efficiency.json"


def of_run(
    run: Store, *, size: int, repeats: int, seconds: float, chosen: Sequence[str] = ()
) -> Iterator[tuple[str, Efficiency]]:
    """Measure the finished methods of a run, or the chosen ones; each is written before it is yielded.

    What was imported has no method to run and is left out.

    Raises:
        OptionError: a chosen method is not finished in this run, or not ours.
        DataError: there is no method to measure.
    """
    profile = run.profile()
    ours = method.discover()
    there = [name for name in run.methods() if name in ours and "restore" in run.done(name)]
    for name in chosen:
        if name not in there:
            raise OptionError(unknown("finished method of this run", name, there))
    if not there:
        raise DataError(f"{run.folder}: no method of ours is finished yet")
    setting = Setting(profile.width, profile.method_seed, profile.train.per_image_iterations)
    for name in chosen or there:
        weights = run.method(ours[name].weights_of) / training.WEIGHTS
        device = training.prepare(profile.train)
        built = training.build(ours[name], setting, device)
        if isinstance(built, Trainable):
            checkpoints.load_weights(built, weights)
        found = _measured(built, ours[name], size, repeats, seconds, profile.method_seed)
        _write(run.method(name), found, size, str(device), profile.train.threads)
        yield name, found


def _measured(
    built: Method | Detector,
    declaration: Declaration,
    size: int,
    repeats: int,
    seconds: float,
    seed: int,
) -> Efficiency:
    image, mask = _image(size)

    def restore() -> object:
        return restoring.restore(
            built,
            declaration,
            image,
            mask if declaration.mask != "none" else None,
            seed=seed,
            stem="efficiency",
        )

    networks = getattr(built, "networks", {})
    device = restoring.device_of(built)
    return measure(restore, networks, device, repeats=repeats, seconds=seconds)


def _image(size: int) -> tuple[Pixels, Pixels]:
    """A picture of ``size`` by ``size`` with a hole over a sixteenth of it, and the hole's mask."""
    whole = deadleaves.render(0)
    places = mirrored(len(whole), 0, size)
    picture = np.ascontiguousarray(whole[np.ix_(places, places)])
    mask = np.zeros((size, size), np.uint8)
    mask[size // 4 : size // 2, size // 4 : size // 2] = 255
    picture[mask > 0] = 240
    return picture, mask


def _write(folder: Path, found: Efficiency, size: int, device: str, threads: int) -> None:
    environment = store.environment()
    about = {"size": size, "device": device, "threads": threads, "processor": environment["processor"]}
    atomicfiles.write_json(folder / FILE, {**asdict(found), **about})
