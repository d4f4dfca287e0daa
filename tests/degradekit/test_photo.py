from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from degradekit.drawn import Drawn, DrawnStep
from degradekit.levels import Image, as_float, quantise
from degradekit.ops import OPS
from degradekit.photo import Change, Photo
from degradekit.randomness import generator
from degradekit.timings import Timings


def photograph() -> Photo:
    return Photo(np.random.default_rng(0).random((40, 50, 3), dtype=np.float32), 5.0)


def counted(calls: list[int]) -> Callable[[Image, Sequence[Change]], Image]:
    def maker(image: Image, changes: Sequence[Change]) -> Image:
        calls.append(len(changes))
        for change, planes in changes:
            image = change(image, *planes)
        return image

    return maker


def test_changes_that_follow_each_other_are_made_together_and_once() -> None:
    calls: list[int] = []
    maker, photo = counted(calls), photograph()
    halved = photo.changed(maker, lambda image: image / 2)
    added = halved.changed(
        maker, lambda image, plane: image + plane[..., None], np.full((40, 50), 0.25, "f4")
    )
    assert calls == []
    assert np.allclose(added.image, photo.image / 2 + 0.25)
    assert added.image is added.image
    assert calls == [2]
    # The one before is its own photograph still.
    assert np.allclose(halved.image, photo.image / 2)
    assert not added.image.flags.writeable


def test_another_maker_comes_after_the_first() -> None:
    calls: list[int] = []
    photo = photograph()
    changed = photo.changed(counted(calls), lambda image: image * 0).changed(
        counted(calls), lambda image: image + 0.5
    )
    assert (changed.image == 0.5).all()
    assert calls == [1, 1]


def test_an_owned_image_is_changed_in_place() -> None:
    pixels = photograph().image.copy()
    OPS["fading"](Photo(pixels, 5.0, owned=True), generator(0), cyan_kept=0.5).make()
    assert not np.array_equal(pixels, photograph().image)
    read_only = np.frombuffer(np.full(40 * 50 * 3, 0.5, np.float32).tobytes(), np.float32).reshape(40, 50, 3)
    assert OPS["fading"](Photo(read_only, 5.0, owned=True), generator(0), cyan_kept=0.5).image.min() < 0.7


@pytest.mark.parametrize(
    "names", [("fading", "yellowing"), ("toning", "silver_fading", "fading", "yellowing")]
)
def test_a_recipe_gives_what_its_steps_give_one_by_one(names: tuple[str, ...]) -> None:
    ops = [OPS[name] for name in names]
    steps = tuple(
        DrawnStep(op.name, 7, {name: item.default for name, item in op.parameters.items()}) for op in ops
    )
    timings = Timings()
    # Pale colours: what leaves the range of prints is clipped after each step, or after all.
    photo = Photo(0.3 + 0.3 * photograph().image, 5.0)
    together = Drawn("x", 5.0, steps).apply(photo, timings)
    for step, op in zip(steps, ops, strict=True):
        photo = Photo(op(photo, generator(step.seed), **step.values).image, 5.0)
    assert np.abs(together.image - photo.image).max() < 2e-4
    assert set(timings.calls) == set(names)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", ["fading", "vignette", "gaussian_blur", "dust", "sensor_noise"])
def test_whole_numbers_are_as_good_as_floats(bits: int, name: str) -> None:
    op = OPS[name]
    values = {key: item.default for key, item in op.parameters.items()}
    whole = quantise(photograph().image, bits)
    kept = whole.copy()
    made = op(Photo(whole, 5.0), generator(3), **values)
    expected = op(Photo(as_float(whole), 5.0), generator(3), **values)
    # The tables of floats have fewer steps.
    assert np.abs(made.image - expected.image).max() < 2e-4
    assert np.array_equal(whole, kept)
    assert Photo(whole, 5.0).levels(bits) is whole
    assert np.array_equal(Photo(whole, 5.0).levels(8), quantise(as_float(whole)))


def test_only_whole_numbers_of_files_are_taken() -> None:
    with pytest.raises(ValueError, match="float32"):
        Photo(np.zeros((4, 4, 3), np.int64), 5.0)  # type: ignore[arg-type]
