from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pictures import picture

from benchmark.profile import Data
from benchmark.splits import SPLITS, refuse_overlap, split
from degradekit import imagefiles
from degradekit.errors import DataError, OptionError


def _folder(path: Path, count: int, first: int = 0) -> Path:
    path.mkdir()
    for number in range(first, first + count):
        (path / f"{number:02d}.png").write_bytes(imagefiles.encode_png(picture(number)))
    return path


def test_every_photograph_is_on_one_side(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "all", 20)
    divided = split(Data(train=(str(folder),), val_frac=0.1), 0, default_train=False)
    keys = divided.keys()
    assert {part: len(keys[part]) for part in SPLITS} == {"train": 14, "val": 2, "test": 4}
    assert len({key for part in SPLITS for key in keys[part]}) == 20
    assert split(Data(train=(str(folder),), val_frac=0.1), 0, default_train=False) == divided
    assert split(Data(train=(str(folder),), val_frac=0.1), 1, default_train=False) != divided
    refuse_overlap(divided)


def test_scenes_stay_together() -> None:
    for seed in range(12):
        keys = split(Data(train=("builtin",), val_frac=0.3), seed, default_train=True).keys()
        sides = [
            part
            for part in SPLITS
            if {"builtin/motorcycle_left.png", "builtin/motorcycle_right.png"} & {*keys[part]}
        ]
        assert len(sides) == 1


def test_a_held_out_scene_takes_all_its_views_along() -> None:
    data = Data(train=("builtin",), held_out=("builtin/motorcycle_left*",))
    keys = split(data, 0, default_train=True).keys()
    assert keys["test"] == ["builtin/motorcycle_left.png", "builtin/motorcycle_right.png"]


def test_a_pattern_that_holds_nothing_out_is_told(tmp_path: Path) -> None:
    folder = str(_folder(tmp_path / "all", 6))
    data = Data(train=(folder,), held_out=("01*", "holliday*"))
    with pytest.raises(OptionError, match=r"none of 6 photographs matches 'holliday\*'.*'00\.png' is"):
        split(data, 0, default_train=False)
    # With test photographs of their own, nothing has to be held out.
    test = str(_folder(tmp_path / "test", 2, first=50))
    assert len(split(data.model_copy(update={"test": (test,)}), 0, default_train=False).test) == 2


def test_test_photographs_of_their_own(tmp_path: Path) -> None:
    train, test = _folder(tmp_path / "train", 5), _folder(tmp_path / "test", 3, first=50)
    divided = split(Data(train=(str(train),), test=(str(test),)), 0, default_train=False)
    assert divided.keys()["test"] == ["50.png", "51.png", "52.png"]
    assert len(divided.train) + len(divided.val) == 5


def test_a_photograph_on_both_sides_is_refused_by_name(tmp_path: Path) -> None:
    train, test = _folder(tmp_path / "train", 5), _folder(tmp_path / "test", 3, first=50)
    shutil.copy(train / "03.png", test / "holiday.png")
    divided = split(Data(train=(str(train),), test=(str(test),)), 0, default_train=False)
    with pytest.raises(
        DataError, match=r"same photograph is in (train|val) and test: .*03\.png and .*holiday"
    ):
        refuse_overlap(divided)


def test_the_same_picture_in_another_file_format_is_seen_too(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    folder = _folder(tmp_path / "all", 6)
    for number in range(6):
        cv2.imwrite(str(folder / f"copy{number}.bmp"), picture(number)[..., ::-1])
    divided = split(Data(train=(str(folder),), test_frac=0.5), 0, default_train=False)
    with pytest.raises(DataError, match="same photograph"):
        refuse_overlap(divided)


def test_default_training_photographs_make_room_for_the_test() -> None:
    data = Data(train=("builtin", "dead-leaves:4"), test=("builtin",))
    keys = split(data, 0, default_train=True).keys()
    assert len(keys["test"]) == 6
    assert all(key.startswith("dead-leaves/") for key in keys["train"] + keys["val"])
    with pytest.raises(DataError, match="same photograph"):
        refuse_overlap(split(data, 0, default_train=False))


def test_too_few_scenes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="each needs at least one"):
        split(Data(train=(str(_folder(tmp_path / "two", 2)),)), 0, default_train=False)
    with pytest.raises(OptionError, match="--train SRC"):
        split(Data(), 0, default_train=True)
