"""Methods that depend on others: on the masks a detector found, on weights trained under another name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import picture

from benchmark import method, profile
from benchmark.run import Run
from degradekit import imagefiles
from degradekit.errors import OptionError

METHODS = """
import torch
from torch import nn
from benchmark.method import Declaration

class Finder:
    def detect(self, degraded):
        return (degraded.mean(1, keepdim=True) > 0.5).float() * 0.6

class Blind:
    def detect(self, degraded):
        raise ZeroDivisionError("no eyes")

class Shower:
    def restore(self, degraded, mask):
        return mask.expand_as(degraded)

class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

class Learner:
    def __init__(self, setting):
        self.net = Scale()
        self.networks = {"net": self.net}
        self.optimizers = {"net": torch.optim.SGD(self.net.parameters(), lr=0.1)}
        self.notes = ("learns one number",)

    def rate(self, progress):
        return 1.0

    def train_step(self, batch, progress, descend):
        loss = (self.net.gain * batch.degraded - batch.clean).square().mean()
        descend(loss, self.optimizers["net"])
        return {"l2": loss}

    def restore(self, degraded, mask):
        return self.net.gain * degraded

METHODS = (
    Declaration("finder", "f", lambda setting: Finder(), kind="detector"),
    Declaration("blind", "b", lambda setting: Blind(), kind="detector"),
    Declaration("shower", "s", lambda setting: Shower(), mask="detected"),
    Declaration("learner", "l", Learner, trains="paired"),
    Declaration("heir", "h", Learner, trains="paired", trained_as="learner"),
    Declaration("each", "e", lambda setting: Shower(), mask="oracle", per_image=True),
)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """``run(name, ..., key=value)``: a run of methods of the package above on six small photographs."""
    package = f"methods_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "several.py").write_text(METHODS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(method, "PACKAGES", (package,))
    importlib.invalidate_caches()
    (tmp_path / "photographs").mkdir()
    for number in range(6):
        path = tmp_path / f"photographs/{number}.png"
        path.write_bytes(imagefiles.encode_png(picture(number)))

    def make(*names: str, out: str = "run", **changes: object) -> Run:
        given = {
            "data.train": [str(tmp_path / "photographs")],
            "data.held_out": [],
            "data.test_frac": 0.5,
            "data.size": 64,
            "data.test_size": 48,
            "train.crop": 64,
            "train.batch": 1,
            "detector": "finder",
            **changes,
        }
        overrides = [f"{key}={value}" for key, value in given.items()]
        loaded = profile.load("smoke", overrides=overrides)
        return Run(loaded, [method.find(name) for name in names], tmp_path / out, False, 1)

    return make


def test_a_method_gets_what_the_runs_detector_found(run: Callable[..., Run]) -> None:
    job = run("shower")
    assert job.go().failures == {}
    store = job.store
    found = sorted(store.detected("finder", "test").glob("*.png"))
    assert len(found) == 3
    assert list(store.detected("finder", "val").glob("*.png"))
    for path in found:
        probability = imagefiles.read(path).rgb[..., 0]
        assert probability.dtype == np.uint16
        assert set(np.unique(probability)) <= {0, round(0.6 * 65535)}
        shown = imagefiles.read(store.restored("shower") / path.name).rgb[..., 0]
        assert np.array_equal(shown, np.where(probability > 0, 153, 0))
    assert job.go().failures == {}
    assert all(line["why"] == "done" for line in job.plan())


def test_without_its_detector_a_method_does_not_finish_and_says_why(run: Callable[..., Run]) -> None:
    failures = run("shower", "learner", detector="blind").go().failures
    assert failures == {
        "blind": "ZeroDivisionError: no eyes",
        "shower": "needs blind, which did not finish",
    }
    with pytest.raises(OptionError, match="'learner' restores, it detects nothing"):
        run("shower", detector="learner", out="other").go()


def test_weights_are_trained_once_for_all_who_use_them(run: Callable[..., Run]) -> None:
    job = run("heir")
    assert job.go().failures == {}
    assert (job.store.method("learner") / "weights.safetensors").is_file()
    assert not (job.store.method("heir") / "weights.safetensors").exists()
    for path in job.store.restored("heir").glob("*.png"):
        assert path.read_bytes() == (job.store.restored("learner") / path.name).read_bytes()


def test_a_method_that_optimises_on_each_image_gets_a_fixed_few(run: Callable[..., Run]) -> None:
    job = run("each", "learner", **{"train.per_image_limit": 2})
    assert job.go().failures == {}
    assert len(list(job.store.restored("each").glob("*.png"))) == 2
    assert len(list(job.store.restored("learner").glob("*.png"))) == 3


def test_how_many_images_at_a_time_is_no_matter_of_training(run: Callable[..., Run]) -> None:
    jobs = [
        run("each", "learner", out=f"run{number}", **{"train.per_image_batch": number}) for number in (1, 2)
    ]
    for job in jobs:
        assert job.go().failures == {}
    each, learner = (method.find(name) for name in ("each", "learner"))
    assert [job.pipeline.key(each, "restore")["per-image batch"] for job in jobs] == ["1", "2"]
    for stage in ("train", "restore"):
        first, second = (job.pipeline.key(learner, stage) for job in jobs)
        assert first == second
