"""Ablations: which methods a study compares, their table, and how far real codes are from synthetic ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from benchmark import checkpoints, restoring, training
from benchmark.data import PairSet, Pixels, as_batch
from benchmark.method import Setting, Trainable, find
from benchmark.metrics import NoValueError
from benchmark.metrics.domain_gap import gaps
from benchmark.report import Report
from benchmark.store import Store
from degradekit import sources
from degradekit.errors import OptionError, unknown
from degradekit.levels import as_float, quantise

#: Side of the square that is coded, from the middle of each photograph: old scans differ in size.
CODED_PX = 256


@dataclass(frozen=True)
class Study:
    """Methods by name, each with what its row stands for."""

    name: str
    summary: str
    methods: dict[str, str]


def load(name: str) -> Study:
    """The shipped study called ``name``.

    Raises:
        OptionError: there is none.
    """
    shipped: dict[str, Any] = yaml.safe_load((resources.files("benchmark") / "ablations.yaml").read_text())
    if name not in shipped:
        raise OptionError(unknown("ablation", name, shipped))
    return Study(name, **shipped[name])


def table(study: Study, report: Report, store: Store) -> list[dict[str, Any]]:
    """One row per method, in the study's order: label, means of the metrics, and of the codes if it has any.

    ``clean_psnr`` is the autoencoder's own loss on clean test photographs; ``gap`` maps each measure of the
    distance between codes of real and synthetic photographs to its value and its permutation null.
    """
    lines = {line.name: line for line in report.lines}
    rows = []
    for name, label in study.methods.items():
        line = lines.get(name)
        row: dict[str, Any] = {"method": name, "label": label, "failure": "not run" if line is None else ""}
        if line is not None and line.failure:
            row["failure"] = line.failure
        elif line is not None:
            row["metrics"] = {metric: summary.mean for metric, summary in line.summaries.items()}
            row |= _of_codes(name, report, store)
        rows.append(row)
    return rows


def _of_codes(name: str, report: Report, store: Store) -> dict[str, Any]:
    profile = report.profile
    device = training.prepare(profile.train)
    method = training.build(find(name), Setting(width=profile.width, seed=profile.method_seed), device)
    if not (isinstance(method, Trainable) and hasattr(method, "encode_old")):
        return {}
    checkpoints.load_weights(method, store.method(name) / training.WEIGHTS)
    test = PairSet(store.data("test"))
    found: dict[str, Any] = {"clean_psnr": _clean_psnr(method, test)}
    if profile.data.real:
        real = (_eight_bit(source.read().rgb) for source in sources.find(profile.data.real))
        synthetic = (test.degraded(index) for index in range(len(test)))
        try:
            measured = gaps(_codes(method, real), _codes(method, synthetic), seed=profile.seed)
        except NoValueError as error:
            found["gap"] = str(error)
        else:
            found["gap"] = {key: {"value": gap.value, "null": gap.null_mean} for key, gap in measured.items()}
    return found


def _clean_psnr(method: Any, test: PairSet) -> float:
    """Mean over the test photographs, in dB."""
    values = []
    device = restoring.device_of(method)
    with torch.inference_mode():
        for index in range(len(test)):
            clean = as_batch(test.clean(index))
            error = (method.reconstruct(clean.to(device)).cpu().clamp(0, 1) - clean).square().mean()
            values.append(-10 * np.log10(max(float(error), 1e-10)))
    return float(np.mean(values))


def _codes(method: Any, photographs: Iterable[Pixels]) -> NDArray[np.float64]:
    """Mean code of each photograph, (N, L)."""
    device = restoring.device_of(method)
    with torch.inference_mode():
        codes = [method.encode_old(as_batch(crop).to(device)).cpu() for crop in _middles(photographs)]
        return torch.cat([code.mean(dim=(2, 3)) for code in codes]).double().numpy()


def _middles(photographs: Iterable[Pixels]) -> Iterator[Pixels]:
    for pixels in photographs:
        top, left = (max(side - CODED_PX, 0) // 2 for side in pixels.shape[:2])
        yield pixels[top : top + CODED_PX, left : left + CODED_PX]


def _eight_bit(pixels: NDArray[Any]) -> Pixels:
    if pixels.dtype == np.uint8:
        return pixels
    quantised: Pixels = quantise(as_float(pixels)).astype(np.uint8)
    return quantised
