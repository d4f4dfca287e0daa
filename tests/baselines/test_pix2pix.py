from __future__ import annotations

import pytest
import torch
from pictures import picture
from torch import Tensor, nn
from torch.optim import Optimizer

from baselines.pix2pix import METHOD, Pix2Pix, UNet
from benchmark.adversarial import PatchDiscriminator, logistic_loss
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.method import Setting, Trainable

CPU = torch.device("cpu")


def _count(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def _batch(seed: int = 0, side: int = 256) -> Batch:
    clean = as_batch(picture(seed, side, side))
    return Batch(clean * 0.6 + 0.2, clean, torch.zeros(1, 1, side, side))


def test_the_published_networks() -> None:
    method = METHOD.build(Setting())
    assert isinstance(method, Trainable)
    assert {name: _count(network) for name, network in method.networks.items()} == {
        "generator": 54_413_955,
        "discriminator": 2_768_705,
    }


def test_the_discriminator_of_cyclegan_is_the_same_with_another_norm() -> None:
    assert _count(PatchDiscriminator(3, norm="instance")) == 2_764_737


def test_layers_of_the_generator() -> None:
    net = UNet()
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    transposed = [module for module in net.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert [module.out_channels for module in convolutions] == [64, 128, 256, 512, 512, 512, 512, 512]
    # ``up`` is listed from the outermost level inwards; skips double the input of all but the innermost.
    assert [module.in_channels for module in transposed] == [128, 256, 512, 1024, 1024, 1024, 1024, 512]
    assert [module.out_channels for module in transposed] == [3, 64, 128, 256, 512, 512, 512, 512]
    assert [module.bias is not None for module in transposed] == [True] + [False] * 7
    assert all(module.bias is None for module in convolutions)
    assert sum(isinstance(module, nn.Dropout) for module in net.modules()) == 3
    # Down: all but the outermost and the innermost; up: all but the outermost.
    assert sum(isinstance(module, nn.BatchNorm2d) for module in net.modules()) == 6 + 7


def test_every_level_reaches_the_output() -> None:
    net = UNet(4).train()
    net(torch.rand(2, 3, 256, 256)).square().mean().backward()
    assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in net.parameters())


def test_a_patch_of_the_discriminator_is_70_pixels() -> None:
    net = PatchDiscriminator(6, norm="batch", features=8).eval()
    image = torch.rand(1, 6, 256, 256, requires_grad=True)
    logits = net(image)
    assert logits.shape == (1, 1, 30, 30)
    (gradient,) = torch.autograd.grad(logits[0, 0, 15, 15], image)
    rows = gradient[0].abs().sum(dim=(0, 2)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_initial_weights() -> None:
    torch.manual_seed(0)
    net = UNet(16)
    weights = torch.cat([m.weight.detach().flatten() for m in net.modules() if isinstance(m, nn.Conv2d)])
    scales = torch.cat([m.weight.detach() for m in net.modules() if isinstance(m, nn.BatchNorm2d)])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert float(weights.mean()) == pytest.approx(0, abs=1e-4)
    assert float(scales.mean()) == pytest.approx(1, abs=3e-3)
    assert float(scales.std()) == pytest.approx(0.02, rel=0.15)


def test_the_gan_objective_is_cross_entropy() -> None:
    logits = torch.tensor([[-2.0, 0.5]])
    probability = torch.sigmoid(logits)
    assert float(logistic_loss(logits, real=True)) == pytest.approx(float(-probability.log().mean()))
    assert float(logistic_loss(logits, real=False)) == pytest.approx(float(-(1 - probability).log().mean()))


def test_optimisers_and_schedule() -> None:
    method = Pix2Pix(Setting(width=1 / 16))
    for optimizer in method.optimizers.values():
        assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (2e-4, (0.5, 0.999))
    assert [method.rate(progress) for progress in (0, 0.25, 0.5, 0.75, 0.999)] == pytest.approx(
        [1, 1, 1, 0.5, 0.002]
    )


class _Recorder:
    """Writes down which optimiser stepped, and what the discriminator's gradients were by then."""

    def __init__(self, method: Pix2Pix) -> None:
        self.order: list[str] = []
        for name, optimizer in method.optimizers.items():
            optimizer.register_step_pre_hook(lambda *_, name=name: self.order.append(name))


def test_a_step_updates_the_discriminator_then_the_generator() -> None:
    torch.manual_seed(0)
    method = Pix2Pix(Setting(width=1 / 16))
    recorder = _Recorder(method)
    before = {name: next(network.parameters()).clone() for name, network in method.networks.items()}
    losses = method.train_step(_batch(), 0.0, Descent(device=CPU))
    assert recorder.order == ["discriminator", "generator"]
    assert set(losses) == {"discriminator_fake", "discriminator_real", "gan", "l1"}
    for name, network in method.networks.items():
        assert not torch.equal(next(network.parameters()), before[name])


def test_the_generators_loss_is_gan_plus_100_l1() -> None:
    torch.manual_seed(0)
    method = Pix2Pix(Setting(width=1 / 16))
    totals: list[float] = []
    below = Descent(device=CPU)

    def record(loss: Tensor, *optimizers: Optimizer, clip_norm: float | None = None) -> None:
        totals.append(float(loss.detach()))
        below(loss, *optimizers, clip_norm=clip_norm)

    losses = method.train_step(_batch(), 0.0, record)
    judge, generator = totals
    fake, real = losses["discriminator_fake"], losses["discriminator_real"]
    assert judge == pytest.approx(0.5 * float((fake + real).detach()))
    assert generator == pytest.approx(float((losses["gan"] + 100 * losses["l1"]).detach()))


def test_the_generators_step_leaves_the_discriminator_without_gradients_of_its_own() -> None:
    method = Pix2Pix(Setting(width=1 / 16))
    seen: list[float] = []

    def remember(*_: object) -> None:
        gradients = [t.grad for t in method.discriminator.parameters() if t.grad is not None]
        seen.append(sum(float(gradient.abs().sum()) for gradient in gradients))

    for optimizer in method.optimizers.values():
        optimizer.register_step_pre_hook(remember)
    method.train_step(_batch(), 0.0, Descent(device=CPU))
    assert seen[0] == seen[1] > 0
    assert all(tensor.requires_grad for tensor in method.discriminator.parameters())


def test_it_learns_to_undo_fading() -> None:
    torch.manual_seed(0)
    method = Pix2Pix(Setting(width=1 / 16))
    for group in method.optimizers["generator"].param_groups:
        group["lr"] = 5e-3  # So that 30 steps are enough.
    batch = _batch()
    for step in range(30):
        torch.manual_seed(step)
        losses = method.train_step(batch, 0.0, Descent(device=CPU))
    untouched = float((batch.degraded - batch.clean).abs().mean())
    # L1 is measured on [-1, 1]. It came to 0.35 of the untouched distance when this was written.
    assert float(losses["l1"].detach()) / 2 < 0.7 * untouched


@pytest.mark.parametrize(("height", "width"), [(256, 512), (300, 451), (40, 30)])
def test_any_size_is_restored(height: int, width: int) -> None:
    method = Pix2Pix(Setting(width=1 / 16))
    with torch.no_grad():
        restored = method.restore(torch.rand(1, 3, height, width), None)
    assert restored.shape == (1, 3, height, width)
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_restoring_uses_no_dropout_and_no_statistics_of_the_image() -> None:
    torch.manual_seed(0)
    method = Pix2Pix(Setting(width=1 / 16))
    for step in range(3):
        method.train_step(_batch(step), 0.0, Descent(device=CPU))
    image, other = _batch(5).degraded, _batch(6).degraded
    with torch.no_grad():
        alone = method.restore(image, None)
        assert torch.equal(alone, method.restore(image, None))
        together = method.restore(torch.cat([image, other]), None)[:1]
    assert torch.allclose(alone, together, atol=1e-5)


def test_crops_that_are_no_multiple_of_256_are_padded() -> None:
    losses = Pix2Pix(Setting(width=1 / 16)).train_step(_batch(side=64), 0.0, Descent(device=CPU))
    assert all(torch.isfinite(loss) for loss in losses.values())
