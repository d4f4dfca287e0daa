from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from plans import cheap_recipe

from degradekit import deadleaves, recipe, samples, sources
from degradekit.errors import DataError, OptionError
from degradekit.synth import Plan, synthesize
from degradekit.timings import Timings


def test_built_in_photographs_are_real_and_in_colour() -> None:
    found = sources.find([])
    assert len(found) == 6
    for source in found:
        rgb = source.read().rgb
        assert min(rgb.shape[:2]) >= 300
        assert np.abs(rgb[..., 0].astype(int) - rgb[..., 2]).mean() > 3
    assert len({source.group for source in found}) == 5  # two views of one motorcycle


def test_dead_leaves_are_a_function_of_their_number() -> None:
    two, three = sources.find(["dead-leaves:2"]), sources.find(["dead-leaves:3"])
    assert [source.key for source in three] == ["dead-leaves/00000", "dead-leaves/00001", "dead-leaves/00002"]
    pixels = [source.read().rgb for source in three]
    assert np.array_equal(two[1].read().rgb, pixels[1])
    assert not np.array_equal(pixels[0], pixels[1])
    assert pixels[0].shape == (512, 512, 3)
    assert all(image.std() > 25 for image in pixels)


@pytest.mark.parametrize("spec", ["dead-leaves", "dead-leaves:0", "dead-leaves:x", "dead-leaves:-3"])
def test_dead_leaves_count(spec: str) -> None:
    with pytest.raises(OptionError, match="whole number"):
        sources.find([spec])


def test_keys_do_not_depend_on_order_or_place(photographs: Path, tmp_path: Path) -> None:
    keys = [source.key for source in sources.find([str(photographs)])]
    assert keys == ["a.png", "album/e.png", "b.png", "c.png", "d.png"]
    files = [str(path) for path in photographs.glob("*.png")]
    assert [source.key for source in sources.find(files[::-1])] == ["a.png", "b.png", "c.png", "d.png"]
    moved = tmp_path / "elsewhere"
    shutil.copytree(photographs, moved)
    assert [source.key for source in sources.find([str(moved)])] == keys


def test_equal_names_take_more_of_their_path(photographs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(photographs, other)
    keys = [source.key for source in sources.find([str(photographs), str(other)])]
    assert len(keys) == 10
    assert {"photographs/a.png", "other/a.png"} <= set(keys)
    assert keys == [source.key for source in sources.find([str(other), str(photographs)])]


def test_one_file_named_twice_is_one_photograph(photographs: Path) -> None:
    assert len(sources.find([str(photographs), str(photographs / "a.png")])) == 5


def test_links_are_called_as_they_are_and_not_as_what_they_lead_to(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for number, source in enumerate(sources.find([str(photographs)])):
        blob = tmp_path / "store" / f"{number:04x}"
        source.path.rename(blob)
        source.path.symlink_to(blob)
    found = sources.find([str(photographs)])
    assert [source.key for source in found] == ["a.png", "album/e.png", "b.png", "c.png", "d.png"]
    assert {source.path.parent for source in found} == {(tmp_path / "store").resolve()}
    assert [source.key for source in sources.find([str(photographs / "a.png")])] == ["a.png"]


def test_data_sets_in_a_folder_are_no_photographs(photographs: Path) -> None:
    before = sources.find([str(photographs)])
    synthesize(Plan(tuple(before), recipe.load("attic"), photographs / "degraded"))
    assert sources.find([str(photographs)]) == before
    assert len(sources.find([str(photographs / "degraded/clean")])) == 5
    again = synthesize(Plan(tuple(before), recipe.load("attic"), photographs / "degraded"))
    assert again.made == 0


def test_hidden_files_are_left_out(photographs: Path) -> None:
    (photographs / ".thumbnails").mkdir()
    shutil.copy(photographs / "a.png", photographs / ".thumbnails" / "a.png")
    shutil.copy(photographs / "a.png", photographs / ".a.png")
    assert len(sources.find([str(photographs)])) == 5


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        sources.find([str(tmp_path / "gone")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no photograph"):
        sources.find([str(tmp_path / "empty")])


def test_stems() -> None:
    assert sources.stems(["a.png", "album/b.c.jpg"]) == {"a.png": "a", "album/b.c.jpg": "album/b_c"}
    assert sources.stems(["a.png", "a.jpg"]) == {"a.png": "a_png", "a.jpg": "a_jpg"}
    assert sources.stems(["A.png", "a.png"]) == {"A.png": "A_png", "a.png": "a_png"}
    with pytest.raises(DataError, match="rename one"):
        sources.stems(["a.b.png", "a_b.png", "a.b.jpg", "a_b.jpg"])


def test_a_picture_is_made_once_for_all_its_copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[int] = []
    render = deadleaves.render
    monkeypatch.setattr(deadleaves, "render", lambda index: made.append(index) or render(index))
    found = tuple(sources.find(["dead-leaves:2"]))
    plan = Plan(found, cheap_recipe(), tmp_path / "out", copies=3, size=64)
    assert plan.shard_count > len(found), "copies lie in different shards"
    synthesize(plan)
    assert made == [0, 1]


def test_a_file_that_changes_is_read_again(photographs: Path) -> None:
    source = sources.find([str(photographs / "a.png")])[0]
    loader = samples.Loader()
    first = loader.load(source, Timings())
    assert loader.load(source, Timings()) is first
    (photographs / "a.png").write_bytes((photographs / "b.png").read_bytes())
    assert not np.array_equal(loader.load(source, Timings()).bitmap.rgb, first.bitmap.rgb)
