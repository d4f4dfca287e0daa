from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pictures import picture
from torch import Tensor, nn

from baselines.owan import (
    METHOD,
    Dilated,
    Group,
    OperationLayer,
    OperationWiseAttention,
    Owan,
    Residual,
    Separable,
)
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.method import Setting, Trainable
from benchmark.wholeimage import in_tiles


def _count(*networks: nn.Module) -> int:
    return sum(tensor.numel() for network in networks for tensor in network.parameters())


def test_the_published_network() -> None:
    method = METHOD.build(Setting())
    assert isinstance(method, Trainable)
    assert {name: _count(network) for name, network in method.networks.items()} == {"network": 391_456}


def test_its_parts_are_as_large_as_the_published_ones() -> None:
    layers = list(OperationWiseAttention())
    assert _count(*layers[:5]) == 1_584
    assert _count(layers[-1]) == 432
    groups = [layer for layer in layers if isinstance(layer, Group)]
    assert len(groups) == 10
    assert {_count(group.attention) for group in groups} == {3_168}
    assert {_count(group.enter, group.layers) for group in groups} == {35_776}
    assert [_count(operation) for operation in OperationLayer(16).operations] == [
        *(544, 800, 1312, 2080),
        *(400, 656, 1040),
    ]


def test_only_the_attention_has_biases() -> None:
    network = OperationWiseAttention()
    biased = [m for m in network.modules() if getattr(m, "bias", None) is not None]
    assert len(biased) == 20
    assert all(isinstance(module, nn.Linear) for module in biased)


def _layer_as_published(layer: OperationLayer, features: Tensor, attention: Tensor) -> Tensor:
    """Each operation to its end, scaled, put side by side, merged."""
    results = []
    for operation in layer.operations:
        if isinstance(operation, Separable):
            results.append(operation.last(operation.second(operation.first(features))))
        else:
            assert isinstance(operation, Dilated)
            results.append(operation.last(operation.first(features)))
    ones = torch.ones_like(features)
    kernel = torch.ones(features.shape[1], 1, 3, 3, dtype=features.dtype)
    sums = F.conv2d(features, kernel, padding=1, groups=features.shape[1])
    results.append(sums / F.conv2d(ones, kernel, padding=1, groups=features.shape[1]))
    scaled = [result * attention[:, i, None, None, None] for i, result in enumerate(results)]
    return F.relu(layer.merge(torch.cat(scaled, dim=1)))


@pytest.mark.parametrize(("height", "width"), [(17, 20), (16, 15), (12, 18)])
def test_the_folded_layer_is_the_published_one(height: int, width: int) -> None:
    torch.manual_seed(0)
    layer = OperationLayer(6).double()
    features = torch.randn(3, 6, height, width, dtype=torch.float64, requires_grad=True)
    attention = torch.rand(3, 8, dtype=torch.float64, requires_grad=True)
    outputs = layer(features, attention), _layer_as_published(layer, features, attention)
    assert torch.allclose(*outputs, atol=1e-12)
    inputs = [features, attention, *layer.parameters()]
    gradients = [torch.autograd.grad(output.square().sum(), inputs) for output in outputs]
    assert all(torch.allclose(ours, theirs, atol=1e-10) for ours, theirs in zip(*gradients, strict=True))


def test_the_shapes_of_the_operations() -> None:
    layer = OperationLayer(16)
    separable = [o for o in layer.operations if isinstance(o, Separable)]
    dilated = [o for o in layer.operations if isinstance(o, Dilated)]
    assert [o.second.kernel_size[0] for o in separable] == [1, 3, 5, 7]
    assert [(o.first.kernel_size[0], o.first.dilation[0]) for o in dilated] == [(3, 2), (5, 2), (7, 2)]
    assert all(o.second.groups == 16 for o in separable)


def test_attention_is_the_images_choice_and_adds_up_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    seen: list[Tensor] = []
    plain = OperationLayer.forward

    def record(self: OperationLayer, features: Tensor, attention: Tensor) -> Tensor:
        seen.append(attention)
        return plain(self, features, attention)

    monkeypatch.setattr(OperationLayer, "forward", record)
    Group(4)(torch.rand(2, 4, 16, 16) * torch.tensor([1.0, 30.0])[:, None, None, None])
    assert [attention.shape for attention in seen] == [(2, 8)] * 4
    assert all(torch.allclose(attention.sum(dim=1), torch.ones(2)) for attention in seen)
    assert not torch.allclose(seen[0][0], seen[0][1])
    assert not torch.allclose(seen[0], seen[1])


def test_a_residual_block() -> None:
    torch.manual_seed(0)
    block = Residual(4)
    features = torch.randn(1, 4, 8, 8)
    assert torch.equal(block(features), F.relu(block.body(features) + features))
    for convolution in (block.body[0], block.body[2]):
        nn.init.zeros_(convolution.weight)
    assert torch.equal(block(features), F.relu(features))


@pytest.mark.parametrize(
    ("width", "channels", "groups"), [(1, 16, 10), (1 / 4, 16, 2), (1 / 8, 16, 1), (1 / 16, 10, 1)]
)
def test_narrow_networks_let_the_image_through(width: float, channels: int, groups: int) -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        network = Owan(Setting(width=width)).network
        assert sum(isinstance(layer, Group) for layer in network) == groups
        with torch.no_grad():
            features = nn.Sequential(*list(network)[:-1])(as_batch(picture(0, 16, 16)))
        assert features.shape[1] == channels
        assert float(features.max()) > 0


def test_optimiser_and_schedule() -> None:
    method = Owan(Setting(width=0.25))
    defaults = method.optimizers["network"].defaults
    assert (defaults["lr"], defaults["betas"]) == (1e-3, (0.9, 0.999))
    assert [method.rate(p) for p in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.853553, 0.5, 0], abs=1e-6)


def test_a_step_descends_the_mean_absolute_difference() -> None:
    torch.manual_seed(0)
    method = Owan(Setting(width=1 / 16))
    clean = as_batch(picture(0, 16, 16))
    batch = Batch(clean * 0.5, clean, torch.zeros(1, 1, 16, 16))
    with torch.no_grad():
        expected = (method.network(batch.degraded) - clean).abs().mean()
    descend = Descent(device=torch.device("cpu"))
    losses = [float(method.train_step(batch, 0, descend)["l1"].detach()) for _ in range(30)]
    assert losses[0] == pytest.approx(float(expected), rel=1e-5)
    # Its first outputs are near 0; in the end it came to 0.87 of that.
    assert losses[-1] < 0.95 * losses[0]


def test_large_images_are_cut_into_tiles_that_agree() -> None:
    """The same picture, in one piece and in tiles: the difference is small, and no larger at a seam."""
    torch.manual_seed(0)
    network = OperationWiseAttention(4, 2).eval()
    image = as_batch(picture(0, 96, 256))
    with torch.no_grad():
        whole = network(image)
        tiles = in_tiles(network, lambda tile, _: network(tile), image, side=160)
    assert tiles.shape == whole.shape
    difference = (tiles - whole).abs() / whole.std()
    assert float(difference.mean()) < 1e-3
    # Where a tile ends its neighbour's pixels are missing, so just there it is off by a little more.
    assert float(difference.max()) < 0.15
