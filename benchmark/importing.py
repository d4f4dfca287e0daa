"""Puts another system's outputs into a run, as a method like any other."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark import folders, metrics, scoring
from benchmark.data import PairSet
from benchmark.store import Store
from degradekit import atomicfiles, imagefiles, progress
from degradekit.commandline import say
from degradekit.errors import DataError, OptionError

#: What a method's name may be: it names a folder, a line of tables, and an option's value.
NAME = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,63}")


def add(store: Store, name: str, restored: Path, *, summary: str, told_masks: bool, replace: bool) -> None:
    """Copy the images of ``restored`` into the run under the method's name and score them.

    Args:
        store: the run; its test pairs are made.
        name: name of the method in tables.
        restored: folder of its outputs for the run's test images, matched by stem.
        summary: one line on what it is.
        told_masks: it was given the masks; tables mark it.
        replace: take the place of what was imported under that name before.

    Raises:
        OptionError: the name is no good, or taken.
        DataError: an image is missing, surplus, not 8 bit, or of another size than the degraded one;
            nothing is changed then.
    """
    _check_name(store, name, replace)
    pairs = _pairs(store)
    paths = scoring.match_stems(restored, pairs.stems)
    with progress.reporter("images checked") as on_progress:
        for index, stem in enumerate(pairs.stems):
            on_progress(index, len(pairs))
            pixels, expected = imagefiles.read(paths[stem]).rgb, pairs.degraded(index).shape
            if pixels.shape != expected or pixels.dtype.itemsize != 1:
                size = f"{pixels.shape[1]}x{pixels.shape[0]}, {pixels.dtype.itemsize * 8} bit"
                raise DataError(
                    f"{paths[stem]}: is {size}; the degraded image is {expected[1]}x{expected[0]}, 8 bit"
                )
    inside = store.method(name).resolve()
    if restored.resolve() == inside or inside in restored.resolve().parents:
        raise OptionError(f"{restored}: is what --replace would remove; name a folder outside the run")
    with store.lock():
        _check_name(store, name, replace)
        store.remove(name)
        for stem in pairs.stems:
            data = imagefiles.encode_png(folders.eight_bit(paths[stem]))
            atomicfiles.write_bytes(store.restored(name) / f"{stem}.png", data)
        about = {
            "summary": summary,
            "imported": True,
            "trains": "none",
            "mask": "oracle" if told_masks else "none",
            "per_image": False,
            "parameters": {},
            "notes": [],
        }
        atomicfiles.write_json(store.method(name) / "method.json", about)
        rescore(store, name, pairs)


def refresh(store: Store) -> dict[str, str]:
    """Score again what was imported where ``stale``; method -> reason of those that could not be scored."""
    failures: dict[str, str] = {}
    for name, why in stale(store).items():
        say(f"{name}: score again, {why}")
        try:
            rescore(store, name, _pairs(store))
        except DataError as error:
            failures[name] = str(error)
            store.mark_failed(name, "score", failures[name])
    return failures


def stale(store: Store) -> dict[str, str]:
    """The imported methods whose scores depend on what has changed since, and what that is."""
    key = scoring.key(_metrics(store))
    found = {name: store.stale(name, "score", key) for name in store.methods() if is_imported(store, name)}
    return {name: why for name, why in found.items() if why is not None}


def rescore(store: Store, name: str, pairs: PairSet) -> None:
    """Score what was imported with the run's metrics, and mark it done."""
    chosen, seed = _metrics(store), store.profile().method_seed
    with progress.reporter("images scored") as on_progress:
        rows = scoring.score(name, store.restored(name), pairs, chosen, seed=seed, on_progress=on_progress)
    atomicfiles.write_text(store.method(name) / "scores.csv", scoring.to_csv(rows))
    store.mark_done(name, "restore", {"imported": "yes"})
    store.mark_done(name, "score", scoring.key(chosen))


def is_imported(store: Store, name: str) -> bool:
    """Whether a method of the run came from outside."""
    return store.done(name).get("restore") == {"imported": "yes"}


def _check_name(store: Store, name: str, replace: bool) -> None:
    from benchmark import method

    if NAME.fullmatch(name) is None:
        signs = "small letters, digits and _ . + -, 64 at most, a letter or digit first"
        raise OptionError(f"--method '{name}': a name is of {signs}")
    if name in method.names():
        raise OptionError(f"--method '{name}': a method of ours is called that; choose another name")
    if store.method(name).exists() and not replace:
        raise OptionError(
            f"--method '{name}': the run has one of that name; --replace puts this in its place"
        )


def _metrics(store: Store) -> list[metrics.Metric]:
    return [metrics.find(name) for name in store.profile().metrics]


def _pairs(store: Store) -> PairSet:
    store.profile()  # Complains if this is no run.
    if not store.data("test").is_dir():
        raise DataError(f"{store.folder}: has no test images yet; `benchmark run` makes them")
    return PairSet(store.data("test"))
