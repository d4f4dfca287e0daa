"""A study from the run to the tables, without a browser."""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Outcome
from studyruns import GAINS, answers, study_run

from benchmark import blinding, study
from benchmark.store import Store
from degradekit import atomicfiles
from degradekit.errors import DataError, OptionError, OutputFolderError

Call = Callable[..., Outcome]
RANKED = ("brightener", "whitener_one", "whitener_two")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return study_run(tmp_path / "run")


@pytest.fixture
def key(store: Store, tmp_path: Path) -> Path:
    return blinding.write(study.choose(store, photographs=3), tmp_path / "study/study.html")


def _data(page: Path) -> dict[str, Any]:
    (text,) = re.findall(r'<script id="data"[^>]*>(.*?)</script>', page.read_text())
    found: dict[str, Any] = json.loads(text)
    return found


def _pixels(uri: str) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded[..., ::-1]


def test_each_photograph_once_and_by_the_methods_that_do_something(store: Store) -> None:
    chosen = study.choose(store)
    assert chosen.methods == RANKED
    assert chosen.left_out == {"identity": "changes none of these photographs"}
    assert sorted(chosen.stems) == [f"photo{number}_0" for number in range(4)]
    assert study.choose(store, ["identity", "brightener"]).methods == ("brightener", "identity")
    few = [study.choose(store, photographs=2, seed=seed).stems for seed in range(8)]
    assert few[0] == study.choose(store, photographs=2).stems
    assert len(set(few)) > 2


def test_a_photograph_that_one_method_has_not_restored_is_not_shown(store: Store) -> None:
    (store.restored("brightener") / "photo1_0.png").unlink()
    for variant in range(2):
        (store.restored("whitener_one") / f"photo2_{variant}.png").unlink()
    assert sorted(study.choose(store).stems) == ["photo0_0", "photo1_1", "photo3_0"]


def test_real_photographs_if_there_are(tmp_path: Path) -> None:
    store = study_run(tmp_path / "run", real=tmp_path / "old")
    chosen = study.choose(store)
    assert (chosen.where, chosen.methods) == ("real", ("brightener", "whitener_two"))
    assert chosen.left_out["whitener_one"] == "has restored no real photographs"
    assert study.choose(store, ["brightener", "whitener_one"]).where == "test"
    assert study.choose(store, where="test").methods == RANKED
    with pytest.raises(DataError, match="whitener_one has no outputs there"):
        study.choose(store, ["brightener", "whitener_one"], where="real")
    key = json.loads(blinding.write(chosen, tmp_path / "s.html").read_text())
    assert key["photographs"] == "real"
    assert {trial["photograph"] for trial in key["trials"].values()} == {f"aunt{n}.png" for n in range(3)}


def test_the_page_shows_the_outputs_and_names_no_method(store: Store, key: Path) -> None:
    page = key.with_name("study.html")
    known, data = json.loads(key.read_text()), _data(page)
    assert [trial["trial"] for trial in data["trials"]] == sorted(known["trials"])
    for trial in data["trials"]:
        told = known["trials"][trial["trial"]]
        degraded = _pixels(trial["degraded"])
        for token, uri in trial["outputs"].items():
            expected = np.clip(degraded * GAINS[told["outputs"][token]], 0, 255).astype(np.uint8)
            assert np.array_equal(_pixels(uri), expected)
        assert sorted(told["outputs"].values()) == list(RANKED)
        assert list(trial["outputs"]) == sorted(trial["outputs"])
    words = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page.read_text())
    for secret in (*GAINS, "photo0", known["salt"], known["run"] + "/", "study-key"):
        assert secret not in words
    assert "http" not in words.replace("http-equiv", "")


def test_a_token_means_something_in_one_photograph_only(key: Path) -> None:
    trials = json.loads(key.read_text())["trials"].values()
    tokens = [token for trial in trials for token in trial["outputs"]]
    assert len(set(tokens)) == len(tokens) == 9
    # The order of tokens says nothing: methods come in several.
    assert len({tuple(trial["outputs"][token] for token in sorted(trial["outputs"])) for trial in trials}) > 1


def test_written_again_it_is_the_same_and_never_takes_the_place_of_another(store: Store, key: Path) -> None:
    page = key.with_name("study.html")
    before = page.read_bytes(), key.read_bytes()
    blinding.write(study.choose(store, photographs=3), page)
    assert (page.read_bytes(), key.read_bytes()) == before
    with pytest.raises(OutputFolderError, match="another study's key"):
        blinding.write(study.choose(store, photographs=2), page)
    (other := page.with_name("report.html")).write_text("a report")
    with pytest.raises(OutputFolderError, match="is there already"):
        blinding.write(study.choose(store), other)
    assert (page.read_bytes(), key.read_bytes()) == before
    elsewhere = blinding.write(study.choose(store, photographs=3), page.with_name("again.html"))
    assert json.loads(elsewhere.read_text())["study"] != json.loads(key.read_text())["study"]


def test_large_studies_are_jpeg_and_shrunk_all_alike(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blinding, "LOSSLESS_BYTES", 1000)
    monkeypatch.setattr(blinding, "SIDE_PX", 48)
    blinding.write(study.choose(store), tmp_path / "study.html")
    for trial in _data(tmp_path / "study.html")["trials"]:
        uris = [trial["degraded"], *trial["outputs"].values()]
        assert all(uri.startswith("data:image/jpeg;") for uri in uris)
        assert {_pixels(uri).shape for uri in uris} == {(trial["height"], trial["width"], 3)} == {(32, 48, 3)}


def test_what_cannot_be_shown_is_refused_and_nothing_is_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="did you mean 'brightener'"):
        study.choose(store, ["brighener", "identity"])
    with pytest.raises(OptionError, match="ranks 2 to 12 methods; here are 1: identity"):
        study.choose(store, ["identity"])
    with pytest.raises(OptionError, match="--photos 9: all of the methods restored 4"):
        study.choose(store, photographs=9)
    with pytest.raises(DataError, match="no method has restored real photographs"):
        study.choose(store, where="real")
    with pytest.raises(DataError, match="no benchmark run there"):
        study.choose(Store(tmp_path))
    with pytest.raises(OptionError, match=r"--out ends in \.html, got 'page'"):
        blinding.write(study.choose(store), tmp_path / "page")
    path = store.restored("brightener") / "photo0_0.png"
    path.write_bytes((store.restored("brightener") / "photo1_0.png").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"photo0_0\.png"):
        blinding.write(study.choose(store), tmp_path / "s.html")
    assert not list(tmp_path.glob("s*"))


def _saved(folder: Path, name: str, content: Any) -> Path:
    atomicfiles.write_json(folder / name, content)
    return folder / name


def test_the_report(call: Call, key: Path, tmp_path: Path) -> None:
    orders = [RANKED, RANKED, (RANKED[1], RANKED[0], RANKED[2])]
    files = [
        _saved(tmp_path, f"{number}.json", answers(key, f"p{number}", *order))
        for number, order in enumerate(orders)
    ]
    done = call("benchmark", "study-report", key, *files, "--json")
    assert done.code == 0, done.err
    numbers = json.loads(done.out)
    assert (numbers["participants"], numbers["photographs"], numbers["prior_wins"]) == (3, 3, 0.5)
    assert list(numbers["methods"]) == list(RANKED)
    first = numbers["methods"]["brightener"]
    assert first["top"] == pytest.approx([200 / 3, 100, 100])
    assert first["low"] < first["strength"] < first["high"]
    assert numbers["agreement"] == pytest.approx(7 / 9)
    results = key.parent / "results"
    assert {path.name for path in results.iterdir()} == {
        "places.csv",
        *(f"study.{kind}" for kind in ("md", "csv", "tex", "png", "svg", "pdf")),
    }
    table = (results / "study.md").read_text()
    assert table.startswith("| method | top 1 (%) | top 2 (%) | mean place ↓ | strength ↑ |\n")
    assert "| brightener | 66.67 | 100.00 | 1.33 | " in table
    assert "3 participants ranked the outputs of 3 methods for 3 photographs of the test set" in table
    assert "Kendall's W 0.78" in table
    assert r"whitener\_one & 33.33 & 100.00 & 1.67 & " in (results / "study.tex").read_text()
    rows = list(csv.DictReader((results / "places.csv").read_text().splitlines()))
    assert len(rows) == 27
    assert {row["place"] for row in rows if row["method"] == "whitener_two"} == {"3"}
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    shown = call("benchmark", "study-report", key, *reversed(files))
    assert "66.67" in shown.out
    # The order of the files does not matter, and the same numbers give the same bytes.
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def _spoilt(good: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**good, **changes}


def test_bad_answers_are_named_with_the_rule_and_the_value(call: Call, key: Path, tmp_path: Path) -> None:
    good = answers(key, "p", *RANKED)
    first, *others = good["trials"]
    ranking = first["ranking"]

    def with_first(**changes: Any) -> dict[str, Any]:
        return {**good, "trials": [{**first, **changes}, *others]}

    cases: list[tuple[Any, str]] = [
        ({**good, "study": "0123"}, f"answers study '0123', the key is of '{good['study']}'"),
        ({**good, "trials": others}, f"1 of 3 trials have no answer, '{first['trial']}' is the first"),
        (with_first(trial="feed"), "trial 'feed' is not in the study"),
        ({**good, "trials": [*good["trials"], first]}, f"trial '{first['trial']}' is there twice"),
        (with_first(ranking=[*ranking[:2], "beef"]), "output 'beef' is not one of its 3"),
        (with_first(ranking=[ranking[0], *ranking[:2]]), f"output '{ranking[0]}' is ranked twice"),
        (with_first(ranking=ranking[:2]), f"2 of 3 outputs are ranked, '{ranking[2]}' is not"),
        (with_first(seconds=-1), "trials.0.seconds: Input should be greater than or equal to 0, got -1"),
        (with_first(ranking="abc"), "trials.0.ranking: Input should be a valid list, got 'abc'"),
        ({**good, "format": "x"}, "format: Input should be 'degradekit study answers 1', got 'x'"),
        ([1, 2], "damaged (no mapping)"),
    ]
    for number, (content, rule) in enumerate(cases):
        path = _saved(tmp_path, f"bad{number}.json", content)
        done = call("benchmark", "study-report", key, path)
        assert (done.code, done.err.count("\n")) == (4, 1), done.err
        assert f"error: {path}: " in done.err
        assert rule in done.err
    assert not (key.parent / "results").exists()


def test_a_participant_counts_once_and_all_bad_files_are_named(call: Call, key: Path, tmp_path: Path) -> None:
    one = _saved(tmp_path, "one.json", answers(key, "p", *RANKED))
    two = _saved(tmp_path, "two.json", answers(key, "p", *RANKED[::-1]))
    done = call("benchmark", "study-report", key, one, two)
    assert done.code == 4
    assert f"{two}: participant 'p' answers in {one} already" in done.err
    (broken := tmp_path / "broken.json").write_text("{")
    done = call("benchmark", "study-report", key, one, two, broken, tmp_path / "none.json")
    assert (done.code, "3 files are no good" in done.err, done.err.count("\n")) == (4, True, 1)
    assert "two.json: " in done.err
    assert "broken.json: damaged" in done.err
    assert "none.json: No such file" in done.err


def test_a_key_that_is_none(call: Call, key: Path, tmp_path: Path) -> None:
    one = _saved(tmp_path, "one.json", answers(key, "p", *RANKED))
    swapped = call("benchmark", "study-report", one, key)
    assert (swapped.code, "'degradekit study key 1'" in swapped.err) == (4, True)
    content = json.loads(key.read_text())
    next(iter(content["trials"].values()))["outputs"].popitem()
    broken = call("benchmark", "study-report", _saved(tmp_path, "k.json", content), one)
    assert (broken.code, "damaged (photograph '" in broken.err) == (4, True)
    assert call("benchmark", "study-report", key).code == 2


def test_the_command(call: Call, store: Store) -> None:
    done = call("benchmark", "study", store.folder, "--photos", "2")
    assert done.code == 0, done.err
    assert "identity is not ranked: it changes none of these photographs" in done.err
    assert "2 test photographs, 3 methods" in done.err
    assert (store.folder / "study/study-key.json").is_file()
    assert call("benchmark", "study", store.folder, "--methods", "median").code == 2
