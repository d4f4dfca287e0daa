from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome

from benchmark import cli_runs, method, profile

Call = Callable[..., Outcome]
ONE = ("run", "--methods", "identity", "--profile", "smoke", "--workers", "1")
TINY = ("-o", "data.size=64", "-o", "data.test_size=48", "-o", "train.crop=64", "-o", "data.test_frac=0.4")


def test_the_smoke_profile_compares_every_method(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = call("benchmark", "run", "--methods", "all", "--profile", "smoke", "--out", out, "--json")
    assert done.code == 0, done.err
    results = json.loads(done.out)
    chosen = {one.name for one in method.discover().values() if one.in_all and one.kind == "restorer"}
    assert set(results["results"]) == chosen
    assert results["failures"] == {}
    for summaries in results["results"].values():
        assert summaries["psnr"]["photographs"] == 2
        assert 0 < summaries["psnr"]["mean"] < 60
    first = {path: path.read_bytes() for path in out.glob("tables/*")}
    (out / "rows.csv").unlink()
    shutil.rmtree(out / "tables")
    shown = call("benchmark", "report", out)
    assert shown.code == 0
    assert "These are not the papers' numbers." in shown.out
    assert first == {path: path.read_bytes() for path in out.glob("tables/*")}
    assert (out / "rows.csv").is_file()


def test_networks_have_the_published_number_of_parameters(call: Call) -> None:
    entries = {one["name"]: one["networks"] for one in json.loads(call("benchmark", "list", "--json").out)}
    assert entries["pix2pix"] == {"generator": 54_413_955, "discriminator": 2_768_705}
    assert entries["cyclegan"]["restorer"] == 11_378_179
    assert entries["dip"] == {"prior": 2_217_831}
    assert entries["owan"] == {"network": 391_456}
    assert entries["nafnet"] == {"network": 29_159_715}
    assert list(entries["bm3d_edgeconnect"].values()) == [10_761_089, 2_762_752, 10_774_595, 2_763_776]
    assert entries["triplet"]["vae_clean"] == 872_131
    assert entries["triplet"]["mapping"] == 51_344_704
    assert entries["triplet_no_nonlocal"]["mapping"] == 36_135_232
    assert entries["scratch_detector"] == {"detector": 37_626_177}


def test_status_says_what_is_done(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert call("benchmark", *ONE, "--out", out).code == 0
    shown = json.loads(call("benchmark", "status", out, "--json").out)
    assert {line["why"] for line in shown} == {"done"}
    assert [line["stage"] for line in shown] == ["prepare", "restore", "score"]
    (out / "methods/identity/done.json").write_text("{}")
    again = {
        line["stage"]: line["why"] for line in json.loads(call("benchmark", "status", out, "--json").out)
    }
    assert again["restore"] == "not done yet"
    assert call("benchmark", "status", tmp_path / "gone").code == 4


def test_dry_run_writes_nothing(call: Call, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    planned = call("benchmark", *ONE, *TINY, "--train", photographs, "--out", out, "--dry-run", "--json")
    assert planned.code == 0
    assert [line["stage"] for line in json.loads(planned.out)] == ["prepare", "restore", "score"]
    assert not out.exists()
    assert "(data)" in call("benchmark", *ONE, *TINY, "--train", photographs, "--out", out, "--dry-run").out


def test_force_means_the_methods_it_names(call: Call, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ("run", "--methods", "identity,median", "--profile", "smoke", "--workers", "1", *TINY)
    command = (*command, "--train", str(photographs), "--out", str(out))
    assert call("benchmark", *command).code == 0
    for force, removed in (
        (("identity",), {"identity"}),
        (("identity,median",), {"identity", "median"}),
        (("all",), {"identity", "median"}),
        (("identity", "median"), {"identity", "median"}),
    ):
        options = [part for one in force for part in ("--force", one)]
        planned = json.loads(call("benchmark", *command, *options, "--dry-run", "--json").out)
        assert {line["method"] for line in planned if line["why"] == "removed by --force"} == removed
        assert {line["why"] for line in planned if line["method"] not in removed} == {"done"}
        marks = {name: out / f"methods/{name}/mark" for name in ("identity", "median")}
        for mark in marks.values():
            mark.write_text("there")
        assert call("benchmark", *command, *options).code == 0
        assert {name for name, mark in marks.items() if not mark.exists()} == removed
    for dry in ((), ("--dry-run",)):
        refused = call("benchmark", *command, "--force", "pix2pix", *dry)
        assert refused.code == 2
        assert "--force: unknown method of this run 'pix2pix'" in refused.err
    seeds = (*command[:-1], str(tmp_path / "seeds"), "--seeds", "2", "--dry-run", "--json")
    planned = json.loads(call("benchmark", *seeds, "--force", "median").out)
    assert {line["method"] for line in planned if line["why"] == "removed by --force"} == {"median"}
    assert not (tmp_path / "seeds").exists()


def test_another_run_in_the_folder_is_refused(call: Call, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = (*ONE, *TINY, "--train", photographs, "--out", out)
    assert call("benchmark", *command).code == 0
    for dry in ((), ("--dry-run",)):
        other_seed = call("benchmark", *command, "--seed", "1", *dry)
        assert other_seed.code == 2
        assert "seed: 0 there, 1 asked for" in other_seed.err
    (photographs / "a.png").rename(tmp_path / "away.png")
    for dry in ((), ("--dry-run",)):
        fewer = call("benchmark", *command, *dry)
        assert fewer.code == 2
        assert "'a.png' is new, gone or changed" in fewer.err
    (tmp_path / "away.png").rename(photographs / "a.png")
    assert call("benchmark", *command, "--force", "identity").code == 0


def test_what_options_imply_gives_way_to_what_is_said(tmp_path: Path) -> None:
    def resolved(*overrides: str, file: Path | None = None, **options: object) -> profile.Profile:
        named = {f"data.{key}": value for key, value in options.items()}
        implied = {"data.recipe": "detector-training"}
        how: dict[str, Any] = {"implied": implied, "budget": "iters=7", "file": file}
        return cli_runs.configured("smoke", overrides, named, **how)[0]

    assert resolved().data.held_out == profile.load("smoke").data.held_out
    assert resolved(train=("mine",), test=()).data.held_out == ()
    assert resolved("data.held_out=['a*']", train=("mine",)).data.held_out == ("a*",)
    (tmp_path / "mine.yaml").write_text("data: {held_out: ['b*']}\n")
    assert resolved(file=tmp_path / "mine.yaml", train=("mine",)).data.held_out == ("b*",)
    assert resolved("data.train=['theirs']", train=("mine",)).data.train == ("mine",)
    assert resolved("train.iterations=3").train.iterations == 7
    assert resolved(recipe=None).data.recipe == "detector-training"
    assert resolved("data.recipe=old-photo", recipe=None).data.recipe == "old-photo"
    assert resolved("data.recipe=old-photo", recipe="film-scan").data.recipe == "film-scan"


def test_exit_codes_and_messages(call: Call, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    shutil.copy(photographs / "b.png", tmp_path / "other/holiday.png")
    (photographs / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    both = ("--train", photographs, "--test", tmp_path / "other")
    held_out = "data.held_out=['hollidays*']"
    assert "5 a check you asked for did not hold" in " ".join(call("benchmark", "--help").out.split())
    for arguments, code, text in [
        (("roc", "-o", "data.recipe=old-foto", "--out", out, "--profile", "smoke"), 2, "'old-photo'"),
        (("roc", "--recipe", "old-foto", "--out", out, "--profile", "smoke"), 2, "'old-photo'"),
        (("ablation", "-o", held_out, "--train", tmp_path / "other", "--out", out), 2, "'hollidays*'"),
        ((*ONE, "-o", held_out, "--train", tmp_path / "other", "--out", out), 2, "'hollidays*'"),
        (("run", "--methods", "identiti"), 2, "unknown method 'identiti'; did you mean 'identity'"),
        (("run", "--methods", ","), 2, "--methods takes names"),
        (("run", "--profile", "quik"), 2, "unknown profile 'quik'; did you mean 'quick'"),
        (("run", "-o", "train.iteration=3"), 2, "did you mean 'train.iterations'"),
        (("run", "-o", "metrics=[psrn]", "--out", out), 2, "unknown metric 'psrn'; did you mean 'psnr'"),
        (("run", "-o", "data.recipe=old-foto", "--out", out), 2, "did you mean 'old-photo'"),
        (("run", "--config", tmp_path / "gone.yaml"), 2, "cannot be read"),
        (("run", "--sead", "3"), 2, "--sead"),
        (("run", "--profile", "paper", "--out", out), 2, "--train SRC"),
        ((*ONE, "--out", out, "--train", tmp_path / "gone"), 4, "no such file or folder"),
        ((*ONE, "--out", out, "--train", tmp_path / "empty"), 4, "holds no photograph"),
        ((*ONE, "--out", out, "--train", photographs / "a.png"), 4, "each needs at least one"),
        ((*ONE, *TINY, "--out", out, "--train", photographs), 4, "broken.png"),
        (("report", tmp_path), 4, "no benchmark run there"),
        (("list", "metods"), 2, "metods"),
    ]:
        outcome = call("benchmark", *arguments)
        assert outcome.code == code, (arguments, outcome)
        assert text in " ".join(outcome.err.split()), (arguments, outcome)
    (photographs / "broken.png").unlink()
    shutil.rmtree(out, ignore_errors=True)
    overlapping = call("benchmark", *ONE, *TINY, "--out", out, *both)
    assert overlapping.code == 4
    assert "the same photograph is in" in overlapping.err
    assert str(photographs / "b.png") in overlapping.err
    assert str(tmp_path / "other/holiday.png") in overlapping.err


def test_a_failing_method_makes_exit_code_3(
    call: Call, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from baselines.sanity import Median

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr(Median, "restore", fail)
    command = ("run", "--methods", "identity,median", "--profile", "smoke", "--workers", "1")
    outcome = call("benchmark", *command, *TINY, "--train", photographs, "--out", tmp_path / "run")
    assert outcome.code == 3
    assert "median (ZeroDivisionError: by accident)" in outcome.err
    assert "identity" in outcome.out
    assert "failed: restore: ZeroDivisionError" in outcome.out


def test_lists(call: Call) -> None:
    for what, name in [("methods", "biharmonic"), ("metrics", "ssim"), ("profiles", "quick")]:
        entries = json.loads(call("benchmark", "list", what, "--json").out)
        assert name in [entry["name"] for entry in entries]
        assert all(entry["summary"] for entry in entries)
        assert name in call("benchmark", "list", what).out
    needs = {entry["name"]: entry["mask"] for entry in json.loads(call("benchmark", "list", "--json").out)}
    assert needs["biharmonic"] == "oracle"
    assert needs["identity"] == "none"


def test_help_is_quick_and_needs_no_torch() -> None:
    code = (
        "import sys\nfrom benchmark.cli import cli\n"
        "cli(['run', '--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'numpy', 'cv2', 'pydantic', 'matplotlib', 'rich'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--profile NAME" in done.stdout
    assert time.monotonic() - start < 2  # 0.1 s on a quiet machine.
