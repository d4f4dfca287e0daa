"""Which clean pictures keep the file of their source, and how the others are coded."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from pictures import picture
from plans import plan

from degradekit import imagefiles, manifest, proof
from degradekit.reading import DataSet
from degradekit.synth import synthesize


def jpeg(number: int, quality: int = 90) -> bytes:
    return imagefiles.encode_jpeg(picture(number, 40, 48), quality)


def rotated(data: bytes) -> bytes:
    """The JPEG with an EXIF note that it lies on its side."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    """Two plain JPEG files, one of them to be turned."""
    folder = tmp_path / "jpegs"
    folder.mkdir()
    (folder / "a.JPG").write_bytes(jpeg(0))
    (folder / "turned.jpeg").write_bytes(rotated(jpeg(1)))
    return folder


def test_a_jpeg_source_keeps_its_file_unless_a_reader_could_take_it_wrongly(
    jpegs: Path, tmp_path: Path
) -> None:
    synthesize(plan(jpegs, tmp_path / "out", copies=1))
    assert (tmp_path / "out/clean/a_0.JPG").samefile(jpegs / "a.JPG")
    turned = imagefiles.read(tmp_path / "out/clean/turned_0.png").rgb
    assert turned.shape == (48, 40, 3)
    assert np.array_equal(turned, imagefiles.read(jpegs / "turned.jpeg").rgb)
    assert list(proof.verify(tmp_path / "out")) == []
    # A bit that no decoder looks at: in the file's name of its format.
    path = tmp_path / "out/clean/a_0.JPG"
    data = bytearray(path.read_bytes())
    path.unlink()
    data[11] ^= 1
    path.write_bytes(data)
    assert list(proof.verify(tmp_path / "out")) == [f"{path}: bytes differ from those written"]


def test_webdataset_fields_do_not_depend_on_the_photograph(jpegs: Path, tmp_path: Path) -> None:
    synthesize(plan(jpegs, tmp_path / "jpeg", copies=1, layout="webdataset"))
    rows = manifest.read_rows(tmp_path / "jpeg")
    names = [row["clean_file_name"] for row in rows]
    assert names == ["shards/00000.tar/a_0.clean.jpg", "shards/00001.tar/turned_0.clean.jpg"]
    with tarfile.open(tmp_path / "jpeg/shards/00000.tar") as tar:
        kept = (tar.extractfile("a_0.clean.jpg") or io.BytesIO()).read()
    assert kept == (jpegs / "a.JPG").read_bytes()
    assert list(proof.verify(tmp_path / "jpeg")) == []
    (jpegs / "b.png").write_bytes(imagefiles.encode_png(picture(2, 40, 48)))
    synthesize(plan(jpegs, tmp_path / "mixed", copies=1, layout="webdataset"))
    rows = manifest.read_rows(tmp_path / "mixed")
    assert {row["clean_file_name"].rpartition(".")[2] for row in rows} == {"png"}


def test_crops_of_jpegs_are_written_without_loss(jpegs: Path, tmp_path: Path) -> None:
    for layout in ("folders", "webdataset"):
        synthesize(plan(jpegs, tmp_path / layout, copies=1, layout=layout, size=16))
    cleans = (
        [DataSet(tmp_path / layout).clean(row).rgb for row in manifest.rows(tmp_path / layout)]
        for layout in ("folders", "webdataset")
    )
    for one, other in zip(*cleans, strict=True):
        assert np.array_equal(one, other)


def test_files_that_do_not_speak_for_themselves() -> None:
    import PIL.Image

    def saved(mode: str, kind: str, **options: object) -> bytes:
        file = io.BytesIO()
        PIL.Image.fromarray(picture(0)).convert(mode).save(file, kind, **options)
        return file.getvalue()

    assert imagefiles.speaks_for_itself(jpeg(0))
    assert imagefiles.speaks_for_itself(imagefiles.encode_png(picture(0)))
    assert imagefiles.speaks_for_itself(saved("RGB", "WEBP", lossless=True))
    for data in (
        rotated(jpeg(0)),
        imagefiles.encode_png(picture(0)[..., 0]),
        saved("P", "PNG"),
        saved("RGB", "PNG", transparency=(1, 2, 3)),
        saved("CMYK", "JPEG"),
        saved("RGB", "TIFF"),
        b"nothing",
    ):
        assert not imagefiles.speaks_for_itself(data)
