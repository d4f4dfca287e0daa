from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pictures import picture

from degradekit import imagefiles, recipe
from degradekit.drawn import Drawn
from degradekit.errors import DataError, RecipeError
from degradekit.imagefiles import Bitmap
from degradekit.photo import Photo

SHIPPED = pytest.mark.parametrize("name", recipe.shipped())


def parsed(*steps: Any, **keys: Any) -> recipe.Recipe:
    return recipe.parse({"format": "10x15cm", "steps": list(steps), **keys})


def photo() -> Photo:
    return Photo(Bitmap(picture(4)).image(), 5.0)


@SHIPPED
def test_shipped_recipes_load_and_open_with_their_command(name: str) -> None:
    loaded = recipe.load(name)
    assert loaded.name == name
    assert loaded.description
    first = recipe.shipped()[name].read_text().splitlines()[0]
    assert first.startswith("# degradekit synth ")
    assert f"--recipe {name}" in first


@SHIPPED
def test_drawing_is_a_function_of_names(name: str) -> None:
    loaded = recipe.load(name)
    one = loaded.draw(3, "a.png", 0, 5.0)
    assert one == loaded.draw(3, "a.png", 0, 5.0)
    assert one != loaded.draw(3, "b.png", 0, 5.0)
    assert one != loaded.draw(3, "a.png", 1, 5.0)
    assert one != loaded.draw(4, "a.png", 0, 5.0)


@SHIPPED
def test_the_record_replays_bit_for_bit(name: str) -> None:
    drawn = recipe.load(name).draw(3, "a.png", 0, 5.0)
    again = Drawn.from_json(drawn.to_json())
    assert again == drawn
    assert again.apply(photo()).image.tobytes() == drawn.apply(photo()).image.tobytes()


def test_records_are_small() -> None:
    sizes = [len(recipe.load("old-photo").draw(0, str(key), 0, 5.0).to_json()) for key in range(50)]
    assert max(sizes) < 8000


def test_inserting_an_op_leaves_the_other_draws_alone() -> None:
    blur = {"gaussian_blur": {"sigma_mm": {"uniform": [0, 1]}}}
    scratch = {"scratches": {"opacity": {"uniform": [0, 1]}}, "p": 0.999}
    before = parsed(scratch).draw(1, "a", 0, 5.0).steps
    after = parsed(blur, scratch).draw(1, "a", 0, 5.0).steps
    assert before[0] == after[1]


def test_same_op_twice_draws_twice() -> None:
    blur = {"gaussian_blur": {"sigma_mm": {"uniform": [0, 1]}}}
    one, two = parsed(blur, blur).draw(1, "a", 0, 5.0).steps
    assert one.values != two.values
    assert one.seed != two.seed


def test_p_is_a_probability() -> None:
    sometimes = parsed({"jpeg": {}, "p": 0.3})
    share = np.mean([len(sometimes.draw(0, str(key), 0, 5.0).steps) for key in range(1000)])
    assert share == pytest.approx(0.3, abs=0.05)


def test_groups() -> None:
    members = ["jpeg", "gaussian_blur", "fading"]
    one = [parsed({"one_of": members}).draw(0, str(key), 0, 5.0).steps for key in range(60)]
    assert all(len(steps) == 1 for steps in one)
    assert {steps[0].op for steps in one} == set(members)
    orders = {
        tuple(step.op for step in parsed({"any_order": members}).draw(0, str(key), 0, 5.0).steps)
        for key in range(120)
    }
    assert len(orders) == 6
    nested = parsed({"one_of": [{"any_order": members}, "jpeg"]})
    assert {len(nested.draw(0, str(key), 0, 5.0).steps) for key in range(40)} == {1, 3}


def test_classes_come_from_every_branch() -> None:
    assert parsed({"one_of": ["scratches", "paper_holes"]}).classes == ("hole", "scratch")
    assert parsed("jpeg").classes == ()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"format": "10x15cm", "steps": [{"scratch": {}}]},
            "step 1: unknown op 'scratch'; did you mean 'scratches'",
        ),
        (
            {"format": "10x15cm", "steps": ["jpeg", {"scratches": {"opacty": 1}}]},
            "step 2: scratches: unknown parameter 'opacty'; did you mean 'opacity'",
        ),
        (
            {"format": "10x15cm", "steps": [{"one_of": [{"scratches": {"opacity": {"uniform": [0, 2]}}}]}]},
            r"step 1\.1: scratches: opacity is a number in \[0, 1\], got 2",
        ),
        ({"format": "10x15cm", "steps": [{"jpeg": {"quality": 3.5}}]}, "quality is a whole number"),
        ({"format": "10x15cm", "steps": [{"jpeg": {"subsampling": "4:1:1"}}]}, "one of 4:4:4"),
        (
            {"format": "10x15cm", "steps": [{"jpeg": {"quality": {"unifrm": [1, 2]}}}]},
            "did you mean 'uniform'",
        ),
        ({"format": "10x15cm", "steps": [{"jpeg": {}, "p": 1.5}]}, r"p is a number in \[0, 1\], got 1.5"),
        ({"format": "10x15cm", "steps": [{"jpeg": {}, "fading": {}}]}, "one op beside p"),
        ({"format": "10x15cm", "steps": []}, "at least one step"),
        ({"format": "10x15cm", "stepz": []}, "unknown key 'stepz'; did you mean 'steps'"),
        ({"format": "10x15 cm", "steps": ["jpeg"]}, "unknown format '10x15 cm'"),
        ({"steps": ["jpeg"]}, "either format"),
        ({"format": "35mm", "dpi": 300, "steps": ["jpeg"]}, "either format"),
        ({"dpi": 0, "steps": ["jpeg"]}, r"dpi is a number in \[1, 20000\], got 0"),
        ({"format": [10, 15], "steps": ["jpeg"]}, r"unknown format '\[10, 15\]'.* a size such as 10x15cm"),
        ({"format": "35mm", "steps": ["jpeg", {1: {}}]}, "step 2: an op's name is text, got 1"),
        (
            {"format": "35mm", "steps": [{"one_of": [{True: {}}]}]},
            r"1\.1: an op's name is text, got True",
        ),
        (["jpeg"], "a recipe is a mapping"),
        (None, "a recipe is a mapping"),
    ],
)
def test_mistakes_name_the_place_the_rule_and_the_value(raw: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe.parse(raw)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("format: 35mm\nsteps: [jpeg]\n")
    assert recipe.load(str(path)).name == "mine"
    path.write_text("format: [unclosed")
    with pytest.raises(RecipeError, match=r"mine\.yaml: not readable as YAML"):
        recipe.load(str(path))
    with pytest.raises(RecipeError, match="did you mean 'old-photo'"):
        recipe.load("old-photos")
    with pytest.raises(RecipeError, match=r"gone\.yaml: No such file"):
        recipe.load(str(tmp_path / "gone.yaml"))


def test_textures_are_found_beside_the_recipe_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, beside, mine = (tmp_path / name for name in ("shared", "recipes/beside", "recipes/mine.yaml"))
    for folder in (shared, beside):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(imagefiles.encode_png(picture(0)))
    steps: list[Any] = [
        {"scratch_textures": {"folder": folder}} for folder in ("beside", "shared", str(shared))
    ]
    mine.write_text(yaml.safe_dump({"format": "35mm", "steps": [{"one_of": steps}, *steps]}))
    monkeypatch.chdir(tmp_path)
    loaded = recipe.load("recipes/mine.yaml")
    places = [step["scratch_textures"]["folder"] for step in loaded.raw["steps"][1:]]
    assert places == [str(beside), str(shared), str(shared)]
    assert loaded.raw["steps"][0]["one_of"] == loaded.raw["steps"][1:]
    monkeypatch.chdir(tmp_path / "recipes")
    assert recipe.parse(loaded.raw).at_severity(1).raw["steps"] == loaded.raw["steps"]
    monkeypatch.chdir(tmp_path)
    mine.write_text(yaml.safe_dump({"format": "35mm", "steps": [{"scratch_textures": {"folder": "gone"}}]}))
    with pytest.raises(DataError, match="gone: no such folder of textures"):
        recipe.load(str(mine))


def test_only_folders_of_textures_are_pinned() -> None:
    unnamed = {"scratch_textures": {"folder": ""}}
    assert parsed(unnamed).raw["steps"] == [unnamed]
    with pytest.raises(RecipeError, match="jpeg: unknown parameter 'folder'"):
        parsed({"jpeg": {"folder": "x"}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"recipe": "x", "px_per_mm": 5, "steps": [{"op": "gone", "seed": 1, "values": {"a": 1}}]}',
        '{"recipe": "x", "px_per_mm": 5, "steps": [{"op": 1, "seed": 1, "values": {"a": 1}}]}',
    ],
)
def test_damaged_records_are_data_errors(text: str) -> None:
    with pytest.raises(DataError, match="cannot be replayed"):
        Drawn.from_json(text)


def test_physical_scale() -> None:
    assert parsed("jpeg").scale.px_per_mm(1000, 1500) == pytest.approx(10)
    assert recipe.parse({"dpi": 254, "steps": ["jpeg"]}).scale.px_per_mm(7, 9) == pytest.approx(10)
    assert recipe.parse({"format": "8x10in", "steps": ["jpeg"]}).scale.px_per_mm(508, 200) == pytest.approx(2)


def test_even_draws_come_once_from_every_share_of_a_distribution() -> None:
    steps = [
        {"dust": {"density_per_cm2": {"uniform": [0, 10]}, "diameter_um": {"log_uniform": [100, 1000]}}},
        {"jpeg": {"quality": {"integer": [1, 10]}, "subsampling": {"choice": ["4:4:4", "4:2:0"]}}, "p": 0.5},
    ]
    drawn = recipe.parse({"format": "35mm", "steps": steps}).draw_evenly(3, "k", 10)
    dust = [step.values for sample in drawn for step in sample if step.op == "dust"]
    jpeg = [step.values for sample in drawn for step in sample if step.op == "jpeg"]
    assert sorted(int(values["density_per_cm2"]) for values in dust) == list(range(10))
    logs = sorted(np.log10(float(values["diameter_um"]) / 100) for values in dust)
    assert [int(10 * value) for value in logs] == list(range(10))
    assert len(jpeg) == 5
    assert all(1 <= values["quality"] <= 10 for values in jpeg)
    again = recipe.parse({"format": "35mm", "steps": steps}).draw_evenly(3, "k", 10)
    assert again == drawn
