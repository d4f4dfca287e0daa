"""What participants of a study rank: which methods' outputs, for which photographs of a run.

After the user study of Wan et al. (CVPR 2020): every participant puts the outputs of all methods in order,
photograph by photograph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from benchmark import apart
from benchmark.data import PairSet, Pixels
from benchmark.folders import eight_bit
from benchmark.restoring import Images
from benchmark.store import Store
from degradekit import sources
from degradekit.errors import DataError, OptionError, unknown
from degradekit.randomness import stream

Where: TypeAlias = Literal["test", "real"]
#: Photographs of a study, if there are so many.
PHOTOGRAPHS = 25
#: Nobody orders more than this with care.
MOST_METHODS = 12


@dataclass(frozen=True)
class Study:
    """What is ranked.

    Args:
        where: photographs of the test set, or real old ones.
        methods: their names, sorted.
        stems: the images, in the order they were drawn.
        inputs: where the degraded images are.
        left_out: method -> why it is not ranked, of those that nobody named.
    """

    store: Store
    where: Where
    methods: tuple[str, ...]
    stems: tuple[str, ...]
    inputs: Images
    left_out: dict[str, str]

    def degraded(self, stem: str) -> Pixels:
        """What was restored, uint8 (H, W, 3)."""
        return self.inputs.degraded(self.inputs.stems.index(stem))

    def output(self, method: str, stem: str) -> Pixels:
        """What a method made of it, of the same shape.

        Raises:
            DataError: the file is damaged, or of another size.
        """
        path = _folder(self.store, method, self.where) / f"{stem}.png"
        pixels, expected = eight_bit(path), self.degraded(stem).shape
        if pixels.shape != expected:
            raise DataError(
                f"{path}: is {pixels.shape[1]}x{pixels.shape[0]}; the degraded image is "
                f"{expected[1]}x{expected[0]}"
            )
        return pixels


def choose(
    store: Store,
    methods: Sequence[str] = (),
    photographs: int | None = None,
    seed: int = 0,
    where: Where | None = None,
) -> Study:
    """Decide what a study of a run shows.

    Args:
        store: the run.
        methods: to rank; none = all that have outputs and change any of the photographs.
        photographs: how many, drawn from those that all methods restored; None = ``PHOTOGRAPHS``, or all if
            there are fewer. Of variants of one photograph the first is shown.
        seed: of the draw.
        where: None = real photographs if the methods have restored some, else those of the test set.

    Raises:
        OptionError: a method, or a number, that there is not.
        DataError: there is no run, no output, or no photograph that all methods restored.
    """
    profile = store.profile()
    for name in methods:
        if name not in store.methods():
            raise OptionError(unknown("method", name, store.methods()))
    if where is None:
        enough = len(set(methods)) or 2
        where = "real" if len(_restored(store, methods or store.methods(), "real")) >= enough else "test"
    there = _restored(store, methods or store.methods(), where)
    missing = [name for name in methods if name not in there]
    if missing:
        raise DataError(f"{_folder(store, missing[0], where)}: {missing[0]} has no outputs there to rank")
    if not there:
        raise DataError(f"{store.folder}: no method has restored {where} photographs there")
    if where == "real":
        inputs: Images = apart.RealInputs(sources.find(profile.data.real))
        variants = [[stem] for stem in inputs.stems]
    else:
        pairs = PairSet(store.data("test"))
        keys = [str(row["key"]) for row in pairs.rows]
        variants = [
            [stem for stem, of in zip(pairs.stems, keys, strict=True) if of == key]
            for key in dict.fromkeys(keys)
        ]
        inputs = pairs
    folders = [_folder(store, name, where) for name in there]
    restored = [[stem for stem in of if _in_all(folders, stem)] for of in variants]
    shared = [of[0] for of in restored if of]
    if not shared:
        raise DataError(f"{store.folder}: no photograph was restored by all of {', '.join(there)}")
    count = min(PHOTOGRAPHS, len(shared)) if photographs is None else photographs
    if count > len(shared):
        raise OptionError(f"--photos {count}: all of the methods restored {len(shared)} photographs")
    drawn = stream(seed, "study", "photographs").permutation(len(shared))[:count]
    study = Study(store, where, tuple(there), tuple(shared[index] for index in drawn), inputs, {})
    return _ranked(study, named=bool(methods))


def _ranked(study: Study, named: bool) -> Study:
    """The same without methods that change nothing, unless they were named."""
    left_out = {}
    if not named:
        left_out = {
            method: "changes none of these photographs"
            for method in study.methods
            if all(np.array_equal(study.output(method, stem), study.degraded(stem)) for stem in study.stems)
        }
        for method in study.store.methods():
            if method not in study.methods:
                left_out[method] = f"has restored no {study.where} photographs"
    methods = tuple(method for method in study.methods if method not in left_out)
    if not 2 <= len(methods) <= MOST_METHODS:
        raise OptionError(
            f"a participant ranks 2 to {MOST_METHODS} methods; here are {len(methods)}"
            f"{': ' if methods else ''}{', '.join(methods)}; name others with --methods"
        )
    return Study(study.store, study.where, methods, study.stems, study.inputs, left_out)


def _restored(store: Store, names: Iterable[str], where: Where) -> list[str]:
    """Those of the methods that have outputs and did not fail, sorted."""
    return sorted(
        {
            name
            for name in names
            if not store.failure(name) and any(_folder(store, name, where).rglob("*.png"))
        }
    )


def _folder(store: Store, method: str, where: Where) -> Path:
    return store.restored(method) if where == "test" else store.apart(method, "real")


def _in_all(folders: Sequence[Path], stem: str) -> bool:
    return all((folder / f"{stem}.png").is_file() for folder in folders)
