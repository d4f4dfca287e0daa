from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from plans import cheap_recipe

from degradekit import imagefiles, manifest, proof, sources
from degradekit.errors import DataError, OptionError
from degradekit.synth import Plan, synthesize


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pictures import picture

    folder = tmp_path_factory.mktemp("proof")
    (folder / "in").mkdir()
    for number in range(3):
        (folder / f"in/{'abc'[number]}.png").write_bytes(imagefiles.encode_png(picture(number, 40, 48)))
    found = tuple(sources.find([str(folder / "in")]))
    synthesize(Plan(found, cheap_recipe(), folder / "out", copies=2))
    return folder / "out"


@pytest.fixture
def data_set(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def test_an_untouched_data_set_has_no_difference(data_set: Path) -> None:
    assert list(proof.verify(data_set)) == []


def test_a_single_flipped_bit_anywhere_is_found(data_set: Path) -> None:
    files = sorted(path for path in data_set.rglob("*") if path.is_file())
    assert len(files) > 30
    for number, path in enumerate(files):
        good = path.read_bytes()
        for at in {0, len(good) // 2, len(good) - 1}:
            damaged = bytearray(good)
            damaged[at] ^= 1 << (number % 8)
            path.write_bytes(damaged)
            try:
                differences = list(proof.verify(data_set))
            except DataError as error:
                differences = [str(error)]
            assert differences, f"{path.name}, byte {at}"
        path.write_bytes(good)


def test_missing_and_extra_files_are_found(data_set: Path) -> None:
    (data_set / "masks/dust/a_0.png").unlink()
    shutil.copy(data_set / "clean/a_0.png", data_set / "clean/z_0.png")
    differences = " ".join(proof.verify(data_set))
    assert "masks/dust/a_0.png: No such file" in differences
    assert "clean/z_0.png: not in the manifest" in differences


def test_unfinished(data_set: Path, tmp_path: Path) -> None:
    (data_set / manifest.METADATA).unlink()
    with pytest.raises(DataError, match="unfinished"):
        list(proof.verify(data_set))
    with pytest.raises(DataError, match="not a degradekit data set"):
        list(proof.verify(tmp_path / "nothing"))


def test_replay_needs_the_row_and_the_clean_image_only(data_set: Path, tmp_path: Path) -> None:
    for row in manifest.read_rows(data_set):
        alone = tmp_path / "alone"
        (alone / "clean").mkdir(parents=True)
        shutil.copy(data_set / row["clean_file_name"], alone / row["clean_file_name"])
        rendered = proof.replay(alone, row).degraded.rgb
        assert np.array_equal(rendered, imagefiles.read(data_set / row["file_name"]).rgb)
        shutil.rmtree(alone)


def test_names_of_samples(data_set: Path) -> None:
    assert proof.row_of(data_set, "b_1") == proof.row_of(data_set, "b.png#1")
    with pytest.raises(OptionError, match=r"2 variants; name one, such as 'b\.png#0'"):
        proof.row_of(data_set, "b.png")
    with pytest.raises(OptionError, match="did you mean"):
        proof.row_of(data_set, "b_7")


def test_the_same_damage_on_another_photograph(data_set: Path) -> None:
    row = proof.row_of(data_set, "a_0")
    other = proof.replay(data_set, row, data_set / "clean/b_0.png")
    own = proof.replay(data_set, row)
    assert np.array_equal(np.asarray(other.masks["any"]), np.asarray(own.masks["any"]))
    assert not np.array_equal(other.degraded.rgb, own.degraded.rgb)


def test_progress_is_reported(data_set: Path) -> None:
    seen: list[tuple[int, int]] = []
    record: Callable[[int, int], None] = lambda done, total: seen.append((done, total))  # noqa: E731
    assert not list(proof.verify(data_set, record))
    assert seen[-1] == (6, 6)
