from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pairfolders import write
from torch import Tensor

from benchmark.data import Inputs
from benchmark.method import Declaration, Method
from benchmark.restoring import restore_folder
from degradekit import imagefiles


class Noise:
    """Adds noise from torch's generator, and remembers what it was given."""

    def __init__(self) -> None:
        self.masks: list[Tensor | None] = []
        self.gradients: list[bool] = []

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        self.masks.append(mask)
        self.gradients.append(torch.is_grad_enabled())
        return degraded + 0.1 * torch.randn_like(degraded)


def _restore(method: Method, declaration: Declaration, inputs: Inputs, out: Path) -> None:
    restore_folder(method, declaration, inputs, out, seed=0, on_progress=lambda done, total: None)


def _declare(**declared: Any) -> Declaration:
    return Declaration("noise", "for tests", lambda setting: Noise(), **declared)


def test_an_image_is_restored_alike_whatever_came_before(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path / "data"))
    _restore(Noise(), _declare(), inputs, tmp_path / "all")
    for path in sorted((tmp_path / "all").glob("*.png"))[:2]:
        path.rename(tmp_path / path.name)
    torch.manual_seed(3)
    again = Noise()
    _restore(again, _declare(), inputs, tmp_path / "all")
    assert len(again.masks) == 2
    for path in tmp_path.glob("*.png"):
        assert path.read_bytes() == (tmp_path / "all" / path.name).read_bytes()


def test_the_mask_is_given_to_those_who_declare_it(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path / "data", count=1))
    without, with_mask = Noise(), Noise()
    _restore(without, _declare(), inputs, tmp_path / "a")
    _restore(with_mask, _declare(mask="oracle"), inputs, tmp_path / "b")
    assert without.masks == [None]
    (mask,) = with_mask.masks
    assert mask is not None
    assert np.array_equal(mask[0, 0].numpy() * 255, inputs.mask(0))


def test_gradients_only_for_methods_that_optimise_on_the_image(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path / "data", count=1))
    plain, optimising = Noise(), Noise()
    _restore(plain, _declare(), inputs, tmp_path / "a")
    _restore(optimising, _declare(per_image=True), inputs, tmp_path / "b")
    assert (plain.gradients, optimising.gradients) == ([False], [True])


class Wrong:
    def __init__(self, value: float, crop: int) -> None:
        self.value, self.crop = value, crop

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        return degraded[..., self.crop :] * self.value


def test_wrong_shapes_and_values_are_refused(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path / "data", count=1))
    with pytest.raises(ValueError, match=r"gave shape \(1, 3, 64, 95\)"):
        _restore(Wrong(1, 1), _declare(), inputs, tmp_path / "a")
    with pytest.raises(ValueError, match="not finite, on image photo0_0"):
        _restore(Wrong(float("nan"), 0), _declare(), inputs, tmp_path / "a")
    assert not list((tmp_path / "a").glob("*.png"))
    _restore(Wrong(3, 0), _declare(), inputs, tmp_path / "a")
    assert imagefiles.read(tmp_path / "a/photo0_0.png").rgb.max() == 255


class Slow(Noise):
    """Takes three steps on each image and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.iterations = 3
        self.on_iteration: Callable[[int, int], None] = lambda done, of: None

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        for step in range(3):
            self.on_iteration(step + 1, 3)
        return degraded


def test_progress_is_in_iterations_where_a_method_tells_them(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path / "data", count=2))
    images = len(inputs)
    heard: list[tuple[int, int]] = []
    restore_folder(
        Slow(), _declare(), inputs, tmp_path / "out", seed=0, on_progress=lambda *told: heard.append(told)
    )
    assert {total for _, total in heard} == {3 * images}
    counts = [done for done, _ in heard]
    assert counts == sorted(counts)
    assert set(counts) == set(range(3 * images + 1))


class Together(Slow):
    """Adds noise to several images at a time, each its own, in three steps; remembers how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        return super().restore(degraded, mask) + 0.1 * torch.randn_like(degraded)

    def restore_many(self, degraded: Tensor, mask: Tensor | None, seeds: Sequence[int]) -> Tensor:
        self.groups.append(len(degraded))
        self.masks.append(mask)
        super().restore(degraded, None)
        drawn = [
            torch.randn(one.shape, generator=torch.Generator().manual_seed(seed))
            for one, seed in zip(degraded, seeds, strict=True)
        ]
        return degraded + 0.1 * torch.stack(drawn)

    def footprint(self, height: int, width: int) -> int:
        return 1


def test_several_images_at_a_time_are_as_one_by_one(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path / "data", count=5))
    heard: list[tuple[int, int]] = []
    declaration = _declare(mask="oracle", per_image=True)

    def made(method: Method, out: Path, at_most: int | None) -> list[bytes]:
        restore_folder(
            method,
            declaration,
            inputs,
            out,
            seed=0,
            on_progress=lambda *told: heard.append(told),
            at_most=at_most,
        )
        return [path.read_bytes() for path in sorted(out.glob("*.png"))]

    alone = made(Together(), tmp_path / "alone", None)
    heard.clear()
    method = Together()
    assert made(method, tmp_path / "together", 2) == alone
    assert len(alone) == 5
    assert method.groups == [2, 2]
    assert [None if mask is None else mask.shape for mask in method.masks] == [(2, 1, 64, 96)] * 2
    assert {total for _, total in heard} == {15}
    counts = [done for done, _ in heard]
    assert counts == sorted(counts)
    assert counts[-1] == 15
    # One is lost: its group is made again, and what is there stays.
    (tmp_path / "together/photo2_0.png").unlink()
    kept = (tmp_path / "together/photo3_0.png").stat().st_mtime_ns
    again = Together()
    assert made(again, tmp_path / "together", 2) == alone
    assert again.groups == [2]
    assert (tmp_path / "together/photo3_0.png").stat().st_mtime_ns == kept
