"""The matrix: prepare -> train -> restore -> score -> report, each stage skipped when it is done."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark import (
    checkpoints,
    data,
    features,
    metrics,
    report,
    restoring,
    scoring,
    sourcecode,
    splits,
    store,
    training,
)
from benchmark.data import CropStream, Inputs, PairSet, Photographs
from benchmark.method import Declaration, Setting, Trainable, find, notes, sizes
from benchmark.profile import Profile
from benchmark.report import Report
from benchmark.store import Store
from degradekit import atomicfiles, executors, manifest, progress, recipe, sources, synth
from degradekit.commandline import STORAGE, say
from degradekit.errors import DataError, OptionError, OutputFolderError, UnfinishedError

STAGES = ("train", "restore", "score")
#: Splits a detector looks at: methods that ask for its masks are watched on one and tested on the other.
DETECTED = ("val", "test")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its report, and method -> reason for those that did not finish in it."""

    report: Report
    failures: dict[str, str]


@dataclass
class Run:
    """One benchmark run.

    Args:
        profile: what is asked for.
        declarations: the methods to run, in any order.
        out: the run's folder.
        default_train: the training photographs are the profile's own, not the user's.
        workers: processes that make pairs; no number depends on it.
    """

    profile: Profile
    declarations: Sequence[Declaration]
    out: Path
    default_train: bool = True
    workers: int | None = None
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.out)
        # Unknown names are mistakes to report before anything is written.
        self.metrics = [metrics.find(name) for name in self.profile.metrics]
        self.recipe = recipe.load(self.profile.data.recipe)

    def go(self, force: Sequence[str] = ()) -> Outcome:
        """Do what is missing.

        Args:
            force: methods whose results are removed first.

        Raises:
            DegradekitError: the folder, the photographs or the configuration do not fit.
            OSError: the disk is full, or the folder cannot be written.
        """
        divided = self._split()
        with self.store.lock():
            self.store.claim(self.profile)
            for name in force:
                self.store.remove(name)
            self._prepare(divided)
            failures: dict[str, str] = {}
            jobs = self._jobs()
            for number, declaration in enumerate(jobs, 1):
                say(f"{declaration.name} ({number}/{len(jobs)})")
                reason = self._finish(declaration)
                if reason:
                    failures[declaration.name] = reason
                    say(f"{declaration.name} failed: {reason}")
            return Outcome(report.write(self.store), failures)

    def plan(self) -> list[dict[str, str]]:
        """Every stage of every method and why it has to be done; nothing is written."""
        divided = self._split()
        described = self._described(divided)
        path = self.store.folder / store.DATA
        prepared = path.is_file() and manifest.read_json(path) == described
        lines = [{"method": "", "stage": "prepare", "why": "done" if prepared else "not done yet"}]
        for declaration in self._jobs():
            redo = ""
            for stage in STAGES:
                if not _has(declaration, stage):
                    continue
                key = self._key(declaration, stage) if prepared else {}
                why = (redo or self.store.stale(declaration.name, stage, key)) if prepared else "not done yet"
                redo = redo or (f"after {stage}" if why else "")
                lines.append({"method": declaration.name, "stage": stage, "why": why or "done"})
        return lines

    def _jobs(self) -> list[Declaration]:
        """The chosen methods and those they depend on, each after what it depends on.

        Raises:
            OptionError: the run's detector is no detector.
        """
        jobs: dict[str, Declaration] = {}

        def add(declaration: Declaration) -> None:
            for name in self._needs(declaration):
                add(find(name))
            jobs.setdefault(declaration.name, declaration)

        for declaration in self.declarations:
            add(declaration)
        return list(jobs.values())

    def _needs(self, declaration: Declaration) -> list[str]:
        """Names of the methods whose results this one uses."""
        needs = [] if declaration.trained_as is None else [declaration.trained_as]
        if declaration.mask == "detected":
            if find(self.profile.detector).kind != "detector":
                raise OptionError(f"detector: '{self.profile.detector}' restores, it detects nothing")
            needs.append(self.profile.detector)
        return needs

    def _split(self) -> splits.Split:
        return splits.split(self.profile.data, self.profile.seed, default_train=self.default_train)

    def _prepare(self, divided: splits.Split) -> None:
        """Make the pairs of every split, once."""
        path = self.store.folder / store.DATA
        described = self._described(divided)
        if path.is_file():
            _refuse_change(self.store.folder, manifest.read_json(path), described)
            return
        splits.refuse_overlap(divided)
        asked = self.profile.data
        for part in splits.SPLITS:
            of_test = part == "test"
            copies, size = (asked.test_copies, asked.test_size) if of_test else (asked.copies, asked.size)
            plan = synth.Plan(
                getattr(divided, part), self.recipe, self.store.data(part), copies, size, self.profile.seed
            )
            with progress.reporter(f"{part} pairs") as on_progress:
                summary = synth.synthesize(
                    plan, workers=self.workers or executors.available_cores(), on_progress=on_progress
                )
            if summary.errors:
                raise DataError(f"{len(summary.errors)} {part} pairs failed: {summary.errors[0]['error']}")
        atomicfiles.write_json(path, described)

    def _described(self, divided: splits.Split) -> dict[str, Any]:
        """The content of ``data.json``."""
        sources = {part: getattr(divided, part) for part in splits.SPLITS}
        return {
            "recipe": {"name": self.recipe.name, "sha256": self.recipe.fingerprint},
            "photographs": {part: len(found) for part, found in sources.items()},
            "sources": {part: [f"{s.key}\t{s.extent}" for s in found] for part, found in sources.items()},
        }

    def _finish(self, declaration: Declaration) -> str | None:
        """Do a method's missing stages; returns the reason when it fails, whatever the method raised."""
        reason = declaration.unavailable()
        stage = "unavailable"
        if reason is None:
            try:
                for stage in STAGES:
                    self._stage(declaration, stage)
                return None
            except Exception as error:
                if isinstance(error, OSError) and error.errno in STORAGE:
                    raise
                atomicfiles.write_text(
                    self.store.method(declaration.name) / "error.txt", traceback.format_exc()
                )
                reason = " ".join(f"{type(error).__name__}: {error}".split())
        self.store.mark_failed(declaration.name, stage, reason)
        return reason

    def _stage(self, declaration: Declaration, stage: str) -> None:
        name = declaration.name
        key = self._key(declaration, stage)
        why = self.store.stale(name, stage, key)
        if why is None or not _has(declaration, stage):
            return
        if why != "not done yet":
            say(f"{name}: {stage} again, {why}")
        # What follows is made from this.
        for later in reversed(STAGES[STAGES.index(stage) :]):
            self.store.forget(name, later)
        {"train": self._train, "restore": self._restore, "score": self._score}[stage](declaration, key)
        self.store.mark_done(name, stage, key)

    def _train(self, declaration: Declaration, key: dict[str, str]) -> None:
        budget, seed = self.profile.train, self.profile.seed
        device = training.prepare(budget)
        method = training.build(declaration, self._setting(), device)
        assert isinstance(method, Trainable)
        crops = CropStream(
            PairSet(self.store.data("train")),
            crop=budget.crop,
            batch=budget.batch,
            seed=seed,
            paired=declaration.trains == "paired",
            real=self._real(),
            labelled=self._labelled(),
        )
        folder = self.store.method(declaration.name)
        with progress.reporter(f"steps of {declaration.name}") as on_progress:
            cost = training.train(
                method,
                declaration,
                crops,
                PairSet(self.store.data("val"), self._detected(declaration, "val")),
                budget=budget,
                device=device,
                seed=seed,
                folder=folder,
                key=atomicfiles.fingerprint(key),
                on_progress=on_progress,
            )
        # Not in any table: two runs of the same numbers never take the same time.
        cost |= {"device": str(device), **store.environment()}
        atomicfiles.write_json(folder / "cost.json", cost)

    def _real(self) -> Photographs | None:
        return data.real_photographs(sources.find(self.profile.data.real)) if self.profile.data.real else None

    def _labelled(self) -> Photographs | None:
        folder = self.profile.data.labelled
        return None if folder is None else data.labelled_photographs(Path(folder))

    def _detected(self, declaration: Declaration, part: str) -> Path | None:
        """Folder of the masks that the run's detector found; None for a method that gets none of these."""
        return self.store.detected(self.profile.detector, part) if declaration.mask == "detected" else None

    def _restore(self, declaration: Declaration, key: dict[str, str]) -> None:
        name = declaration.name
        folder = self.store.method(name)
        device = training.prepare(self.profile.train)
        method = training.build(declaration, self._setting(), device)
        about: dict[str, Any] = {
            "summary": declaration.summary,
            "kind": declaration.kind,
            "trains": declaration.trains,
            "mask": declaration.mask,
            "per_image": declaration.per_image,
            "parameters": {},
            "notes": notes(method),
        }
        if isinstance(method, Trainable):
            checkpoints.load_weights(method, self.store.method(declaration.weights_of) / training.WEIGHTS)
            (folder / training.CHECKPOINT).unlink(missing_ok=True)
            about["parameters"] = sizes(method)
        atomicfiles.write_json(folder / "method.json", about)
        self._clear_others(name, key)
        for part in DETECTED if declaration.kind == "detector" else ("test",):
            inputs = Inputs(self.store.data(part), self._detected(declaration, part))
            with progress.reporter(f"images restored by {name}") as on_progress:
                restoring.restore_folder(
                    method,
                    declaration,
                    inputs,
                    self.store.detected(name, part)
                    if declaration.kind == "detector"
                    else self.store.restored(name),
                    seed=self.profile.seed,
                    on_progress=on_progress,
                    stems=self._stems(declaration, inputs),
                )

    def _stems(self, declaration: Declaration, inputs: Inputs) -> list[str]:
        """Test images a method restores: all, or for one that optimises on each a fixed few of them.

        These are every n-th in the order of names, so that they are spread over the photographs.
        """
        limit = self.profile.train.per_image_limit
        if not declaration.per_image or limit is None or limit >= len(inputs):
            return inputs.stems
        return [inputs.stems[place * len(inputs) // limit] for place in range(limit)]

    def _clear_others(self, name: str, key: dict[str, str]) -> None:
        """Remove restored images made under another key; those of a killed run with this key stay."""
        import shutil

        mark = self.store.method(name) / "restoring.json"
        if not mark.is_file() or manifest.read_json(mark) != key:
            for made in (self.store.restored(name), *(self.store.detected(name, part) for part in DETECTED)):
                shutil.rmtree(made, ignore_errors=True)
            atomicfiles.write_json(mark, key)

    def _score(self, declaration: Declaration, key: dict[str, str]) -> None:
        with progress.reporter(f"images of {declaration.name} scored") as on_progress:
            pairs = PairSet(self.store.data("test"))
            rows = scoring.score(
                declaration.name,
                self.store.restored(declaration.name),
                pairs.subset(self._stems(declaration, pairs)),
                self.metrics,
                seed=self.profile.seed,
                on_progress=on_progress,
            )
        atomicfiles.write_text(self.store.method(declaration.name) / "scores.csv", scoring.to_csv(rows))

    def _setting(self) -> Setting:
        profile = self.profile
        return Setting(profile.width, profile.seed, profile.train.per_image_iterations)

    def _key(self, declaration: Declaration, stage: str) -> dict[str, str]:
        """What a stage's result depends on, in parts that a message can name."""
        profile = self.profile
        key = {"seed": str(profile.seed), "width": str(profile.width)}
        budget = profile.train.model_dump(exclude={"per_image_iterations", "per_image_limit"})
        if stage == "train" or declaration.trains != "none":
            key |= {
                "budget": atomicfiles.fingerprint(budget),
                "training pairs": self._pairs("train"),
                "validation pairs": self._pairs("val"),
                "training code": sourcecode.fingerprint(declaration.module, "benchmark.training"),
                "pretrained weights": atomicfiles.fingerprint(features.present()),
            }
            if profile.data.real:
                key["real photographs"] = self._files(profile.data.real)
            if profile.data.labelled:
                key["labelled photographs"] = self._files([profile.data.labelled])
        if declaration.mask == "detected":
            # Restoring the detector's maps stands for all that they depend on.
            detector = self._key(find(profile.detector), "restore")
            key["detected masks"] = atomicfiles.fingerprint(detector)
        if stage == "train":
            return key
        if declaration.per_image:
            train = profile.train
            key["per-image budget"] = f"{train.per_image_iterations} steps, {train.per_image_limit} images"
        key |= {
            "test pairs": self._pairs("test"),
            "restoring code": sourcecode.fingerprint(declaration.module, "benchmark.restoring"),
        }
        if stage == "restore":
            return key
        functions = {metric.function.__module__ for metric in self.metrics}
        return {
            **key,
            "metrics": ", ".join(metric.convention for metric in self.metrics),
            "official weights": atomicfiles.canonical_json(metrics.weights_key(self.metrics)),
            "scoring code": sourcecode.fingerprint("benchmark.scoring", *sorted(functions)),
        }

    def _files(self, origins: Sequence[str]) -> str:
        """Fingerprint of files that pairs are not made of: names, sizes and times of change."""
        found = sources.find(origins)
        return atomicfiles.fingerprint([f"{source.key} {source.extent}" for source in found])

    def _pairs(self, part: str) -> str:
        """Fingerprint of a split's pairs: names and hashes of decoded pixels."""
        rows = manifest.read_rows(self.store.data(part))
        hashed = [{key: row[key] for key in row if key.endswith(("file_name", "sha256"))} for row in rows]
        return atomicfiles.fingerprint(hashed)


def _has(declaration: Declaration, stage: str) -> bool:
    """Whether a method goes through a stage; one that only detects has no restored images to score."""
    if stage == "train":
        return declaration.trains != "none" and declaration.trained_as is None
    return stage != "score" or declaration.kind == "restorer"


def require_finished(outcome: Outcome, optional: bool) -> None:
    """Complain about methods that did not finish.

    Args:
        outcome: of the run.
        optional: the methods were not named one by one, so one that is unavailable here is no failure.

    Raises:
        UnfinishedError: one failed; the message names all.
    """
    failures = {
        name: reason
        for name, reason in outcome.failures.items()
        if not (
            optional
            and any(
                line.name == name and line.failure.startswith("unavailable") for line in outcome.report.lines
            )
        )
    }
    if failures:
        listed = "; ".join(f"{name} ({reason})" for name, reason in failures.items())
        raise UnfinishedError(f"{len(failures)} methods did not finish: {listed}; the others did")


def _refuse_change(folder: Path, there: dict[str, Any], asked: dict[str, Any]) -> None:
    if there == asked:
        return
    parts = {"": splits.SPLITS, **{f"{part} ": (part,) for part in splits.SPLITS}}
    for which, members in parts.items():
        before, now = (
            {line for part in members for line in side["sources"][part]} for side in (there, asked)
        )
        if before != now:
            first = min(before ^ now).partition("\t")[0]
            raise OutputFolderError(
                f"{folder}: holds another run ({which}photographs: {len(before)} there, {len(now)} asked "
                f"for; '{first}' is new, gone or changed); name another folder with --out"
            )
    raise OutputFolderError(
        f"{folder}: holds another run (recipe '{there['recipe']['name']}' has changed since); "
        "name another folder with --out"
    )
