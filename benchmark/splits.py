"""Which photographs a run trains on, validates on and tests on; no photograph is on two sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from benchmark.profile import Data
from degradekit import imagefiles, sources
from degradekit.errors import DataError, OptionError
from degradekit.randomness import seed_of
from degradekit.sources import DeadLeavesSource, Source

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Photographs by what they are for. Those of one group (scene) are always together."""

    train: tuple[Source, ...]
    val: tuple[Source, ...]
    test: tuple[Source, ...]

    def keys(self) -> dict[str, list[str]]:
        """The keys of each part, sorted."""
        return {name: [source.key for source in getattr(self, name)] for name in SPLITS}


def split(data: Data, seed: int, *, default_train: bool) -> Split:
    """Find the photographs and divide them.

    Test photographs are those of ``data.test``; without these, the scenes of ``data.train`` that
    ``data.held_out`` names; without those, a share of its scenes. Validation scenes are a share of what
    remains. Shares are drawn by hashing (seed, scene), so they do not depend on the order of anything.

    Args:
        data: the profile's section.
        seed: seed of the run.
        default_train: the training photographs are the profile's own: one that is also tested on is left
            out of training instead of being an error.

    Raises:
        DataError: photographs are missing or unreadable, too few to divide, or one is on both sides.
        OptionError: there is nothing to train on, or nothing is called as a pattern of ``held_out`` says.
    """
    if not data.train:
        raise OptionError("this profile has no training photographs of its own; name some: --train SRC")
    pool = sources.find(data.train)
    if data.test:
        test = sources.find(data.test)
        if default_train:
            tested = {_identity(source) for source in test}
            pool = [source for source in pool if _identity(source) not in tested]
    else:
        test_groups = _held_out(pool, data.held_out) or _share(pool, data.test_frac, seed, "test")
        test = [source for source in pool if source.group in test_groups]
        pool = [source for source in pool if source.group not in test_groups]
    val_groups = _share(pool, data.val_frac, seed, "val")
    val = [source for source in pool if source.group in val_groups]
    train = [source for source in pool if source.group not in val_groups]
    if not (train and val and test):
        raise DataError(
            f"{len(train)} training, {len(val)} validation and {len(test)} test photographs: each needs at "
            "least one, and photographs of one scene stay together; name more of them"
        )
    return Split(tuple(train), tuple(val), tuple(test))


def refuse_overlap(divided: Split) -> None:
    """Decode every photograph and compare pixels across the parts.

    Raises:
        DataError: the same picture is in two parts under two names, or one cannot be read.
    """
    seen: dict[str, tuple[str, Source]] = {}
    for part in SPLITS:
        for source in getattr(divided, part):
            other_part, other = seen.setdefault(_identity(source), (part, source))
            if other_part != part:
                raise DataError(
                    f"the same photograph is in {other_part} and {part}: {other.origin} and {source.origin}"
                )


def _identity(source: Source) -> str:
    if isinstance(source, DeadLeavesSource):
        return source.key  # Two procedural pictures are equal if their numbers are.
    return imagefiles.pixel_hash(source.read().rgb)


def _held_out(pool: Sequence[Source], patterns: Sequence[str]) -> set[str]:
    groups: set[str] = set()
    for pattern in patterns:
        found = {source.group for source in pool if fnmatchcase(source.key, pattern)}
        if not found:
            raise OptionError(
                f"data.held_out: none of {len(pool)} photographs matches '{pattern}'; they are called as "
                f"'{pool[0].key}' is; -o data.held_out=[] takes a share of the scenes"
            )
        groups |= found
    return groups


def _share(pool: Sequence[Source], share: float, seed: int, part: str) -> set[str]:
    """That share of the scenes, at least one; by rank of a hash, so the count is exact."""
    groups = {source.group for source in pool}
    if len(groups) < 2:
        return set()
    ranked = sorted(groups, key=lambda group: (seed_of(seed, "split", part, group), group))
    return set(ranked[: min(max(math.ceil(share * len(groups)), 1), len(groups) - 1)])
