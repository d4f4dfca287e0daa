from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import picture
from torch import Tensor, nn

from benchmark import ablation, method
from degradekit.errors import OptionError


@pytest.mark.parametrize("name", ["released", "best"])
def test_the_shipped_studies_name_methods_that_exist(name: str) -> None:
    study = ablation.load(name)
    assert len(study.methods) >= 5
    for variant in study.methods:
        assert method.find(variant).trains == "paired"


def test_an_unknown_study_says_which_there_are() -> None:
    with pytest.raises(OptionError, match="released"):
        ablation.load("relased")


class _Coder:
    """Codes a photograph by its mean colour; gives every photograph back a little darker."""

    def encode_old(self, image: Tensor) -> Tensor:
        return image

    def reconstruct(self, clean: Tensor) -> Tensor:
        return clean - 0.1


def test_codes_are_means_over_the_middle_of_a_photograph() -> None:
    pixels = np.zeros((300, 280, 3), np.uint8)
    pixels[22:278, 12:268] = (255, 51, 0)
    (code,) = ablation._codes(_Coder(), [pixels])
    assert code == pytest.approx([1, 0.2, 0])


def test_the_autoencoders_own_loss() -> None:
    class Test:
        def __len__(self) -> int:
            return 2

        def clean(self, index: int) -> Any:
            return picture(index)

    assert ablation._clean_psnr(_Coder(), Test()) == pytest.approx(20, abs=0.3)


def test_photographs_go_to_where_the_networks_are() -> None:
    class Elsewhere:
        def __init__(self) -> None:
            self.networks = {"coder": nn.Conv2d(3, 3, 1, device="meta")}
            self.met: list[str] = []

        def encode_old(self, image: Tensor) -> Tensor:
            self.met.append(image.device.type)
            return torch.ones(image.shape)

        reconstruct = encode_old

    class Test:
        def __len__(self) -> int:
            return 1

        def clean(self, index: int) -> Any:
            return np.full((32, 32, 3), 255, np.uint8)

    coder = Elsewhere()
    assert ablation._clean_psnr(coder, Test()) == 100
    assert ablation._codes(coder, [picture(0)]).shape == (1, 3)
    assert coder.met == ["meta", "meta"]


@pytest.mark.slow
def test_the_table(call: Callable[..., Any], photographs: Path, tmp_path: Path, monkeypatch: Any) -> None:
    methods = {"triplet_best": "all of it", "triplet_best_no_tone": "less"}
    small = ablation.Study("small", "two of them", methods)
    monkeypatch.setattr(ablation, "load", lambda name: small)
    options = ("--train", photographs, "--out", tmp_path / "run", "--budget", "iters=2", "--profile", "smoke")
    sizes = ("-o", "data.size=64", "-o", "train.crop=64", "-o", "data.test_size=64")
    done = call("benchmark", "ablation", "small", *options, *sizes, "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [row["label"] for row in rows] == ["all of it", "less"]
    assert all(row["failure"] == "" and row["metrics"]["psnr"] > 5 for row in rows)
    # The autoencoder starts lossless and has seen one step at most.
    assert all(row["clean_psnr"] > 30 for row in rows)
    again = call("benchmark", "ablation", "small", *options, *sizes)
    assert again.code == 0
    assert "all of it" in again.out
