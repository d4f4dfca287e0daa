"""What a plan will cost, from a few of its samples made in memory."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from degradekit import layouts, manifest, samples
from degradekit.errors import DataError
from degradekit.synth import Plan
from degradekit.timings import Timings

#: Samples made to estimate from.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """``made`` of ``samples`` are there; the others take about ``seconds`` and ``size`` bytes.

    ``free``: bytes free on the disk. Seconds and size are None if no photograph that was tried can be read.
    """

    samples: int
    made: int
    seconds: float | None
    size: int | None
    free: int


def estimate(plan: Plan, workers: int, part: tuple[int, int] = (1, 1), overwrite: bool = False) -> Estimate:
    """The cost of the k-th of n parts of ``plan`` with ``workers`` processes. Writes nothing.

    ``overwrite``: as if a data set that is in the folder were not there.

    Raises:
        OutputFolderError: the folder holds something else.
    """
    anew = overwrite and (plan.out / manifest.RUN).exists()
    if not anew:
        manifest.refuse_others(plan.out, plan.describe(), plan.source_lines())
    ours = plan.part(*part)
    total = sum(plan.shard_length(shard) for shard in ours)
    there = () if anew else (shard for shard in ours if manifest.is_done(plan.out, shard))
    made = sum(plan.shard_length(shard) for shard in there)
    left = total - made
    tried = list(_tries(plan)) if left else []
    seconds = size = None
    if tried:
        # The first one also loads what all of them use.
        times, sizes = zip(*(tried[1:] or tried), strict=True)
        seconds = sum(times) / len(times) * left / min(workers, left)
        size = round(sum(sizes) / len(sizes) * left)
    return Estimate(total, made, seconds, size, shutil.disk_usage(_existing(plan.out)).free)


def _tries(plan: Plan) -> Iterator[tuple[float, int]]:
    """Seconds and bytes of some samples, spread over the plan; the first one twice."""
    numbers = sorted({plan.shard_count * part // TRIES for part in range(TRIES)})
    settings, layout = plan.settings(), layouts.find(plan.layout)
    for shard in plan.shards([0, *numbers]):
        source, variant, stem = shard.items[0]
        start = time.perf_counter()
        try:
            loaded = samples.Loader().load(source, Timings())
            sample, row = samples.make(settings, loaded, variant, stem, Timings())
        except DataError:
            continue
        size = len(manifest.line(row)) * 2
        if sample is not None:
            for role in sample.roles:
                linked = role == layouts.CLEAN and layout.links and sample.clean.path is not None
                size += 0 if linked else len(layouts.encode(sample, role))
        yield time.perf_counter() - start, size


def _existing(path: Path) -> Path:
    """The nearest folder above that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
