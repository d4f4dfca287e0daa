"""Data sets as the public packages read them, with nothing of ours in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from pictures import picture
from plans import plan

from degradekit import imagefiles, manifest
from degradekit.coding import Coding
from degradekit.synth import synthesize

# The packages' own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

Expected = dict[tuple[str, int], dict[str, NDArray[np.uint8]]]
ROLES = {"degraded": "file_name", "clean": "clean_file_name", "mask": "mask_file_name"}
CLASSES = ("dust", "hole")


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The ``datasets`` package, without a network and with a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("cache")))
        import datasets

        datasets.disable_progress_bars()
        yield datasets


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers") / "in"
    (folder / "album").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.c.png", "album/d.png"]):
        (folder / name).write_bytes(imagefiles.encode_png(picture(number, 40, 48)))
    return folder


@pytest.fixture(scope="module")
def folders(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("folders") / "out"
    synthesize(plan(photographs, out))
    return out


@pytest.fixture(scope="module")
def expected(folders: Path) -> Expected:
    """The pictures of every sample, read by Pillow from the plain files."""
    columns = {**ROLES, **{name: f"{name}_mask_file_name" for name in CLASSES}}
    return {
        (row["key"], row["variant"]): {role: opened(folders / row[name]) for role, name in columns.items()}
        for row in manifest.read_rows(folders)
    }


def opened(path: Path) -> NDArray[np.uint8]:
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def pixels(image: Any) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB"))


def made(photographs: Path, out: Path, **changes: Any) -> Path:
    synthesize(plan(photographs, out, **changes))
    return out


def test_hugging_face_reads_the_folders(hugging_face: ModuleType, folders: Path, expected: Expected) -> None:
    table = hugging_face.load_dataset("imagefolder", data_dir=str(folders), split="train")
    assert len(table) == len(expected) == 6
    for row in table:
        pictures = expected[row["key"], row["variant"]]
        assert np.array_equal(pixels(row["image"]), pictures["degraded"])
        assert np.array_equal(pixels(row["clean"]), pictures["clean"])
        assert np.array_equal(pixels(row["mask"]), pictures["mask"])
        for name in CLASSES:
            assert np.array_equal(pixels(row[f"{name}_mask"]), pictures[name])
        assert row["coverage_any"] == pytest.approx(pictures["mask"][..., 0].mean() / 255, abs=1e-6)


def test_hugging_face_reads_parquet(
    hugging_face: ModuleType, photographs: Path, tmp_path: Path, expected: Expected
) -> None:
    out = made(photographs, tmp_path / "out", layout="parquet")
    files = sorted(str(path) for path in (out / "shards").iterdir())
    table = hugging_face.load_dataset("parquet", data_files=files, split="train")
    assert len(table) == len(expected)
    for row in table:
        pictures = expected[row["key"], row["variant"]]
        for role in ROLES:
            assert np.array_equal(pixels(row[role]), pictures[role])
        for name in CLASSES:
            assert np.array_equal(pixels(row[f"{name}_mask"]), pictures[name])


def test_hugging_face_reads_the_tars(
    hugging_face: ModuleType, photographs: Path, tmp_path: Path, expected: Expected
) -> None:
    out = made(photographs, tmp_path / "out", layout="webdataset")
    files = sorted(str(path) for path in (out / "shards").iterdir())
    table = hugging_face.load_dataset("webdataset", data_files={"train": files}, split="train")
    for row in table:
        pictures = expected[row["json"]["key"], row["json"]["variant"]]
        for role in (*ROLES, *CLASSES):
            assert np.array_equal(pixels(row[f"{role}.png"]), pictures[role])


@pytest.mark.parametrize("coding", [Coding(), Coding("jpeg", 90)], ids=["png", "jpeg"])
def test_webdataset_reads_the_tars(
    photographs: Path, tmp_path: Path, expected: Expected, coding: Coding
) -> None:
    import webdataset

    out = made(photographs, tmp_path / "out", layout="webdataset", coding=coding)
    files = sorted(str(path) for path in (out / "shards").iterdir())
    found = list(webdataset.WebDataset(files, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in found] == [
        "a_0", "a_1", "album/d_0", "album/d_1", "b_c_0", "b_c_1",
    ]  # fmt: skip
    for sample in found:
        row = sample["json"]
        pictures = expected[row["key"], row["variant"]]
        if coding.format == "png":
            for name in (*ROLES, *CLASSES):
                assert np.array_equal(sample[f"{name}.png"], pictures[name])
        else:
            # The degraded picture starts from the clean file's own pixels, so the rest differs a little too.
            for name in ("clean", "degraded"):
                assert np.abs(sample[f"{name}.jpg"].astype(float) - pictures[name]).mean() < 8
            assert np.array_equal(sample["mask.png"], pictures["mask"])


def test_a_pix2pix_loader_reads_aligned_pairs(photographs: Path, tmp_path: Path, expected: Expected) -> None:
    out = made(photographs, tmp_path / "out", layout="pix2pix")
    rows = {row["file_name"]: row for row in manifest.read_rows(out)}
    # As aligned loaders do: walk train/, sort, cut each picture in the middle; A left, B right.
    found = sorted(path for path in (out / "train").rglob("*") if path.suffix in (".png", ".jpg"))
    assert len(found) == len(expected)
    for path in found:
        with PIL.Image.open(path) as both:
            width, height = both.size
            a = both.convert("RGB").crop((0, 0, width // 2, height))
            b = both.convert("RGB").crop((width // 2, 0, width, height))
        row = rows[path.relative_to(out).as_posix()]
        pictures = expected[row["key"], row["variant"]]
        assert np.array_equal(np.asarray(a), pictures["degraded"])
        assert np.array_equal(np.asarray(b), pictures["clean"])


def test_a_basicsr_loader_reads_pairs_by_its_list(
    photographs: Path, tmp_path: Path, expected: Expected
) -> None:
    out = made(photographs, tmp_path / "out", layout="basicsr")
    # As its paired-image dataset does: the first word of each line, below both folders.
    names = [line.split(" ")[0] for line in (out / "meta_info.txt").read_text().splitlines()]
    pairs = [(opened(out / "gt" / name), opened(out / "lq" / name)) for name in names]
    assert len(pairs) == len(expected)
    for (clean, degraded), pictures in zip(pairs, expected.values(), strict=True):
        assert np.array_equal(clean, pictures["clean"])
        assert np.array_equal(degraded, pictures["degraded"])
