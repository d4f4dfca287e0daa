from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pictures import picture
from plans import cheap_recipe, plan
from torch import Tensor
from torch.utils.data import DataLoader

from degradekit import imagefiles, layouts, manifest, sources
from degradekit.errors import DataError, OptionError
from degradekit.synth import Plan, synthesize
from degradekit.torch_data import Item, PairDataset, PairStream

# Machines may have fewer cores than a test has workers.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
LAYOUTS = (*layouts.NAMES, layouts.RECIPES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small photographs in ``in``, and twelve pairs of them in a folder for every layout."""
    folder = tmp_path_factory.mktemp("torch")
    (folder / "in").mkdir()
    for number in range(6):
        (folder / f"in/{'abcdef'[number]}.png").write_bytes(imagefiles.encode_png(picture(number, 40, 48)))
    for name in LAYOUTS:
        synthesize(plan(folder / "in", folder / name, layout=name))
    return folder


def rendering(folder: Path, crop: int | None = 24) -> PairDataset:
    return PairDataset.rendering(sources.find([str(folder / "in")]), cheap_recipe(), crop=crop, seed=5)


def equal(a: list[Item], b: list[Item]) -> bool:
    same: list[bool] = []
    for left, right in zip(a, b, strict=True):
        for name, value in left.items():
            other: Any = right[name]
            same.append(torch.equal(value, other) if isinstance(value, Tensor) else value == other)
    return all(same)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_tensors(folder: Path, name: str) -> None:
    pairs = PairDataset(folder / name, classes=("dust",))
    reference = PairDataset(folder / "folders", classes=("dust",))
    assert len(pairs) == 12
    item = pairs[3]
    assert item["key"] == "b_1"
    assert item["clean"].shape == item["degraded"].shape == (3, 40, 48)
    assert item["mask"].shape == item["dust_mask"].shape == (1, 40, 48)
    assert item["clean"].dtype == torch.float32
    assert 0 <= item["degraded"].min() < item["degraded"].max() <= 1
    assert equal([pairs[number] for number in range(12)], [reference[number] for number in range(12)])


def test_tensors_are_the_pixels_of_the_files(folder: Path) -> None:
    item = PairDataset(folder / "folders")[0]
    pixels = imagefiles.read(folder / "folders/clean/a_0.png").rgb
    assert torch.allclose(item["clean"], torch.from_numpy(pixels).permute(2, 0, 1) / 255, rtol=0, atol=1e-7)


def test_crops_cut_picture_and_masks_at_one_place(folder: Path) -> None:
    whole, pairs = PairDataset(folder / "folders"), PairDataset(folder / "folders", crop=16)
    places = set()
    for epoch in range(3):
        pairs.set_epoch(epoch)
        item, full = pairs[0], whole[0]
        windows = full["clean"].unfold(1, 16, 1).unfold(2, 16, 1)
        top, left = (windows == item["clean"][:, None, None]).all(dim=(0, 3, 4)).nonzero()[0].tolist()
        places.add((top, left))
        for name in ("degraded", "mask"):
            assert torch.equal(item[name], full[name][:, top : top + 16, left : left + 16])
    assert len(places) > 1


def test_on_the_fly_is_what_synth_writes(folder: Path, tmp_path: Path) -> None:
    found = tuple(sources.find([str(folder / "in")]))
    synthesize(Plan(found, cheap_recipe(), tmp_path / "out", copies=3, size=24, seed=5))
    stored, pairs = PairDataset(tmp_path / "out"), rendering(folder)
    assert len(pairs) == 6
    for epoch in range(3):
        pairs.set_epoch(epoch)
        item, there = pairs[2], stored[2 * 3 + epoch]
        assert item.pop("key") == f"c.png#{epoch}"
        assert there.pop("key") == f"c_{epoch}"
        assert equal([item], [there])


@pytest.mark.parametrize("name", ["folders", "webdataset", "parquet", "rendering"])
def test_loader_workers_do_not_matter(folder: Path, name: str) -> None:
    pairs = rendering(folder) if name == "rendering" else PairDataset(folder / name, crop=24)
    stream = PairStream(pairs, batch=2, seed=3)
    loaders = [DataLoader(stream, batch_size=None, num_workers=number) for number in (0, 2, 3)]
    stream.set_epoch(1)
    none, two, three = (list(loader) for loader in loaders)
    assert len(none) == len(stream) == len(pairs) // 2
    assert none[0]["clean"].shape == (2, 3, 24, 24)
    assert equal(none, two)
    assert equal(none, three)


def test_map_style_loader(folder: Path) -> None:
    pairs = PairDataset(folder / "parquet", crop=24)
    none, two = (list(DataLoader(pairs, batch_size=4, num_workers=number)) for number in (0, 2))
    assert equal(none, two)


def test_workers_that_stay_see_the_next_epoch(folder: Path) -> None:
    stream = PairStream(rendering(folder), batch=2)
    fresh, staying = (
        DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=stay) for stay in (False, True)
    )
    epochs = []
    for epoch in range(2):
        stream.set_epoch(epoch)
        epochs.append(list(staying))
        assert equal(epochs[-1], list(fresh))
    assert not equal(*epochs)
    assert sorted(key for batch in epochs[0] for key in batch["key"]) == [f"{x}.png#0" for x in "abcdef"]


def test_resuming_gives_the_same_continuation(folder: Path) -> None:
    stream = PairStream(rendering(folder), batch=1, seed=9)
    stream.set_epoch(4)
    whole = list(stream)
    again = PairStream(rendering(folder), batch=1, seed=9)
    again.set_epoch(4)
    again.resume(2)
    assert len(again) == 4
    for workers in (0, 2):
        assert equal(list(DataLoader(again, batch_size=None, num_workers=workers)), whole[2:])
    again.set_epoch(5)
    assert len(again) == 6


def test_ranks_share_an_epoch(folder: Path) -> None:
    pairs = PairDataset(folder / "folders", crop=24)
    one = [key for batch in PairStream(pairs, batch=2, seed=1) for key in batch["key"]]
    both = [PairStream(pairs, batch=2, seed=1, rank=rank, ranks=2) for rank in (0, 1)]
    parts = [[batch["key"] for batch in stream] for stream in both]
    assert [key for step in zip(*parts, strict=True) for batch in step for key in batch] == one


def test_a_data_set_goes_to_another_process(folder: Path) -> None:
    pairs = PairDataset(folder / "parquet", crop=24)
    context = multiprocessing.get_context("spawn")
    loader = DataLoader(pairs, batch_size=4, num_workers=1, multiprocessing_context=context)
    assert equal(list(loader), list(DataLoader(pairs, batch_size=4)))


def test_recipes_only_render_what_was_drawn(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "recipes", tmp_path / "out")
    path = tmp_path / "out" / manifest.METADATA
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["recipe"] = rows[1]["recipe"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert torch.equal(PairDataset(tmp_path / "out")[0]["mask"], PairDataset(folder / "folders")[1]["mask"])


def test_mistakes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a degradekit data set"):
        PairDataset(tmp_path)
    with pytest.raises(OptionError, match="no masks of class 'rust'; there are: dust, hole"):
        PairDataset(folder / "folders", classes=("rust",))
    with pytest.raises(DataError, match="48 x 40 pixels hold no crop of 41"):
        PairDataset(folder / "folders", crop=41)[0]
    with pytest.raises(IndexError, match="item 12 of 12"):
        PairDataset(folder / "folders")[12]
    with pytest.raises(DataError, match="fill no batch of 13"):
        PairStream(PairDataset(folder / "folders"), batch=13)
    with pytest.raises(OptionError, match=r"step is in \[0, 6\]"):
        PairStream(PairDataset(folder / "folders"), batch=2).resume(7)
    with pytest.raises(DataError, match="no photograph"):
        PairDataset.rendering([], cheap_recipe())
