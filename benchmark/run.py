"""The matrix: prepare -> train -> restore -> score -> report, each stage skipped when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark import importing, metrics, report, splits, store
from benchmark import profile as profiles
from benchmark.method import Declaration, discover, find
from benchmark.pipeline import STAGES, Pipeline, has
from benchmark.profile import Profile
from benchmark.report import Report
from benchmark.store import Store
from degradekit import atomicfiles, executors, manifest, progress, synth
from degradekit.commandline import say
from degradekit.errors import DataError, OutputFolderError, UnfinishedError


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
        jobs: methods worked on at once, each in a process of its own.
        scheduler: address of a Dask scheduler whose workers, which see ``out`` too, take the methods.
        pairs_of: a run of the same photographs whose pairs are taken instead of making them again.
    """

    profile: Profile
    declarations: Sequence[Declaration]
    out: Path
    default_train: bool = True
    workers: int | None = None
    jobs: int = 1
    scheduler: str | None = None
    pairs_of: Store | None = None
    store: Store = field(init=False)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.out)
        self.pipeline = Pipeline(self.profile, self.store)
        # Unknown names are mistakes to report before anything is written.
        for name in self.profile.metrics:
            metrics.find(name)
        self.recipe = self.profile.data.damage()

    @property
    def executor(self) -> str:
        """Name of the executor that works on the methods."""
        if self.scheduler is not None:
            return "dask"
        return "processes" if self.jobs > 1 else "serial"

    def go(self, force: Sequence[str] = ()) -> Outcome:
        """Do what is missing.

        Args:
            force: methods whose results are removed first.

        Raises:
            DegradekitError: the folder, the photographs or the configuration do not fit.
            OSError: the disk is full, or the folder cannot be written.
        """
        divided = self.split()
        with self.store.lock():
            self.store.claim(self.profile)
            for name in force:
                self.store.remove(name)
            self._prepare(divided)
            failures = self._finish_all() | importing.refresh(self.store)
            return Outcome(report.write(self.store), failures)

    def follow(self) -> None:
        """Train with the first of several processes, as ``torchrun`` started them; it does all the rest."""
        self.pipeline.follow()

    def _finish_all(self) -> dict[str, str]:
        """Do every method, those that others depend on first; method -> reason of those that failed."""
        failures: dict[str, str] = {}
        waiting, done, total = self._jobs(), set[str](), len(self._jobs())
        with executors.start(self.executor, self.jobs, self.scheduler) as pool:
            while waiting:
                ready = [job for job in waiting if done.issuperset(self.pipeline.needs(job))]
                waiting = [job for job in waiting if job not in ready]
                for name, reason in self._results(pool, ready, len(done), total):
                    done.add(name)
                    if reason:
                        failures[name] = reason
                        say(f"{name} failed: {reason}")
        return failures

    def _results(
        self, pool: tuple[Executor, int], ready: Sequence[Declaration], before: int, total: int
    ) -> Iterator[tuple[str, str | None]]:
        if self.executor == "serial":
            for number, declaration in enumerate(ready, before + 1):
                say(f"{declaration.name} ({number}/{total})")
                yield declaration.name, self.pipeline.finish(declaration)
        else:
            names = [declaration.name for declaration in ready]
            say(f"{', '.join(names)} ({before + 1} to {before + len(names)} of {total})")
            yield from executors.finished(pool, self.pipeline.finish_named, names)

    def plan(self) -> list[dict[str, str]]:
        """Every stage of every method and why it has to be done; nothing is written.

        Raises:
            DegradekitError: as of ``go``, which would refuse the folder or the photographs.
        """
        described = self._described(self.split())
        path = self.store.folder / store.DATA
        prepared = path.is_file()
        if (self.store.folder / store.CONFIG).exists():
            self.store.refuse_another(self.profile.model_dump(mode="json"))
        if prepared:
            _refuse_change(self.store.folder, manifest.read_json(path), described)
        lines = [{"method": "", "stage": "prepare", "why": "done" if prepared else "not done yet"}]
        for declaration in self._jobs():
            redo = ""
            for stage in STAGES:
                if not has(declaration, stage):
                    continue
                key = self.pipeline.key(declaration, stage) if prepared else {}
                why = (redo or self.store.stale(declaration.name, stage, key)) if prepared else "not done yet"
                redo = redo or (f"after {stage}" if why else "")
                lines.append({"method": declaration.name, "stage": stage, "why": why or "done"})
        imported = importing.stale(self.store) if prepared else {}
        return lines + [{"method": name, "stage": "score", "why": why} for name, why in imported.items()]

    def methods(self) -> list[str]:
        """Names of the chosen methods and of those they depend on."""
        return [declaration.name for declaration in self._jobs()]

    def _jobs(self) -> list[Declaration]:
        """The chosen methods and those they depend on, each after what it depends on.

        Raises:
            OptionError: the run's detector is no detector.
        """
        jobs: dict[str, Declaration] = {}

        def add(declaration: Declaration) -> None:
            for name in self.pipeline.needs(declaration):
                add(find(name))
            jobs.setdefault(declaration.name, declaration)

        for declaration in self.declarations:
            add(declaration)
        return list(jobs.values())

    def split(self) -> splits.Split:
        """Which photographs are for what; nothing is written.

        Raises:
            DegradekitError: they are missing, or cannot be divided so.
        """
        return splits.split(self.profile.data, self.profile.seed, default_train=self.default_train)

    def _prepare(self, divided: splits.Split) -> None:
        """Make the pairs of every split, once."""
        path = self.store.folder / store.DATA
        described = self._described(divided)
        if path.is_file():
            _refuse_change(self.store.folder, manifest.read_json(path), described)
            return
        if self.pairs_of is not None:
            taken = self.pairs_of.folder
            _refuse_change(taken, manifest.read_json(taken / store.DATA), described)
            self.store.take_pairs(self.pairs_of)
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


def of_folder(folder: Path, names: Sequence[str] = ()) -> Run:
    """The run in ``folder`` as it was asked for, with the methods that have results or a failure in it.

    Args:
        folder: of the run.
        names: more methods that it was asked for.

    Raises:
        DataError: the folder is no run.
    """
    there = Store(folder)
    asked = there.profile()
    known = discover()
    declarations = [known[name] for name in sorted({*there.methods(), *names}) if name in known]
    own = (
        asked.data.train == profiles.load(asked.name).data.train if asked.name in profiles.names() else False
    )
    return Run(asked, declarations, folder, own)


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
