"""The filter against a plain loop over groups, written from the equations without its shortcuts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pictures import picture

from baselines import collaborative
from baselines.collaborative import Stage, biorthogonal_matrix, dct_matrix, filter_groups, haar_matrix

Plane = NDArray[np.float64]
FIRST, SECOND = Stage("bior1.5", 8, 8, 3, 2_500), Stage("dct", 11, 16, 6, 1_000)
SIGMA = 25 / 255


@pytest.fixture
def small_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collaborative, "SEARCH_PX", 6)


def _noisy(channels: int, height: int, width: int) -> torch.Tensor:
    clean = picture(0, height, width)[..., :channels].transpose(2, 0, 1) / 255
    noise = np.random.default_rng(1).normal(0, SIGMA, clean.shape)
    return torch.from_numpy((clean + noise).astype(np.float32))


def _grid(length: int, stage: Stage) -> list[int]:
    return sorted({*range(0, length - stage.block + 1, stage.stride), length - stage.block})


def _group(matched: Plane, row: int, column: int, stage: Stage) -> list[tuple[int, int]]:
    n, reach = stage.block, collaborative.SEARCH_PX
    reference = matched[row : row + n, column : column + n]
    found = []
    for r in range(max(row - reach, 0), min(row + reach, matched.shape[0] - n) + 1):
        for c in range(max(column - reach, 0), min(column + reach, matched.shape[1] - n) + 1):
            distance = float(np.mean((matched[r : r + n, c : c + n] - reference) ** 2)) * 255**2
            if distance < stage.match:
                found.append((-1.0 if (r, c) == (row, column) else distance, (r, c)))
    found.sort()
    size = 1
    while 2 * size <= min(len(found), stage.group):
        size *= 2
    return [place for _, place in found[:size]]


def _haar(values: Plane) -> Plane:
    """Along axis 0, by averaging and differencing pairs."""
    if len(values) == 1:
        return values
    evens, odds = values[::2], values[1::2]
    return np.concatenate([_haar((evens + odds) / np.sqrt(2)), (evens - odds) / np.sqrt(2)])


def _inverse_haar(values: Plane) -> Plane:
    if len(values) == 1:
        return values
    half = len(values) // 2
    means, differences = _inverse_haar(values[:half]), values[half:]
    pairs = np.stack([means + differences, means - differences], axis=1) / np.sqrt(2)
    return pairs.reshape(values.shape)


def _plain(noisy: Plane, guide: Plane | None, sigma: Plane, stage: Stage, threshold: float) -> Plane:
    n = stage.block
    T = (dct_matrix(n) if stage.transform == "dct" else biorthogonal_matrix(n)).numpy()
    inverse = np.linalg.inv(T)
    window = np.outer(np.kaiser(n, 2.0), np.kaiser(n, 2.0))
    top, bottom = np.zeros_like(noisy), np.zeros_like(noisy)
    matched = noisy if guide is None else guide
    for row in _grid(noisy.shape[1], stage):
        for column in _grid(noisy.shape[2], stage):
            group = _group(matched[0], row, column, stage)
            for k in range(len(noisy)):

                def stack(image: Plane, k: int = k, group: list[tuple[int, int]] = group) -> Plane:
                    return _haar(np.stack([T @ image[k, r : r + n, c : c + n] @ T.T for r, c in group]))

                spectrum = stack(noisy)
                if guide is None:
                    spectrum[np.abs(spectrum) <= threshold * sigma[k]] = 0
                    weight = 1 / (sigma[k] ** 2 * max(np.count_nonzero(spectrum), 1))
                else:
                    energy = stack(guide) ** 2
                    gain = energy / (energy + sigma[k] ** 2)
                    spectrum *= gain
                    weight = 1 / (sigma[k] ** 2 * np.sum(gain**2))
                for (r, c), block in zip(group, _inverse_haar(spectrum), strict=True):
                    top[k, r : r + n, c : c + n] += weight * window * (inverse @ block @ inverse.T)
                    bottom[k, r : r + n, c : c + n] += weight * window
    return top / bottom


@pytest.mark.parametrize("channels", [1, 3])
def test_both_stages_are_the_equations(channels: int, small_search: None) -> None:
    noisy = _noisy(channels, 30, 37)
    sigma = torch.tensor([SIGMA, 0.5 * SIGMA, 0.8 * SIGMA][:channels])
    exact = noisy.numpy().astype(np.float64)
    basic = filter_groups(noisy, None, sigma, FIRST, 2.7)
    expected = _plain(exact, None, sigma.numpy(), FIRST, 2.7)
    assert np.abs(basic.numpy() - expected).max() < 2e-5
    final = filter_groups(noisy, basic, sigma, SECOND)
    expected = _plain(exact, basic.numpy().astype(np.float64), sigma.numpy(), SECOND, 0)
    assert np.abs(final.numpy() - expected).max() < 2e-5


def test_the_result_does_not_depend_on_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy, sigma = _noisy(1, 90, 70), torch.tensor([SIGMA])
    whole = filter_groups(noisy, None, sigma, FIRST, 2.7)
    monkeypatch.setattr(collaborative, "TILE_PX", 24)
    assert len(collaborative.grid_parts(90, FIRST)) == 4
    assert torch.allclose(filter_groups(noisy, None, sigma, FIRST, 2.7), whole, atol=1e-5)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_result_does_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch, two_threads: None) -> None:
    monkeypatch.setattr(collaborative, "TILE_PX", 24)
    noisy, sigma = _noisy(1, 90, 70), torch.tensor([SIGMA])
    threaded = filter_groups(noisy, None, sigma, FIRST, 2.7)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert torch.equal(filter_groups(noisy, None, sigma, FIRST, 2.7), threaded)


def test_an_error_in_a_thread_arrives_and_threads_are_given_back(two_threads: None) -> None:
    def fails(tile: collaborative.Tile) -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(collaborative.in_threads(fails, [(torch.zeros(1), torch.zeros(1))] * 4))
    assert torch.get_num_threads() == 2


def test_transforms() -> None:
    haar, dct = haar_matrix(16).double(), dct_matrix(11)
    assert torch.allclose(haar @ haar.T, torch.eye(16, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(dct @ dct.T, torch.eye(11, dtype=torch.float64))
    matrix = biorthogonal_matrix(8)
    # As published implementations print it.
    assert matrix[0].tolist() == pytest.approx([0.353553] * 8, abs=1e-5)
    assert matrix[1].tolist() == pytest.approx(
        [0.2194, 0.4493, 0.4493, 0.2194, -0.2194, -0.4493, -0.4493, -0.2194], abs=1e-4
    )
    assert matrix[2].tolist() == pytest.approx(
        [0.5694, 0.4023, -0.4023, -0.5694, -0.0835, 0.0835, -0.0835, 0.0835], abs=1e-4
    )
    assert torch.equal(matrix[3], matrix[2].roll(4))
    assert float(torch.linalg.cond(matrix)) == pytest.approx(1.42, abs=0.01)


@pytest.mark.parametrize("size", [2, 7, 8, 11, 12])
def test_grids_reach_the_border_without_gaps(size: int) -> None:
    stage = Stage("dct", size, 16, 3, 400)
    for length in (size, size + 1, 50, 301):
        places = torch.cat(collaborative.grid_parts(length, stage))
        assert (int(places[0]), int(places[-1])) == (0, length - size)
        assert all(0 < step <= 3 for step in places.diff().tolist())
