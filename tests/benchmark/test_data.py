from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pairfolders import write
from pictures import picture

from benchmark.data import (
    CropStream,
    Inputs,
    PairSet,
    as_batch,
    as_pixels,
    labelled_photographs,
    mirrored,
    pad_to_multiple,
    real_photographs,
)
from degradekit import atomicfiles, imagefiles, sources
from degradekit.errors import DataError
from degradekit.levels import as_float


def test_pixels_survive_the_way_to_torch_and_back() -> None:
    every_value = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = np.stack([every_value, every_value[::-1], every_value.T], axis=2)
    batch = as_batch(pixels)
    assert batch.shape == (1, 3, 16, 16)
    assert batch.dtype == torch.float32
    assert (batch.min(), batch.max()) == (0, 1)
    assert torch.equal(batch[0, 1], torch.from_numpy(as_float(every_value[::-1].copy())))
    assert np.array_equal(as_pixels(batch), pixels)
    assert as_batch(every_value).shape == (1, 1, 16, 16)


def test_values_beyond_the_range_are_clipped() -> None:
    image = torch.tensor([-0.5, 0.5, 1.5]).reshape(1, 3, 1, 1)
    assert as_pixels(image).ravel().tolist() == [0, 128, 255]


def test_a_step_sees_the_same_crops_whenever_it_is_asked_for(tmp_path: Path) -> None:
    pairs = PairSet(write(tmp_path))
    one, other = (CropStream(pairs, crop=32, batch=3, seed=7) for _ in range(2))
    ahead = [batch for (batch,) in one.batches(2, 6, [slice(None)])]
    for step in (5, 2, 4, 3):
        assert torch.equal(ahead[step - 2].degraded, other.batch(step).degraded)
    reseeded = CropStream(pairs, crop=32, batch=3, seed=8)
    assert not torch.equal(reseeded.batch(2).degraded, other.batch(2).degraded)


def test_crops_of_a_pair_show_the_same_place(tmp_path: Path) -> None:
    crops = CropStream(PairSet(write(tmp_path)), crop=32, batch=8, seed=0)
    marked = 0
    for step in range(4):
        batch = crops.batch(step)
        assert batch.degraded.shape == batch.clean.shape == (8, 3, 32, 32)
        assert batch.mask.shape == (8, 1, 32, 32)
        lost = (batch.mask > 0).expand(-1, 3, -1, -1)
        marked += int(lost.sum())
        assert (batch.degraded[lost] == 1).all()
        darker = torch.floor(batch.clean * 255 * 0.8 + 1e-3) / 255
        assert torch.allclose(batch.degraded[~lost], darker[~lost], atol=1.01 / 255)
    assert marked > 0


def test_an_epoch_takes_every_pair_once_and_flips_half(tmp_path: Path) -> None:
    folder = write(tmp_path, count=6, height=32, width=32)
    crops = CropStream(PairSet(folder), crop=32, batch=6, seed=1)
    originals = {picture(number, 32, 32).tobytes(): number for number in range(6)}
    flipped = 0
    orders = []
    for step in range(20):
        numbers = []
        for index in range(6):
            pixels = as_pixels(crops.batch(step).clean[index : index + 1])
            mirror = np.ascontiguousarray(pixels[:, ::-1])
            flipped += mirror.tobytes() in originals
            numbers.append(originals.get(pixels.tobytes(), originals.get(mirror.tobytes(), -1)))
        assert sorted(numbers) == [0, 1, 2, 3, 4, 5]
        orders.append(tuple(numbers))
    assert len(set(orders)) > 15
    assert 40 < flipped < 80


def test_an_unpaired_stream_never_pairs_a_photograph_with_itself(tmp_path: Path) -> None:
    folder = write(tmp_path, count=5, height=32, width=32, variants=3)
    pairs = PairSet(folder)
    paired = CropStream(pairs, crop=32, batch=5, seed=1)
    unpaired = CropStream(pairs, crop=32, batch=5, seed=1, paired=False)
    for step in range(9):
        assert torch.equal(paired.batch(step).degraded, unpaired.batch(step).degraded)
        for index in range(5):
            same = paired.batch(step).clean[index], paired.batch(step).clean[index].flip(2)
            assert not any(torch.equal(unpaired.batch(step).clean[index], image) for image in same)


def test_a_photograph_smaller_than_the_crop_is_mirrored(tmp_path: Path) -> None:
    batch = CropStream(PairSet(write(tmp_path, height=20, width=24)), crop=50, batch=2, seed=0).batch(0)
    assert batch.clean.shape == (2, 3, 50, 50)
    assert torch.equal(batch.clean[..., 20, :], batch.clean[..., 18, :])


def test_mirrored_indices() -> None:
    assert mirrored(4, -3, 10).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert mirrored(1, -2, 5).tolist() == [0] * 5


@pytest.mark.parametrize(("height", "width"), [(256, 256), (1, 1), (3, 300), (511, 20)])
def test_padding_cuts_out_again(height: int, width: int) -> None:
    image = torch.rand(1, 3, height, width)
    padded, inside = pad_to_multiple(image, 256)
    assert padded.shape[2] % 256 == padded.shape[3] % 256 == 0
    assert padded.shape[2] - height < 256
    assert padded.shape[3] - width < 256
    assert torch.equal(padded[inside], image)


def test_inputs_know_no_clean_image(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path))
    assert not hasattr(inputs, "clean")
    assert "clean" not in repr(vars(inputs)).replace(str(tmp_path), "")
    assert inputs.stems == [f"photo{number}_0" for number in range(4)]
    assert inputs.mask(0).shape == (64, 96)


def test_sixteen_bit_pairs_are_rounded_to_eight(tmp_path: Path) -> None:
    folder = write(tmp_path, count=1)
    deep = picture(0).astype(np.uint16) * 257 + 3
    atomicfiles.write_bytes(folder / "clean/photo0_0.png", imagefiles.encode_png(deep))
    assert np.array_equal(PairSet(folder).clean(0), picture(0))


def test_an_unfinished_or_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a degradekit data set"):
        PairSet(tmp_path)
    folder = write(tmp_path / "data", count=0)
    with pytest.raises(DataError, match="no pairs"):
        PairSet(folder)


def test_real_photographs_are_in_every_batch_and_degraded_in_an_unpaired_one(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for number in range(3):
        (tmp_path / f"old/{number}.png").write_bytes(imagefiles.encode_png(picture(50 + number, 32, 32)))
    real = real_photographs(sources.find([str(tmp_path / "old")]))
    pairs = PairSet(write(tmp_path / "pairs", height=32, width=32))
    paired = CropStream(pairs, crop=32, batch=3, seed=1, real=real).batch(2)
    unpaired = CropStream(pairs, crop=32, batch=3, seed=1, real=real, paired=False).batch(2)
    assert paired.real is not None
    assert unpaired.real is not None
    assert torch.equal(unpaired.degraded, unpaired.real)
    assert not unpaired.mask.any()
    assert not torch.equal(paired.degraded, paired.real)
    originals = [as_batch(picture(50 + number, 32, 32)) for number in range(3)]
    for crop in paired.real.split(1):
        assert any(torch.equal(crop, one) or torch.equal(crop.flip(3), one) for one in originals)


def test_parts_of_a_batch_are_the_batch(tmp_path: Path) -> None:
    crops = CropStream(PairSet(write(tmp_path)), crop=32, batch=4, seed=7)
    (parts,) = crops.batches(3, 4, [slice(0, 1), slice(1, 4)])
    whole = crops.batch(3)
    assert torch.equal(torch.cat([part.clean for part in parts]), whole.clean)


def test_labelled_photographs_come_with_their_masks(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / "labels" / kind).mkdir(parents=True)
    image = picture(1, 40, 40)
    mask = np.where(image[..., 0] > 128, 200, 90).astype(np.uint8)
    (tmp_path / "labels/images/a.png").write_bytes(imagefiles.encode_png(image))
    (tmp_path / "labels/masks/a.png").write_bytes(imagefiles.encode_png(mask))
    labelled = labelled_photographs(tmp_path / "labels")
    pairs = PairSet(write(tmp_path / "pairs"))
    batch = CropStream(pairs, crop=40, batch=2, seed=0, labelled=labelled).batch(0)
    assert batch.labelled is not None
    for picture_, lost in zip(*batch.labelled, strict=True):
        assert torch.equal(lost[0], (picture_[0] > 128.5 / 255).float())
    (tmp_path / "labels/masks/b.png").write_bytes(imagefiles.encode_png(mask))
    with pytest.raises(DataError, match="'b' is in one of them only"):
        labelled_photographs(tmp_path / "labels")
