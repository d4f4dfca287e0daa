"""One method's way through a run: train, restore, score, each stage skipped when it is done."""

from __future__ import annotations

import hashlib
import shutil
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark import (
    apart,
    checkpoints,
    data,
    features,
    metrics,
    processes,
    restoring,
    scoring,
    sourcecode,
    store,
    training,
)
from benchmark.data import CropStream, Inputs, PairSet, Photographs
from benchmark.method import Declaration, Detector, Iterative, Method, Setting, Trainable, find, notes, sizes
from benchmark.profile import Profile
from benchmark.store import COST, Store
from degradekit import atomicfiles, imagefiles, manifest, progress, sources
from degradekit.commandline import STORAGE, say
from degradekit.errors import OptionError

STAGES = ("train", "restore", "score")
#: Splits a detector looks at: methods that ask for its masks are watched on one and tested on the other.
DETECTED = ("val", "test")
#: Settings of methods that optimise on each image, which training does not depend on.
OF_EACH_IMAGE = {"per_image_iterations", "per_image_limit", "per_image_batch"}


@dataclass(frozen=True)
class Pipeline:
    """The stages of any method in one run, whose pairs are made."""

    profile: Profile
    store: Store

    def finish_named(self, name: str) -> tuple[str, str | None]:
        """``finish`` for a worker process: the method's name and why it did not finish, or None."""
        return name, self.finish(find(name))

    def needs(self, declaration: Declaration) -> list[str]:
        """Names of the methods whose results this one uses."""
        needs = [] if declaration.trained_as is None else [declaration.trained_as]
        if declaration.mask == "detected":
            if find(self.profile.detector).kind != "detector":
                raise OptionError(f"detector: '{self.profile.detector}' restores, it detects nothing")
            needs.append(self.profile.detector)
        return needs

    def finish(self, declaration: Declaration) -> str | None:
        """Do a method's missing stages; returns the reason when it fails, whatever the method raised."""
        name = declaration.name
        if reason := declaration.unavailable():
            self.store.mark_failed(name, "unavailable", reason)
            return reason
        for other in self.needs(declaration):
            if "restore" not in self.store.done(other):
                return self._held_up(name, other)
        stage = STAGES[0]
        try:
            for stage in STAGES:
                self._stage(declaration, stage)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in STORAGE:
                raise
            atomicfiles.write_text(self.store.method(name) / "error.txt", traceback.format_exc())
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self.store.mark_failed(name, stage, reason)
            return reason
        # Where all was done already, no new mark has taken back a failure of before.
        self.store.clear_failure(name)
        return None

    def _held_up(self, name: str, other: str) -> str:
        """Record that a method fails because another one did; the reason."""
        what = f"{other}, which did not finish"
        if self.store.failure(other).get("stage") == "unavailable":
            self.store.mark_failed(name, "unavailable", f"needs {what}")
        else:
            self.store.mark_failed(name, "needs", what)
        return f"needs {what}"

    def _stage(self, declaration: Declaration, stage: str) -> None:
        name = declaration.name
        key = self.key(declaration, stage)
        why = self.store.stale(name, stage, key)
        if why is None or not has(declaration, stage):
            return
        if why != "not done yet":
            say(f"{name}: {stage} again, {why}")
        # What follows is made from this.
        for later in reversed(STAGES[STAGES.index(stage) :]):
            self.store.forget(name, later)
        {"train": self._train, "restore": self._restore, "score": self._score}[stage](declaration, key)
        self.store.mark_done(name, stage, key)

    def _train(self, declaration: Declaration, key: dict[str, str]) -> None:
        processes.tell(declaration.name)  # The others begin the same training; see ``follow``.
        self._train_here(declaration, key)

    def follow(self) -> None:
        """Of several processes, what those do that are not the first: train with it until it has finished."""
        while (name := processes.tell(None)) is not None:
            declaration = find(name)
            # The first process meets the same error, and reports it.
            with suppress(training.DivergedError):
                self._train_here(declaration, self.key(declaration, "train"))

    def _train_here(self, declaration: Declaration, key: dict[str, str]) -> None:
        budget, seed = self.profile.train, self.profile.method_seed
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
        # A method built anew does not know what it was trained with.
        cost["notes"] = list(notes(method))
        if processes.rank() == 0:
            atomicfiles.write_json(folder / COST, cost)

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
        inputs = Inputs(self.store.data("test"), self._detected(declaration, "test"))
        stems = self._stems(declaration, inputs)
        said = self._notes(declaration, method)
        if len(stems) < len(inputs):
            said.append(f"tested on {len(stems)} of the {len(inputs)} images, out of the contest for bold")
        about: dict[str, Any] = {
            "summary": declaration.summary,
            "kind": declaration.kind,
            "trains": declaration.trains,
            "mask": declaration.mask,
            "weights_of": declaration.weights_of,
            "per_image": declaration.per_image,
            "parameters": {},
            "notes": said,
        }
        if isinstance(method, Trainable):
            checkpoints.load_weights(method, self.store.method(declaration.weights_of) / training.WEIGHTS)
            for left in (training.CHECKPOINT, training.BEST):
                (folder / left).unlink(missing_ok=True)
            about["parameters"] = sizes(method)
        atomicfiles.write_json(folder / "method.json", about)
        self._clear_others(name, key)
        if declaration.kind == "detector":
            for part in DETECTED:
                self._make(
                    method, declaration, Inputs(self.store.data(part)), self.store.detected(name, part)
                )
        else:
            self._make(method, declaration, inputs, self.store.restored(name), stems)

    def _notes(self, declaration: Declaration, method: Method | Detector) -> list[str]:
        """What a reader has to know: as the training wrote it, or as a method without training says it."""
        if not isinstance(method, Trainable):
            return list(notes(method))
        told: list[str] = manifest.read_json(self.store.method(declaration.weights_of) / COST)["notes"]
        return told

    def _make(
        self,
        method: Method | Detector,
        declaration: Declaration,
        inputs: restoring.Images,
        out: Path,
        stems: Sequence[str] | None = None,
    ) -> None:
        counted = "iterations" if isinstance(method, Iterative) else "images"
        with progress.reporter(f"{counted} by {declaration.name}") as on_progress:
            restoring.restore_folder(
                method,
                declaration,
                inputs,
                out,
                seed=self.profile.method_seed,
                on_progress=on_progress,
                stems=stems,
                at_most=self.profile.train.per_image_batch,
            )

    def _stems(self, declaration: Declaration, inputs: restoring.Images) -> list[str]:
        """Test images a method restores: all, or for one that optimises on each a fixed few of them.

        These are every n-th in the order of names, so that they are spread over the photographs.
        """
        limit = self.profile.train.per_image_limit
        if not declaration.per_image or limit is None or limit >= len(inputs):
            return inputs.stems
        return [inputs.stems[place * len(inputs) // limit] for place in range(limit)]

    def _clear_others(self, name: str, key: dict[str, str]) -> None:
        """Remove restored images made under another key; those of a killed run with this key stay."""
        mark = self.store.method(name) / "restoring.json"
        if not mark.is_file() or manifest.read_json(mark) != key:
            for made in (self.store.restored(name), *(self.store.detected(name, part) for part in DETECTED)):
                shutil.rmtree(made, ignore_errors=True)
            atomicfiles.write_json(mark, key)

    def _apart(self, declaration: Declaration, which: str, key: dict[str, str]) -> Path | str:
        """Restore clean or real photographs by a method built anew; the folder, or why there is none."""
        if which == "real" and not self.profile.data.real:
            return "no real photographs in this run"
        if which == "real" and declaration.mask == "oracle":
            return "nobody knows where a real photograph is damaged"
        out = self.store.apart(declaration.name, which)
        masks = out / ".masks" if declaration.mask == "detected" else None
        inputs = self._inputs_apart(declaration, which, masks)
        key = {**key, "images": atomicfiles.fingerprint(inputs.stems)}
        mark = self.store.method(declaration.name) / f"on_{which}.json"
        if not mark.is_file() or manifest.read_json(mark) != key:
            shutil.rmtree(out, ignore_errors=True)
            atomicfiles.write_json(mark, key)
        if masks is not None:
            detector = find(self.profile.detector)
            self._apply_apart(detector, self._inputs_apart(detector, which, None), masks)
        self._apply_apart(declaration, inputs, out)
        return out

    def _inputs_apart(
        self, declaration: Declaration, which: str, masks: Path | None
    ) -> apart.CleanInputs | apart.RealInputs:
        if which == "real":
            return apart.RealInputs(sources.find(self.profile.data.real), masks)
        pairs = PairSet(self.store.data("test"))
        first = scoring.first_variants(pairs, self._stems(declaration, pairs))
        return apart.CleanInputs(pairs.subset(first), masks)

    def _apply_apart(self, declaration: Declaration, inputs: restoring.Images, out: Path) -> None:
        method = training.build(declaration, self._setting(), training.prepare(self.profile.train))
        if isinstance(method, Trainable):
            checkpoints.load_weights(method, self.store.method(declaration.weights_of) / training.WEIGHTS)
        self._make(method, declaration, inputs, out, self._stems(declaration, inputs))

    def _score(self, declaration: Declaration, key: dict[str, str]) -> None:
        scopes = {metric.scope for metric in self._metrics()}
        of_scores = scoring.key(self._metrics())
        restored = {name: key[name] for name in key if name not in of_scores}
        apart_from_pairs = {
            f"{which}_restored": self._apart(declaration, which, restored)
            for which in ("clean", "real")
            if which in scopes
        }
        with progress.reporter(f"images of {declaration.name} scored") as on_progress:
            pairs = PairSet(self.store.data("test"))
            rows = scoring.score(
                declaration.name,
                self.store.restored(declaration.name),
                pairs,
                self._metrics(),
                seed=self.profile.method_seed,
                on_progress=on_progress,
                stems=self._stems(declaration, pairs),
                **apart_from_pairs,
            )
        atomicfiles.write_text(self.store.method(declaration.name) / "scores.csv", scoring.to_csv(rows))

    def _metrics(self) -> list[metrics.Metric]:
        return [metrics.find(name) for name in self.profile.metrics]

    def _setting(self) -> Setting:
        profile = self.profile
        return Setting(profile.width, profile.method_seed, profile.train.per_image_iterations)

    def key(self, declaration: Declaration, stage: str) -> dict[str, str]:
        """What a stage's result depends on, in parts that a message can name."""
        profile = self.profile
        # Of the data's seed the pairs speak for themselves.
        key = {"seed": str(profile.method_seed), "width": str(profile.width)}
        budget = profile.train.model_dump(exclude=OF_EACH_IMAGE)
        if stage == "train" or declaration.trains != "none":
            key |= {
                "budget": atomicfiles.fingerprint(budget),
                "training pairs": self._pairs("train"),
                "validation pairs": self._pairs("val"),
                "training code": sourcecode.fingerprint(declaration.module, "benchmark.training"),
                "pretrained weights": atomicfiles.fingerprint(features.of_training()),
            }
            if profile.data.real:
                key["real photographs"] = self._files(profile.data.real)
            if profile.data.labelled:
                key["labelled photographs"] = self._files([profile.data.labelled])
        if declaration.mask == "detected":
            # Restoring the detector's maps stands for all that they depend on.
            detector = self.key(find(profile.detector), "restore")
            key["detected masks"] = atomicfiles.fingerprint(detector)
        if stage == "train":
            return key
        if declaration.per_image:
            train = profile.train
            key["per-image budget"] = f"{train.per_image_iterations} steps, {train.per_image_limit} images"
            if train.per_image_batch is not None:
                key["per-image batch"] = str(train.per_image_batch)
        key |= {
            "test pairs": self._pairs("test"),
            "restoring code": sourcecode.fingerprint(declaration.module, "benchmark.restoring"),
        }
        if stage == "restore":
            return key
        if profile.data.real and any(metric.scope == "real" for metric in self._metrics()):
            key["real photographs"] = self._files(profile.data.real)
        return key | scoring.key(self._metrics())

    def _files(self, origins: Sequence[str]) -> str:
        """Fingerprint of photographs that pairs are not made of: names and content."""
        found = sources.find(origins)
        return atomicfiles.fingerprint([f"{source.key} {_content(source)}" for source in found])

    def _pairs(self, part: str) -> str:
        """Fingerprint of a split's pairs: names and hashes of decoded pixels."""
        rows = manifest.read_rows(self.store.data(part))
        hashed = [{key: row[key] for key in row if key.endswith(("file_name", "sha256"))} for row in rows]
        return atomicfiles.fingerprint(hashed)


def _content(source: sources.Source) -> str:
    if isinstance(source, sources.FileSource):
        return _hash(source.path, source.stamp)
    return str(source.extent)


@cache
def _hash(path: Path, stamp: tuple[int, ...]) -> str:
    """SHA-256 (hex) of a file; taken again by one program only if ``stamp`` has changed."""
    return hashlib.sha256(imagefiles.read_bytes(path)).hexdigest()


def has(declaration: Declaration, stage: str) -> bool:
    """Whether a method goes through a stage; one that only detects has no restored images to score."""
    if stage == "train":
        return declaration.trains != "none" and declaration.trained_as is None
    return stage != "score" or declaration.kind == "restorer"
