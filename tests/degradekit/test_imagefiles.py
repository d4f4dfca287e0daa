from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pictures import picture
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps

from degradekit import imagefiles
from degradekit.errors import DataError
from degradekit.imagefiles import decode, encode_jpeg, encode_png, pixel_hash, speaks_for_itself
from degradekit.levels import as_float, quantise


def pillow_bytes(image: PillowImage.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_round_trip(dtype: type) -> None:
    rgb = picture(1).astype(dtype) * (1 if dtype is np.uint8 else 257)
    alpha = rgb[..., 0].copy()
    back = decode(encode_png(rgb, alpha), "x")
    assert back.rgb.dtype == dtype
    assert np.array_equal(back.rgb, rgb)
    assert back.alpha is not None
    assert np.array_equal(back.alpha, alpha)
    assert back.bits == (8 if dtype is np.uint8 else 16)


def test_channel_order_is_red_green_blue() -> None:
    red = PillowImage.new("RGB", (4, 3), (255, 0, 0))
    assert decode(pillow_bytes(red, "PNG"), "x").rgb[0, 0].tolist() == [255, 0, 0]
    assert decode(pillow_bytes(red, "BMP"), "x").rgb[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_gray_becomes_three_equal_channels(kind: str) -> None:
    gray = PillowImage.fromarray(picture(1)[..., 0])
    rgb = decode(pillow_bytes(gray, kind), "x").rgb
    assert rgb.shape == (64, 96, 3)
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


def test_palette_and_transparency() -> None:
    palette = PillowImage.fromarray(picture(2)).quantize(16)
    assert np.array_equal(decode(pillow_bytes(palette, "PNG"), "x").rgb, np.asarray(palette.convert("RGB")))
    rgba = PillowImage.fromarray(np.dstack([picture(2), picture(3)[..., 0]]))
    decoded = decode(pillow_bytes(rgba, "PNG"), "x")
    assert np.array_equal(np.asarray(decoded.alpha), picture(3)[..., 0])


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_orientation_is_applied_once(orientation: int, corner: tuple[int, int]) -> None:
    pixels = np.full((16, 32, 3), 40, np.uint8)
    pixels[:8, :8] = 230
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    rgb = decode(pillow_bytes(PillowImage.fromarray(pixels), "JPEG", quality=95, exif=exif), "x").rgb
    assert rgb.shape[:2] == ((16, 32) if orientation in (1, 3) else (32, 16))
    assert rgb[corner].mean() > 200


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("TIFF", "RGB")]
)
def test_every_format_is_turned_upright(kind: str, mode: str, orientation: int) -> None:
    image = PillowImage.fromarray(np.dstack([picture(1), picture(2)[..., :1]])[..., : len(mode)])
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = pillow_bytes(image, kind, exif=exif, **options)
    with PillowImage.open(io.BytesIO(data)) as there:
        wanted = np.asarray(ImageOps.exif_transpose(there))
    decoded = decode(data, "x")
    assert np.array_equal(decoded.rgb, wanted[..., :3])
    assert (decoded.alpha is None) == (mode == "RGB")
    if decoded.alpha is not None:
        assert np.array_equal(decoded.alpha, wanted[..., 3])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_colour_profiles_are_carried(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = pillow_bytes(PillowImage.fromarray(picture(1)), kind, icc_profile=profile)
    bitmap = decode(data, "x")
    assert bitmap.icc == profile
    again = decode(encode_png(bitmap.rgb, icc=bitmap.icc), "x")
    assert again.icc == profile
    assert np.array_equal(again.rgb, bitmap.rgb)


def test_truncated_files_are_errors_at_every_length() -> None:
    for kind in ("PNG", "JPEG"):
        data = pillow_bytes(PillowImage.fromarray(picture(1)), kind)
        for length in range(0, len(data) - 12, max(1, len(data) // 40)):
            with pytest.raises(DataError, match=r"photo\.x"):
                decode(data[:length], "photo.x")


def test_what_stands_behind_a_jpeg_is_no_concern_of_it() -> None:
    data = pillow_bytes(PillowImage.fromarray(picture(1)), "JPEG", progressive=True)
    for behind in (b"\0" * 64, b"film \xff\xda and more", b"\xff\xd8\xff\xda"):
        assert np.array_equal(decode(data + behind, "x").rgb, decode(data, "x").rgb)
        with pytest.raises(DataError, match="truncated"):
            decode(data[:-2] + b"\0" * 8, "x")


def test_scans_over_the_limit_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = pillow_bytes(PillowImage.fromarray(picture(1)), "PNG", icc_profile=profile)
    assert decode(data, "x").icc == profile
    assert speaks_for_itself(data)
    assert PillowImage.MAX_IMAGE_PIXELS == 100


def test_jpegs_that_cannot_be() -> None:
    with pytest.raises(DataError, match="at most 65535 px, got 1 x 65536"):
        encode_jpeg(np.zeros((65_536, 1, 3), np.uint8), 90)


def test_a_flipped_bit_in_a_png_is_an_error() -> None:
    data = bytearray(encode_png(picture(1)))
    for at in range(8, len(data) - 8, 97):
        damaged = bytearray(data)
        damaged[at] ^= 4
        with pytest.raises(DataError):
            decode(bytes(damaged), "x")


@pytest.mark.parametrize("data", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_not_an_image(data: bytes) -> None:
    with pytest.raises(DataError, match=r"x\.png"):
        decode(data, "x.png")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: No such file"):
        imagefiles.read(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"gone\.png: No such file"):
        imagefiles.read(str(tmp_path / "gone.png"))


@pytest.mark.parametrize("bits", [8, 16])
def test_quantise_is_the_inverse_of_as_float(bits: int) -> None:
    levels = np.arange(2**bits, dtype=np.uint8 if bits == 8 else np.uint16).reshape(16, -1)
    assert np.array_equal(quantise(as_float(levels), bits), levels)


@pytest.mark.parametrize("bits", [8, 16])
def test_quantise_rounds_half_to_even_and_clips(bits: int) -> None:
    top = 2**bits - 1
    values = np.float32([[0, 0.5, 1.5, 2.5, 2.6, top, top + 1, 3 * top]]) / np.float32(top)
    assert quantise(values, bits).tolist() == [[0, 0, 2, 2, 3, top, top, top]]
    assert quantise(np.zeros((0, 4), np.float32), bits).shape == (0, 4)


def test_pixel_hash_sees_shape_and_type() -> None:
    pixels = np.zeros((2, 6), np.uint8)
    assert (
        len({pixel_hash(pixels), pixel_hash(pixels.reshape(3, 4)), pixel_hash(np.zeros((2, 3), np.uint16))})
        == 3
    )
