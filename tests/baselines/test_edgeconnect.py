from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pictures import picture
from torch import Tensor, nn
from torch.optim import Optimizer

from baselines import edgeconnect, holes
from baselines.edgeconnect import STAGES, Discriminator, EdgeConnect, Generator, canny, gram, luminance
from benchmark import features
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.features import Vgg19
from benchmark.method import Setting, Trainable

NARROW = Setting(width=1 / 16)
STAGE_AT = {"edge": 0.1, "inpaint": 0.4, "edge-inpaint": 0.8, "joint": 0.97}


def _count(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def _batch(side: int = 64, seed: int = 0) -> Batch:
    clean = torch.cat([as_batch(picture(seed + n, side, side)) for n in range(2)])
    mask = torch.zeros(2, 1, side, side)
    mask[..., side // 4 : side // 2, side // 4 : side // 2] = 1
    return Batch(clean * 0.5, clean, mask)


def _descent() -> Descent:
    return Descent(device=torch.device("cpu"))


def _state(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def test_the_published_networks() -> None:
    method = EdgeConnect(Setting())
    assert isinstance(method, Trainable)
    assert {name: _count(network) for name, network in method.networks.items()} == {
        "edge_generator": 10_761_089,
        "edge_discriminator": 2_762_752,
        "inpaint_generator": 10_774_595,
        "inpaint_discriminator": 2_763_776,
    }


def test_biases_and_spectral_norms() -> None:
    for spectral in (True, False):
        net = Generator(3, 1, width=4, spectral=spectral)
        layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert len(layers) == 1 + 2 + 16 + 2 + 1
        normed = [hasattr(layer, "parametrizations") for layer in layers]
        assert normed == [spectral] * (len(layers) - 1) + [False]
        assert sum(layer.bias is None for layer in layers) == (16 if spectral else 0)
        assert [layer.dilation for layer in layers].count((2, 2)) == 8
    judge = Discriminator(3, width=4)
    assert all(layer.bias is None and hasattr(layer, "parametrizations") for layer in judge.layers)


def test_spectral_norms_are_one_and_weights_start_as_published() -> None:
    torch.manual_seed(0)
    judge = Discriminator(2, width=32).train()
    image = torch.rand(1, 2, 64, 64)
    drawn = torch.cat([p.detach().flatten() for p in judge.parameters()])
    assert float(drawn.std()) == pytest.approx(0.02, rel=0.02)
    for _ in range(20):
        judge(image)
    judge.eval()
    for layer in judge.layers:
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
        assert float(largest) == pytest.approx(1, abs=0.05)


def test_a_patch_of_the_discriminator_is_70_pixels() -> None:
    judge = Discriminator(3, width=8).eval()
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    outputs = judge(image)
    assert [output.shape[1] for output in outputs] == [8, 16, 32, 64, 1]
    assert outputs[-1].shape[2:] == (30, 30)
    (gradient,) = torch.autograd.grad(outputs[-1][0, 0, 15, 15], image)
    rows = gradient[0].abs().sum(dim=(0, 2)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_optimisers() -> None:
    for name, optimizer in EdgeConnect(NARROW).optimizers.items():
        assert optimizer.defaults["betas"] == (0.0, 0.9)
        assert optimizer.defaults["lr"] == (1e-5 if "discriminator" in name else 1e-4)


def test_rates() -> None:
    method = EdgeConnect(NARROW)
    assert [method.rate(p) for p in (0, 0.2, 0.31, 0.5, 0.7)] == [1] * 5
    assert method.rate(0.29999) == pytest.approx(0.1, abs=0.01)
    assert method.rate(0.97) == 0.01


@pytest.mark.parametrize(
    ("stage", "moved"),
    [
        ("edge", {"edge_generator", "edge_discriminator"}),
        ("inpaint", {"inpaint_generator", "inpaint_discriminator"}),
        ("edge-inpaint", {"inpaint_generator", "inpaint_discriminator"}),
        ("joint", {"edge_generator", "edge_discriminator", "inpaint_generator", "inpaint_discriminator"}),
    ],
)
def test_each_stage_trains_its_networks(stage: str, moved: set[str]) -> None:
    assert STAGES.at(STAGE_AT[stage])[0] == stage
    torch.manual_seed(0)
    method = EdgeConnect(NARROW)
    before = {name: _state(network) for name, network in method.networks.items()}
    losses = method.train_step(_batch(), STAGE_AT[stage], _descent())
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    changed = {
        name
        for name, network in method.networks.items()
        if any(not torch.equal(a, b) for a, b in zip(before[name], network.parameters(), strict=True))
    }
    assert changed == moved


class Recorded(Descent):
    """Keeps the losses it was given, and the gradients they had."""

    def __init__(self) -> None:
        super().__init__(device=torch.device("cpu"))
        self.losses: list[tuple[float, int]] = []

    def __call__(self, loss: Tensor, *optimizers: Optimizer, clip_norm: float | None = None) -> None:
        self.losses.append((float(loss.detach()), len(optimizers)))
        super().__call__(loss, *optimizers, clip_norm=clip_norm)


def test_losses_have_the_published_weights() -> None:
    method, descend = EdgeConnect(NARROW), Recorded()

    def step(stage: str) -> dict[str, float]:
        losses = method.train_step(_batch(), STAGE_AT[stage], descend)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    edge = step("edge")
    assert descend.losses[1][0] == pytest.approx(edge["edge_gan"] + 10 * edge["matching"], rel=1e-5)
    half = (edge["edge_discriminator_real"] + edge["edge_discriminator_fake"]) / 2
    assert descend.losses[0][0] == pytest.approx(half, rel=1e-5)
    paint = step("inpaint")
    assert descend.losses[3][0] == pytest.approx(0.1 * paint["gan"] + paint["l1"], rel=1e-5)
    joint = step("joint")
    total = joint["edge_gan"] + 10 * joint["matching"] + 0.1 * joint["gan"] + joint["l1"]
    assert descend.losses[-1] == (pytest.approx(total, rel=1e-5), 2)


def test_the_joint_stage_teaches_edges_by_the_picture() -> None:
    method = EdgeConnect(NARROW)
    method.edge_generator.train()
    batch = _batch()
    gray = luminance(batch.clean)
    predicted = method.draw_edges(gray, canny(gray) * (1 - batch.mask), batch.mask)
    painted = method.paint(batch.clean, edgeconnect.composite(canny(gray), predicted, batch.mask), batch.mask)
    F.l1_loss(painted, batch.clean).backward()
    gradients = [parameter.grad for parameter in method.edge_generator.parameters()]
    assert sum(gradient is not None and float(gradient.abs().sum()) > 0 for gradient in gradients) > 20


@pytest.fixture
def some_vgg(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vgg19]:
    """VGG19's layers with random weights."""
    torch.manual_seed(0)
    network = Vgg19()
    monkeypatch.setattr(features, "vgg19", lambda: network)
    monkeypatch.setattr(edgeconnect, "VGG_WIDTH", 0.0)
    yield network


def test_perceptual_and_style_losses_join_when_vgg_is_there(some_vgg: Vgg19) -> None:
    method, descend = EdgeConnect(NARROW), Recorded()
    assert method.notes == ()
    assert "vgg" not in method.networks
    found = method.train_step(_batch(), STAGE_AT["inpaint"], descend)
    losses = {name: float(loss.detach()) for name, loss in found.items()}
    assert losses["perceptual"] > 0
    assert losses["style"] > 0
    total = 0.1 * losses["gan"] + losses["l1"] + 0.1 * losses["perceptual"] + 250 * losses["style"]
    assert descend.losses[-1][0] == pytest.approx(total, rel=1e-4)
    image = _batch().clean
    assert float(edgeconnect.perceptual_loss(some_vgg, image, image)) == 0
    assert float(edgeconnect.style_loss(some_vgg, image, image)) == 0


def test_without_vgg_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "vgg19", lambda: None)
    assert "below half width" in EdgeConnect(NARROW).notes[0]
    monkeypatch.setattr(edgeconnect, "VGG_WIDTH", 0.0)
    assert "benchmark weights fetch vgg19" in EdgeConnect(NARROW).notes[0]


def test_gram_matrices() -> None:
    values = torch.rand(2, 3, 4, 5)
    expected = torch.einsum("bchw,bdhw->bcd", values, values) / (3 * 4 * 5)
    assert torch.allclose(gram(values), expected)


def test_edges_are_scikit_images_and_spare_the_holes() -> None:
    from skimage.color import rgb2gray
    from skimage.feature import canny as reference

    pixels = picture(3, 80, 90)
    gray = luminance(as_batch(pixels))
    assert np.allclose(gray[0, 0].numpy(), rgb2gray(pixels), atol=1e-6)
    assert np.array_equal(canny(gray)[0, 0].numpy(), reference(gray[0, 0].numpy(), sigma=2))
    hole = torch.zeros_like(gray)
    hole[..., 20:50, 30:60] = 1
    holed = edgeconnect.composite(gray, 1.0, hole)
    assert canny(holed).mul(holes.widened(hole > 0)).sum() > 0
    assert canny(holed, outside=hole).mul(hole).sum() == 0


@pytest.mark.parametrize("size", [(5, 9), (16, 16), (37, 53), (64, 70)])
def test_only_holes_are_filled(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    method = EdgeConnect(NARROW)
    image = as_batch(picture(1, *size))
    mask = torch.zeros(1, 1, *size)
    mask[..., 1:4, 3:6] = 0.7
    mask[..., -1, :] = 0.3
    restored = method.restore(image, mask)
    hole = holes.widened(mask > 0.5)
    assert torch.equal(restored * (1 - hole), image * (1 - hole))
    assert (restored != image)[(hole > 0).expand_as(image)].float().mean() > 0.9
    assert ((restored >= 0) & (restored <= 1)).all()
    assert torch.equal(method.restore(image, torch.zeros_like(mask)), image)


def test_what_a_hole_hides_is_not_seen() -> None:
    torch.manual_seed(0)
    method = EdgeConnect(NARROW)
    image = as_batch(picture(1))
    mask = torch.zeros(1, 1, *image.shape[2:])
    mask[..., 20:30, 30:50] = 1
    other = edgeconnect.composite(image, torch.rand_like(image), mask)
    assert torch.allclose(method.restore(image, mask), method.restore(other, mask), atol=1e-6)


def test_large_images_are_filled_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edgeconnect, "TILE_PX", 128)
    torch.manual_seed(0)
    method = EdgeConnect(NARROW)
    seen: list[tuple[int, ...]] = []
    method.inpaint_generator.register_forward_pre_hook(lambda net, given: seen.append(given[0].shape[2:]))
    image = as_batch(picture(0, 200, 500))
    mask = torch.zeros(1, 1, 200, 500)
    mask[..., 100:104, 5:60] = 1
    restored = method.restore(image, mask)
    # Tiles without a hole are not painted.
    assert set(seen) == {(128, 128)}
    assert len(seen) < 6
    assert torch.equal(restored[..., 70:], image[..., 70:])


def test_a_mask_is_required() -> None:
    with pytest.raises(ValueError, match="needs the mask"):
        EdgeConnect(NARROW).restore(as_batch(picture(0)), None)


def test_edges_in_holes_are_learned() -> None:
    """Vertical bars with a hole across: after some steps its edges go on."""
    torch.manual_seed(0)
    method = EdgeConnect(NARROW)
    for optimizer in method.optimizers.values():
        optimizer.param_groups[0]["lr"] *= 10
    columns = (torch.arange(64) // 16 % 2).float()
    clean = columns.expand(1, 3, 64, 64) * 0.6 + 0.2
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 8:56] = 1
    gray = luminance(clean)
    edges, hole = canny(gray), holes.widened(mask > 0)

    def error() -> float:
        with torch.no_grad():
            drawn = method.draw_edges(gray, edges * (1 - hole), hole)
        return float(((drawn - edges).abs() * hole).sum() / hole.sum())

    before, descend = error(), _descent()
    for _ in range(60):
        method.train_step(Batch(clean, clean, mask), 0.1, descend)
    method.edge_generator.eval()
    assert error() < 0.5 * before
