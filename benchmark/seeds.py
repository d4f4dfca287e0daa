"""One run for each of several training seeds, one after the other, and the report of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark import pool, processes, report
from benchmark.method import Declaration
from benchmark.profile import Profile
from benchmark.report import numbers
from benchmark.run import Outcome, Run, of_folder
from benchmark.store import CONFIG, Store
from degradekit.commandline import say


@dataclass
class Seeds:
    """Runs that differ in what methods draw; all of the same pairs, which the first one makes.

    Args:
        profile: what is asked for; its training seed is the first one.
        count: how many runs; the training seeds follow each other.
        declarations: the methods to run, in any order.
        out: the folder of the report; the runs are in ``seed-N`` below it.
        default_train: the training photographs are the profile's own, not the user's.
        workers: processes that make pairs; no number depends on it.
        jobs: methods worked on at once, each in a process of its own.
        scheduler: address of a Dask scheduler whose workers, which see ``out`` too, take the methods.
    """

    profile: Profile
    count: int
    declarations: Sequence[Declaration]
    out: Path
    default_train: bool = True
    workers: int | None = None
    jobs: int = 1
    scheduler: str | None = None
    runs: dict[int, Run] = field(init=False)

    def __post_init__(self) -> None:
        first = self.profile.method_seed
        self.runs = {seed: self._run(seed) for seed in range(first, first + self.count)}
        for seed in range(first + 1, first + self.count):
            self.runs[seed].pairs_of = self.runs[first].store

    def _run(self, seed: int) -> Run:
        return Run(
            self.profile.model_copy(update={"training_seed": seed}),
            self.declarations,
            self.out / f"seed-{seed}",
            self.default_train,
            self.workers,
            self.jobs,
            self.scheduler,
        )

    def go(self, force: Sequence[str] = ()) -> Outcome:
        """Do what is missing; a run that was stopped goes on.

        Args:
            force: methods whose results are removed first, those of every seed.

        Raises:
            DegradekitError: a folder, the photographs or the configuration do not fit.
            OSError: the disk is full, or a folder cannot be written.
        """
        next(iter(self.runs.values())).split()  # What is wrong with the photographs comes before the folder.
        stores = {seed: run.store for seed, run in self.runs.items()}
        failures: dict[str, dict[int, str]] = {}
        left = len(self.runs) - 1
        with Store(self.out).lock():
            pool.claim(self.out, stores)
            try:
                for seed, run in self.runs.items():
                    say(f"training seed {seed} ({len(self.runs) - left}/{len(self.runs)})")
                    for name, reason in run.go(force).failures.items():
                        failures.setdefault(name, {})[seed] = reason
                    pool.record(self.out, stores)  # It was not refused.
                    if left:
                        processes.tell(None)  # The others go on to the next run; see ``follow``.
                        left -= 1
            finally:
                for _ in range(left):
                    processes.tell(None)
            pool.refuse_mixture(list(stores.values()))
            pooled = report.write(Store(self.out), list(stores.values()))
        return Outcome(
            pooled, {name: numbers.joined(reasons, len(self.runs)) for name, reasons in failures.items()}
        )

    def follow(self) -> None:
        """Train with the first of several processes, as ``torchrun`` started them."""
        for run in self.runs.values():
            run.follow()

    def plan(self) -> list[dict[str, str]]:
        """Every stage of every method and seed and why it has to be done; nothing is written."""
        return [_of_seed(seed, line) for seed, run in self.runs.items() for line in run.plan()]


def plan_of(folder: Path) -> list[dict[str, str]]:
    """As ``Run.plan`` and ``Seeds.plan``, of what was asked for in ``folder``.

    Raises:
        DataError: it is no run.
    """
    there = pool.members(folder)
    if not there:
        return of_folder(folder).plan()
    names = sorted({name for run in there.values() for name in run.methods()})
    lines = []
    for seed, run in there.items():
        if (run.folder / CONFIG).is_file():
            planned = of_folder(run.folder, names).plan()
        else:
            planned = [{"method": "", "stage": "prepare", "why": "not done yet"}]
        lines += [_of_seed(seed, line) for line in planned]
    return lines


def _of_seed(seed: int, line: dict[str, str]) -> dict[str, str]:
    return {"seed": str(seed), **line}
