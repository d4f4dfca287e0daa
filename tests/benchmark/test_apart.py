"""Undamaged and real photographs: restored after the pairs, scored by metrics of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairfolders import write
from pictures import picture
from torch import Tensor

from benchmark import apart, method, profile, scoring
from benchmark.data import PairSet
from benchmark.method import Declaration, Setting
from benchmark.run import Run
from degradekit import imagefiles, sources

TINY = (
    *("data.size=64", "data.test_size=48", "train.crop=64", "train.threads=1", "data.test_frac=0.3"),
    *("data.held_out=[]", "data.test_copies=2"),
)
METRICS = "metrics=[psnr,psnr_on_clean,noise]"


class Counting:
    """Gives back what it is given, a little brighter, and where the mask is, black."""

    seen: list[tuple[np.ndarray, np.ndarray | None]]

    def __init__(self) -> None:
        self.seen = []

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        self.seen.append((degraded.numpy().copy(), None if mask is None else mask.numpy().copy()))
        brighter = degraded * 0.9 + 0.1
        return brighter if mask is None else brighter * (1 - mask)


class Finder:
    def detect(self, degraded: Tensor) -> Tensor:
        return (degraded.mean(dim=1, keepdim=True) > 0.5).float()


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(imagefiles.encode_png(picture(number)))
    return folder


def _run(photographs: Path, out: Path, declaration: Declaration, *overrides: str) -> Run:
    options = [*TINY, f"data.train=['{photographs}']", *overrides]
    return Run(profile.load("smoke", overrides=options), [declaration], out, default_train=False, workers=1)


def _rows(run: Run, name: str, metric: str) -> list[scoring.Row]:
    rows = scoring.from_csv(run.store.method(name) / "scores.csv")
    return [row for row in rows if row.metric == metric]


def _counting(**changes: Any) -> tuple[Declaration, list[Counting]]:
    built: list[Counting] = []

    def build(setting: Setting) -> Counting:
        built.append(Counting())
        return built[-1]

    return Declaration("counting", "counts", build, **changes), built


def test_each_photograph_is_given_undamaged_once_and_after_the_pairs(
    photographs: Path, tmp_path: Path
) -> None:
    declaration, built = _counting()
    run = _run(photographs, tmp_path / "run", declaration, METRICS)
    assert run.go().failures == {}
    pairs = PairSet(run.store.data("test"))
    first, second = built
    assert (len(first.seen), len(second.seen)) == (len(pairs), len(pairs) / 2)
    clean = pairs.clean(0).transpose(2, 0, 1)[None] / np.float32(255)
    assert np.allclose(second.seen[0][0], clean)
    rows = _rows(run, "counting", "psnr_on_clean")
    assert [row.variant for row in rows] == [0] * len(second.seen)
    restored = imagefiles.read(run.store.apart("counting", "clean") / f"{rows[0].image}.png").rgb
    from benchmark.metrics.fidelity import psnr

    assert rows[0].value == psnr(restored.astype(np.uint8), pairs.clean(0))
    assert [row.note for row in _rows(run, "counting", "noise")] == ["no real photographs in this run"]
    # The same again restores nothing.
    run.go()
    assert len(built) == 2


def test_real_photographs(photographs: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "album").mkdir(parents=True)
    (real / "album/aunt.png").write_bytes(imagefiles.encode_png(picture(8)))
    (real / "uncle.png").write_bytes(imagefiles.encode_png(picture(9)))
    declaration, _ = _counting()
    run = _run(photographs, tmp_path / "run", declaration, METRICS, f"data.real=['{real}']")
    assert run.go().failures == {}
    rows = _rows(run, "counting", "noise")
    assert [(row.image, row.note) for row in rows] == [("album/aunt.png", ""), ("uncle.png", "")]
    told, _ = _counting(mask="oracle")
    other = _run(photographs, tmp_path / "told", told, METRICS, f"data.real=['{real}']")
    assert other.go().failures == {}
    assert [row.note for row in _rows(other, "counting", "noise")] == [
        "nobody knows where a real photograph is damaged"
    ]


def test_a_method_with_detected_masks_gets_those_of_the_image_it_is_given(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "uncle.png").write_bytes(imagefiles.encode_png(picture(9)))
    declaration, built = _counting(mask="detected")
    finder = Declaration("finder", "finds what is bright", lambda setting: Finder(), kind="detector")
    known = {**method.discover(), "finder": finder, "counting": declaration}
    monkeypatch.setattr(method, "discover", lambda: known)
    changes = (METRICS, "detector=finder", f"data.real=['{real}']")
    run = _run(photographs, tmp_path / "run", declaration, *changes)
    assert run.go().failures == {}
    for image, mask in [seen for one in built for seen in one.seen]:
        assert mask is not None
        # To the step of 8 bit.
        assert np.array_equal(mask[0, 0] > 0.5, image[0].mean(axis=0) > 0.5)
    assert all(row.value > 0 for row in _rows(run, "counting", "noise"))


def test_inputs_by_themselves(tmp_path: Path) -> None:
    pairs = PairSet(write(tmp_path / "data", count=2, variants=2))
    clean = apart.CleanInputs(pairs)
    assert clean.stems == ["photo0_0", "photo1_0"]
    assert len(clean) == 2
    assert np.array_equal(clean.degraded(1), pairs.clean(2))
    assert not clean.mask(1).any()
    (tmp_path / "x.png").write_bytes(imagefiles.encode_png(picture(3).astype(np.uint16) * 257))
    real = apart.RealInputs(sources.find([str(tmp_path / "x.png")]))
    assert np.array_equal(real.degraded(0), picture(3))
    with pytest.raises(ValueError, match="nobody knows"):
        real.mask(0)
