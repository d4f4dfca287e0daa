from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Outcome

from degradekit import imagefiles, realism, recipe
from degradekit.errors import DataError
from degradekit.realism import Defects

HEAD = "scan,label,area_px,length_px,width_px,um_per_px\n"


def annotations(path: Path, scale: float = 1.0, count: int = 120) -> Path:
    rng = np.random.Generator(np.random.PCG64(1))
    lines = []
    for label, mean in (("Scratch", 300.0), ("Long Hair", 100.0)):
        for _ in range(count):
            length = scale * mean * np.exp(0.4 * rng.standard_normal())
            lines.append(f"1,{label},{length * 8:.1f},{length:.2f},8.0,20.0\n")
    path.write_text(HEAD + "".join(lines))
    return path


def test_annotations(tmp_path: Path) -> None:
    defects, pitches = realism.read_annotations(annotations(tmp_path / "a.csv"))
    assert pitches == [20]
    assert set(defects.found) == {"scratch", "hair"}
    assert defects.area_mm2 == 24 * 36
    assert np.median(defects.found["scratch"]["length"]) == pytest.approx(6000, rel=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scan,label\n1,Dust\n", "no column area_px"),
        (HEAD, "holds no defect"),
        (HEAD + "1,Dust,x,1,1,7\n", "line 2: area_px is a number, got 'x'"),
        (HEAD + "1,Dust,4,-1,1,7\n", "line 2: length_px is at least 0"),
        (HEAD + "1,Dust,4,2,2,7\n1,Dust,4,2,2,0\n", r"bad\.csv: line 3: um_per_px is above 0, got '0'"),
        (HEAD + "1,Dust,4,2,2,nan\n", "line 2: um_per_px is above 0, got 'nan'"),
        (HEAD + "1,Dust,4,0,2,7\n", "holds no defect"),
    ],
)
def test_bad_annotations(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        realism.read_annotations(tmp_path / "bad.csv")
    with pytest.raises(DataError, match="No such file"):
        realism.read_annotations(tmp_path / "gone.csv")


def test_outlines_measure_what_was_drawn() -> None:
    defects = Defects()
    mask = np.zeros((200, 300), np.uint8)
    mask[50:60, 40:240] = 255
    realism._outline(defects, "scratch", mask, 10.0)
    found = defects.found["scratch"]
    assert found["length"] == [pytest.approx(2000, rel=0.01)]
    assert found["width"] == [pytest.approx(100, rel=0.05)]
    assert found["area"] == [pytest.approx(200_000, rel=0.01)]


def test_comparison_tells_like_from_unlike(tmp_path: Path) -> None:
    real, _ = realism.read_annotations(annotations(tmp_path / "a.csv"))
    same = {(row["class"], row["measure"]): row["ks"] for row in realism.compare_defects(real, real)}
    other, _ = realism.read_annotations(annotations(tmp_path / "b.csv", scale=3.0))
    different = {(row["class"], row["measure"]): row["ks"] for row in realism.compare_defects(real, other)}
    assert max(same.values()) == 0
    assert different["scratch", "length (um)"] > 0.7


def test_grain_of_both_models_agrees() -> None:
    curves = realism.grain_curves(0.25, 0.2, 0.8, seed=0, side=160)
    assert curves.second_order_sd == pytest.approx(curves.boolean_sd, rel=0.1)
    assert curves.second_order_acf == pytest.approx(curves.boolean_acf, abs=0.06)


def test_generated_defects_have_the_recipe_s_rate() -> None:
    values = {"density_per_cm2": 8.0, "raggedness": 0.0, "width_um": 200.0, "length_mm": 3.0, "burst": 1.0}
    steps = [{"scratches": values}]
    made = realism.generate_defects(recipe.parse({"format": "35mm", "steps": steps}), 2, [40.0], 0)
    per_cm2 = len(made.found["scratch"]["area"]) / made.area_mm2 * 100
    # Crossing strokes are outlined as one.
    assert 3.0 < per_cm2 < 9.0


def test_casts() -> None:
    red = realism.cast("red", np.full((8, 8, 3), (0.8, 0.3, 0.3), np.float32))
    assert red.a > 20
    assert red.black == pytest.approx(red.white)


def test_command(call: Callable[..., Outcome], photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    csv = annotations(tmp_path / "a.csv", count=20)
    done = call(
        "degradekit", "realism", photographs, "--labels", csv, "--real", photographs, "--frames", "1",
        "--copies", "1", "--out", out, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert set(json.loads(done.out)) == {"scratch", "hair"}
    assert set(json.loads(done.out)["hair"]) == {"ks_area", "ks_length", "count_ratio"}
    page = (out / "realism.md").read_text()
    for name in ("defects", "grain", "colour"):
        assert f"({name}.png)" in page
        assert imagefiles.read(out / f"{name}.png").rgb.std() > 5
    assert (out / "coverage.csv").read_text().startswith("class,")
    assert (
        call("degradekit", "realism", photographs, "--annotations", tmp_path / "gone.csv", "--out", out).code
        == 4
    )
