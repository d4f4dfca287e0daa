"""Synthesis of a data set: plan, skip what is done, map shards over workers, merge the manifest."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from degradekit import executors, layouts, manifest, pairs, samples
from degradekit.coding import Coding
from degradekit.errors import DataError, OptionError
from degradekit.layouts import Layout
from degradekit.manifest import Row
from degradekit.randomness import SEED_LIMIT
from degradekit.recipe import Recipe
from degradekit.samples import Settings
from degradekit.sources import FileSource, Source, stems
from degradekit.timings import Timings

#: Shards are cut so that there are about this many, whatever the number of workers, and none is larger
#: than the limit: what a killed run has to make again.
SHARDS, LARGEST_SHARD = 64, 256
#: A worker's; copies of a photograph may lie in several shards.
_loader = samples.Loader()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make: ``copies`` samples of every source, ``size`` px square crops or whole photographs.

    ``layout`` and ``coding`` say how the samples lie on disk.
    """

    sources: tuple[Source, ...]
    recipe: Recipe
    out: Path
    copies: int = 1
    size: int | None = None
    seed: int = 0
    layout: str = "folders"
    coding: Coding = field(default_factory=Coding)

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
        layout = layouts.find(self.layout)
        if self.coding.format != "png" and layout.lossless:
            raise OptionError(
                f"layout {self.layout} has two pictures in one file, which JPEG would mix; use png"
            )
        if self.coding.format != "png" and not layout.pictures:
            raise OptionError("recipes alone have no image format; what is rendered from them is not coded")

    def describe(self) -> dict[str, Any]:
        """The content of ``run.json``: whatever decides the pixels and files, and nothing else."""
        digest = hashlib.sha256()
        for line in self.source_lines():
            digest.update(f"{line}\n".encode())
        return {
            "format": 2,
            "recipe": dict(self.recipe.raw),
            "seed": self.seed,
            "copies": self.copies,
            "size": self.size,
            "layout": self.layout,
            "coding": self.coding.describe(),
            "sources": {"count": len(self.sources), "sha256": digest.hexdigest()},
            "classes": list(self.recipe.classes),
            **pairs.versions(),
        }

    def source_lines(self) -> Iterator[str]:
        """``key<TAB>extent`` of every source."""
        return (f"{source.key}\t{source.extent}" for source in self.sources)

    def settings(self) -> Settings:
        """What every shard is made with."""
        clean_coding = self.coding
        layout = layouts.find(self.layout)
        # A crop is coded in any case, and then without loss.
        if layout.one_suffix and not layout.same_suffix and self.size is None:
            files = [source.path for source in self.sources if isinstance(source, FileSource)]
            if len(files) == len(self.sources) and samples.sole_format(files) == ".jpg":
                clean_coding = Coding("jpeg", self.coding.quality)
        return Settings(self.recipe, self.seed, self.size, self.layout, self.coding, clean_coding)

    @property
    def count(self) -> int:
        """Samples in all."""
        return len(self.sources) * self.copies

    @property
    def shard_size(self) -> int:
        """Samples of every shard but the last; does not depend on the workers."""
        return min(max(1, -(-self.count // SHARDS)), LARGEST_SHARD)

    @property
    def shard_count(self) -> int:
        """Shards in all."""
        return -(-self.count // self.shard_size)

    def shard_length(self, number: int) -> int:
        """Samples of one shard."""
        return min(self.shard_size, self.count - number * self.shard_size)

    def part(self, k: int, n: int) -> range:
        """The numbers of the shards of the k-th of n parts."""
        return range(k - 1, self.shard_count, n)

    def stems(self) -> dict[str, str]:
        """Key -> file name stem of every source.

        Raises:
            DataError: two would get the same.
        """
        return stems((source.key for source in self.sources), layouts.find(self.layout).flat)

    def shards(self, numbers: Iterable[int]) -> Iterator[Shard]:
        """The shards of these numbers, each built when it is asked for: pieces of (key, variant) in order."""
        settings, names = self.settings(), self.stems()
        # Workers may run in another folder, or on another machine.
        out = self.out.absolute()
        for number in numbers:
            first = number * self.shard_size
            items = []
            for item in range(first, first + self.shard_length(number)):
                index, variant = divmod(item, self.copies)
                source = self.sources[index]
                items.append((source, variant, f"{names[source.key]}_{variant}"))
            yield Shard(number, tuple(items), settings, out)


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of a plan, and all a worker needs to make it. ``items``: (source, variant, file stem)."""

    number: int
    items: tuple[tuple[Source, int, str], ...]
    settings: Settings
    out: Path


@dataclass(frozen=True, slots=True)
class Made:
    """What a worker says of a shard: samples tried, those that failed, and how long things took."""

    tried: int
    errors: tuple[Row, ...]
    timings: Timings


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended.

    ``rows``: samples in the data set, None while other parts of it are missing. ``made``: now, in
    ``seconds``. ``errors``: those that could not be made.
    """

    out: Path
    rows: int | None
    errors: tuple[Row, ...]
    made: int
    seconds: float
    timings: Timings


def synthesize(
    plan: Plan,
    *,
    workers: int = 1,
    executor: str = "processes",
    scheduler: str | None = None,
    part: tuple[int, int] = (1, 1),
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Make the data set, or what is missing of it. The bytes do not depend on how it is spread.

    ``part`` (k, n) makes the k-th of n parts, for machines that share nothing but the folder; the part that
    ends last, or a call without it, completes the data set. ``executor`` and ``scheduler``: see
    ``executors.start``. ``overwrite`` first removes a data set that is in the folder, as soon as everything
    else is ready. ``on_progress`` gets (samples done, samples in all). A photograph that cannot be read is
    listed in the summary and in ``errors.jsonl``, and the rest is made.

    Raises:
        OptionError: an unknown executor, a part outside [1, n], an ``overwrite`` that would remove other
            parts or the photographs themselves.
        OutputFolderError: the folder holds something else.
        UnfinishedError: a worker died; the same call resumes.
        OSError: the disk is full or not writable; the same call resumes.
    """
    start = time.monotonic()
    k, n = part
    if not 1 <= k <= n:
        raise OptionError(f"a part k/n has k in [1, n], got {k}/{n}")
    executors.check(executor, scheduler)
    plan.stems()  # Names that clash are refused before anything is written or removed.
    anew = overwrite and (plan.out / manifest.RUN).exists()
    if anew:
        _refuse_loss(plan, n)
    else:
        _claim(plan)
    ours = plan.part(k, n)
    todo = [number for number in ours if anew or not manifest.is_done(plan.out, number)]
    total, missing = (sum(plan.shard_length(number) for number in numbers) for numbers in (ours, todo))
    report = on_progress or (lambda done, total: None)
    finished, errors, timings = total - missing, list[Row](), Timings()
    with executors.start(executor, min(workers, max(1, len(todo))), scheduler) as running:
        if anew:
            remove(plan.out)
            _claim(plan)
        report(finished, total)
        for made in executors.finished(running, make_shard, plan.shards(todo)):
            finished += made.tried
            errors.extend(made.errors)
            timings.add(made.timings)
            report(finished, total)
    rows: int | None = None
    if manifest.all_tried(plan.out, plan.shard_count):
        rows, listed = manifest.merge(plan.out, plan.shard_count, layouts.find(plan.layout).indexes)
        errors = listed if n == 1 else errors
    return Summary(plan.out, rows, tuple(errors), missing - len(errors), time.monotonic() - start, timings)


def _claim(plan: Plan) -> None:
    """Make the folder this plan's."""
    pictures = layouts.find(plan.layout).pictures
    origins = None if pictures else (f"{source.key}\t{source.origin}" for source in plan.sources)
    manifest.claim(plan.out, plan.describe(), plan.source_lines(), origins)


def _refuse_loss(plan: Plan, parts: int) -> None:
    """Refuse to remove what is still wanted."""
    if parts > 1:
        raise OptionError("--overwrite removes the whole data set, other parts too; leave it out, or --shard")
    inside = os.path.join(os.path.realpath(plan.out), "")  # noqa: PTH118 - text, as places are
    for source in plan.sources:
        if isinstance(source, FileSource) and source.place.startswith(inside):
            raise OptionError(f"{source.place}: is in the data set that --overwrite would remove")


def make_shard(shard: Shard) -> Made:
    """Make every sample of ``shard`` and then mark it done."""
    executors.settle()
    if manifest.is_done(shard.out, shard.number):  # By another run in the same folder, meanwhile.
        return Made(len(shard.items), (), Timings())
    layout = layouts.find(shard.settings.layout)
    writer = layout.writer(shard.out, shard.number)
    rows: list[Row] = []
    errors: list[Row] = []
    timings = Timings()
    try:
        for source, variant, stem in shard.items:
            if executors.asked_to_stop():
                return Made(0, (), timings)
            try:
                loaded = _loader.load(source, timings)
                sample, columns = samples.make(shard.settings, loaded, variant, stem, timings)
            except DataError as error:
                errors.append({"key": source.key, "variant": variant, "error": str(error)})
                continue
            with timings.of("(write)"):
                row = columns if sample is None else {**writer.names(sample), **columns}
                rows.append(row)
                if sample is not None:
                    writer.write(sample, row)
        manifest.mark_done(shard.out, shard.number, rows, errors, writer.close())
    finally:
        writer.discard()
    return Made(len(shard.items), tuple(errors), timings)


def remove(folder: Path) -> None:
    """Remove the data set in ``folder``, and nothing that is not part of it.

    Raises:
        DataError: ``folder`` holds none.
    """
    layout: Layout = layouts.find(str(manifest.read_run(folder).get("layout", "folders")))
    manifest.clear(folder, (*layout.entries, *layout.indexes))
