from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome

from degradekit import imagefiles, manifest

Call = Callable[..., Outcome]


def test_synth_preview_replay_verify(call: Call, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = call("degradekit", "synth", photographs, "--out", out, "--workers", "1", "--json")
    assert made.code == 0
    summary = json.loads(made.out)
    assert summary.pop("seconds") > 0
    assert len(summary.pop("slowest")) == 5
    assert summary == {"out": str(out), "samples": 5, "made": 5, "failed": 0}
    assert call("degradekit", "verify", out).code == 0
    replayed = call("degradekit", "replay", out, "a.png", "--out", tmp_path / "again.png")
    assert replayed.code == 0
    assert "bit for bit" in replayed.out
    assert (tmp_path / "again.png").read_bytes() == (out / "degraded/a_0.png").read_bytes()
    sheet = call("degradekit", "preview", photographs, "--out", tmp_path / "sheet.png", "--count", "7")
    assert sheet.code == 0
    assert imagefiles.read(tmp_path / "sheet.png").rgb.shape[0] > 7 * 64


def test_dpi_says_how_fine_the_scan_is(call: Call, photographs: Path, tmp_path: Path) -> None:
    command = ("degradekit", "synth", photographs, "--recipe", "film-scan", "--workers", "1", "--out")
    assert call(*command, tmp_path / "made", "--dpi", "254").code == 0
    rows = manifest.read_rows(tmp_path / "made")
    assert {json.loads(row["recipe"])["px_per_mm"] for row in rows} == {10.0}
    assert call("degradekit", "verify", tmp_path / "made").code == 0
    refused = call(*command, tmp_path / "refused", "--dpi", "0.5")
    assert refused.code == 2
    assert "dpi is a number in [1, 20000], got 0.5" in refused.err
    assert not (tmp_path / "refused").exists()


def test_no_argument_uses_the_built_in_photographs(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("degradekit", "synth").code == 0
    assert len(manifest.read_rows(tmp_path / "degraded")) == 6


def test_dry_run_writes_nothing(call: Call, photographs: Path, tmp_path: Path) -> None:
    outcome = call(
        "degradekit", "synth", photographs, "--out", tmp_path / "out", "--copies", "4", "--dry-run"
    )
    assert outcome.code == 0
    assert "20 samples of 5 photographs" in outcome.out
    assert not (tmp_path / "out").exists()


def test_overwrite(call: Call, photographs: Path, tmp_path: Path) -> None:
    command = ("degradekit", "synth", photographs, "--out", tmp_path / "out", "--workers", "1")
    assert call(*command).code == 0
    refused = call(*command, "--seed", "1")
    assert refused.code == 2
    assert "seed: 0 there, 1 asked for" in refused.err
    assert call(*command, "--seed", "1", "--overwrite").code == 0
    assert manifest.read_run(tmp_path / "out")["seed"] == 1


def test_exit_codes_and_messages(call: Call, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("format: 10x15cm\nsteps: [{scratches: {opacity: 2}}]\n")
    for arguments, code, text in [
        (("synth", tmp_path / "gone", "--out", out), 4, "no such file or folder"),
        (("synth", tmp_path / "empty", "--out", out), 4, "holds no photograph"),
        (("synth", photographs, "--out", out, "--recipe", "old-foto"), 2, "did you mean 'old-photo'"),
        (
            ("synth", photographs, "--out", out, "--recipe", tmp_path / "bad.yaml"),
            2,
            "opacity is a number in [0, 1], got 2",
        ),
        (("synth", photographs, "--out", out, "--copies", "0"), 2, "copies is a whole number"),
        (("synth", photographs, "--out", out, "--sise", "3"), 2, "--sise"),
        (("synth", photographs, "--out", photographs), 2, "no data set of ours"),
        (("synth", photographs, "--out", photographs / "a.png"), 2, "is a file, not a folder"),
        (("synth", photographs, "--out", out, "--shard", "4/3"), 2, "K/N with K from 1 to N"),
        (("synth", photographs, "--out", out, "--shard", "1"), 2, "K/N with K from 1 to N"),
        (("synth", photographs, "--out", out, "--layout", "pix2"), 2, "pix2"),
        (("synth", photographs, "--out", out, "--layout", "parquet", "--recipes-only"), 2, "leave out"),
        (("synth", photographs, "--out", out, "--recipes-only", "--image-format", "jpeg"), 2, "not coded"),
        (("synth", photographs, "--dry-run", "--scheduler", "tcp://127.0.0.1:9"), 2, "--executor dask"),
        (
            ("synth", photographs, "--out", out, "--layout", "pix2pix", "--image-format", "jpeg"),
            2,
            "JPEG would mix",
        ),
        (("synth", photographs, "--out", out, "--scheduler", "tcp://127.0.0.1:9"), 2, "--executor dask"),
        (("verify", tmp_path), 4, "not a degradekit data set"),
        (("replay", tmp_path, "a"), 4, "not a degradekit data set"),
        (("ops", "scratchs"), 2, "did you mean 'scratches'"),
        (("recipes", "show", "old-phto"), 2, "did you mean 'old-photo'"),
        (("recipes", "validate", tmp_path / "bad.yaml"), 2, "bad.yaml: step 1: scratches"),
        (("sinth",), 2, "sinth"),
    ]:
        outcome = call("degradekit", *arguments)
        assert (outcome.code, text in outcome.err) == (code, True), outcome
        assert not out.exists()


def test_failed_samples_exit_3_and_the_rest_is_there(call: Call, photographs: Path, tmp_path: Path) -> None:
    (photographs / "c.png").write_bytes(b"not a picture")
    outcome = call("degradekit", "synth", photographs, "--out", tmp_path / "out", "--workers", "1")
    assert outcome.code == 3
    assert "c.png: not an image" in outcome.err
    assert len(manifest.read_rows(tmp_path / "out")) == 4


def test_verify_fails_on_a_changed_pixel(call: Call, photographs: Path, tmp_path: Path) -> None:
    call("degradekit", "synth", photographs, "--out", tmp_path / "out", "--workers", "1")
    path = tmp_path / "out/degraded/b_0.png"
    pixels = imagefiles.read(path).rgb.copy()
    pixels[3, 3, 0] ^= 1
    path.write_bytes(imagefiles.encode_png(pixels))
    outcome = call("degradekit", "verify", tmp_path / "out")
    assert outcome.code == 4
    assert "degraded/b_0.png: pixels differ" in outcome.out


def test_our_own_bugs_are_exit_1(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from degradekit import sources

    def broken(specs: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(sources, "find", broken)
    outcome = call("degradekit", "synth")
    assert outcome.code == 1
    assert "internal error, ZeroDivisionError: oh" in outcome.err


def test_unwritable_folder(tmp_path: Path, photographs: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/degradekit")  # Nobody can write there, not even the superuser.
    else:
        target = tmp_path / "locked" / "out"
        target.parent.mkdir(mode=0o500)
    command = [sys.executable, "-m", "degradekit", "synth", str(photographs), "--out", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (2, 3), done.stderr
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_parts_recipes_only_and_timings(call: Call, photographs: Path, tmp_path: Path) -> None:
    command = (
        "degradekit",
        "synth",
        photographs,
        "--out",
        tmp_path / "out",
        "--recipes-only",
        "--workers",
        "1",
    )
    part = call(*command, "--shard", "1/2", "--timings")
    assert part.code == 0
    assert "part 1/2" in part.out
    assert "(read)" in part.out
    assert "ms x" in part.out
    last = json.loads(call(*command, "--shard", "2/2", "--json", "--timings").out)
    assert (last["samples"], last["made"], last["timings"]["(read)"]["calls"]) == (5, 2, 2)
    assert call("degradekit", "verify", tmp_path / "out", "--sample", "40%").code == 0
    replayed = call("degradekit", "replay", tmp_path / "out", "a.png", "--out", tmp_path / "a.png")
    assert (replayed.code, replayed.out) == (0, f"{tmp_path / 'a.png'}\n")


def test_a_failed_part_exits_3(call: Call, photographs: Path, tmp_path: Path) -> None:
    (photographs / "a.png").write_bytes(b"not a picture")
    command = ("degradekit", "synth", photographs, "--out", tmp_path / "out", "--workers", "1")
    assert call(*command, "--shard", "1/2").code == 3
    assert call(*command, "--shard", "2/2").code == 0
    assert call(*command).code == 3


def test_names_that_the_options_repeat() -> None:
    from degradekit import cli_options, coding, executors, layouts

    assert cli_options.LAYOUTS == layouts.NAMES
    assert set(cli_options.IMAGE_FORMATS) == set(coding.FORMATS)
    assert set(cli_options.EXECUTORS) == set(executors.NAMES)


def test_ops_and_recipes(call: Call, tmp_path: Path) -> None:
    listed = json.loads(call("degradekit", "ops", "--json").out)
    assert {"scratches", "paper_holes", "film_grain", "gaussian_blur", "fading", "jpeg"} <= {
        op["name"] for op in listed
    }
    assert "width_um" in call("degradekit", "ops", "scratches").out
    assert "old-photo" in call("degradekit", "recipes", "list").out
    shown = call("degradekit", "recipes", "show", "old-photo").out
    (tmp_path / "mine.yaml").write_text(shown)
    assert call("degradekit", "recipes", "validate", tmp_path / "mine.yaml", "old-photo").code == 0


def test_doctor(call: Call) -> None:
    outcome = call("degradekit", "doctor")
    assert outcome.code == 0, outcome.out
    assert "opencv-python-headless" in outcome.out


@pytest.mark.parametrize("program", ["degradekit", "benchmark"])
def test_help_is_quick_and_imports_nothing_heavy(program: str) -> None:
    code = (
        f"import sys; sys.argv = ['{program}', '--help']\n"
        f"from {program}.cli import main\n"
        "try: main()\n"
        "except SystemExit as stopped: assert not stopped.code\n"
        "heavy = {'torch', 'cv2', 'pandas', 'matplotlib', 'skimage', 'scipy', 'albumentations', 'rich',\n"
        "    'pyarrow', 'distributed', 'numpy'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    best = 9.0
    for _ in range(4):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        best = min(best, time.perf_counter() - start)
    assert done.stdout.endswith("heavy: []\n")
    assert best < 0.5
