"""The same detector trained on different data, tested on the same pictures: what each kind of data is worth.

After Wan et al. (CVPR 2020), figure 3: trained on procedural damage without elastic distortion, with it, with
the user's textures added, with real photographs labelled by hand added. Tested on synthetic damage of
photographs it never saw, and on textures it never saw. ::

    recipes/SETTING.yaml        what each was trained on
    data/SETTING/{train,val}    its pairs; data/test-synthetic, data/test-textures: everybody's tests
    SETTING/                    a run's folder with the detector in it, for ``benchmark detect --run``
    SETTING/maps/TEST/          its probability maps of the tests, 16 bit
    curves.png .svg .csv  results.json
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmark import method as methods
from benchmark import photographs, sourcecode, splits, training
from benchmark.data import CropStream, Inputs, PairSet, labelled_photographs
from benchmark.method import Setting, Trainable
from benchmark.metrics.detection import Detection, Histogram
from benchmark.profile import Profile
from benchmark.report import detection_curves
from benchmark.store import Store
from degradekit import atomicfiles, executors, imagefiles, manifest, ops, progress, recipe, synth
from degradekit.commandline import say
from degradekit.errors import DataError, OutputFolderError
from degradekit.levels import as_float, quantise
from degradekit.recipe import Recipe
from degradekit.sources import Source

DETECTOR = "scratch_detector"
SYNTHETIC, TEXTURES = "test-synthetic", "test-textures"
#: What textures never seen are laid over: a plain print, scanned.
PLAIN: dict[str, Any] = {
    "name": "unseen-textures",
    "format": "10x15cm",
    "steps": [{"film_grain": {"radius_um": {"log_uniform": [7, 20]}}}],
}
SCANNED: list[Any] = [
    {"gaussian_blur": {"sigma_mm": {"uniform": [0.03, 0.1]}}},
    {"jpeg": {"quality": {"integer": [70, 95]}}},
]


@dataclass(frozen=True)
class Lesson:
    """What one detector is trained on: a recipe, and a folder of labelled real photographs or None."""

    name: str
    recipe: Recipe
    labelled: Path | None = None


@dataclass(frozen=True)
class Study:
    """The whole experiment.

    Args:
        profile: photographs, budget, width; its recipe is the procedural damage.
        out: folder of the results.
        own: the training photographs are the profile's own.
        textures: folder of the user's textures for training (see ``recipe.with_textures``), or None.
        unseen: folder of textures for the test, or None.
        labelled: folder of labelled real photographs, or None.
        workers: processes that make pairs.
    """

    profile: Profile
    out: Path
    own: bool = True
    textures: Path | None = None
    unseen: Path | None = None
    labelled: Path | None = None
    workers: int | None = None

    def lessons(self) -> list[Lesson]:
        """The detectors to train; each one's data is the one's before with something added."""
        bent = self.profile.data.damage()
        found = [Lesson("straight", without_elastic(bent)), Lesson("elastic", bent)]
        if self.textures is not None:
            found.append(Lesson("textures", recipe.with_textures(bent, self.textures)))
        if self.labelled is not None:
            found.append(Lesson("labelled", found[-1].recipe, self.labelled))
        return found

    def go(self) -> dict[str, dict[str, dict[str, float]]]:
        """Do what is missing; test set -> detector -> its numbers. A run that was stopped goes on.

        Raises:
            DegradekitError: the photographs, folders or the profile do not fit.
            NoValueError: a test set has no lost pixel.
        """
        divided = splits.split(self.profile.data, self.profile.seed, default_train=self.own)
        splits.refuse_overlap(divided)
        tests = {SYNTHETIC: self.profile.data.damage()}
        if self.unseen is not None:
            tests[TEXTURES] = unseen_textures(self.unseen)
        data = self.profile.data
        for name, damage in tests.items():
            self._pairs(divided.test, damage, name, data.test_copies, data.test_size)
        scored: dict[str, dict[str, Detection]] = {name: {} for name in tests}
        for lesson in self.lessons():
            self._learn(lesson, divided)
            for name in tests:
                scored[name][lesson.name] = self._test(lesson, name)
        return self._write(scored)

    def _pairs(
        self, sources: tuple[Source, ...], damage: Recipe, place: str, copies: int, size: int | None
    ) -> None:
        folder = self.out / "data" / place
        plan = synth.Plan(sources, damage, folder, copies, size, self.profile.seed)
        with progress.reporter(f"pairs of {place}") as on_progress:
            made = synth.synthesize(
                plan, workers=self.workers or executors.available_cores(), on_progress=on_progress
            )
        if made.errors:
            raise DataError(f"{len(made.errors)} pairs of {place} failed: {made.errors[0]['error']}")

    def _learn(self, lesson: Lesson, divided: splits.Split) -> None:
        """Train the detector of a lesson, unless that is done."""
        path = self.out / "recipes" / f"{lesson.name}.yaml"
        atomicfiles.write_text(path, yaml.safe_dump(dict(lesson.recipe.raw), sort_keys=False))
        data = self.profile.data
        for part in ("train", "val"):
            place = f"{lesson.name}/{part}"
            self._pairs(getattr(divided, part), lesson.recipe, place, data.copies, data.size)
        store, key = Store(self.out / lesson.name), self._key(lesson)
        store.claim(self._profile_of(lesson, path))
        if store.stale(DETECTOR, "train", key) is None:
            return
        declaration = methods.find(DETECTOR)
        device = training.prepare(self.profile.train)
        method = training.build(declaration, self._setting(), device)
        assert isinstance(method, Trainable)
        budget = self.profile.train
        crops = CropStream(
            PairSet(self.out / "data" / lesson.name / "train"),
            crop=budget.crop,
            batch=budget.batch,
            seed=self.profile.method_seed,
            labelled=None if lesson.labelled is None else labelled_photographs(lesson.labelled),
        )
        say(f"{lesson.name}: {DETECTOR} trains")
        with progress.reporter(f"steps of {lesson.name}") as on_progress:
            training.train(
                method,
                declaration,
                crops,
                PairSet(self.out / "data" / lesson.name / "val"),
                budget=budget,
                device=device,
                seed=self.profile.method_seed,
                folder=store.method(DETECTOR),
                key=atomicfiles.fingerprint(key),
                on_progress=on_progress,
            )
        store.mark_done(DETECTOR, "train", key)

    def _test(self, lesson: Lesson, test: str) -> Detection:
        """Maps of a test set, written as 16 bit images and scored."""
        inputs = Inputs(self.out / "data" / test)
        detector = photographs.load(self.out / lesson.name, DETECTOR)
        detection = Detection()
        with progress.reporter(f"pictures of {test} by {lesson.name}") as on_progress:
            for index, stem in enumerate(inputs.stems):
                on_progress(index, len(inputs))
                image = as_float(inputs.degraded(index))
                found = quantise(detector.detect(image, lambda done, total: None), 16)
                detection.add(found, inputs.mask(index))
                path = self.out / lesson.name / "maps" / test / f"{stem}.png"
                atomicfiles.write_bytes(path, imagefiles.encode_png(found))
        return detection

    def _write(self, scored: Mapping[str, Mapping[str, Detection]]) -> dict[str, dict[str, dict[str, float]]]:
        results = {
            test: {name: one.summary() for name, one in detectors.items()}
            for test, detectors in scored.items()
        }
        curves: dict[str, dict[str, Histogram]] = {
            test: {name: one.histogram for name, one in detectors.items()}
            for test, detectors in scored.items()
        }
        for suffix in ("png", "svg"):
            detection_curves.figure(curves, self.out / f"curves.{suffix}")
        detection_curves.table(curves, self.out / "curves.csv")
        atomicfiles.write_json(self.out / "results.json", results)
        return results

    def _setting(self) -> Setting:
        train = self.profile.train
        return Setting(self.profile.width, self.profile.method_seed, train.per_image_iterations)

    def _profile_of(self, lesson: Lesson, path: Path) -> Profile:
        labelled = None if lesson.labelled is None else str(lesson.labelled)
        changes = {"recipe": str(path.absolute()), "labelled": labelled}
        return self.profile.model_copy(update={"data": self.profile.data.model_copy(update=changes)})

    def _key(self, lesson: Lesson) -> dict[str, str]:
        """What a trained detector depends on."""
        pairs = {
            part: [row["sha256"] for row in manifest.read_rows(self.out / "data" / lesson.name / part)]
            for part in ("train", "val")
        }
        return {
            "seed": str(self.profile.method_seed),
            "width": str(self.profile.width),
            "budget": self.profile.train.model_dump_json(),
            "pairs": atomicfiles.fingerprint(pairs),
            "labelled photographs": _content(lesson.labelled),
            "training code": sourcecode.fingerprint(methods.find(DETECTOR).module, "benchmark.training"),
        }


def without_elastic(damage: Recipe) -> Recipe:
    """The recipe with every elastic distortion off, those that stand at their default too."""
    steps = [_straight(step) for step in damage.raw["steps"]]
    return recipe.parse({**damage.raw, "steps": steps}, damage.name)


def unseen_textures(folder: Path) -> Recipe:
    """A plain print on which only the textures of ``folder`` lie, scanned."""
    damage = recipe.with_textures(recipe.parse(PLAIN), folder)
    return recipe.parse({**damage.raw, "steps": [*damage.raw["steps"], *SCANNED]}, damage.name)


def _straight(node: Any) -> Any:
    if isinstance(node, str):
        node = {node: {}}
    return {key: _straightened(key, value) for key, value in node.items()}


def _straightened(key: str, value: Any) -> Any:
    if key in recipe.GROUPS:
        return [_straight(member) for member in value]
    if key in recipe.MODIFIERS:
        return value
    off = {name: 0.0 for name in ops.find(key).parameters if name.startswith("elastic")}
    return {**(value or {}), **off}


def _content(folder: Path | None) -> str:
    if folder is None:
        return "none"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise DataError(f"{folder}: no such folder, or it is empty")
    return atomicfiles.fingerprint(list(_named(folder, files)))


def _named(folder: Path, files: list[Path]) -> Iterator[str]:
    for path in files:
        yield f"{path.relative_to(folder).as_posix()} {imagefiles.pixel_hash(imagefiles.read(path).rgb)}"


def refuse_strangers(out: Path) -> None:
    """OutputFolderError if the folder holds what is no such study."""
    if out.is_dir() and any(out.iterdir()) and not (out / "data").is_dir():
        raise OutputFolderError(f"{out}: holds files that are no such study; name an empty folder")
