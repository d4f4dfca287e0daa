from __future__ import annotations

import copy
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from pictures import picture
from torch import Tensor, nn

from baselines import dip
from baselines.dip import DENOISING, INPAINTING, METHODS, DeepImagePrior, SkipNet, Task
from benchmark.data import as_batch
from benchmark.method import Batching, Setting

DIP, MASKED, ORACLE = METHODS
SHORT = Setting(width=1 / 16, per_image_iterations=4)


def _count(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def _ignore(iteration: int, newest: Tensor, mean: Tensor) -> None:
    pass


def _built(name: str, setting: Setting) -> DeepImagePrior:
    (declaration,) = (one for one in METHODS if one.name == name)
    method = declaration.build(setting)
    assert isinstance(method, DeepImagePrior)
    return method


def test_the_published_networks() -> None:
    networks = {
        name: _built(name, Setting()).networks["prior"] for name in ("dip", "dip_masked", "dip_oracle")
    }
    assert {name: _count(network) for name, network in networks.items()} == {
        "dip": 2_217_831,
        "dip_masked": 3_002_627,
        "dip_oracle": 3_002_627,
    }


def test_what_they_are_told() -> None:
    assert [(one.name, one.mask, one.per_image) for one in METHODS] == [
        ("dip", "none", True),
        ("dip_masked", "detected", True),
        ("dip_oracle", "oracle", True),
    ]


def test_published_settings() -> None:
    assert (DENOISING.skip, DENOISING.enlarge, DENOISING.jitter) == (4, "bilinear", 1 / 30)
    assert (INPAINTING.skip, INPAINTING.enlarge, INPAINTING.jitter) == (128, "nearest", 0.03)
    assert {(task.inputs, task.channels, task.rate) for task in (DENOISING, INPAINTING)} == {(32, 128, 0.01)}
    assert Setting().per_image_iterations == 3000


def test_layers() -> None:
    network = SkipNet(DENOISING)
    kinds = [type(module) for module in network.modules()]
    # Five layers per scale and the head; a normalisation after each layer and one before each merging.
    assert kinds.count(nn.Conv2d) == 5 * 5 + 1
    assert kinds.count(nn.BatchNorm2d) == 5 * 5 + 5
    assert kinds.count(nn.LeakyReLU) == 5 * 5
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert all(module.bias is not None for module in convolutions)
    assert [module.stride for module in convolutions].count((2, 2)) == 5
    assert [module.kernel_size for module in convolutions].count((1, 1)) == 5 + 5 + 1
    assert all(m.running_mean is None for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_every_scale_reaches_the_output() -> None:
    torch.manual_seed(0)
    network = SkipNet(Task(skip=2, enlarge="bilinear", jitter=0, inputs=3, channels=4))
    shown = network(torch.rand(1, 3, 64, 96))
    assert shown.shape == (1, 3, 64, 96)
    assert 0 < float(shown.detach().min()) < float(shown.detach().max()) < 1
    shown.square().mean().backward()
    # Biases before a normalisation have no effect; everything else has.
    weights = [p for name, p in network.named_parameters() if p.ndim == 4 or name.startswith("head")]
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)


def _same_values_and_gradients(ours: Tensor, theirs: Tensor, source: Tensor) -> None:
    assert torch.allclose(ours, theirs, atol=1e-6)
    weights = torch.randn_like(ours)
    (a,) = torch.autograd.grad((ours * weights).sum(), source)
    (b,) = torch.autograd.grad((theirs * weights).sum(), source)
    assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(2, 5), (7, 4)])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_enlarging_by_slices_is_enlarging(
    mode: Literal["bilinear", "nearest"], height: int, width: int
) -> None:
    torch.manual_seed(0)
    source = torch.rand(1, 3, height, width, requires_grad=True)
    theirs = F.interpolate(source, scale_factor=2, mode=mode)
    _same_values_and_gradients(dip.double_by_slices(source, mode), theirs, source)


def test_mirroring_by_slices_is_mirroring() -> None:
    torch.manual_seed(0)
    source = torch.rand(2, 3, 2, 6, requires_grad=True)
    theirs = F.pad(source, (1, 1, 1, 1), mode="reflect")
    _same_values_and_gradients(dip.reflect_by_slices(source), theirs, source)


class _Scripted(nn.Module):
    """Shows flat images of given values, one after the other, whatever it is given; one weight."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.values = values
        self.inputs: list[Tensor] = []
        self.weights: list[float] = []

    def forward(self, drawn: Tensor) -> Tensor:
        self.inputs.append(drawn)
        self.weights.append(float(self.weight.detach()))
        value = self.values[len(self.inputs) - 1]
        return torch.full((1, 3, *drawn.shape[2:]), value) * (self.weight / self.weight.detach())


def test_the_result_is_the_running_mean_of_outputs() -> None:
    network = _Scripted([0.2, 0.4, 0.6])
    result = dip.fit([network], torch.full((1, 3, 8, 8), 0.5), None, DENOISING, 3, _ignore)
    expected = 0.99 * (0.99 * 0.2 + 0.01 * 0.4) + 0.01 * 0.6
    assert torch.allclose(result, torch.full_like(result, expected))


def test_the_running_mean_spans_a_tenth_of_a_short_budget() -> None:
    budgets = (1, 10, 100, 500, 1000, 3000)
    assert [dip.decay_within(n) for n in budgets] == pytest.approx([0, 0, 0.9, 0.98, 0.99, 0.99])


def test_the_input_is_fixed_noise_with_fresh_noise_added() -> None:
    torch.manual_seed(0)
    network = _Scripted([0.4] * 40)
    dip.fit([network], torch.full((1, 3, 32, 32), 0.5), None, DENOISING, 40, _ignore)
    drawn = torch.stack(network.inputs)
    assert drawn.shape[1:] == (1, 32, 32, 32)
    centre = drawn.mean(dim=0)
    assert float((drawn - centre).std()) == pytest.approx(1 / 30, rel=0.05)
    assert float(centre.mean()) == pytest.approx(0.05, abs=2e-3)
    assert float(centre.std()) == pytest.approx((0.1**2 / 12 + (1 / 30) ** 2 / 40) ** 0.5, rel=0.03)


def test_a_fall_of_more_than_5_db_is_taken_back() -> None:
    """Differences 0.1, 0.1, 0.19 (5.6 dB worse), 0.17 (4.6 dB worse than before the fall)."""
    network = _Scripted([0.4, 0.4, 0.31, 0.33, 0.4])
    dip.fit([network], torch.full((1, 3, 8, 8), 0.5), None, DENOISING, 5, _ignore)
    first, second, third, fourth, fifth = network.weights
    assert first != second != third
    assert fourth == second
    assert fifth != fourth


def test_pixels_that_are_not_known_do_not_count() -> None:
    torch.manual_seed(0)
    target = as_batch(picture(0, 64, 64))
    known = torch.ones(1, 1, 64, 64)
    known[..., 20:30, 20:40] = 0
    results = []
    for spoiled in (target, torch.where(known > 0, target, torch.rand_like(target))):
        torch.manual_seed(1)
        network = SkipNet(Task(skip=4, enlarge="nearest", jitter=0.03, inputs=4, channels=8))
        results.append(dip.fit([network], spoiled, known, Task(4, "nearest", 0.03, 4, 8), 3, _ignore))
    assert torch.equal(*results)


def test_the_rim_of_lost_pixels_is_not_known_either() -> None:
    mask = torch.zeros(1, 1, 7, 9)
    mask[..., 2, 3] = 0.5
    mask[..., 5, 7] = 0.49
    known = dip.known_pixels(mask)
    assert torch.equal((known == 0).nonzero()[:, 2:].amin(dim=0), torch.tensor([1, 2]))
    assert int((known == 0).sum()) == 9


def test_it_fits_the_image_and_not_its_noise() -> None:
    torch.manual_seed(0)
    clean = as_batch(picture(0, 64, 64))
    noisy = clean + 0.2 * torch.randn_like(clean)
    method = _built("dip", Setting(width=1 / 8, per_image_iterations=100))
    restored = method.restore(noisy, None)
    # Less than a quarter of the noise's power; 0.06 of it when this was written.
    assert float((restored - clean).square().mean()) < 0.25 * float((noisy - clean).square().mean())


def test_it_fills_a_hole_that_the_mask_shows() -> None:
    clean = as_batch(picture(0, 64, 64))
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:34, 10:50] = 1
    spoiled = torch.where(mask > 0, torch.ones_like(clean), clean)
    errors = []
    for name, given in (("dip", None), ("dip_masked", mask)):
        torch.manual_seed(0)
        method = _built(name, Setting(width=1 / 8, per_image_iterations=60))
        restored = method.restore(spoiled, given)
        errors.append(float(((restored - clean).square() * mask).sum()))
    assert errors[1] < 0.3 * errors[0]


def test_progress() -> None:
    method = _built("dip", SHORT)
    heard: list[tuple[int, int]] = []
    method.on_iteration = lambda done, total: heard.append((done, total))
    method.restore(torch.rand(1, 3, 64, 64), None)
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 70), (20, 100), (3, 5)])
def test_any_size_is_restored(height: int, width: int) -> None:
    image = torch.rand(1, 3, height, width)
    assert _built("dip", SHORT).restore(image, None).shape == image.shape
    mask = torch.zeros(1, 1, height, width)
    assert _built("dip_masked", SHORT).restore(image, mask).shape == image.shape


def test_each_image_starts_from_the_same_network() -> None:
    method = _built("dip", SHORT)
    before = {key: tensor.clone() for key, tensor in method.networks["prior"].state_dict().items()}
    image, other = torch.rand(2, 1, 3, 64, 64)
    results = []
    for one in (image, other, image):
        torch.manual_seed(3)
        results.append(method.restore(one, None))
    assert torch.equal(results[0], results[2])
    after = method.networks["prior"].state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


@pytest.mark.parametrize(
    ("layout", "card"),
    [(torch.contiguous_format, False), (torch.channels_last, False), (torch.channels_last, True)],
)
def test_images_at_a_time_go_their_own_ways(
    layout: torch.memory_format, card: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, where rounding does not grow to anything within a few steps."""
    if card:  # Mirroring and enlarging as on a graphics card.
        monkeypatch.setattr(dip, "reflect", dip.reflect_by_slices)
        monkeypatch.setattr(dip, "double", dip.double_by_slices)
    task = Task(skip=2, enlarge="bilinear", jitter=0.03, inputs=4, channels=6)
    torch.manual_seed(0)
    first = SkipNet(task).double().to(memory_format=layout)  # type: ignore[call-overload]
    target = torch.stack([as_batch(picture(number, 64, 96))[0] for number in range(3)]).double()
    known = torch.ones(3, 1, 64, 96).double()
    known[1, :, 10:30] = 0
    seeds = (5, 6, 7)

    def fitted(places: list[int]) -> tuple[Tensor, list[dict[str, Tensor]]]:
        networks = [copy.deepcopy(first) for _ in places]
        generators = [torch.Generator().manual_seed(seeds[place]) for place in places]
        shown = dip.fit(
            networks, target[places], known[places], task, 6, _ignore, decay=0.5, generators=generators
        )
        return shown, [dict(network.named_parameters()) for network in networks]

    together, weights = fitted([0, 1, 2])
    for place in range(3):
        alone, (own,) = fitted([place])
        assert torch.allclose(together[place : place + 1], alone, atol=1e-7)
        assert torch.allclose(weights[place]["head.weight"], own["head.weight"], atol=1e-7)
    assert not torch.allclose(weights[0]["head.weight"], weights[1]["head.weight"], atol=1e-3)


def test_beside_others_only_the_image_that_fell_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same flat images as of one that is taken back alone, beside one that never falls."""
    falling = _Scripted([0.4, 0.4, 0.31, 0.33, 0.4])
    steady = _Scripted([0.4] * 5)
    monkeypatch.setattr(
        dip,
        "side_by_side",
        lambda networks, drawn: torch.cat(
            [one(part) for one, part in zip(networks, drawn.split(1), strict=True)]
        ),
    )
    target = torch.full((2, 3, 8, 8), 0.5)
    dip.fit([falling, steady], target, None, DENOISING, 5, _ignore, generators=(None, None))
    first, second, third, fourth, fifth = falling.weights
    assert first != second != third
    assert fourth == second
    assert fifth != fourth
    assert len(set(steady.weights)) == 5


@pytest.mark.parametrize("name", ["dip", "dip_masked"])
def test_several_images_are_restored_as_one_by_one(name: str) -> None:
    method = _built(name, Setting(width=1 / 16, per_image_iterations=1))
    images = torch.cat([as_batch(picture(number, 40, 72)) for number in range(2)])
    masks = torch.zeros(2, 1, 40, 72)
    masks[0, :, 5:20] = 1
    given = masks if name == "dip_masked" else None
    together = method.restore_many(images, given, [8, 9])
    for place, seed in enumerate((8, 9)):
        torch.manual_seed(seed)
        alone = method.restore(images[place : place + 1], None if given is None else masks[place : place + 1])
        assert torch.allclose(together[place : place + 1], alone, atol=1e-5)
    assert together.shape == images.shape


def test_what_a_larger_image_takes() -> None:
    method = _built("dip", Setting())
    assert isinstance(method, Batching)
    # As measured: 13 kB per pixel and 53 MB of weights (docs/dip.md).
    assert 12e3 < (method.footprint(512, 512) - method.footprint(256, 256)) / (512**2 - 256**2) < 16e3
    assert method.footprint(0, 0) == 24 * 2_217_831
    assert _built("dip_masked", Setting()).footprint(256, 256) > method.footprint(256, 256)
