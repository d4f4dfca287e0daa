"""What holds for every method."""

from __future__ import annotations

import importlib
from functools import cache

import pytest
import torch
from pictures import picture
from torch import Tensor

from benchmark import method as methods
from benchmark import restoring, training
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.method import Declaration, Detector, Method, Setting, Trainable

#: Variants that only an ablation names are built from the same parts.
ALL = [one for one in methods.discover().values() if one.in_all]
NARROW = Setting(width=1 / 16, seed=3, per_image_iterations=3)
SIDE = 64
CPU = torch.device("cpu")
#: One step in each tenth of the budget.
BUDGET = [tenth / 10 + 0.05 for tenth in range(10)]
each = pytest.mark.parametrize("declaration", ALL, ids=lambda declaration: declaration.name)
trained = pytest.mark.parametrize(
    "declaration",
    [one for one in ALL if one.trains != "none" and one.trained_as is None],
    ids=lambda declaration: declaration.name,
)


@cache
def _built(declaration: Declaration) -> Method | Detector:
    if reason := declaration.unavailable():
        pytest.skip(reason)
    return training.build(declaration, NARROW, CPU)


def _restore(declaration: Declaration, image: Tensor) -> Tensor:
    mask = torch.zeros(1, 1, *image.shape[2:])
    mask[..., 5:12, 8:20] = 1
    given = mask if declaration.mask != "none" else None
    return restoring.apply(_built(declaration), declaration, image, given, seed=0, stem="picture")


def _batch(seed: int) -> Batch:
    clean = torch.cat([as_batch(picture(seed + number, SIDE, SIDE)) for number in range(2)])
    mask = torch.zeros(2, 1, SIDE, SIDE)
    mask[..., 10:30, 12:25] = 1
    return Batch(clean * 0.7, clean, mask)


def _state(method: object) -> dict[str, Tensor]:
    networks = getattr(method, "networks", {}).items()
    return {f"{name}.{key}": t.clone() for name, net in networks for key, t in net.state_dict().items()}


def test_there_are_methods() -> None:
    assert {"identity", "median", "biharmonic", "pix2pix"} <= set(methods.names())


@each
def test_its_module_names_its_source(declaration: Declaration) -> None:
    text = importlib.import_module(declaration.module).__doc__ or ""
    assert len(text.split()) > 30
    assert declaration.trains == "none" or ("Paper:" in text and "licence" in text and "differ" in text)
    assert "\n" not in declaration.summary
    assert declaration.name == declaration.name.lower()


@each
@pytest.mark.parametrize(("height", "width"), [(64, 96), (37, 53)])
def test_it_keeps_the_size_and_its_input(declaration: Declaration, height: int, width: int) -> None:
    image = as_batch(picture(0, height, width))
    before = image.clone()
    restored = _restore(declaration, image)
    assert restored.shape == (1, 1 if declaration.kind == "detector" else 3, height, width)
    assert restored.dtype == torch.float32
    assert torch.isfinite(restored).all()
    assert torch.equal(image, before)


@each
def test_the_same_image_is_restored_alike_after_any_other(declaration: Declaration) -> None:
    image = as_batch(picture(0))
    first = _restore(declaration, image)
    _restore(declaration, as_batch(picture(1)))
    assert torch.equal(_restore(declaration, image), first)


@each
def test_restoring_changes_no_weight(declaration: Declaration) -> None:
    before = _state(_built(declaration))
    _restore(declaration, as_batch(picture(0)))
    after = _state(_built(declaration))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


@each
def test_it_trains_if_it_says_so(declaration: Declaration) -> None:
    assert isinstance(_built(declaration), Trainable) == (declaration.trains != "none")


@trained
def test_a_step_gives_finite_scalars_and_moves_every_network(declaration: Declaration) -> None:
    method = training.build(declaration, NARROW, CPU)
    assert isinstance(method, Trainable)
    before = _state(method)
    for progress in BUDGET:  # A method may train in stages.
        losses = method.train_step(_batch(0), progress, Descent(device=CPU))
        assert losses
        assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    after = _state(method)
    for name in method.networks:
        assert any(not torch.equal(before[key], after[key]) for key in before if key.startswith(f"{name}."))


@trained
def test_a_step_is_a_function_of_weights_batch_and_seed(declaration: Declaration) -> None:
    states = []
    for other in (1, 2):
        method = training.build(declaration, NARROW, CPU)
        assert isinstance(method, Trainable)
        torch.manual_seed(other)
        torch.rand(other)
        for step, progress in enumerate(BUDGET[::3]):
            torch.manual_seed(step)
            method.train_step(_batch(step), progress, Descent(device=CPU))
        states.append(_state(method))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@trained
def test_width_narrows_it(declaration: Declaration) -> None:
    def size(width: float) -> int:
        method = declaration.build(Setting(width=width))
        assert isinstance(method, Trainable)
        return sum(t.numel() for net in method.networks.values() for t in net.parameters())

    assert size(1 / 16) < size(1 / 8) < size(1 / 4)


@trained
def test_the_learning_rate_falls_and_stays_positive(declaration: Declaration) -> None:
    method = _built(declaration)
    assert isinstance(method, Trainable)
    rates = [method.rate(step / 100) for step in range(100)]
    assert rates[0] == 1
    assert all(0 < rate <= 1 for rate in rates)
