from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from pictures import picture

from degradekit import albumentations_bridge, recipe
from degradekit.albumentations_bridge import A, Degrade
from degradekit.drawn import Drawn
from degradekit.errors import RecipeError
from degradekit.levels import as_float
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
        ({"A.GaussNoise": {"p": 0.1}}, "step 1: A.GaussNoise: p stands beside the step, .* got p: 0.1"),
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


def test_severity_multiplies_the_recipe_s_own() -> None:
    own = recipe.load("old-photo-paper").severity
    assert own > 1
    chosen = [Degrade("old-photo-paper", severity=factor)._loaded.severity for factor in (1.0, 0.5, 20.0)]
    assert chosen == [own, own / 2, recipe.MOST_SEVERE]
    with pytest.raises(RecipeError, match=r"severity is a number in \[0, 20\], got -1"):
        Degrade("old-photo-paper", severity=-1.0)


@pytest.fixture
def holes(tmp_path: Path) -> str:
    return saved(tmp_path / "holes.yaml", {"paper_holes": {"density_per_dm2": 40}})


def saved(path: Path, step: object) -> str:
    path.write_text(yaml.safe_dump({"format": "10x15cm", "steps": [step]}))
    return str(path)


def test_several_of_one_compose_add_to_the_masks(holes: str, tmp_path: Path) -> None:
    dust = saved(tmp_path / "dust.yaml", {"dust": {"density_per_cm2": 5}})
    first = Degrade(holes)
    first.set_random_seed(3)
    hole = first(image=picture(1))["defect_masks"]["hole"]
    both = Degrade(dust)(image=picture(1), defect_masks={"hole": hole})["defect_masks"]
    assert set(both) == {"hole", "dust"}
    assert np.array_equal(both["hole"], hole)
    first.set_random_seed(3)
    half = hole / 2
    joined = first(image=picture(1), defect_masks={"hole": half})["defect_masks"]["hole"]
    assert joined == pytest.approx(1 - (1 - half) * (1 - hole), abs=1e-6)
    chain = A.Compose([Degrade(holes), A.GaussNoise(), Degrade(dust)], seed=4)(image=picture(1))
    assert set(chain["defect_masks"]) == {"hole", "dust"}


def test_one_that_is_not_applied_leaves_the_masks_alone(holes: str) -> None:
    never = Degrade(holes, p=0.0)
    assert never(image=picture(1))["defect_masks"] == {}
    chain = A.Compose([Degrade(holes), never], seed=4)(image=picture(1))
    assert chain["defect_masks"]["hole"].any()


def test_one_object_called_twice_forgets_the_first_picture(holes: str) -> None:
    degrade = Degrade(holes)
    degrade(image=picture(1, 80, 100))
    assert degrade(image=picture(1, 40, 60))["defect_masks"]["hole"].shape == (40, 60)


def test_a_crop_between_two_of_them_is_refused(holes: str) -> None:
    chain = A.Compose([Degrade(holes), A.CenterCrop(32, 48), Degrade(holes)], seed=4)
    with pytest.raises(RecipeError, match=r"before every Degrade: .* hole of 96x64 px, got 48x32 px"):
        chain(image=picture(1))


def test_its_version_check_is_off() -> None:
    assert albumentations_bridge.os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"
