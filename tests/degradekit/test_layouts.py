from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pictures import picture
from plans import cheap_recipe, plan, tree

from degradekit import atomicfiles, imagefiles, layouts, manifest, proof, sources
from degradekit.coding import Coding
from degradekit.errors import DataError, OptionError, OutputFolderError
from degradekit.reading import DataSet
from degradekit.synth import Plan, remove, synthesize

ALL = (*layouts.NAMES, layouts.RECIPES)
JPEG = Coding("jpeg", 90)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts") / "in"
    (folder / "album").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.c.png", "album/d.png"]):
        (folder / name).write_bytes(imagefiles.encode_png(picture(number, 40, 48)))
    return folder


@pytest.fixture(scope="module")
def finished(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One data set of every layout, made in this process."""
    folder = tmp_path_factory.mktemp("finished")
    for name in ALL:
        synthesize(plan(source, folder / name, layout=name))
    return {name: folder / name for name in ALL}


@pytest.mark.parametrize("name", ALL)
def test_what_was_written_is_read_back(finished: dict[str, Path], name: str) -> None:
    reference, data = DataSet(finished["folders"]), DataSet(finished[name])
    assert len(data) == 6
    assert data.classes == ("dust", "hole")
    for number, expected in enumerate(reference.rows()):
        row = data.row(number)
        assert (row["key"], row["variant"]) == (expected["key"], expected["variant"])
        assert row["recipe"] == expected["recipe"]
        for role in ("clean", "degraded"):
            here, there = data.reader.read(row, role), reference.reader.read(expected, role)
            assert np.array_equal(here.rgb, there.rgb)
        for mask in ("any", "dust", "hole"):
            assert np.array_equal(data.mask(row, mask), reference.mask(expected, mask))


@pytest.mark.parametrize("name", ALL)
def test_workers_kills_and_resumes_do_not_show(
    source: Path, finished: dict[str, Path], tmp_path: Path, name: str
) -> None:
    synthesize(plan(source, tmp_path / "two", layout=name), workers=2)
    assert tree(tmp_path / "two") == tree(finished[name])
    manifest.shard_file(tmp_path / "two", 3).unlink()
    (tmp_path / "two" / manifest.DONE).unlink()
    for path in tmp_path.glob("two/shards/00003.*"):
        # What a writer that was killed leaves.
        path.rename(path.with_name(f".{path.name}.partial"))
    summary = synthesize(plan(source, tmp_path / "two", layout=name))
    assert (summary.rows, summary.made) == (6, 1)
    assert tree(tmp_path / "two") == tree(finished[name])


@pytest.mark.parametrize("name", ALL)
def test_a_flipped_bit_is_found(finished: dict[str, Path], tmp_path: Path, name: str) -> None:
    shutil.copytree(finished[name], tmp_path / "out")
    assert list(proof.verify(tmp_path / "out")) == []
    assert list(proof.verify(tmp_path / "out", sample="50%")) == []
    files = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    files = [path for path in files if path.name != manifest.ORIGINS]
    for number, path in enumerate(files):
        good = path.read_bytes()
        at = len(good) * (number % 7) // 7
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << number % 8]) + good[at + 1 :])
        try:
            differences = list(proof.verify(tmp_path / "out"))
        except DataError as error:
            differences = [str(error)]
        assert differences, f"{path}, byte {at}"
        path.write_bytes(good)
    assert list(proof.verify(tmp_path / "out")) == []


@pytest.mark.parametrize("name", layouts.NAMES)
def test_a_sample_finds_damage_in_what_it_looks_at(
    finished: dict[str, Path], tmp_path: Path, name: str
) -> None:
    shutil.copytree(finished[name], tmp_path / "out")
    for entry in layouts.find(name).entries:
        for path in (tmp_path / "out" / entry).rglob("*.*"):
            path.write_bytes(b"gone")
    assert len(list(proof.verify(tmp_path / "out", sample="2"))) >= 2


@pytest.mark.parametrize("name", ALL)
def test_replay_and_removal(finished: dict[str, Path], tmp_path: Path, name: str) -> None:
    row = proof.row_of(finished[name], "a.png#1")
    expected = proof.row_of(finished["folders"], "a.png#1")
    assert proof.replay(finished[name], row).columns()["sha256"] == expected["sha256"]
    shutil.copytree(finished[name], tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine")
    remove(tmp_path / "out")
    assert list(tree(tmp_path / "out")) == ["notes.txt"]


def test_pix2pix_has_degraded_left_and_clean_right(finished: dict[str, Path]) -> None:
    both = imagefiles.read(finished["pix2pix"] / "train/album/d_1.png").rgb
    assert both.shape == (40, 96, 3)
    for half, name in ((both[:, :48], "degraded"), (both[:, 48:], "clean")):
        assert np.array_equal(half, imagefiles.read(finished["folders"] / name / "album/d_1.png").rgb)


def test_basicsr_lists(finished: dict[str, Path]) -> None:
    lines = (finished["basicsr"] / "meta_info.txt").read_text().splitlines()
    assert lines[:3] == ["a_0.png (40,48,3)", "a_1.png (40,48,3)", "album__d_0.png (40,48,3)"]
    pairs = (finished["basicsr"] / "meta_info_pair.txt").read_text().splitlines()
    assert pairs[2] == "gt/album__d_0.png, lq/album__d_0.png"
    for pair in pairs:
        for name in pair.split(", "):
            assert (finished["basicsr"] / name).is_file()
    # BasicSR takes the base name in gt and expects the very same in lq.
    assert {path.name for path in (finished["basicsr"] / "gt").iterdir()} == {
        path.name for path in (finished["basicsr"] / "lq").iterdir()
    }


def test_basicsr_lists_can_be_split_whatever_the_names(tmp_path: Path) -> None:
    (tmp_path / "in/my album").mkdir(parents=True)
    for name in ("my photo.png", "my album/one, two.png"):
        (tmp_path / "in" / name).write_bytes(imagefiles.encode_png(picture(0, 40, 48)))
    synthesize(plan(tmp_path / "in", tmp_path / "out", layout="basicsr", copies=1))
    # As BasicSR and Real-ESRGAN read them.
    names = [line.split(" ")[0] for line in (tmp_path / "out/meta_info.txt").read_text().splitlines()]
    assert names == ["my_album__one__two_0.png", "my_photo_0.png"]
    pairs = [line.split(", ") for line in (tmp_path / "out/meta_info_pair.txt").read_text().splitlines()]
    assert pairs == [[f"gt/{name}", f"lq/{name}"] for name in names]
    assert all((tmp_path / "out" / name).is_file() for pair in pairs for name in pair)
    (tmp_path / "in/my_photo.png").write_bytes(imagefiles.encode_png(picture(1, 40, 48)))
    with pytest.raises(DataError, match=r"my photo\.png and my_photo\.png: both would be written as"):
        synthesize(plan(tmp_path / "in", tmp_path / "other", layout="basicsr", copies=1))


def test_webdataset_tars(finished: dict[str, Path]) -> None:
    fields = ["degraded.png", "clean.png", "mask.png", "dust.png", "hole.png", "json"]
    stems = []
    for path in sorted((finished["webdataset"] / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            assert [member.name.partition(".")[2] for member in members] == fields
            assert len({member.name.partition(".")[0] for member in members}) == 1
            assert {(member.mtime, member.uid, member.mode) for member in members} == {(946684800, 0, 0o444)}
            stems.append(members[0].name.partition(".")[0])
            row = json.load(tar.extractfile(members[-1]) or io.BytesIO())
            data = (tar.extractfile(members[0]) or io.BytesIO()).read()
            assert imagefiles.pixel_hash(imagefiles.decode(data, "member").rgb) == row["sha256"]
    assert stems == ["a_0", "a_1", "album/d_0", "album/d_1", "b_c_0", "b_c_1"]


def test_parquet_holds_image_bytes(finished: dict[str, Path]) -> None:
    table = pq.read_table(finished["parquet"] / "shards")
    assert table.num_rows == 6
    rows = table.to_pylist()
    for row in rows:
        degraded = imagefiles.decode(row["degraded"]["bytes"], "cell").rgb
        assert imagefiles.pixel_hash(degraded) == row["sha256"]
        assert imagefiles.decode(row["hole_mask"]["bytes"], "cell").rgb.shape == (40, 48, 3)
    assert rows[0]["clean"]["path"] == "a_0.clean.png"
    note = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert note["dust_mask"] == {"_type": "Image"}
    assert note["coverage_dust"] == {"dtype": "float64", "_type": "Value"}


def test_parquet_without_pyarrow(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "degradekit.layouts.parquet", raising=False)
    with pytest.raises(OptionError, match=r"pip install 'degradekit\[parquet\]'"):
        plan(source, tmp_path / "out", layout="parquet")


def test_recipes_only_writes_no_pixels_and_notices_another_photograph(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "in")
    synthesize(plan(tmp_path / "in", tmp_path / "out", layout="recipes", size=32))
    assert not [name for name in tree(tmp_path / "out") if name.endswith((".png", ".jpg"))]
    (tmp_path / "in/a.png").write_bytes(imagefiles.encode_png(picture(9, 40, 48)))
    differences = list(proof.verify(tmp_path / "out"))
    assert len(differences) == 2
    assert "a.png: is not the photograph" in differences[0]
    (tmp_path / "in/a.png").unlink()
    assert "a.png: No such file" in next(proof.verify(tmp_path / "out"))


@pytest.mark.parametrize("name", ["folders", "basicsr", "webdataset", "parquet"])
def test_jpeg_pictures_verify_and_start_from_what_the_file_gives(
    source: Path, tmp_path: Path, name: str
) -> None:
    synthesize(plan(source, tmp_path / "out", layout=name, coding=JPEG, size=32, copies=1))
    assert list(proof.verify(tmp_path / "out")) == []
    data = DataSet(tmp_path / "out")
    for row in data.rows():
        assert imagefiles.pixel_hash(data.clean(row).rgb) == row["clean_sha256"]
        assert imagefiles.pixel_hash(data.degraded(row).rgb) == row["sha256"]
    if name == "folders":
        assert (tmp_path / "out/clean/a_0.jpg").read_bytes()[:2] == b"\xff\xd8"
        assert (tmp_path / "out/masks/dust/a_0.png").is_file()


def test_pix2pix_refuses_jpeg(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="JPEG would mix"):
        plan(source, tmp_path / "out", layout="pix2pix", coding=JPEG)


def test_jpeg_keeps_the_colour_profile_and_full_colour() -> None:
    pixels = picture(3, 40, 48)
    icc = bytes(16) + b"RGB " + bytes(70_000)
    data = imagefiles.encode_jpeg(pixels, 95, icc)
    back = imagefiles.decode(data, "jpeg")
    assert back.icc == icc
    plain = imagefiles.encode_jpeg(pixels, 95)
    assert np.array_equal(back.rgb, imagefiles.decode(plain, "jpeg").rgb)
    # Component 1 of the frame header: sampling 1 x 1, as the others.
    at = data.index(b"\xff\xc0")
    assert [data[at + 11 + 3 * component] for component in range(3)] == [0x11, 0x11, 0x11]


@pytest.mark.parametrize(("name", "where"), [("folders", "clean/a_0.png"), ("basicsr", "gt/a_0.png")])
def test_an_untouched_clean_picture_is_a_link(source: Path, tmp_path: Path, name: str, where: str) -> None:
    synthesize(plan(source, tmp_path / name, layout=name))
    assert (tmp_path / name / where).samefile(source / "a.png")


def test_a_clean_picture_that_cannot_be_linked_is_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refusing)
    synthesize(plan(source, tmp_path / "out"))
    copy = tmp_path / "out/clean/a_0.png"
    assert copy.read_bytes() == (source / "a.png").read_bytes()
    assert not copy.samefile(source / "a.png")
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_files_of_an_installed_package_are_never_linked(tmp_path: Path) -> None:
    found = tuple(sources.find([]))[:1]
    synthesize(Plan(found, cheap_recipe(), tmp_path / "out"))
    copy = tmp_path / "out/clean/builtin/astronaut_0.png"
    assert isinstance(found[0], sources.FileSource)
    assert copy.read_bytes() == found[0].path.read_bytes()
    assert not copy.samefile(found[0].path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "parquet"}, "layout: 'folders' there, 'parquet' asked for"),
        ({"coding": JPEG}, "coding.format: 'png' there, 'jpeg' asked for"),
        ({"size": 32}, "size: None there, 32 asked for"),
    ],
)
def test_another_layout_in_the_folder_is_refused(
    source: Path, finished: dict[str, Path], change: dict[str, object], message: str
) -> None:
    with pytest.raises(OutputFolderError, match=message):
        synthesize(plan(source, finished["folders"], **change))


@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_a_shard_without_samples_has_no_file(source: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(source, tmp_path / "in")
    good = (tmp_path / "in/a.png").read_bytes()
    (tmp_path / "in/a.png").write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
    summary = synthesize(plan(tmp_path / "in", tmp_path / "out", layout=name))
    assert (summary.rows, len(summary.errors)) == (4, 2)
    assert len(list((tmp_path / "out/shards").iterdir())) == 4
    assert list(proof.verify(tmp_path / "out")) == []
    (tmp_path / "in/a.png").write_bytes(good)
    assert synthesize(plan(tmp_path / "in", tmp_path / "out", layout=name)).made == 2
    assert list(proof.verify(tmp_path / "out")) == []


@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_a_full_disk_leaves_no_half_shard(
    source: Path, finished: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    class FullDisk(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opening(descriptor: int, mode: str) -> io.BufferedWriter:
        return io.BufferedWriter(FullDisk(descriptor, mode), buffer_size=1000)

    real = os.fdopen
    with monkeypatch.context() as patch:
        patch.setattr(
            atomicfiles.os,
            "fdopen",
            lambda descriptor, mode: (
                opening if "shards/." in str(Path(f"/proc/self/fd/{descriptor}").readlink()) else real
            )(descriptor, mode),
        )
        with pytest.raises(OSError, match="No space left on device"):
            synthesize(plan(source, tmp_path / "out", layout=name))
    assert not list((tmp_path / "out").rglob("*.partial"))
    synthesize(plan(source, tmp_path / "out", layout=name))
    assert tree(tmp_path / "out") == tree(finished[name])
