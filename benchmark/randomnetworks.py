"""Networks of the official shapes with random weights: both sides of a comparison run on the same ones.

Nothing here is ever scored with; a number from random weights means nothing but agreement.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import catalog, features
from benchmark.metrics import Features, Pixels
from degradekit import imagefiles


def pytorch_fid_features(network: Any, images: list[Pixels], folder: Path) -> Features:
    """Features of ``images`` through files and pytorch-fid's own reader, (N, 2048)."""
    from pytorch_fid.fid_score import get_activations

    paths = []
    for number, image in enumerate(images):
        paths.append(folder / f"{number}.png")
        paths[-1].write_bytes(imagefiles.encode_png(np.ascontiguousarray(image)))
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        features = get_activations(paths, network, batch_size=1, dims=2048, device="cpu", num_workers=0)
    return np.asarray(features, np.float32)


@contextmanager
def inception_network() -> Iterator[Any]:
    """pytorch-fid's network with the official weights, or with random ones that it finds as if official."""
    official = features.inception()
    if official is not None:
        yield official
        return
    features.torchvision()
    from pytorch_fid.inception import InceptionV3

    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "hub" / "checkpoints" / catalog.find_weights("inception").file.name
        path.parent.mkdir(parents=True)
        torch.save(_random_inception(), path)
        before = os.environ.get("TORCH_HOME")
        os.environ["TORCH_HOME"] = home
        try:
            with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
                warnings.simplefilter("ignore")
                network = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
        finally:
            if before is None:
                del os.environ["TORCH_HOME"]
            else:
                os.environ["TORCH_HOME"] = before
    yield network.eval()


@cache
def random_trunk(weights: str) -> dict[str, Any]:
    """Random weights in torchvision's format for one of LPIPS' trunks; activations keep their size."""
    features.torchvision()
    from torchvision import models

    with torch.device("meta"):
        shapes = getattr(models, weights)(weights=None).features.state_dict()
    return _random({f"features.{name}": tensor.shape for name, tensor in shapes.items()})


def _random_inception() -> dict[str, Any]:
    features.torchvision()
    from torchvision.models import inception_v3

    with torch.device("meta"):
        network = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    return _random({name: tensor.shape for name, tensor in network.state_dict().items()})


def _random(shapes: dict[str, Any]) -> dict[str, Any]:
    """Weights that keep the size of what passes through a layer, and statistics that do nothing."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            state[name] = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        else:
            one = name.endswith(("running_var", "bn.weight"))
            state[name] = torch.ones(shape) if one else torch.zeros(shape)
    return state


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep other packages' progress bars off the screen."""
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield
