"""Results of several runs put together: runs that differ in what their methods drew, and in nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark import report, splits, store
from benchmark.report import Report
from benchmark.store import POOL, Store
from degradekit import atomicfiles, manifest
from degradekit.errors import DataError, OptionError, OutputFolderError

#: Parts of a stage's key that differ between seeds.
OF_SEED = ("seed", "detected masks")
STAGES = ("train", "restore", "score")


def members(folder: Path) -> dict[int, Store]:
    """Training seed -> run, of the runs that are put together in ``folder``; empty if it is no such folder.

    Raises:
        DataError: the list of them is damaged.
    """
    path = folder / POOL
    if not path.is_file():
        return {}
    try:
        listed = manifest.read_json(path)["runs"]
        return {int(entry["seed"]): Store(folder / entry["folder"]) for entry in listed}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged, or written by another version of degradekit") from error


def claim(folder: Path, runs: Mapping[int, Store]) -> None:
    """Make ``folder`` the place of these runs' results together, or find that it already is that of some.

    Raises:
        OutputFolderError: it holds other results, or other files.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputFolderError(f"{folder}: is a file, not a folder")
    there = members(folder)
    if not there:
        strangers = sorted(entry.name for entry in folder.glob("*") if not entry.name.startswith("."))
        if store.CONFIG in strangers:
            raise OutputFolderError(f"{folder}: holds a single run; name another folder with --out")
        if strangers:
            raise OutputFolderError(
                f"{folder}: holds files that are no benchmark run ({', '.join(strangers[:3])}); "
                "name an empty folder"
            )
    kept = [seed for seed, run in there.items() if seed in runs and _same(run, runs[seed])]
    if len(kept) < len(there):
        raise OutputFolderError(
            f"{folder}: holds results of training seeds {_listed(there)} ({_listed(runs)} asked for); "
            "name another folder with --out"
        )
    if not there:
        record(folder, runs)


def record(folder: Path, runs: Mapping[int, Store]) -> None:
    """List the runs of a claimed folder."""
    listed = [{"seed": seed, "folder": _relative(run.folder, folder)} for seed, run in sorted(runs.items())]
    atomicfiles.write_json(folder / POOL, {"runs": listed})


def make(folder: Path, runs: Sequence[Path]) -> Report:
    """Put the results of ``runs`` together in ``folder``; a folder of several runs stands for these.

    Raises:
        DataError: one is no run, or has no results; or they were made of other pairs or by other code.
        OptionError: they are of other configurations, or two of one training seed.
        OutputFolderError: ``folder`` holds something else.
    """
    found = [run for path in runs for run in members(path).values() or (Store(path),)]
    by_seed: dict[int, Store] = {}
    for run in found:
        seed = run.profile().method_seed
        if seed in by_seed:
            raise OptionError(f"{by_seed[seed].folder} and {run.folder}: both are of training seed {seed}")
        by_seed[seed] = run
    ordered = dict(sorted(by_seed.items()))
    refuse_mixture(list(ordered.values()))
    report.read(*ordered.values())  # Complains before anything is written.
    with Store(folder).lock():
        claim(folder, ordered)
        record(folder, ordered)
        return report.write(Store(folder), list(ordered.values()))


def remake(folder: Path) -> Report:
    """Write the report of a run, or of several that are put together in ``folder``, again.

    Raises:
        DataError: it is neither, or there are no results; or runs do not belong together.
        OptionError: runs are of other configurations.
    """
    there = members(folder)
    for seed, run in there.items():
        if not (run.folder / store.CONFIG).is_file():
            raise DataError(f"{folder}: training seed {seed} was not begun, or is no longer at {run.folder}")
    runs = list(there.values())
    refuse_mixture(runs)
    return report.write(Store(folder), runs)


def refuse_mixture(runs: Sequence[Store]) -> None:
    """Complain about runs that differ in more than the seed of training.

    Raises:
        DataError: pairs, or the code behind a result, are not the same; the message names the first of them.
        OptionError: configurations are not the same.
    """
    for run in runs[1:]:
        both = f"{runs[0].folder} and {run.folder}"
        if difference := _configured(runs[0], run):
            raise OptionError(f"{both} are no seeds of one run: {difference}")
        if difference := _paired(runs[0], run) or _done(runs[0], run):
            raise DataError(f"{both} are no seeds of one run: {difference}")


def _configured(first: Store, second: Store) -> str:
    one, other = (store.flat(run.profile().model_dump(mode="json")) for run in (first, second))
    for key in one:
        if key not in ("name", "summary", "training_seed") and one[key] != other.get(key):
            return f"{key} is {one[key]!r} in the first, {other.get(key)!r} in the second"
    return ""


def _paired(first: Store, second: Store) -> str:
    for part in splits.SPLITS:
        pairs = []
        for run in (first, second):
            if not run.data(part).is_dir():
                return f"{run.folder} has no {part} pairs yet"
            pairs.append({row["file_name"]: _hashes(row) for row in manifest.read_rows(run.data(part))})
        differing = sorted(
            name for name in {*pairs[0], *pairs[1]} if pairs[0].get(name) != pairs[1].get(name)
        )
        if differing:
            return f"{len(differing)} {part} pairs are not the same, first {differing[0]}"
    return ""


def _done(first: Store, second: Store) -> str:
    """Why methods that both have done are not the same in both."""
    for name in first.methods():
        keys = first.done(name), second.done(name)
        for stage in (stage for stage in STAGES if stage in keys[0] and stage in keys[1]):
            one, other = (key[stage] for key in keys)
            for part in sorted({*one, *other} - set(OF_SEED)):
                if one.get(part) != other.get(part):
                    return f"{name}, {stage}: {part} is not the same"
    return ""


def _hashes(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key.endswith("sha256")}


def _same(one: Store, other: Store) -> bool:
    return one.folder.resolve() == other.folder.resolve()


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _listed(runs: Mapping[int, Store]) -> str:
    return ", ".join(map(str, runs))
