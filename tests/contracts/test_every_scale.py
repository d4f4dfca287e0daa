"""A recipe on a small and on a large scan of one photograph: as much damage per area, and the same damage."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from degradekit.ops import OPS, Op
from degradekit.photo import Photo
from degradekit.randomness import generator

SIZE_MM = (50.0, 75.0)
#: A 10 x 15 cm print at 512 and at 2048 pixels.
COARSE, FINE = 3.4, 13.6
TIMES = 4
#: Times the default strength, so that there is damage on every piece.
SEVERITY = 3.0
#: Both scans hold the same damage, so the ratio of four pieces has a standard error of 1.5 % at most.
SEEDS = range(4)
#: What users lay on comes from their files, which have a resolution of their own.
PAINTING = [op for op in OPS.values() if op.masks and "folder" not in op.parameters]


def hidden(op: Op, px_per_mm: float, seed: int) -> NDArray[np.float32]:
    """Where the op hides a plain picture, all classes together."""
    rows, columns = (round(side * px_per_mm) for side in SIZE_MM)
    photo = Photo(np.full((rows, columns, 3), 0.4, np.float32), px_per_mm)
    values = {name: parameter.default for name, parameter in op.parameters.items()}
    result = op(photo, generator(seed), **op.scaled(values, SEVERITY))
    blank = np.zeros((rows, columns), np.float32)
    return np.asarray(np.max([result.masks.get(name, blank) for name in op.masks], axis=0), np.float32)


@pytest.mark.parametrize("op", PAINTING, ids=lambda op: op.name)
def test_the_same_damage_at_any_resolution(op: Op) -> None:
    coarse = np.concatenate([hidden(op, COARSE, seed) for seed in SEEDS])
    fine = np.concatenate([hidden(op, FINE, seed) for seed in SEEDS])
    assert fine.shape == (TIMES * coarse.shape[0], TIMES * coarse.shape[1])
    assert fine.mean() > 1e-3, "no damage to compare"
    assert coarse.mean() == pytest.approx(fine.mean(), rel=0.1)
    small = cv2.resize(fine, coarse.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(coarse.ravel(), small.ravel())[0, 1] > 0.9
    # Each piece has its own amount, not only the average one.
    for one, other in zip(np.split(coarse, len(SEEDS)), np.split(fine, len(SEEDS)), strict=True):
        assert one.mean() == pytest.approx(other.mean(), rel=0.15, abs=1e-4)
