"""Which test images are shown, and by which metric they are picked."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmark import metrics
from benchmark.data import PairSet
from benchmark.metrics import Metric, NoValueError
from benchmark.report import Report

#: Scopes of metrics that say one thing of each degraded test image.
OF_AN_IMAGE = ("pair", "masked")


def leading(report: Report) -> Metric | None:
    """The first metric that is a number of each test image and has a value; None if no metric is."""
    return next(
        (
            metric
            for metric in report.metrics
            if metric.scope in OF_AN_IMAGE
            and any(not math.isnan(line.summaries[metric.name].mean) for line in report.scored)
        ),
        None,
    )


def ranked(report: Report, metric: Metric, counts: Callable[[float], bool]) -> dict[str, list[float]]:
    """Values of the images that all methods restored, hardest image first by their mean.

    Args:
        report: the numbers.
        metric: as ``leading`` gives it.
        counts: whether a value is one; where it is not, it is as if the method had not restored the image.
    """
    values: dict[str, list[float]] = {}
    for row in report.rows:
        if row.metric == metric.name and counts(row.value):
            values.setdefault(row.image, []).append(row.value)
    most = max(map(len, values.values()), default=0)
    shared = {image: found for image, found in values.items() if len(found) == most}
    sign = 1 if metric.better == "higher" else -1
    order = sorted(shared, key=lambda image: (sign * float(np.mean(shared[image])), image))
    return {image: shared[image] for image in order}


def of_degraded(metric: Metric, pairs: PairSet, index: int) -> float:
    """The metric of a degraded image as it is; NaN if there is no value."""
    inputs = [pairs.degraded(index), pairs.clean(index)]
    try:
        if metric.scope == "masked":
            return metric(*inputs, metrics.damaged(pairs.mask(index)))
        return metric(*inputs)
    except NoValueError:
        return math.nan


def text(metric: Metric, value: float) -> str:
    """A value as a picture's label has it."""
    return "NA" if math.isnan(value) else f"{value:.{metric.decimals}f}"
