"""LPIPS on random weights, the same on both sides; with official ones the code is no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from officialweights import pretend_official
from pictures import picture

from benchmark import catalog, features, metrics
from benchmark.metrics import NoValueError
from benchmark.metrics.perceptual import distance
from benchmark.randomnetworks import random_trunk


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return {
        trunk: features.lpips_with(trunk, random_trunk(weights))
        for trunk, weights in features.LPIPS_WEIGHTS.items()
    }


@pytest.mark.parametrize("trunk", ["alex", "vgg", "squeeze"])
def test_it_equals_the_package(networks: dict[str, Any], trunk: str) -> None:
    import lpips

    clean = picture(0, 70, 96)
    restored = np.roll(clean, 2, axis=0)
    with torch.no_grad():
        reference = float(networks[trunk](lpips.im2tensor(restored), lpips.im2tensor(clean)))
    assert reference > 1e-4
    assert distance(networks[trunk], restored, clean) == pytest.approx(reference, abs=1e-6)
    assert distance(networks[trunk], clean, clean) == 0


@pytest.mark.parametrize("trunk", ["alex", "vgg", "squeeze"])
def test_it_equals_the_definition(networks: dict[str, Any], trunk: str) -> None:
    """Zhang et al. 2018, equation 1, from the activations of torchvision's own network."""
    from torch.nn import functional as F
    from torchvision import models

    weights = features.LPIPS_WEIGHTS[trunk]
    taps = {"alex": (2, 5, 8, 10, 12), "vgg": (4, 9, 16, 23, 30), "squeeze": (2, 5, 8, 10, 11, 12, 13)}[trunk]
    with torch.device("meta"):
        trunk_network = getattr(models, weights)(weights=None).features
    trunk_network = trunk_network.to_empty(device="cpu")
    state = {key.removeprefix("features."): tensor for key, tensor in random_trunk(weights).items()}
    trunk_network.load_state_dict(state)
    clean = picture(0, 64, 64)
    restored = np.roll(clean, 2, axis=0)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    images = [torch.from_numpy(pixels / 127.5 - 1).float() for pixels in (restored, clean)]
    x, y = (((image - shift) / scale).permute(2, 0, 1)[None] for image in images)
    total = 0.0
    with torch.no_grad():
        for number, tap in enumerate(taps):
            a, b = trunk_network[:tap](x), trunk_network[:tap](y)
            difference = (F.normalize(a, dim=1) - F.normalize(b, dim=1)) ** 2
            total += float(networks[trunk].lins[number].model[-1](difference).mean())
    assert distance(networks[trunk], restored, clean) == pytest.approx(total, rel=1e-4)


def test_the_metric_runs_on_the_file_torch_hub_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    metric = metrics.find("lpips_squeeze")
    clean = picture(0)
    with pytest.raises(NoValueError, match="benchmark weights fetch squeezenet1_1"):
        metric(clean, clean)
    path = tmp_path / "hub/checkpoints/squeezenet-00000000.pth"
    path.parent.mkdir(parents=True)
    torch.save(random_trunk("squeezenet1_1"), path)
    pretend_official(monkeypatch, "squeezenet1_1", path)
    assert catalog.missing("squeezenet1_1") is None
    assert metrics.weights_key([metric])["squeezenet1_1"].startswith(path.name)
    assert metric(clean, clean) == 0
    assert metric(255 - clean, clean) > 0
    with pytest.raises(NoValueError, match="at least 32 pixels"):
        metric(clean[:31], clean[:31])
