from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from pairfolders import write
from pictures import picture

from benchmark import metrics
from benchmark.data import PairSet
from benchmark.scoring import Row, from_csv, score, to_csv
from degradekit import atomicfiles, imagefiles
from degradekit.errors import DataError

BOTH = [metrics.find("psnr"), metrics.find("ssim")]


@pytest.fixture
def pairs(tmp_path: Path) -> PairSet:
    return PairSet(write(tmp_path / "data", count=3, variants=2))


def _score(restored: Path, pairs: PairSet) -> list[Row]:
    return score("m", restored, pairs, BOTH, seed=0, on_progress=lambda done, total: None)


def test_rows_carry_what_they_are_about(pairs: PairSet, tmp_path: Path) -> None:
    rows = _score(pairs.folder / "degraded", pairs)
    assert len(rows) == 3 * 2 * 2
    assert {(row.photograph, row.variant) for row in rows} == {
        (f"photo{number}.png", variant) for number in range(3) for variant in range(2)
    }
    assert {row.convention for row in rows} == {"psnr[rgb,255,crop0]", "ssim[rgb,g11s1.5,valid,no-ds]"}
    first = rows[0]
    index = pairs.stems.index(first.image)
    assert first.value == metrics.find("psnr")(pairs.degraded(index), pairs.clean(index))


def test_rows_survive_the_file_to_the_last_bit(pairs: PairSet, tmp_path: Path) -> None:
    rows = [*_score(pairs.folder / "degraded", pairs), *_score(pairs.folder / "clean", pairs)]
    assert any(math.isinf(row.value) for row in rows)
    atomicfiles.write_text(tmp_path / "rows.csv", to_csv(rows))
    assert from_csv(tmp_path / "rows.csv") == rows


def test_missing_surplus_and_swapped_images_are_errors(pairs: PairSet, tmp_path: Path) -> None:
    restored = tmp_path / "restored"
    shutil.copytree(pairs.folder / "degraded", restored)
    (restored / "photo1_0.png").rename(restored / "photo1_7.png")
    with pytest.raises(
        DataError, match=r"1 images are missing \(photo1_0\); 1 images are not of any pair \(photo1_7\.png\)"
    ):
        _score(restored, pairs)
    shutil.copy(restored / "photo1_7.png", restored / "photo1_0.png")
    with pytest.raises(DataError, match=r"1 images are not of any pair \(photo1_7\.png\)"):
        _score(restored, pairs)
    (restored / "photo1_7.png").unlink()
    assert len(_score(restored, pairs)) == 12
    atomicfiles.write_bytes(restored / "photo1_0.png", imagefiles.encode_png(picture(1, 64, 95)))
    with pytest.raises(DataError, match=r"photo1_0\.png: its clean image is"):
        _score(restored, pairs)


def test_a_half_written_image_is_no_image(pairs: PairSet, tmp_path: Path) -> None:
    restored = tmp_path / "restored"
    shutil.copytree(pairs.folder / "degraded", restored)
    (restored / ".photo9_0.png.partial").write_bytes(b"x")
    assert len(_score(restored, pairs)) == 12
    cut = (restored / "photo0_0.png").read_bytes()[:-20]
    (restored / "photo0_0.png").write_bytes(cut)
    with pytest.raises(DataError, match="truncated"):
        _score(restored, pairs)


def test_other_files_are_not_taken_for_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected the columns method"):
        from_csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match="cannot be read"):
        from_csv(tmp_path / "gone.csv")


def test_what_has_no_value_is_a_row_with_the_reason(
    pairs: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    chosen = [
        metrics.find(name)
        for name in ("lpips_alex", "ms_ssim", "psnr_inside", "psnr_on_clean", "blur", "fid", "kid")
    ]
    rows = score("m", pairs.folder / "degraded", pairs, chosen, seed=0, on_progress=lambda done, total: None)
    of = {metric.name: [row for row in rows if row.metric == metric.name] for metric in chosen}
    assert {row.note for row in of["lpips_alex"]} == {"weights missing: benchmark weights fetch alexnet"}
    assert {row.note for row in of["ms_ssim"]} == {"ms_ssim needs at least 161 pixels each way, got 96x64"}
    assert {row.note for row in of["psnr_on_clean"]} == {"not applied to clean photographs"}
    assert [(row.image, row.note) for row in of["blur"]] == [("", "no real photographs in this run")]
    assert [row.note for row in of["fid"]] == ["weights missing: benchmark weights fetch inception"]
    assert all(math.isnan(row.value) == bool(row.note) for row in rows)
    assert all(math.isfinite(row.value) for row in of["psnr_inside"])
    atomicfiles.write_text(tmp_path / "rows.csv", to_csv(rows))
    assert ",NA,weights missing: benchmark weights fetch alexnet\n" in (tmp_path / "rows.csv").read_text()
    assert from_csv(tmp_path / "rows.csv") == rows


def test_clean_and_real_photographs_have_folders_of_their_own(pairs: PairSet, tmp_path: Path) -> None:
    real = tmp_path / "real/album"
    atomicfiles.write_bytes(real / "aunt.png", imagefiles.encode_png(picture(7)))
    chosen = [metrics.find(name) for name in ("psnr_on_clean", "noise")]
    first = tmp_path / "first"
    for stem in ("photo0_0", "photo1_0", "photo2_0"):
        atomicfiles.write_bytes(first / f"{stem}.png", (pairs.folder / f"clean/{stem}.png").read_bytes())
    rows = score(
        "m",
        pairs.folder / "degraded",
        pairs,
        chosen,
        seed=0,
        on_progress=lambda done, total: None,
        clean_restored=first,
        real_restored=tmp_path / "real",
    )
    on_clean = [row for row in rows if row.metric == "psnr_on_clean"]
    assert [(row.image, row.value) for row in on_clean] == [(f"photo{n}_0", math.inf) for n in range(3)]
    assert [(row.image, row.note) for row in rows if row.metric == "noise"] == [("album/aunt", "")]


def test_set_metrics_see_every_restored_image_and_every_clean_one_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = PairSet(write(tmp_path / "data", count=5, variants=2))
    seen: list[tuple[int, int]] = []

    def corner(pixels: np.ndarray) -> np.ndarray:
        return pixels[0, :2, :].reshape(-1).astype(np.float32)

    def spread(restored: np.ndarray, clean: np.ndarray) -> float:
        """The sum of squared distances, for this test."""
        seen.append((len(restored), len(clean)))
        return float(np.sum((restored.mean(axis=0) - clean.mean(axis=0)) ** 2))

    one = metrics.Metric("spread", spread, "lower", "", "spread[test]", 1, "set", features=corner)
    other = metrics.Metric("twice", spread, "lower", "", "twice[test]", 1, "set", features=corner)
    rows = score(
        "m", pairs.folder / "degraded", pairs, [one, *BOTH, other], seed=0, on_progress=lambda *_: None
    )
    assert seen == [(10, 5), (10, 5)]
    whole = [row for row in rows if row.image == ""]
    assert [row.metric for row in whole] == ["spread", "twice"]
    assert whole[0].note == "10 restored images against 5 clean ones"
    restored = np.stack([corner(pairs.degraded(index)) for index in range(10)])
    clean = np.stack([corner(pairs.clean(index)) for index in range(0, 10, 2)])
    assert whole[0].value == spread(restored, clean)


def test_clean_images_are_those_of_first_variants_whichever_are_scored(
    pairs: PairSet, tmp_path: Path
) -> None:
    stems = ["photo0_0", "photo0_1", "photo2_1"]
    for folder, kind, chosen in (
        ("some", "degraded", stems),
        ("clean", "clean", ["photo0_0", "photo2_0"]),
    ):
        for stem in chosen:
            data = (pairs.folder / kind / f"{stem}.png").read_bytes()
            atomicfiles.write_bytes(tmp_path / folder / f"{stem}.png", data)
    seen: list[tuple[int, int]] = []
    rows = score(
        "m",
        tmp_path / "some",
        pairs,
        [metrics.find("psnr"), metrics.find("psnr_on_clean")],
        seed=0,
        on_progress=lambda done, total: seen.append((done, total)),
        stems=stems,
        clean_restored=tmp_path / "clean",
    )
    images = {name: [row.image for row in rows if row.metric == name] for name in ("psnr", "psnr_on_clean")}
    assert images == {"psnr": stems, "psnr_on_clean": ["photo0_0", "photo2_0"]}
    assert all(row.value == math.inf for row in rows if row.metric == "psnr_on_clean")
    assert seen == [(done, 4) for done in range(5)]
