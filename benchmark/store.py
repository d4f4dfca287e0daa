"""A run's folder: what it was asked for, what is done, and under which key each stage was done.

::

    config.yaml                     the resolved profile; another configuration is refused
    environment.json                versions and machine of the latest start
    data.json  data/{train,val,test}/       which photographs, and the pairs made of them
    methods/NAME/training.jsonl     losses and validation PSNR along the budget
    methods/NAME/cost.json          how long training took, on what, and the notes of what was trained
    methods/NAME/checkpoint.pt      while training, with best.safetensors; afterwards weights.safetensors
    methods/NAME/restored/STEM.png  one per test pair
    methods/NAME/detected/{val,test}/STEM.png       of a detector: probabilities, 16 bit
    methods/NAME/on_{clean,real}/STEM.png           what it makes of undamaged and of real photographs
    methods/NAME/scores.csv         one row per image and metric
    methods/NAME/done.json          stage -> key, written last
    methods/NAME/failed.json        the stage ("unavailable", "needs": before all) and the reason, when it
                                    did not work out
    rows.csv  tables/  figures/     made of the scores alone

The folder of several seeds has ``pool.json`` instead, which names their runs, and the same tables.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from benchmark.profile import Profile
from degradekit import atomicfiles, manifest
from degradekit.errors import DataError, OutputFolderError

CONFIG, ENVIRONMENT, DATA, DONE, FAILED = (
    "config.yaml",
    "environment.json",
    "data.json",
    "done.json",
    "failed.json",
)
LOCK = ".lock"
#: Of a trained method: what its training took, and its notes.
COST = "cost.json"
#: In a folder where the results of several runs are put together: which runs these are.
POOL = "pool.json"
PACKAGES = ("degradekit", "numpy", "opencv-python-headless", "torch", "scikit-image", "scipy", "matplotlib")


@dataclass(frozen=True)
class Store:
    """The folder of one run."""

    folder: Path

    def claim(self, profile: Profile) -> None:
        """Make the folder this run's, or find that it already is.

        Raises:
            OutputFolderError: it holds another run (the message names the difference) or other files.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputFolderError(f"{self.folder}: is a file, not a folder")
        asked = profile.model_dump(mode="json")
        if (self.folder / CONFIG).exists():
            self.refuse_another(asked)
        else:
            strangers = [entry.name for entry in self.folder.glob("*") if not entry.name.startswith(".")]
            if strangers:
                raise OutputFolderError(
                    f"{self.folder}: holds files that are no benchmark run "
                    f"({', '.join(sorted(strangers)[:3])}); name an empty folder"
                )
            text = yaml.safe_dump(asked, sort_keys=False, allow_unicode=True)
            atomicfiles.write_text(self.folder / CONFIG, text)
        atomicfiles.write_json(self.folder / ENVIRONMENT, environment())

    def profile(self) -> Profile:
        """The profile of the run.

        Raises:
            DataError: the folder is no run, or its configuration is damaged.
        """
        path = self.folder / CONFIG
        if not path.is_file():
            if (self.folder / POOL).is_file():
                raise DataError(f"{self.folder}: holds runs of several seeds; name one of those in {POOL}")
            raise DataError(f"{self.folder}: no benchmark run there ({CONFIG} is missing)")
        try:
            return Profile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise DataError(f"{path}: damaged, or written by another version of degradekit") from error

    def take_pairs(self, other: Store) -> None:
        """Make another run's pairs this one's too, by links, or copies where those fail; the record last."""
        for source in sorted((other.folder / "data").rglob("*")):
            if source.is_file() and not source.name.startswith("."):
                atomicfiles.link_or_copy(source, self.folder / source.relative_to(other.folder))
        atomicfiles.write_bytes(self.folder / DATA, (other.folder / DATA).read_bytes())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second run out of the folder; the lock goes with the process, however that ends.

        Raises:
            OutputFolderError: another process holds it.
        """
        if sys.platform == "win32":
            yield
            return
        import fcntl

        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputFolderError(f"{self.folder}: another run is writing there") from None
            yield

    def data(self, split: str) -> Path:
        """Folder of the pairs of ``split``: train, val or test."""
        return self.folder / "data" / split

    def method(self, name: str) -> Path:
        """Folder of a method's results."""
        return self.folder / "methods" / name

    def restored(self, name: str) -> Path:
        """Folder of a method's restored test images."""
        return self.method(name) / "restored"

    def detected(self, name: str, split: str) -> Path:
        """Folder of the probabilities that a detector found on a split's degraded images."""
        return self.method(name) / "detected" / split

    def apart(self, name: str, which: str) -> Path:
        """Folder of what a method makes of ``clean`` or ``real`` photographs."""
        return self.method(name) / f"on_{which}"

    def methods(self) -> list[str]:
        """Names of the methods with results or a failure, sorted."""
        found = (self.folder / "methods").glob("*/*.json")
        return sorted({path.parent.name for path in found if path.name in (DONE, FAILED)})

    def done(self, name: str) -> dict[str, Any]:
        """What is done of a method: stage -> its key in parts; empty when nothing is."""
        return self._json(self.method(name) / DONE)

    def stale(self, name: str, stage: str, key: Mapping[str, str]) -> str | None:
        """Why a stage has to be done: "not done yet", what changed since, or None if it is done."""
        there = self.done(name).get(stage)
        if there is None:
            return "not done yet"
        changed = sorted(part for part in {*there, *key} if there.get(part) != key.get(part))
        return f"{' and '.join(changed)} changed" if changed else None

    def mark_done(self, name: str, stage: str, key: Mapping[str, str]) -> None:
        """Record that a stage is done, after all its files are written."""
        atomicfiles.write_json(self.method(name) / DONE, {**self.done(name), stage: dict(key)})
        self.clear_failure(name)

    def forget(self, name: str, stage: str) -> None:
        """Take back the mark of a stage that is about to be done again."""
        there = self.done(name)
        if there.pop(stage, None) is not None:
            atomicfiles.write_json(self.method(name) / DONE, there)

    def mark_failed(self, name: str, stage: str, reason: str) -> None:
        """Record that a method could not finish."""
        atomicfiles.write_json(self.method(name) / FAILED, {"stage": stage, "reason": reason})

    def clear_failure(self, name: str) -> None:
        """Take back ``mark_failed``."""
        (self.method(name) / FAILED).unlink(missing_ok=True)

    def failure(self, name: str) -> dict[str, Any]:
        """``stage`` and ``reason`` of a failure; empty when there is none."""
        return self._json(self.method(name) / FAILED)

    def remove(self, name: str) -> None:
        """Remove all of a method's results."""
        shutil.rmtree(self.method(name), ignore_errors=True)

    def _json(self, path: Path) -> dict[str, Any]:
        return manifest.read_json(path) if path.is_file() else {}

    def refuse_another(self, asked: dict[str, Any]) -> None:
        """Find that the run in the folder was ``asked`` for with this profile.

        Raises:
            OutputFolderError: it was not; the message names the key.
        """
        there = flat(self.profile().model_dump(mode="json"))
        wanted = flat(asked)
        differing = [key for key in wanted if wanted[key] != there.get(key)]
        # The name and summary only say where a configuration began.
        differing = [key for key in differing if key not in ("name", "summary")] or differing
        if differing:
            key = differing[0]
            raise OutputFolderError(
                f"{self.folder}: holds another run ({key}: {there.get(key)!r} there, {wanted[key]!r} asked "
                "for); name another folder with --out"
            )


def environment() -> dict[str, Any]:
    """Versions, machine and command line, for the record."""
    return {
        "argv": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as ``a.b``."""
    result: dict[str, Any] = {}
    for key, value in nested.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return result
