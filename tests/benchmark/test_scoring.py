from __future__ import annotations

import math
import shutil
from pathlib import Path

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
    with pytest.raises(DataError, match=r"1 images are missing, first photo1_0\.png"):
        _score(restored, pairs)
    shutil.copy(restored / "photo1_7.png", restored / "photo1_0.png")
    with pytest.raises(DataError, match=r"1 images are not of any pair, first photo1_7\.png"):
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
