from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from pictures import picture
from torch import Tensor, nn

from baselines.nafnet import METHOD, Block, ChannelNorm, NAFNet, Nafnet, WindowMean, psnr_loss, window_mean
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.method import Setting, Trainable


def _count(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def _batch(side: int = 32) -> Batch:
    clean = as_batch(picture(0, side, side))
    return Batch(clean * 0.5, clean, torch.zeros(1, 1, side, side))


def test_the_published_network() -> None:
    method = METHOD.build(Setting())
    assert isinstance(method, Trainable)
    assert {name: _count(network) for name, network in method.networks.items()} == {"network": 29_159_715}


def test_another_published_width() -> None:
    assert _count(NAFNet(16)) == 7_371_923


def test_layers() -> None:
    network = NAFNet(2)
    assert [len(stage) for stage in network.encoders] == [2, 2, 4, 8]
    assert len(network.middle) == 12
    assert [len(stage) for stage in network.decoders] == [2, 2, 2, 2]
    assert [down.kernel_size for down in network.downs] == [(2, 2)] * 4
    assert [up[0].bias for up in network.ups] == [None] * 4
    assert [stage[0].mean.stride for stage in (*network.encoders, network.middle)] == [1, 2, 4, 8, 16]
    assert [stage[0].mean.stride for stage in network.decoders] == [8, 4, 2, 1]


def test_channels_are_normalised_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    norm = ChannelNorm(5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    features = torch.randn(2, 5, 4, 3) * 3 + 2
    last = F.layer_norm(features.permute(0, 2, 3, 1), (5,), norm.weight, norm.bias, eps=1e-6)
    assert torch.allclose(norm(features), last.permute(0, 3, 1, 2), atol=1e-5)


def test_a_block_as_published() -> None:
    torch.manual_seed(0)
    block = Block(3, 1)
    nn.init.normal_(block.beta)
    nn.init.normal_(block.gamma)
    x = torch.randn(2, 3, 6, 7)
    wide = block.depthwise(block.spatial_widen(block.spatial_norm(x)))
    gated = wide[:, :3] * wide[:, 3:]
    scale = F.conv2d(F.adaptive_avg_pool2d(gated, 1), block.attention.weight, block.attention.bias)
    y = x + block.beta * block.spatial_narrow(gated * scale)
    wide = block.channel_widen(block.channel_norm(y))
    expected = y + block.gamma * block.channel_narrow(wide[:, :3] * wide[:, 3:])
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_untrained_blocks_do_nothing() -> None:
    features = torch.randn(1, 4, 8, 8)
    assert torch.equal(Block(4, 1)(features), features)


def _window_mean_pixel_by_pixel(features: Tensor, rows: int, columns: int) -> Tensor:
    """For each pixel the mean over the window centred on it, shifted to lie inside."""
    height, width = features.shape[2:]
    result = torch.empty_like(features)
    for y in range(height):
        top = min(max(y - (rows - 1) // 2, 0), height - rows)
        for x in range(width):
            left = min(max(x - (columns - 1) // 2, 0), width - columns)
            result[:, :, y, x] = features[:, :, top : top + rows, left : left + columns].mean(dim=(2, 3))
    return result


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (4, 5), (9, 2), (1, 11)])
def test_means_over_windows(rows: int, columns: int) -> None:
    features = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = _window_mean_pixel_by_pixel(features, rows, columns)
    assert torch.allclose(window_mean(features, (rows, columns)), expected, atol=1e-6)


def test_windows_are_one_and_a_half_training_crops() -> None:
    method = Nafnet(Setting(width=1 / 16))
    method.train_step(_batch(32), 0, Descent(device=torch.device("cpu")))
    assert int(method.network.state_dict()["crop_px"]) == 32
    with torch.no_grad():
        method.restore(torch.rand(1, 3, 64, 64), None)
    means = [module for module in method.network.modules() if isinstance(module, WindowMean)]
    assert {mean.window_px for mean in means} == {48}
    outer = next(mean for mean in means if mean.stride == 1)
    assert outer(torch.rand(1, 2, 48, 48)).shape == (1, 2, 1, 1)
    assert outer(torch.rand(1, 2, 48, 49)).shape == (1, 2, 48, 49)
    inner = next(mean for mean in means if mean.stride == 8)
    assert inner(torch.rand(1, 2, 6, 6)).shape == (1, 2, 1, 1)
    assert inner(torch.rand(1, 2, 7, 6)).shape == (1, 2, 7, 6)


def test_the_loss_is_minus_the_psnr_of_each_image() -> None:
    clean = torch.zeros(2, 3, 8, 8)
    restored = torch.tensor([0.1, 0.01])[:, None, None, None] * torch.ones_like(clean)
    assert float(psnr_loss(restored, clean)) == pytest.approx(-30, abs=1e-3)
    assert float(psnr_loss(clean, clean)) == pytest.approx(-80, abs=1e-3)


def test_optimiser_and_schedule() -> None:
    method = Nafnet(Setting(width=1 / 16))
    optimizer = method.optimizers["network"]
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {k: optimizer.defaults[k] for k in ("lr", "betas", "weight_decay")} == {
        "lr": 1e-3,
        "betas": (0.9, 0.9),
        "weight_decay": 0.0,
    }
    assert method.rate(0) * 1e-3 == pytest.approx(1e-3)
    assert method.rate(0.5) * 1e-3 == pytest.approx((1e-3 + 1e-7) / 2)
    assert method.rate(1) * 1e-3 == pytest.approx(1e-7)


def test_gradients_are_clipped() -> None:
    method = Nafnet(Setting(width=1 / 16))
    method.train_step(_batch(), 0, Descent(device=torch.device("cpu")))
    norms = [p.grad.norm() for p in method.network.parameters() if p.grad is not None]
    assert math.isclose(float(torch.stack(norms).norm()), 0.01, rel_tol=1e-3)


def test_it_learns_to_undo_fading() -> None:
    torch.manual_seed(0)
    method = Nafnet(Setting(width=1 / 16))
    descend = Descent(device=torch.device("cpu"))
    losses = [float(method.train_step(_batch(), 0, descend)["psnr"].detach()) for _ in range(25)]
    assert losses[-1] < losses[0] - 3


@pytest.mark.parametrize(("height", "width"), [(48, 64), (33, 70), (5, 9)])
def test_any_size_is_restored_and_sides_are_mirrored(height: int, width: int) -> None:
    torch.manual_seed(0)
    method = Nafnet(Setting(width=1 / 16))
    image = torch.rand(1, 3, height, width)
    with torch.no_grad():
        restored = method.restore(image, None)
    assert restored.shape == image.shape
    assert torch.isfinite(restored).all()
