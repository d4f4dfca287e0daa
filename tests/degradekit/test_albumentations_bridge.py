from __future__ import annotations

import numpy as np
import pytest
from pictures import picture

from degradekit import albumentations_bridge, recipe
from degradekit.albumentations_bridge import A, Degrade
from degradekit.drawn import Drawn
from degradekit.errors import RecipeError
from degradekit.imagefiles import as_float
from degradekit.photo import Photo


def drawn(*steps: object, key: str = "a") -> Drawn:
    return recipe.parse({"format": "10x15cm", "steps": list(steps)}).draw(0, key, 0, 5.0)


def photo() -> Photo:
    mask = np.zeros((64, 96), np.float32)
    mask[20:40, 30:60] = 1
    return Photo(as_float(picture(3)), 5.0, {"scratch": mask})


def test_a_transform_is_a_step_that_replays() -> None:
    record = drawn({"A.GaussNoise": {"std_range": [0.1, 0.2]}})
    once = record.apply(photo())
    assert not np.array_equal(once.image, photo().image)
    again = Drawn.from_json(record.to_json()).apply(photo())
    assert once.image.tobytes() == again.image.tobytes()
    assert once.image.tobytes() != drawn({"A.GaussNoise": {}}, key="b").apply(photo()).image.tobytes()


def test_what_others_drew_before_does_not_matter() -> None:
    record = drawn({"A.GaussNoise": {"std_range": [0.1, 0.2]}})
    once = record.apply(photo())
    record.apply(photo())
    np.random.default_rng(0)
    assert record.apply(photo()).image.tobytes() == once.image.tobytes()


def test_spatial_transforms_move_the_masks() -> None:
    flipped = drawn("A.HorizontalFlip").apply(photo())
    assert np.array_equal(flipped.image, photo().image[:, ::-1])
    assert np.array_equal(flipped.masks["scratch"], photo().masks["scratch"][:, ::-1])


def test_the_input_is_not_changed() -> None:
    given = photo()
    before = given.image.tobytes()
    for name in ("A.GaussNoise", "A.RandomBrightnessContrast", "A.ElasticTransform", "A.ImageCompression"):
        drawn(name).apply(given)
    assert given.image.tobytes() == before


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"A.GaussNois": {}}, "did you mean 'GaussNoise'"),
        ({"A.GaussNoise": {"sdt_range": [0, 1]}}, "sdt_range"),
        ({"A.GaussNoise": {"std_range": [3, 5]}}, "std_range"),
        ({"A.Compose": {}}, "unknown albumentations transform"),
    ],
)
def test_mistakes_are_recipe_errors(step: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        drawn(step)


def test_a_change_of_size_is_refused() -> None:
    with pytest.raises(RecipeError, match="changes the picture's size"):
        drawn({"A.CenterCrop": {"height": 8, "width": 8}}).apply(photo())


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_recipe_is_a_transform(dtype: type) -> None:
    image = picture(1, 80, 100) if dtype is np.uint8 else as_float(picture(1, 80, 100))
    results = [A.Compose([Degrade("old-photo", severity=2.0)], seed=seed)(image=image) for seed in (4, 4, 5)]
    assert all(result["image"].dtype == dtype and result["image"].shape == image.shape for result in results)
    assert np.array_equal(results[0]["image"], results[1]["image"])
    assert not np.array_equal(results[0]["image"], results[2]["image"])
    assert all(mask.shape == (80, 100) for mask in results[0]["defect_masks"].values())
    assert np.array_equal(image, picture(1, 80, 100) if dtype is np.uint8 else as_float(picture(1, 80, 100)))


def test_calls_of_one_compose_differ() -> None:
    compose = A.Compose([Degrade("old-photo")], seed=1)
    assert not np.array_equal(compose(image=picture(1))["image"], compose(image=picture(1))["image"])


def test_its_version_check_is_off() -> None:
    assert albumentations_bridge.os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"
