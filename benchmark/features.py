"""Frozen pretrained networks, from the official weight files where ``torch.hub`` looks for them.

Nothing here downloads anything: a file is there (``benchmark weights fetch NAME``), or the network is None.
A file whose hash is not the official one is an error.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, library, nn

from benchmark import catalog
from benchmark.catalog import missing, present
from degradekit import atomicfiles
from degradekit.errors import DataError

__all__ = [
    "Vgg19",
    "inception",
    "lpips",
    "lpips_with",
    "missing",
    "of_training",
    "present",
    "torchvision",
    "vgg19",
]

#: Convolutions of VGG19 between two poolings, and their channels (Simonyan & Zisserman 2015, column E).
VGG19_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
#: Mean and standard deviation of ImageNet's photographs in [0, 1]; torchvision's networks expect them gone.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Weights that methods are trained with; the others are for metrics.
OF_TRAINING = ("vgg19",)

Trunk = Literal["alex", "vgg", "squeeze"]
LPIPS_WEIGHTS: Mapping[Trunk, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


class Vgg19(nn.Module):
    """The convolutions of VGG19, frozen."""

    def __init__(self) -> None:
        """Random weights; ``vgg19`` loads the official ones."""
        super().__init__()
        layers: list[nn.Module] = []
        self.names: dict[int, str] = {}
        channels = 3
        for block, (count, width) in enumerate(VGG19_BLOCKS, 1):
            for place in range(1, count + 1):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                self.names[len(layers) - 1] = f"relu{block}_{place}"
                channels = width
            layers.append(nn.MaxPool2d(2))
        # The last pooling comes after the last activation that is given out.
        self.features = nn.Sequential(*layers[:-1])
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Activations ``relu1_1`` .. ``relu5_4`` of (B, 3, H, W), which is taken as it is given.

        The official weights were trained on sRGB in [0, 1] less IMAGENET_MEAN, over IMAGENET_STD; whether to
        do that is for whoever calls, since papers differ. Sides of at least 16.
        """
        activations = {}
        for number, layer in enumerate(self.features):
            image = layer(image)
            if number in self.names:
                activations[self.names[number]] = image
        return activations


def of_training() -> dict[str, str]:
    """Those of ``present`` that training depends on."""
    return {name: found for name, found in present().items() if name in OF_TRAINING}


def vgg19() -> Vgg19 | None:
    """VGG19 with torchvision's weights, on the CPU, one for all; None when they are not there.

    Raises:
        DataError: the file is not the official one.
    """
    path = _official("vgg19")
    return None if path is None else _vgg19(path)


def lpips(trunk: Trunk) -> nn.Module | None:
    """``lpips.LPIPS``, version 0.1, with the official trunk; None when its weights are not there.

    It takes two images (B, 3, H, W) in [-1, 1] and gives (B, 1, 1, 1).

    Raises:
        DataError: the file is not the official one.
    """
    path = _official(LPIPS_WEIGHTS[trunk])
    return None if path is None else _lpips(trunk, path)


def lpips_with(trunk: Trunk, state: Mapping[str, Tensor]) -> nn.Module:
    """``lpips.LPIPS`` with the trunk's weights out of a torchvision state dict."""
    torchvision()
    from lpips import LPIPS

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # lpips asks torchvision for a random trunk the old way.
        warnings.simplefilter("ignore")
        network: nn.Module = LPIPS(net=trunk, version="0.1", pnet_rand=True, verbose=False)
    own = network.get_submodule("net")
    # lpips cuts torchvision's ``features`` into slices, the numbers kept: slice2.3.bias is features.3.bias.
    own.load_state_dict({key: state[f"features.{key.partition('.')[2]}"] for key in own.state_dict()})
    return network.eval().requires_grad_(False)


def inception() -> nn.Module | None:
    """``pytorch_fid.inception.InceptionV3`` up to the last pooling; None when its weights are not there.

    It takes (B, 3, H, W) in [0, 1] of any size and gives a list with one (B, 2048, 1, 1).

    Raises:
        DataError: the file is not the official one.
    """
    path = _official("inception")
    return None if path is None else _inception(path)


def torchvision() -> None:
    """Import torchvision, which lpips and pytorch-fid need, also where its compiled part does not fit torch.

    The wheel on the package index is built for CUDA; beside a CPU torch its operators do not load, and then
    the import fails over the shape rules of two operators that do not exist. Networks need no more than that
    these are declared.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define(
            "torchvision::qnms",
            "(Tensor dets, Tensor scores, float iou_threshold, float dets_scale, int dets_zero_point, "
            "float scores_scale, int scores_zero_point) -> Tensor",
        )
        importlib.import_module("torchvision")


@cache
def _vgg19(path: Path) -> Vgg19:
    with torch.random.fork_rng(devices=[]):
        network = Vgg19()
    state = _state(path)
    network.load_state_dict({key: state[key] for key in network.state_dict()})
    return network


@cache
def _lpips(trunk: Trunk, path: Path) -> nn.Module:
    return lpips_with(trunk, _state(path))


@cache
def _inception(path: Path) -> nn.Module:
    torchvision()
    from pytorch_fid.inception import InceptionV3

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        # It finds ``path`` by itself, in the folder of torch.hub.
        network: nn.Module = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    return network.eval().requires_grad_(False)


def _state(path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _official(name: str) -> Path | None:
    """The file of the weights after comparing its hash; None if there is none."""
    entry = catalog.find_weights(name)
    if not entry.path.is_file():
        return None
    if _hash(entry.path, entry.path.stat().st_mtime_ns) != entry.file.sha256:
        raise DataError(f"{entry.path}: not the official file (its sha256 differs); {entry.command}")
    return entry.path


@cache
def _hash(path: Path, modified_ns: int) -> str:
    return atomicfiles.file_hash(path)
