"""Synthesis of a data set: plan, skip what is done, map shards over workers, merge the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from degradekit import atomicfiles, executors, manifest, pairs, writers
from degradekit.errors import DataError, OptionError, UnfinishedError
from degradekit.manifest import Row
from degradekit.randomness import SEED_LIMIT
from degradekit.recipe import Recipe
from degradekit.sources import Source, stems

#: Shards are cut so that there are about this many, whatever the number of workers, and none is larger
#: than the limit: what a killed run has to make again.
SHARDS, LARGEST_SHARD = 64, 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make: ``copies`` samples of every source, ``size`` px square crops or whole photographs."""

    sources: tuple[Source, ...]
    recipe: Recipe
    out: Path
    copies: int = 1
    size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sources:
            raise DataError("no photograph to degrade")
        for name, value, low, high in (
            ("copies", self.copies, 1, 1_000_000),
            ("size", self.size, 1, 65_535),
            ("seed", self.seed, 0, SEED_LIMIT - 1),
        ):
            if value is not None and not low <= value <= high:
                raise OptionError(f"{name} is a whole number in [{low}, {high}], got {value}")

    def describe(self) -> dict[str, Any]:
        """The content of ``run.json``: whatever decides the pixels, and nothing else."""
        lines = self.source_lines()
        return {
            "format": 1,
            "recipe": dict(self.recipe.raw),
            "seed": self.seed,
            "copies": self.copies,
            "size": self.size,
            "layout": "folders",
            "sources": {"count": len(lines), "sha256": atomicfiles.fingerprint(lines)},
            "classes": list(self.recipe.classes),
            **pairs.versions(),
        }

    def source_lines(self) -> list[str]:
        """``key<TAB>extent`` of every source."""
        return [f"{source.key}\t{source.extent}" for source in self.sources]

    def shards(self) -> list[Shard]:
        """The samples in order of (key, variant), cut into pieces that do not depend on the workers."""
        names = stems(source.key for source in self.sources)
        items = [
            (source, variant, f"{names[source.key]}_{variant}")
            for source in self.sources
            for variant in range(self.copies)
        ]
        size = min(max(1, -(-len(items) // SHARDS)), LARGEST_SHARD)
        return [
            Shard(number, tuple(items[start : start + size]), self.recipe, self.out, self.size, self.seed)
            for number, start in enumerate(range(0, len(items), size))
        ]


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of a plan, and all a worker needs to make it. ``items``: (source, variant, file stem)."""

    number: int
    items: tuple[tuple[Source, int, str], ...]
    recipe: Recipe
    out: Path
    size: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended: samples in the data set, and those that could not be made."""

    out: Path
    rows: int
    errors: tuple[Row, ...]
    made: int


def synthesize(
    plan: Plan, *, workers: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> Summary:
    """Make the data set, or what is missing of it. The bytes do not depend on ``workers``.

    ``on_progress`` gets (samples done, samples in all). A photograph that cannot be read is listed in the
    summary and in ``errors.jsonl``, and the rest is made.

    Raises:
        OutputFolderError: the folder holds something else.
        UnfinishedError: a worker died; the same call resumes.
        OSError: the disk is full or not writable; the same call resumes.
    """
    manifest.claim(plan.out, plan.describe(), plan.source_lines())
    shards = plan.shards()
    todo = [shard for shard in shards if not manifest.is_done(plan.out, shard.number)]
    total = sum(len(shard.items) for shard in shards)
    missing = sum(len(shard.items) for shard in todo)
    report = on_progress or (lambda done, total: None)
    report(total - missing, total)
    finished = total - missing
    for count in _map(todo, min(workers, max(1, len(todo)))):
        finished += count
        report(finished, total)
    rows, errors = manifest.merge(plan.out, len(shards))
    return Summary(plan.out, rows, tuple(errors), missing - len(errors))


def make_shard(shard: Shard) -> int:
    """Make every sample of ``shard`` and then mark it done; returns how many there are."""
    writer = writers.FolderWriter(shard.out)
    rows: list[Row] = []
    errors: list[Row] = []
    for source, variant, stem in shard.items:
        if executors.asked_to_stop():
            return 0
        try:
            pair, cut = pairs.make(source.read(), shard.recipe, shard.seed, source.key, variant, shard.size)
        except DataError as error:
            errors.append({"key": source.key, "variant": variant, "error": str(error)})
            continue
        names = writer.write(stem, pair)
        identity = {"key": source.key, "variant": variant, "group": source.group, "licence": source.licence}
        where = {"seed": shard.seed, "left": cut.left, "top": cut.top, "scale": cut.scale}
        rows.append({**names, **identity, **where, **pair.columns()})
    manifest.mark_done(shard.out, shard.number, rows, errors)
    return len(shard.items)


def _map(todo: list[Shard], workers: int) -> Iterator[int]:
    """Finish the shards in any order, yielding the size of each."""
    if workers == 1:
        cv2.setNumThreads(1)
        yield from map(make_shard, todo)
        return
    pool = executors.ProcessExecutor(workers)
    try:
        for future in as_completed([pool.submit(make_shard, shard) for shard in todo]):
            yield future.result()
    except BrokenProcessPool as error:
        raise UnfinishedError(
            "a worker process was killed (out of memory?); try fewer --workers, the same command resumes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
