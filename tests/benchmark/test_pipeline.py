"""Methods that depend on others: on the masks a detector found, on weights trained under another name."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from officialweights import pretend_official
from pictures import picture

from benchmark import catalog, method, profile, scoring
from benchmark.run import Run
from benchmark.store import Store
from benchmark.training import BEST, CHECKPOINT
from degradekit import imagefiles, manifest
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

class Witness(Learner):
    def train_step(self, batch, progress, descend):
        if batch.real is not None:
            self.notes = ("saw real photographs",)
        return super().train_step(batch, progress, descend)

METHODS = (
    Declaration("finder", "f", lambda setting: Finder(), kind="detector"),
    Declaration("blind", "b", lambda setting: Blind(), kind="detector"),
    Declaration("absent", "a", lambda setting: Finder(), kind="detector", unavailable=lambda: "no eyes"),
    Declaration("shower", "s", lambda setting: Shower(), mask="detected"),
    Declaration("learner", "l", Learner, trains="paired"),
    Declaration("heir", "h", Learner, trains="paired", trained_as="learner"),
    Declaration("witness", "w", Witness, trains="paired"),
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
    job = run("shower", "learner", detector="blind")
    assert job.go().failures == {
        "blind": "ZeroDivisionError: no eyes",
        "shower": "needs blind, which did not finish",
    }
    # It could run here, so it is no method that is left out for being unavailable.
    assert job.store.failure("shower") == {"stage": "needs", "reason": "blind, which did not finish"}
    without = run("shower", detector="absent", out="without").pipeline
    for name in ("absent", "shower"):
        assert without.finish(method.find(name)) is not None
        assert without.store.failure(name)["stage"] == "unavailable"
    with pytest.raises(OptionError, match="'learner' restores, it detects nothing"):
        run("shower", detector="learner", out="other").go()


def test_weights_are_trained_once_for_all_who_use_them(run: Callable[..., Run]) -> None:
    job = run("heir")
    assert job.go().failures == {}
    assert (job.store.method("learner") / "weights.safetensors").is_file()
    assert not (job.store.method("heir") / "weights.safetensors").exists()
    for name in ("heir", "learner"):
        about = manifest.read_json(job.store.method(name) / "method.json")
        assert about["notes"] == ["learns one number"]
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


def test_notes_say_what_was_trained_on(run: Callable[..., Run], tmp_path: Path) -> None:
    job = run("witness", **{"data.real": [str(tmp_path / "photographs/0.png")]})
    assert job.go().failures == {}
    about = manifest.read_json(job.store.method("witness") / "method.json")
    assert about["notes"] == ["saw real photographs"]


def test_clean_photographs_are_the_same_for_who_is_tested_on_some_variants(run: Callable[..., Run]) -> None:
    asked = {"data.test_copies": 2, "train.per_image_limit": 4, "metrics": "[psnr,psnr_on_clean]"}
    job = run("each", "learner", **asked)
    assert job.go().failures == {}
    tested = sorted(path.stem for path in job.store.restored("each").glob("*.png"))
    rows = {name: scoring.from_csv(job.store.method(name) / "scores.csv") for name in ("each", "learner")}
    clean, of_pairs = (
        {name: [row.image for row in rows[name] if row.metric == metric] for name in rows}
        for metric in ("psnr_on_clean", "psnr")
    )
    assert of_pairs["each"] == tested
    assert clean["each"] == clean["learner"]
    assert len(clean["each"]) == 3
    assert not set(clean["each"]) <= set(tested)


def test_a_failure_is_forgotten_when_nothing_is_left_to_do(run: Callable[..., Run]) -> None:
    job = run("each")
    assert job.go().failures == {}
    job.store.mark_failed("each", "train", "the disk was away")
    outcome = job.go()
    assert outcome.failures == {}
    assert job.store.failure("each") == {}
    assert [line.name for line in outcome.report.scored] == ["each"]


class Killed(BaseException):
    """What SIGKILL would do: nothing after it runs."""


def test_a_run_killed_before_the_mark_of_its_training_goes_on(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise Killed

    job = run("learner", **{"train.select": "best"})
    with monkeypatch.context() as patch:
        patch.setattr(Store, "mark_done", killed)
        with pytest.raises(Killed):
            job.go()
    assert job.go().failures == {}
    left = {path.name for path in job.store.method("learner").iterdir()}
    assert not left & {BEST, CHECKPOINT}


def test_training_depends_on_content_of_photographs_and_on_weights_it_uses(
    run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    real = tmp_path / "real"
    shutil.copytree(tmp_path / "photographs", real)
    job, learner = run("each", **{"data.real": [str(real)]}), method.find("learner")
    assert job.go().failures == {}
    key = job.pipeline.key(learner, "train")
    for name in ("squeezenet1_1", "vgg19"):
        path = catalog.find_weights(name).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
        pretend_official(monkeypatch, name, path)
        path.rename(catalog.find_weights(name).path)
        changed = job.pipeline.key(learner, "train")["pretrained weights"] != key["pretrained weights"]
        assert changed == (name == "vgg19")

    def photographs() -> str:
        return job.pipeline.key(learner, "train")["real photographs"]

    os.utime(real / "0.png", (1, 1))
    assert photographs() == key["real photographs"]
    shutil.move(real, tmp_path / "away")
    shutil.copytree(tmp_path / "away", real)
    assert photographs() == key["real photographs"]
    before = (real / "0.png").read_bytes()
    (real / "0.png").write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    assert photographs() != key["real photographs"]
