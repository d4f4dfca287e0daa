from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmark import profile
from benchmark.store import Store
from degradekit.errors import DataError, OutputFolderError


def test_another_configuration_is_refused_by_its_first_difference(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    smoke = profile.load("smoke")
    store.claim(smoke)
    store.claim(smoke)
    assert store.profile() == smoke
    with pytest.raises(OutputFolderError, match=r"train\.iterations: 4 there, 5 asked for"):
        store.claim(profile.load("smoke", overrides=["train.iterations=5"]))
    assert store.profile() == smoke


def test_a_run_can_be_asked_for_by_its_own_configuration(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    changed = profile.load("smoke", overrides=["seed=3", "width=0.5"])
    store.claim(changed)
    assert profile.load("quick", file=tmp_path / "run/config.yaml") == changed


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(OutputFolderError, match=r"no benchmark run \(holiday\.jpg\)"):
        Store(tmp_path).claim(profile.load("smoke"))
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(OutputFolderError, match="is a file"):
        Store(tmp_path / "holiday.jpg").claim(profile.load("smoke"))


def test_what_a_killed_start_leaves_is_no_strangers_file(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.partial").write_text("half")
    Store(tmp_path).claim(profile.load("smoke"))


def test_a_damaged_configuration(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no benchmark run there"):
        Store(tmp_path).profile()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"name": "x"}))
    with pytest.raises(DataError, match="damaged, or written by another version"):
        Store(tmp_path).profile()


def test_stages_say_why_they_are_stale(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = {"code": "1", "pairs": "2"}
    assert store.stale("m", "train", key) == "not done yet"
    store.mark_failed("m", "train", "boom")
    store.mark_done("m", "train", key)
    assert store.failure("m") == {}
    assert store.stale("m", "train", key) is None
    assert store.stale("m", "train", {**key, "code": "3"}) == "code changed"
    assert store.stale("m", "train", {"code": "3"}) == "code and pairs changed"
    store.mark_failed("m", "train", "boom")
    store.clear_failure("m")
    assert store.failure("m") == {}
    store.mark_done("m", "score", key)
    store.forget("m", "train")
    assert set(store.done("m")) == {"score"}
    assert store.methods() == ["m"]


def test_two_runs_do_not_write_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom benchmark.store import Store\n"
        "with Store(Path(sys.argv[1])).lock(): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with store.lock():
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "another run is writing there" in second.stderr
    assert subprocess.run(command, check=False).returncode == 0
