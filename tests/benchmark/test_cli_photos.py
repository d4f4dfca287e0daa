from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import torch
from pictures import picture
from torch import Tensor
from trainedruns import run_with

from benchmark import photofiles, photographs, training
from degradekit import imagefiles
from degradekit.errors import DataError, OptionError
from degradekit.levels import as_float


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_with(tmp_path / "run", "scratch_detector")


def _jpeg(path: Path, orientation: int) -> bytes:
    """A photograph 96x64 lying on its side, with EXIF and a colour profile; returns the profile."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Voigtländer".encode("latin1")
    exif.get_ifd(0x8769)[0x9003] = "1931:05:06 07:08:09"
    profile: bytes = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    PIL.Image.fromarray(picture(0)).save(path, exif=exif, icc_profile=profile, quality=95)
    return profile


def test_size_depth_alpha_profile_and_exif_are_kept(
    tmp_path: Path, run: Path, call: Callable[..., Any]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    profile = _jpeg(photos / "turned.jpg", 6)
    deep = picture(1, 40, 53).astype(np.uint16) * 257 + 5
    alpha = np.arange(40 * 53, dtype=np.uint16).reshape(40, 53)
    (photos / "deep.png").write_bytes(imagefiles.encode_png(deep, alpha))
    done = call("benchmark", "restore", photos, "--run", run, "--method", "identity", "--out", out)
    assert done.code == 0, done.err
    restored = imagefiles.read(out / "deep.png")
    assert restored.alpha is not None
    # The method changes nothing, so neither may the way through files and tensors.
    np.testing.assert_array_equal(restored.rgb, deep)
    np.testing.assert_array_equal(restored.alpha, alpha)
    with PIL.Image.open(out / "turned.png") as image:
        assert image.size == (64, 96)
        assert image.info["icc_profile"] == profile
        exif = image.getexif()
        assert exif[0x0112] == 1
        assert exif.get_ifd(0x8769)[0x9003] == "1931:05:06 07:08:09"
    np.testing.assert_array_equal(
        imagefiles.read(out / "turned.png").rgb, imagefiles.read(photos / "turned.jpg").rgb
    )


def test_exif_of_a_tiff_says_nothing_of_its_layout(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x010F] = "Zeiss"
    PIL.Image.fromarray(picture(0)).save(tmp_path / "a.tif", exif=exif)
    photo = photofiles.read(tmp_path / "a.tif")
    photofiles.write(tmp_path / "a.png", photo.bitmap.rgb, photo)
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert dict(image.getexif()) == {0x010F: "Zeiss"}
    plain = io.BytesIO()
    PIL.Image.fromarray(picture(0)).save(plain, "PNG")
    (tmp_path / "b.png").write_bytes(plain.getvalue())
    assert photofiles.read(tmp_path / "b.png").exif is None


def test_a_photograph_that_fails_is_listed_and_the_others_are_done(
    tmp_path: Path, photographs: Path, run: Path, call: Callable[..., Any]
) -> None:
    (photographs / "c.png").write_bytes((photographs / "c.png").read_bytes()[:500])
    out = tmp_path / "out"
    for command in (("restore", "--method", "median", "--sheet"), ("detect",)):
        done = call("benchmark", *command, photographs, "--run", run, "--out", out / command[0])
        assert done.code == 3
        assert "c.png: the PNG is truncated" in done.err
        assert "1 of 5 photographs failed" in done.err
        assert {path.name for path in (out / command[0]).glob("*.png")} == {
            "a.png",
            "b.png",
            "d.png",
            "e.png",
        }
    sheet = imagefiles.read(out / "restore" / "before-after.jpg").rgb
    # Four rows of two pictures 96 wide.
    assert sheet.shape[0] > 4 * 64
    assert sheet.shape[1] > 2 * 96


def test_maps_are_16_bit_and_as_large_as_the_photograph(
    tmp_path: Path, run: Path, call: Callable[..., Any]
) -> None:
    photo = tmp_path / "scan.png"
    photo.write_bytes(imagefiles.encode_png(picture(0, 61, 83)))
    assert call("benchmark", "detect", photo, "--run", run, "--out", tmp_path / "maps").code == 0
    found = imagefiles.read(tmp_path / "maps" / "scan.png").rgb
    assert found.dtype == np.uint16
    assert found.shape == (61, 83, 3)
    assert len(np.unique(found)) > 256


def test_tiles_give_nearly_what_one_piece_does(run: Path) -> None:
    image = as_float(picture(0, 200, 330))
    calls: list[tuple[int, int]] = []
    whole = photographs.load(run, "scratch_detector").detect(image, lambda done, total: None)
    tiled = photographs.load(run, "scratch_detector", 192).detect(image, lambda *at: calls.append(at))
    assert tiled.shape == whole.shape == (200, 330)
    # The innermost level sees past a tile's end; with random weights that is all that differs.
    assert np.abs(tiled - whole).mean() < 0.02
    assert calls[0] == (0, 6)
    assert calls[-1] == (6, 6)


def test_a_method_without_tiles_of_its_own_sees_the_whole_photograph(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[tuple[int, int]] = []

    def restore(degraded: Tensor, mask: Tensor | None) -> Tensor:
        sides.append((degraded.shape[2], degraded.shape[3]))
        return degraded

    image = as_float(picture(0, 48, 1500))
    for tile, seen in ((None, [(48, 1500)]), (1024, [(48, 1024)] * 2)):
        applied = photographs.load(run, "identity", tile)
        monkeypatch.setattr(applied.method, "restore", restore)
        sides.clear()
        done: list[tuple[int, int]] = []
        applied.restore(image, None, "scan", lambda *at, done=done: done.append(at))
        assert sides == seen
        assert done[-1] == (len(seen), len(seen))
    assert photographs.load(run, "scratch_detector").tile == 1024


def test_a_method_without_networks_gets_its_pixels_on_the_cpu(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "prepare", lambda budget: torch.device("meta"))
    assert photographs.load(run, "biharmonic").device.type == "cpu"


def test_the_mask_is_the_users_or_the_detectors(tmp_path: Path, run: Path, call: Callable[..., Any]) -> None:
    clean = picture(2, 48, 48)
    (tmp_path / "scan.png").write_bytes(imagefiles.encode_png(clean))
    mask = np.zeros((48, 48), np.uint8)
    mask[20:24, 10:30] = 255
    (tmp_path / "mask.png").write_bytes(imagefiles.encode_png(mask))
    arguments = ("benchmark", "restore", tmp_path / "scan.png", "--run", run, "--out", tmp_path / "out")
    done = call(*arguments, "--method", "biharmonic", "--mask", tmp_path / "mask.png")
    assert done.code == 0, done.err
    restored = imagefiles.read(tmp_path / "out" / "scan.png").rgb
    changed = (restored != clean).any(axis=2)
    assert changed[mask > 0].any()
    # It fills a rim around the mask as well.
    assert not changed[:14].any()
    assert not changed[:, 36:].any()
    assert call(*arguments, "--method", "median", "--mask", tmp_path / "mask.png").code == 2
    (tmp_path / "mask.png").write_bytes(imagefiles.encode_png(mask[:40]))
    done = call(*arguments, "--method", "biharmonic", "--mask", tmp_path / "mask.png")
    assert done.code == 3
    assert "the mask is 48x40, the photograph scan 48x48" in done.err
    assert photographs.wants_mask(photographs.load(run, "biharmonic").declaration, given=False) == "detected"


def test_the_runs_detector_or_the_one_named(tmp_path: Path, run: Path, call: Callable[..., Any]) -> None:
    (tmp_path / "scan.png").write_bytes(imagefiles.encode_png(picture(2, 48, 48)))
    arguments = ("benchmark", "detect", tmp_path / "scan.png", "--run", run, "--out")
    assert call(*arguments, tmp_path / "own").code == 0
    assert call(*arguments, tmp_path / "two", "--detector", "scratch_detector_multiscale").code == 0
    own, two = (imagefiles.read(tmp_path / name / "scan.png").rgb for name in ("own", "two"))
    assert own.shape == two.shape
    assert not np.array_equal(own, two)
    assert photographs.detector_of(run).declaration.name == "scratch_detector"


def test_mistakes_are_told_before_anything_is_made(
    tmp_path: Path, run: Path, call: Callable[..., Any]
) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(imagefiles.encode_png(picture(0)))
    done = call("benchmark", "detect", photo, "--run", run, "--out", tmp_path)
    assert done.code == 2
    assert "overwrite" in done.err
    (tmp_path / "a.jpg").write_bytes(imagefiles.encode_jpeg(picture(0), 90))
    done = call("benchmark", "detect", photo, tmp_path / "a.jpg", "--run", run, "--out", tmp_path / "out")
    assert done.code == 2
    assert "rename one" in done.err
    done = call("benchmark", "restore", photo, "--run", run, "--method", "pix2pix", "--out", tmp_path / "out")
    assert done.code == 4
    assert "pix2pix was not trained there (trained: scratch_detector)" in done.err
    assert call("benchmark", "detect", photo, "--run", tmp_path / "none", "--out", tmp_path / "out").code == 4
    done = call("benchmark", "detect", photo, "--run", run, "--detector", "median", "--out", tmp_path / "out")
    assert done.code == 2
    assert "'median' restores, it detects nothing" in done.err
    with pytest.raises(DataError, match="no detector was trained there"):
        photographs.detector_of(run_with(tmp_path / "bare"))
    with pytest.raises(OptionError, match="128 pixels a side at least"):
        photographs.load(run, "scratch_detector", 100)
    assert not (tmp_path / "out").exists()
