"""Features of whole sets of images, kept on disk while they are collected: one pass for all set metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from benchmark.metrics import Extractor, Features, Metric, Pixels
from benchmark.metrics.distribution import ENOUGH, frechet_distance, halves
from degradekit import imagefiles


@dataclass
class _Side:
    """Features of one set, appended to a file without a name."""

    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    count: int = 0

    def append(self, features: Features) -> None:
        self.file.write(features.astype(np.float32).tobytes())
        self.count += 1

    def array(self) -> Features:
        if self.count == 0:
            return np.zeros((0, 1), np.float32)
        self.file.flush()
        return np.memmap(self.file, np.float32, mode="r").reshape(self.count, -1)


class FeatureSets:
    """Collects, for every extractor that some metric with weights at hand needs, both sets' features.

    A clean image counts once, however many degraded variants it has: as a repeated sample it would bias
    estimators that are unbiased for different ones.
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        """Nothing is loaded before the first image."""
        extractors = {
            metric.features
            for metric in metrics
            if metric.scope == "set" and metric.features is not None and metric.unavailable() is None
        }
        self._sides: dict[Extractor, tuple[_Side, _Side]] = {
            extract: (_Side(), _Side()) for extract in extractors
        }
        self._seen: set[str] = set()

    def __enter__(self) -> FeatureSets:
        return self

    def __exit__(self, *_: object) -> None:
        for sides in self._sides.values():
            for side in sides:
                side.file.close()

    def add(self, restored: Pixels, clean: Pixels) -> None:
        """Take one image of each set."""
        if not self._sides:
            return
        name = imagefiles.pixel_hash(clean)
        new = name not in self._seen
        self._seen.add(name)
        for extract, (of_restored, of_clean) in self._sides.items():
            of_restored.append(extract(restored))
            if new:
                of_clean.append(extract(clean))

    def features(self, metric: Metric) -> tuple[Features, Features] | str:
        """Both sets' features (N, D), lying on disk; or why there are none."""
        sides = self._sides.get(metric.features) if metric.features else None
        if sides is None:
            return metric.unavailable() or "no features"
        return sides[0].array(), sides[1].array()

    def note(self, metric: Metric) -> str:
        """How many images there were; for few of them, what FID two halves of the clean ones have."""
        found: Any = self.features(metric)
        if isinstance(found, str):
            return ""
        restored, clean = found
        text = f"{len(restored)} restored images against {len(clean)} clean ones"
        if metric.name == "fid" and 4 <= len(clean) < ENOUGH:
            text += f"; two halves of the clean ones are {frechet_distance(*halves(clean)):.1f} apart"
        return text
