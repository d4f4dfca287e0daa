from __future__ import annotations

import numpy as np
import pytest

from degradekit import folds, pyramids
from degradekit.coverage import Coverage, Part
from degradekit.randomness import generator


@pytest.mark.parametrize("count", [40, 4000])
@pytest.mark.parametrize("layers", [1, 2])
def test_coverage_is_the_sum_of_its_parts(count: int, layers: int) -> None:
    rng = generator(1)
    parts = [
        Part(np.arange(count), rng.integers(1600, size=count), rng.random(count, np.float32))
        for _ in range(2)
    ]
    layer = np.arange(count) % 2 if layers == 2 else None
    wanted = np.zeros((layers, 1600))
    for owner, place, amount in parts:
        np.add.at(wanted, (owner % layers, place), amount)
    found = Coverage.summed((40, 40), parts, 1.5, layer)
    assert np.unique(found.touched).size == found.touched.size == np.count_nonzero(wanted.any(axis=0))
    for amounts, sums in zip(found.amounts, wanted, strict=True):
        assert found.plane(amounts).reshape(-1) == pytest.approx(np.minimum(sums, 1.5), abs=1e-4)


@pytest.mark.parametrize("kind", [folds.Wave(9.0), folds.Wave(1.4, 5, 0.6)])
def test_waves_have_unit_variance_and_their_period(kind: folds.Wave) -> None:
    (wave,) = folds.waves(100_000, [kind], generator(2))
    assert wave.std() == pytest.approx(1, abs=0.1)
    shift = round(kind.period_mm / folds.KNOT_MM)
    assert abs(np.corrcoef(wave[2 * shift :], wave[: -2 * shift])[0, 1]) < 0.1
    assert np.corrcoef(wave[shift // 8 :], wave[: -(shift // 8)])[0, 1] > 0.5


def test_pyramids_have_unit_variance() -> None:
    rng = generator(3)
    grids = (rng.standard_normal((16 << octave, 16 << octave), np.float32) for octave in range(5))
    assert pyramids.stacked(grids, pyramids.gains(5, 0.6)).std() == pytest.approx(1, abs=0.15)
