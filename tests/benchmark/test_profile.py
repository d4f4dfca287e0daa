from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from benchmark import metrics, profile
from degradekit import recipe
from degradekit.errors import OptionError


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_is_whole_and_opens_with_its_command(name: str) -> None:
    loaded = profile.load(name)
    assert loaded.name == name
    assert [metrics.find(metric).name for metric in loaded.metrics] == list(loaded.metrics)
    assert recipe.load(loaded.data.recipe)
    text = (resources.files("benchmark") / "profiles" / f"{name}.yaml").read_text()
    assert text.startswith(f"# benchmark run --methods all --profile {name} ")


def test_true_networks_where_they_are_promised() -> None:
    assert {name: profile.load(name).width for name in ("standard", "paper")} == {"standard": 1, "paper": 1}
    assert [name for name in profile.names() if profile.load(name).as_published()] == ["paper"]
    assert not profile.load("paper", overrides=["width=0.5"]).as_published()
    assert not profile.load("paper", overrides=["train.iterations=5"]).as_published()


def test_overrides_and_files_change_single_keys(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("train: {iterations: 7, batch: 3}\n")
    loaded = profile.load("quick", file=file, overrides=["train.batch=5", "data.train=[builtin]"])
    assert (loaded.train.iterations, loaded.train.batch) == (7, 5)
    assert loaded.data.train == ("builtin",)
    assert loaded.train.crop == profile.load("quick").train.crop


def test_the_damage_is_the_recipe_at_the_resolution_asked_for() -> None:
    plain = profile.load("quick", overrides=["data.recipe=film-scan"]).data
    assert plain.damage() == recipe.load("film-scan")
    finer = profile.load("quick", overrides=["data.recipe=film-scan", "data.dpi=254"]).data.damage()
    assert finer.scale.px_per_mm(481, 321) == 10
    assert finer.draw(0, "a", 0, 10.0) == plain.damage().draw(0, "a", 0, 10.0)
    assert finer.fingerprint != plain.damage().fingerprint


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "train.iteration=3",
            r"unknown configuration key 'train\.iteration'; did you mean 'train\.iterations'",
        ),
        ("widht=1", "did you mean 'width'"),
        ("train.crop=3", r"train\.crop: .*greater than or equal to 16, got 3"),
        ("train.batch=many", r"train\.batch: .*'many'"),
        ("data=3", r"data: .*got 3"),
        ("data.size=32", r"data\.size \(32\) is smaller than train\.crop"),
        ("width", "-o takes key=value"),
        ("=3", "-o takes key=value"),
        ("train..crop=3", "-o takes key=value"),
        ("width=[", "no YAML value"),
        ("metrics=[]", "metrics: "),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        profile.load("quick", overrides=[override])


def test_unknown_profiles_and_files(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown profile 'quik'; did you mean 'quick'"):
        profile.load("quik")
    with pytest.raises(OptionError, match="cannot be read"):
        profile.load("quick", file=tmp_path / "gone.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(OptionError, match="expected keys and values, got list"):
        profile.load("quick", file=tmp_path / "list.yaml")
