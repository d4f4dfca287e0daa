from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Outcome
from pictures import picture
from plans import cheap_recipe, plan, tree

from degradekit import comparison, datacard, differences, imagefiles, manifest, progress, recipe
from degradekit.errors import OutputFolderError
from degradekit.estimate import estimate
from degradekit.proof import chosen_rows
from degradekit.reading import DataSet
from degradekit.synth import synthesize
from degradekit.timings import Timings

Call = Callable[..., Outcome]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    (folder / "in").mkdir()
    for number in range(3):
        (folder / f"in/{'abc'[number]}.png").write_bytes(imagefiles.encode_png(picture(number, 40, 48)))
    synthesize(plan(folder / "in", folder / "out"))
    return folder


def test_card(finished: Path) -> None:
    card = datacard.describe(finished / "out")
    rows = manifest.read_rows(finished / "out")
    assert (card["samples"], card["photographs"], card["scenes"], card["failed"]) == (6, 3, 3, 0)
    assert (card["layout"], card["image_format"], card["seed"]) == ("folders", {"format": "png"}, 5)
    assert (card["width_px"], card["height_px"]) == ([48, 48], [40, 40])
    assert card["licences"] == {"unknown": 6}
    assert set(card["versions"]) == {"degradekit", "numpy", "opencv"}
    values = [row["coverage_dust"] for row in rows]
    dust = card["coverage"]["dust"]
    assert dust["mean"] == pytest.approx(np.mean(values), abs=1e-5)
    assert dust["largest"] == max(values)
    assert dust["present"] == pytest.approx(np.mean(np.array(values) > 0), abs=1e-4)
    data = DataSet(finished / "out")
    psnr = []
    for row in rows:
        clean, degraded = data.clean(row).rgb.astype(float), data.degraded(row).rgb.astype(float)
        psnr.append(10 * math.log10(255**2 / np.mean((clean - degraded) ** 2)))
    assert card["psnr_db"] == {
        "mean": pytest.approx(np.mean(psnr), abs=1e-3),
        "sd": pytest.approx(np.std(psnr), abs=1e-3),
        "samples": 6,
    }
    assert card["bytes"] == sum(len(data) for data in tree(finished / "out").values())


def test_info(call: Call, finished: Path, tmp_path: Path) -> None:
    shown = call("degradekit", "info", finished / "out")
    assert shown.code == 0
    for text in ("6 samples of 3 photographs", "licence    unknown: 6 samples", "PSNR", "hole"):
        assert text in shown.out
    as_json = json.loads(call("degradekit", "info", finished / "out", "--json").out)
    assert as_json == json.loads(json.dumps(datacard.describe(finished / "out")))
    assert call("degradekit", "info", tmp_path).code == 4


def test_diff_of_equal_data_sets(call: Call, finished: Path, tmp_path: Path) -> None:
    synthesize(plan(finished / "in", tmp_path / "again"))
    outcome = call("degradekit", "diff", finished / "out", tmp_path / "again")
    assert outcome.code == 0
    assert "are the same" in outcome.out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 6}, "run.json: seed: 5 and 6"),
        ({"copies": 1}, "run.json: copies: 2 and 1"),
        ({"layout": "webdataset"}, "run.json: layout: 'folders' and 'webdataset'"),
        (
            {"recipe": recipe.parse({**cheap_recipe().raw, "steps": ["fading", {"dust": {"opacity": 0.5}}]})},
            "run.json: recipe.steps[1]: 'dust' and {'dust': {'opacity': 0.5}}",
        ),
    ],
)
def test_diff_names_the_setting(
    call: Call, finished: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    synthesize(plan(finished / "in", tmp_path / "other", **change))
    outcome = call("degradekit", "diff", finished / "out", tmp_path / "other")
    assert outcome.code == 5
    assert message in outcome.err


def test_diff_names_row_and_file(finished: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished / "out", other)
    path = other / "masks/hole/b_1.png"
    path.write_bytes(path.read_bytes() + b"!")
    assert comparison.first_difference(finished / "out", other) == "masks/hole/b_1.png: the bytes differ"
    path.unlink()
    found = comparison.first_difference(finished / "out", other)
    assert found == f"masks/hole/b_1.png: only in {finished / 'out'}"
    metadata = other / manifest.METADATA
    lines = metadata.read_text().splitlines(keepends=True)
    lines[2] = re.sub(r'\\"seed\\":\d+', r"\"seed\":1", lines[2], count=1)
    metadata.write_text("".join(lines))
    found = comparison.first_difference(finished / "out", other)
    assert found is not None
    assert re.fullmatch(r"sample b_0: recipe\.steps\[0\]\.seed: \d+ and 1", found)
    metadata.write_text("".join(lines[:2]))
    found = comparison.first_difference(finished / "out", other)
    assert found == f"sample b_0: only in {finished / 'out'}"


def test_first_difference_of_values() -> None:
    assert differences.first({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) is None
    assert str(differences.first({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]})) == "a[1].b: 2 and 3"
    assert str(differences.first({"a": [1]}, {"a": [1, 2]})) == "a[1]: nothing and 2"
    assert str(differences.first({"a": 1}, {"a": 1, "c": 0})) == "c: nothing and 0"
    assert differences.first(1, 1.0) is not None


def test_a_changed_recipe_is_refused_by_the_name_of_the_change(finished: Path) -> None:
    raw = {**cheap_recipe().raw, "steps": ["fading", "dust", {"paper_holes": {}, "p": 0.6}]}
    with pytest.raises(OutputFolderError, match=r"differs in steps\[2\]\.p: 0\.5 there, 0\.6 asked for"):
        synthesize(plan(finished / "in", finished / "out", recipe=recipe.parse(raw)))


def test_estimate_is_near_the_truth(finished: Path, tmp_path: Path) -> None:
    wanted = plan(finished / "in", tmp_path / "out", copies=20, size=32)
    told = estimate(wanted, workers=1)
    assert not (tmp_path / "out").exists()
    assert (told.samples, told.made) == (60, 0)
    summary = synthesize(wanted)
    files = tree(tmp_path / "out")
    size = sum(len(data) for data in files.values())
    assert told.size == pytest.approx(size, rel=0.4)
    assert told.seconds is not None
    assert 0.1 < told.seconds / summary.seconds < 10
    again = estimate(wanted, workers=1)
    assert (again.made, again.seconds, again.size) == (60, None, None)
    assert estimate(wanted, workers=1, overwrite=True).made == 0
    with pytest.raises(OutputFolderError, match="seed: 5 there, 6"):
        estimate(plan(finished / "in", tmp_path / "out", copies=20, size=32, seed=6), workers=1)


def test_dry_run_tells_size_and_time(call: Call, finished: Path, tmp_path: Path) -> None:
    command = ("degradekit", "synth", finished / "in", "--out", tmp_path / "out", "--size", "32", "--dry-run")
    told = call(*command)
    assert told.code == 0
    assert re.search(r"about [\d.]+ kB \([\d.]+ .B free\), [\d.]+ s with \d+ workers", told.out)
    as_json = json.loads(call(*command, "--json").out)
    assert as_json["samples"] == 3
    assert as_json["size"] > 1000
    assert not (tmp_path / "out").exists()


def test_dry_run_of_a_part(call: Call, photographs: Path, tmp_path: Path) -> None:
    command = ("degradekit", "synth", photographs, "--out", tmp_path / "out", "--dry-run", "--json")
    told = [json.loads(call(*command, "--shard", part).out)["samples"] for part in ("1/2", "2/2")]
    assert told == [3, 2]


@pytest.mark.parametrize("content", ["[]", "{}", "3"])
@pytest.mark.parametrize("name", ["run.json", "done.json", "metadata.jsonl"])
def test_damaged_records_are_named(
    call: Call, finished: Path, tmp_path: Path, name: str, content: str
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(finished / "out", damaged)
    (damaged / name).write_text(f"{content}\n")
    for command in (("info", damaged), ("replay", damaged, "a"), ("labels", damaged), ("verify", damaged)):
        done = call("degradekit", *command)
        assert done.code in (0, 2, 4, 5), (command, done.err)
    assert name in call("degradekit", "info", damaged).err


@pytest.mark.parametrize(
    ("sample", "count"), [("1%", 10), ("50%", 500), ("7", 7), ("2000", 1000), ("0.01%", 1), ("100%", 1000)]
)
def test_choice_of_rows(sample: str, count: int) -> None:
    chosen = chosen_rows(1000, sample)
    assert chosen is not None
    assert len(set(chosen)) == len(chosen) == count
    assert chosen == sorted(chosen)
    assert chosen == chosen_rows(1000, sample)
    assert count == 1000 or chosen != chosen_rows(1000, sample, seed=1)


@pytest.mark.parametrize("sample", ["0", "-1", "1.5", "0%", "101%", "many", "%", "nan%"])
def test_choice_that_is_none(call: Call, finished: Path, sample: str) -> None:
    outcome = call("degradekit", "verify", finished / "out", f"--sample={sample}")
    assert outcome.code == 2
    assert "a share such as 1%" in outcome.err


def test_timings() -> None:
    one, two = Timings({"a": 1.0}, {"a": 2}), Timings({"a": 2.0, "b": 9.0}, {"a": 1, "b": 3})
    one.add(two)
    assert list(one.table()) == ["b", "a"]
    assert one.table()["a"] == {"calls": 3, "ms": 1000.0, "share": 0.25}


def test_pace_counts_only_what_is_made_now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    pace = progress.Pace()
    assert pace.text(50, 100) == ""
    now[0] += 5
    assert pace.text(60, 100) == "2.0/s, 20 s left"
    assert pace.text(60, 5000).endswith("41 min left")
