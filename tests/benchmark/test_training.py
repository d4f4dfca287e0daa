from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from pairfolders import write
from torch import Tensor, nn

from benchmark import checkpoints, training
from benchmark.data import Batch, CropStream, PairSet
from benchmark.method import Declaration, Descend, Setting, Trainable
from benchmark.profile import Train
from benchmark.training import BEST, CHECKPOINT, LOG, WEIGHTS, DivergedError
from degradekit.errors import DataError

CPU = torch.device("cpu")


class Small:
    """Two convolutions with batch normalisation, dropout and noise: everything that carries state."""

    def __init__(self, setting: Setting) -> None:
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(8, 3, 3, padding=1),
        )
        self.networks = {"net": self.net}
        self.optimizers = {"net": torch.optim.Adam(self.net.parameters(), lr=1e-2)}

    def rate(self, progress: float) -> float:
        return 1 - progress

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        self.net.train()
        noisy = batch.degraded + 0.01 * torch.randn_like(batch.degraded)
        loss = (self.net(noisy).float() - batch.clean).abs().mean()
        descend(loss, self.optimizers["net"])
        return {"l1": loss}

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        self.net.eval()
        return self.net(degraded)


SMALL = Declaration("small", "for tests", Small, trains="paired")


class Killed(BaseException):
    """What SIGKILL would do: nothing after it runs."""


def _train(
    folder: Path,
    data: Path,
    *,
    stop: int | None = None,
    key: str = "k",
    precision: Any = "float32",
    build: Callable[[Setting], Any] = Small,
    **changes: Any,
) -> Trainable:
    declaration = Declaration("small", "for tests", build, trains="paired")
    asked = {"iterations": 9, "batch": 2, "crop": 32, "every": 2, "device": "cpu", "precision": precision}
    budget = Train(**{**asked, **changes})
    device = training.prepare(budget)
    method = training.build(declaration, Setting(seed=5), device)
    assert isinstance(method, Trainable)

    def on_progress(done: int, total: int) -> None:
        assert total == (budget.steps or budget.seconds)
        if done == stop:
            raise Killed

    training.train(
        method,
        declaration,
        CropStream(PairSet(data), crop=32, batch=2, seed=5),
        PairSet(data),
        budget=budget,
        device=device,
        seed=5,
        folder=folder,
        key=key,
        on_progress=on_progress,
    )
    return method


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pairs"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_killed_run_ends_with_the_same_bits(data: Path, tmp_path: Path, precision: str) -> None:
    whole = _train(tmp_path / "whole", data, precision=precision)
    for stop in (1, 3, 6, 8):
        torch.manual_seed(stop)  # The generator's state before a run must not matter.
        with pytest.raises(Killed):
            _train(tmp_path / "cut", data, stop=stop, precision=precision)
    resumed = _train(tmp_path / "cut", data, precision=precision)
    for name in (WEIGHTS, LOG):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    one, other = (method.optimizers["net"].state_dict()["state"] for method in (whole, resumed))
    assert all(torch.equal(one[i][part], other[i][part]) for i in one for part in one[i])


def test_it_learns_and_says_so_in_the_log(data: Path, tmp_path: Path) -> None:
    _train(tmp_path, data)
    log = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in log] == [2, 4, 6, 8, 9]
    assert [round(line["rate"], 3) for line in log] == [0.889, 0.667, 0.444, 0.222, 0.111]
    assert log[-1]["losses"]["l1"] < log[0]["losses"]["l1"]
    assert log[-1]["val_psnr"] > log[0]["val_psnr"]


def test_other_code_or_data_start_again(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        _train(tmp_path, data, stop=5, key="old")
    _train(tmp_path, data, key="new")
    _train(tmp_path / "fresh", data, key="new")
    assert (tmp_path / LOG).read_bytes() == (tmp_path / "fresh" / LOG).read_bytes()
    assert (tmp_path / WEIGHTS).read_bytes() == (tmp_path / "fresh" / WEIGHTS).read_bytes()


def test_a_damaged_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        _train(tmp_path, data, stop=5)
    checkpoint = tmp_path / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"checkpoint\.pt: damaged"):
        _train(tmp_path, data)


class Exploding(Small):
    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        losses = super().train_step(batch, progress, descend)
        return {"l1": losses["l1"], "odd": torch.tensor(float("nan") if progress > 0.4 else 1.0)}


def test_a_loss_that_is_no_number_stops_before_it_is_saved(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="loss 'odd' is nan by step 6"):
        _train(tmp_path, data, build=Exploding)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 4


def test_watching_changes_nothing(data: Path, tmp_path: Path) -> None:
    method = _train(tmp_path, data)
    before = {key: value.clone() for key, value in method.networks["net"].state_dict().items()}
    assert training.validate(method, SMALL, PairSet(data), 5) == training.validate(
        method, SMALL, PairSet(data), 5
    )
    after = method.networks["net"].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_initial_weights_come_from_seed_and_name() -> None:
    def weights(seed: int, name: str) -> Tensor:
        declaration = Declaration(name, "for tests", Small, trains="paired")
        method = training.build(declaration, Setting(seed=seed), CPU)
        assert isinstance(method, Trainable)
        return next(method.networks["net"].parameters())

    torch.manual_seed(99)
    first = weights(1, "a")
    assert torch.equal(first, weights(1, "a"))
    assert not torch.equal(first, weights(2, "a"))
    assert not torch.equal(first, weights(1, "b"))


def test_weights_of_other_networks_are_refused(data: Path, tmp_path: Path) -> None:
    method = _train(tmp_path, data)
    method.networks = {"net": nn.Conv2d(3, 3, 1)}
    with pytest.raises(DataError, match=r"weights\.safetensors: cannot be loaded"):
        checkpoints.load_weights(method, tmp_path / WEIGHTS)
    with pytest.raises(DataError, match="cannot be loaded"):
        checkpoints.load_weights(method, tmp_path / "gone")


def test_cuda_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    budget = Train(iterations=1, batch=1, crop=32, every=1, device="cuda")
    with pytest.raises(DataError, match="no CUDA device"):
        training.prepare(budget)
    assert training.prepare(budget.model_copy(update={"device": "auto"})) == CPU


class Averaged(Small):
    averages: ClassVar = {"net": 0.5}


def test_averages_are_kept_tested_and_saved(data: Path, tmp_path: Path) -> None:
    live = _train(tmp_path / "live", data).networks["net"]
    method = _train(tmp_path / "averaged", data, build=Averaged)
    for one, other in zip(live.parameters(), method.networks["net"].parameters(), strict=True):
        assert torch.equal(one, other)  # Averaging does not touch the training itself.
    checkpoints.load_weights(method, tmp_path / "averaged" / WEIGHTS)
    saved = list(method.networks["net"].parameters())
    assert not any(torch.equal(one, other) for one, other in zip(live.parameters(), saved, strict=True))
    for stop in (3, 7):
        with pytest.raises(Killed):
            _train(tmp_path / "cut", data, stop=stop, build=Averaged)
    _train(tmp_path / "cut", data, build=Averaged)
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "averaged" / WEIGHTS).read_bytes()


class Spoilt(Small):
    """Learns, then is pushed away from what it learned."""

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        losses = super().train_step(batch, progress, descend)
        if progress > 0.5:
            with torch.no_grad():
                self.net[4].weight += 1  # type: ignore[operator]
        return losses


def test_the_best_weights_are_those_with_the_best_validation(data: Path, tmp_path: Path) -> None:
    for select in ("last", "best"):
        _train(tmp_path / select, data, build=Spoilt, select=select)
    log = [json.loads(line) for line in (tmp_path / "best" / LOG).read_text().splitlines()]
    values = [line["val_psnr"] for line in log]
    assert max(values) > values[-1] + 1
    method = training.build(Declaration("small", "for tests", Spoilt, trains="paired"), Setting(seed=5), CPU)
    assert isinstance(method, Trainable)
    for select, expected in (("last", values[-1]), ("best", max(values))):
        checkpoints.load_weights(method, tmp_path / select / WEIGHTS)
        assert training.validate(method, SMALL, PairSet(data), 5) == pytest.approx(expected)
    # A run that was killed before it could mark the training as done.
    weights = (tmp_path / "best" / WEIGHTS).read_bytes()
    _train(tmp_path / "best", data, build=Spoilt, select="best")
    assert (tmp_path / "best" / WEIGHTS).read_bytes() == weights
    # What is left of training under another key is not taken for its best.
    (tmp_path / "best" / BEST).write_bytes(b"of another training")
    _train(tmp_path / "best", data, build=Spoilt, select="best", key="other")
    assert (tmp_path / "best" / WEIGHTS).read_bytes() == weights


def test_a_budget_in_images_is_steps_and_one_in_seconds_ends(data: Path, tmp_path: Path) -> None:
    _train(tmp_path / "steps", data)
    _train(tmp_path / "images", data, iterations=None, images=19)
    assert (tmp_path / "images" / WEIGHTS).read_bytes() == (tmp_path / "steps" / WEIGHTS).read_bytes()
    _train(tmp_path / "seconds", data, iterations=None, seconds=1)
    log = [json.loads(line) for line in (tmp_path / "seconds" / LOG).read_text().splitlines()]
    assert log[-1]["step"] > 1
    assert 0 <= log[-1]["rate"] < 0.5


@pytest.mark.parametrize(("seconds", "steps"), [(3, 2), (1, 1)])
def test_time_that_is_over_between_steps_leaves_none_of_them_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, steps: int
) -> None:
    batches, clock = CropStream.batches, [0]

    def slow(self: CropStream, *asked: Any) -> Any:
        for parts in batches(self, *asked):
            clock[0] += 1
            yield parts

    monkeypatch.setattr(CropStream, "batches", slow)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    _train(tmp_path, data, iterations=None, seconds=seconds, every=100, select="best")
    log = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in log] == [steps]
    assert log[0]["rate"] > 0
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == steps
    assert (tmp_path / WEIGHTS).read_bytes() == (tmp_path / BEST).read_bytes()
