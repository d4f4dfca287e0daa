from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from pictures import picture
from torch import Tensor, nn
from torch.optim import Optimizer

from baselines.cyclegan import METHOD, CycleGan, ResnetGenerator
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.method import Setting, Trainable, memory, notes
from benchmark.tiling import tiled
from benchmark.wholeimage import InstanceNorm, in_tiles

NARROW = Setting(width=1 / 16)
CPU = torch.device("cpu")


def _count(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def _batch(seed: int = 0, side: int = 64) -> Batch:
    clean, other = as_batch(picture(seed, side, side)), as_batch(picture(seed + 1, side, side))
    return Batch(clean * 0.6 + 0.2, other, torch.zeros(1, 1, side, side))


class _Recorder(Descent):
    """Keeps what each step descended, and on which optimiser."""

    def __init__(self) -> None:
        super().__init__(device=CPU)
        self.steps: list[tuple[float, tuple[Optimizer, ...]]] = []

    def __call__(self, loss: Tensor, *optimizers: Optimizer, clip_norm: float | None = None) -> None:
        self.steps.append((float(loss.detach()), optimizers))
        super().__call__(loss, *optimizers, clip_norm=clip_norm)


def test_the_published_networks() -> None:
    method = METHOD.build(Setting())
    assert isinstance(method, Trainable)
    assert {name: _count(network) for name, network in method.networks.items()} == {
        "restorer": 11_378_179,
        "degrader": 11_378_179,
        "discriminator_clean": 2_764_737,
        "discriminator_degraded": 2_764_737,
    }


def test_layers_of_the_generator() -> None:
    network = ResnetGenerator()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [m.out_channels for m in convolutions] == [64, 128, 256, *[256] * 18, 128, 64, 3]
    assert [m.kernel_size[0] for m in convolutions] == [7, *[3] * 22, 7]
    assert [m.stride[0] for m in convolutions] == [1, 2, 2, *[1] * 18, 2, 2, 1]
    assert all(m.bias is not None for m in convolutions)
    # After all but the last convolution; with neither scale nor shift, as the count of parameters shows.
    assert sum(isinstance(m, InstanceNorm) for m in network.modules()) == 23
    assert not any(isinstance(m, nn.Dropout) for m in network.modules())


def test_residual_blocks_end_in_the_sum() -> None:
    block = ResnetGenerator(4)[10]
    features = torch.randn(1, 16, 8, 8)
    assert torch.allclose(block(features), features + block.body(features))
    assert float(block(features).detach().min()) < 0


def test_the_objective() -> None:
    torch.manual_seed(0)
    method = CycleGan(NARROW)
    batch = _batch()
    a, b = 2 * batch.degraded - 1, 2 * batch.clean - 1
    restore, degrade = method.restorer, method.degrader
    judge_b, judge_a = method.judge_clean, method.judge_degraded
    with torch.no_grad():
        fake_b, fake_a = restore(a), degrade(b)
        gan = (judge_b(fake_b) - 1).square().mean() + (judge_a(fake_a) - 1).square().mean()
        cycle = F.l1_loss(degrade(fake_b), a) + F.l1_loss(restore(fake_a), b)
        identity = F.l1_loss(restore(b), b) + F.l1_loss(degrade(a), a)
        judged = [
            0.5 * ((judge(real) - 1).square().mean() + judge(fake).square().mean())
            for judge, real, fake in ((judge_b, b, fake_b), (judge_a, a, fake_a))
        ]
    recorder = _Recorder()
    losses = {name: float(loss.detach()) for name, loss in method.train_step(batch, 0, recorder).items()}
    (generators, first), (discriminators, second) = recorder.steps
    assert first == (method.optimizers["generators"],)
    assert second == (method.optimizers["discriminators"],)
    assert generators == pytest.approx(float(gan + 10 * cycle + 5 * identity), rel=1e-4)
    assert discriminators == pytest.approx(float(judged[0] + judged[1]), rel=1e-4)
    assert losses["cycle"] == pytest.approx(float(cycle), rel=1e-4)
    assert losses["identity"] == pytest.approx(float(identity), rel=1e-4)


def test_each_step_moves_its_own_networks() -> None:
    torch.manual_seed(0)
    method = CycleGan(NARROW)
    for name, networks in (
        ("generators", (method.restorer, method.degrader)),
        ("discriminators", (method.judge_clean, method.judge_degraded)),
    ):
        held = {id(p) for group in method.optimizers[name].param_groups for p in group["params"]}
        assert held == {id(p) for network in networks for p in network.parameters()}
        defaults = method.optimizers[name].defaults
        assert (defaults["lr"], defaults["betas"]) == (2e-4, (0.5, 0.999))


def test_schedule() -> None:
    method = CycleGan(NARROW)
    assert [method.rate(p) for p in (0, 0.25, 0.5, 0.75, 0.999)] == pytest.approx([1, 1, 1, 0.5, 0.002])


def test_discriminators_see_earlier_images_once_the_pools_are_full() -> None:
    torch.manual_seed(0)
    method = CycleGan(NARROW)
    for pool in (method._memory.restored, method._memory.degraded):
        pool.size = 2
    descend = Descent(device=CPU)
    for step in range(3):
        method.train_step(_batch(step), 0, descend)
    stored = memory(method)["memory"].state_dict()
    assert stored["restored.images"].shape == stored["degraded.images"].shape == (2, 3, 64, 64)


def test_training_goes_on_from_its_memory_bit_for_bit() -> None:
    def train(method: CycleGan, steps: range) -> None:
        for step in steps:
            torch.manual_seed(step)
            method.train_step(_batch(step), 0, Descent(device=CPU))

    torch.manual_seed(0)
    one = CycleGan(NARROW)
    one._memory.restored.size = one._memory.degraded.size = 2
    train(one, range(3))
    other = CycleGan(NARROW)
    other._memory.restored.size = other._memory.degraded.size = 2
    for name, network in one.networks.items():
        other.networks[name].load_state_dict(network.state_dict())
    for name, optimizer in one.optimizers.items():
        other.optimizers[name].load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for name, module in memory(one).items():
        memory(other)[name].load_state_dict(module.state_dict())
    train(one, range(3, 6))
    train(other, range(3, 6))
    for name, network in one.networks.items():
        for key, tensor in network.state_dict().items():
            assert torch.equal(tensor, other.networks[name].state_dict()[key])


def test_its_notes_say_what_it_was_trained_on() -> None:
    method = CycleGan(NARROW)
    descend = Descent(device=CPU)
    method.train_step(_batch(), 0, descend)
    assert "synthetic" in notes(method)[0]
    method.train_step(dataclasses.replace(_batch(), real=_batch().degraded), 0, descend)
    assert "real old photographs" in notes(method)[0]


def test_it_learns_the_way_there_and_back() -> None:
    torch.manual_seed(0)
    method = CycleGan(Setting(width=1 / 8))
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 3e-3  # So that a few steps are enough.
    descend, batch = Descent(device=CPU), _batch(side=48)
    cycles = [float(method.train_step(batch, 0, descend)["cycle"].detach()) for _ in range(24)]
    # It came to 0.55 when this was written.
    assert sum(cycles[-4:]) / 4 < 0.75 * cycles[0]


@pytest.mark.parametrize(("height", "width"), [(64, 128), (33, 51), (9, 14)])
def test_any_size_is_restored(height: int, width: int) -> None:
    method = CycleGan(NARROW)
    with torch.no_grad():
        restored = method.restore(torch.rand(1, 3, height, width), None)
    assert restored.shape == (1, 3, height, width)
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_tiles_share_the_statistics_of_the_image() -> None:
    """Dark on the left, light on the right: by its own statistics each tile would come out alike."""
    torch.manual_seed(0)
    method = CycleGan(Setting(width=1 / 8))
    image = as_batch(picture(0, 96, 256)) * 0.3 + torch.linspace(0, 0.7, 256)
    with torch.no_grad():
        whole = method._restore(image)
        tiles = in_tiles(method.restorer, lambda tile, _: method._restore(tile), image, side=160)
        alone = tiled(lambda tile, _: method._restore(tile), image, None, side=160)
    shared, own = (float((result - whole).abs().mean()) for result in (tiles, alone))
    assert shared < 0.6 * own
