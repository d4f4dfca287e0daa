from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pairfolders import write

from benchmark import catalog, importing, profile
from benchmark.scoring import from_csv
from benchmark.store import Store


def test_what_was_imported_is_scored_again_when_scores_would_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "present", dict)
    store = Store(tmp_path / "run")
    store.claim(profile.load("smoke", overrides=["metrics=[psnr,lpips_alex]"]))
    write(store.data("test"), count=2)
    shutil.copytree(store.data("test") / "degraded", tmp_path / "theirs")
    importing.add(store, "theirs", tmp_path / "theirs", summary="a network", told_masks=False, replace=False)
    scores = store.method("theirs") / "scores.csv"
    rows = from_csv(scores)
    assert importing.stale(store) == {}
    scores.unlink()
    assert importing.refresh(store) == {}
    assert not scores.exists()

    monkeypatch.setattr(catalog, "present", lambda: {"alexnet": "official"})
    assert importing.stale(store) == {"theirs": "official weights changed"}
    assert importing.refresh(store) == {}
    assert from_csv(scores) == rows
    assert importing.stale(store) == {}

    # One that cannot be scored fails, as any other method does.
    monkeypatch.setattr(catalog, "present", dict)
    shutil.rmtree(store.restored("theirs"))
    assert "no such folder" in importing.refresh(store)["theirs"]
    assert store.failure("theirs")["stage"] == "score"
    assert set(importing.stale(store)) == {"theirs"}
