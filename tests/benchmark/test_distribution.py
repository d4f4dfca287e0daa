from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import picture

from benchmark.metrics import NoValueError, distribution
from benchmark.metrics.distribution import frechet_distance, halves, pooled, squared_mmd
from benchmark.randomnetworks import inception_network, pytorch_fid_features


def _samples(count: int, dimensions: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(seed))
    spread = rng.normal(size=(dimensions, dimensions)) / dimensions**0.5
    return (rng.normal(size=(count, dimensions)) @ spread + shift).astype(np.float32)


@pytest.mark.parametrize(("n", "m"), [(12, 9), (12, 200), (200, 12), (300, 200), (64, 65)])
def test_frechet_distance_equals_the_one_with_a_matrix_square_root(n: int, m: int) -> None:
    """Of fewer, as many, and more samples than dimensions; the square root by eigenvalues, in float64."""
    from scipy.linalg import eigvals

    x, y = _samples(n, 64, 1), _samples(m, 64, 2, 0.3)
    cov_x, cov_y = (np.cov(side.astype(float), rowvar=False) for side in (x, y))
    root = np.sqrt(np.maximum(eigvals(cov_x @ cov_y).real, 0)).sum()
    means = x.mean(axis=0, dtype=float) - y.mean(axis=0, dtype=float)
    reference = means @ means + np.trace(cov_x) + np.trace(cov_y) - 2 * root
    assert frechet_distance(x, y) == pytest.approx(reference, rel=1e-4)
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-9)


def test_frechet_distance_equals_pytorch_fids() -> None:
    from benchmark import features

    features.torchvision()
    from pytorch_fid.fid_score import calculate_frechet_distance

    x, y = _samples(300, 48, 1), _samples(200, 48, 2, 0.3)
    sides = [(s.mean(axis=0), np.cov(s, rowvar=False)) for s in (x.astype(float), y.astype(float))]
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            reference = calculate_frechet_distance(*sides[0], *sides[1])
        except TypeError as error:
            pytest.skip(f"this scipy is too new for pytorch-fid: {error}")
    assert frechet_distance(x, y) == pytest.approx(float(reference), rel=1e-4)


def test_frechet_distance_by_hand() -> None:
    x = _samples(50, 8, 3)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + np.float32(2)) == pytest.approx(8 * 4, rel=1e-5)
    one = np.array([[0.0], [2.0]], np.float32)  # Variance 2.
    assert frechet_distance(one, 3 * one) == pytest.approx((1 - 3) ** 2 + 2 + 18 - 2 * (2 * 18) ** 0.5)
    with pytest.raises(NoValueError, match="fewer than two"):
        frechet_distance(one[:1], one)


def test_kernel_distance_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = _samples(7, 5, 1), _samples(6, 5, 2, 0.5)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a.astype(float) @ b.astype(float)) / 5 + 1) ** 3

    within = [
        np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (x, y)
    ]
    between = np.mean([kernel(a, b) for a in x for b in y])
    expected = within[0] + within[1] - 2 * between
    assert squared_mmd(x, y) == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(distribution, "BLOCK", 3)
    assert squared_mmd(x, y) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_is_unbiased_where_the_frechet_distance_is_not() -> None:
    drawn = [(_samples(30, 16, 5)[:15], _samples(30, 16, 5)[15:])]
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = [tuple(rng.normal(size=(2, 15, 16)).astype(np.float32)) for _ in range(300)]
    values = [squared_mmd(x, y) for x, y in drawn]
    assert abs(np.mean(values)) < 3 * np.std(values) / 300**0.5
    assert min(frechet_distance(x, y) for x, y in drawn) > 1


def test_blocks_and_files_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = _samples(90, 16, 1), _samples(70, 16, 2)
    path = tmp_path / "x"
    path.write_bytes(x.tobytes())
    on_disk = np.memmap(path, np.float32, mode="r").reshape(90, 16)
    whole = frechet_distance(x, y), squared_mmd(x, y)
    monkeypatch.setattr(distribution, "BLOCK", 7)
    assert frechet_distance(on_disk, y) == pytest.approx(whole[0], rel=1e-12)
    assert squared_mmd(on_disk, y) == pytest.approx(whole[1], rel=1e-9)


def test_halves_are_halves() -> None:
    x = np.arange(11, dtype=np.float32)[:, None]
    first, second = halves(x)
    assert (len(first), len(second)) == (5, 6)
    assert sorted([*first[:, 0], *second[:, 0]]) == list(range(11))


def test_features_equal_those_pytorch_fid_takes_from_files(tmp_path: Path) -> None:
    images: list[Any] = [picture(0, 70, 60), picture(1, 310, 330)]
    with inception_network() as network:
        reference = pytorch_fid_features(network, images, tmp_path)
        ours = np.stack([pooled(network, image) for image in images])
    assert ours.shape == (2, 2048)
    assert np.abs(reference).mean() > 0.01
    assert np.abs(ours - reference).max() < 1e-4 * np.abs(reference).mean()
