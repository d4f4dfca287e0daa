"""What every op has to keep, whatever it paints."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from degradekit import imagefiles
from degradekit.ops import OPS, Op
from degradekit.photo import Photo
from degradekit.randomness import generator

EVERY = pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
SEED = 11
#: What free-text parameters have to name, since their default is nothing.
NEEDED: dict[str, str] = {}


@pytest.fixture(autouse=True, scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("textures")
    shape = np.zeros((40, 60), np.uint8)
    shape[10:30, 10:50] = 255
    rgb = np.full((40, 60, 3), 200, np.uint8)
    (folder / "one.png").write_bytes(imagefiles.encode_png(rgb, shape))
    NEEDED["folder"] = str(folder)


def photograph(height: int = 60, width: int = 84, px_per_mm: float = 6.0) -> Photo:
    """Smooth colours with edges, a mask that is already there, and alpha."""
    rng = np.random.Generator(np.random.PCG64(5))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    image = np.stack([x / max(width, 2), y / max(height, 2), 0.5 + 0.4 * np.sin(x / 5)], axis=2)
    image[height // 3 : height // 2] = rng.random(3)
    mask = np.zeros((height, width), np.float32)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 0.7
    alpha = np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width)
    masks = {"scratch": mask, "somebody_elses": mask.copy()}
    return Photo(image.astype(np.float32).clip(0, 1), px_per_mm, masks, alpha)


def defaults(op: Op) -> dict[str, float | int | str | bool]:
    return {name: NEEDED.get(name, parameter.default) for name, parameter in op.parameters.items()}


def apply(op: Op, photo: Photo, **values: float | int | str | bool) -> Photo:
    return op(photo, generator(SEED), **{**defaults(op), **values})


def check_values(photo: Photo, result: Photo) -> None:
    assert result.image.dtype == np.float32
    assert result.image.shape == photo.image.shape
    for plane in (result.image, *result.masks.values()):
        assert np.isfinite(plane).all()
        assert plane.min() >= 0
        assert plane.max() <= 1
    assert result.px_per_mm == photo.px_per_mm


@EVERY
def test_finite_and_in_range_at_both_ends_of_every_parameter(op: Op) -> None:
    photo = photograph()
    for parameter in op.parameters.values():
        for value in parameter.extremes():
            check_values(photo, apply(op, photo, **{parameter.name: value}))


@EVERY
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_smallest_photographs(op: Op, shape: tuple[int, int]) -> None:
    photo = photograph(*shape)
    for severity in (1.0, 4.0):
        check_values(photo, apply(op, photo, **op.scaled(defaults(op), severity)))


@EVERY
@pytest.mark.parametrize("shape", [(6, 33_000), (33_000, 6)])
def test_sides_that_are_longer_than_opencv_interpolates(op: Op, shape: tuple[int, int]) -> None:
    photo = photograph(*shape)
    check_values(photo, apply(op, photo))


@EVERY
def test_input_is_not_changed(op: Op) -> None:
    photo = photograph()
    before = (photo.image.tobytes(), *(mask.tobytes() for mask in photo.masks.values()))
    apply(op, photo, **op.scaled(defaults(op), 3)).make()
    assert (photo.image.tobytes(), *(mask.tobytes() for mask in photo.masks.values())) == before


@EVERY
def test_same_stream_gives_same_bytes(op: Op) -> None:
    one, two = apply(op, photograph()), apply(op, photograph())
    assert one.image.tobytes() == two.image.tobytes()
    assert {name: mask.tobytes() for name, mask in one.masks.items()} == {
        name: mask.tobytes() for name, mask in two.masks.items()
    }


@EVERY
def test_same_bytes_from_an_image_that_may_be_changed(op: Op) -> None:
    values = {**defaults(op), **op.scaled(defaults(op), 4)}
    photo = photograph(120, 160)
    kept = op(photo, generator(SEED), **values)
    changed = op(replace(photo, pixels=photo.image.copy(), owned=True), generator(SEED), **values)
    assert changed.image.tobytes() == kept.image.tobytes()
    assert {name: mask.tobytes() for name, mask in changed.masks.items()} == {
        name: mask.tobytes() for name, mask in kept.masks.items()
    }


@EVERY
def test_no_strength_changes_nothing(op: Op) -> None:
    photo = photograph()
    result = apply(op, photo, **op.scaled(defaults(op), 0))
    if op.exact:
        assert np.array_equal(result.image, photo.image)
    else:
        assert np.abs(result.image - photo.image).mean() < 0.02
    for name, mask in photo.masks.items():
        assert np.array_equal(result.masks[name], mask)


@EVERY
def test_full_strength_changes_something(op: Op) -> None:
    photo = photograph(120, 160)
    # Rare defects need a high rate to be sure to appear on so small a print.
    results = (apply(op, photo, **op.scaled(defaults(op), severity)) for severity in (3, 10, 30, 100))
    assert any(np.abs(result.image - photo.image).max() > 0.01 for result in results)


@EVERY
def test_masks_only_grow_and_only_those_declared(op: Op) -> None:
    photo = photograph()
    result = apply(op, photo, **op.scaled(defaults(op), 3))
    assert set(result.masks) <= {*photo.masks, *op.masks}
    assert np.array_equal(np.asarray(result.alpha), np.asarray(photo.alpha))
    if op.moves:
        return
    for name, mask in photo.masks.items():
        if name in op.masks:
            assert (result.masks[name] >= mask - 1e-6).all()
        else:
            assert np.array_equal(result.masks[name], mask)


@EVERY
def test_a_mask_is_where_the_picture_changed(op: Op) -> None:
    if not op.masks:
        pytest.skip("hides nothing")
    photo = Photo(np.full((160, 200, 3), 0.35, np.float32), 5.0)
    for severity in (1.0, 3.0, 10.0, 30.0):
        result = apply(op, photo, **op.scaled(defaults(op), severity))
        hidden = np.max(
            [result.masks.get(name, np.zeros(photo.image.shape[:2])) for name in op.masks], axis=0
        )
        if (hidden > 0.8).any():
            break
    assert (hidden > 0.3).any(), "never hid anything, even at thirty times the default strength"
    changed = np.abs(result.image - photo.image).max(axis=2)
    assert (changed[hidden > 0.3] > 0.02).mean() > 0.9


@EVERY
def test_moving_ops_move_masks_with_the_picture(op: Op) -> None:
    if not op.moves:
        pytest.skip("does not move the picture")
    mask = np.zeros((90, 120), np.float32)
    mask[30:60, 40:80] = 1
    photo = Photo(np.repeat(mask[..., None], 3, axis=2), 6.0, {"somebody_elses": mask})
    result = apply(op, photo, **op.scaled(defaults(op), 2))
    unpainted = 1 - np.max([result.masks.get(name, 0 * mask) for name in op.masks] or [0 * mask], axis=0)
    difference = np.abs(result.image.mean(axis=2) - result.masks["somebody_elses"])[unpainted > 0.99]
    assert difference.mean() < 0.05


@EVERY
def test_documented(op: Op) -> None:
    text = op.function.__doc__ or ""
    assert re.search(r"Source:", text), "the docstring names its source: a paper and section, or 'our choice'"
    assert op.summary.endswith(".")
    assert op.function.__name__ == op.name
    for name, value in op.neutral.items():
        assert op.parameters[name].accepts(value)
    for parameter in op.parameters.values():
        assert parameter.accepts(parameter.default)
