from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import Outcome

from degradekit import calibration, pairs, recipe, sources
from degradekit.errors import OptionError, RecipeError

SIMPLE = {"format": "10x15cm", "steps": [{"paper_holes": {"density_per_dm2": 40}}, "fading", "film_grain"]}


def test_severity_scales_every_strength_and_nothing_else() -> None:
    one = recipe.parse(SIMPLE).draw(0, "a", 0, 5.0).steps
    half = recipe.parse({**SIMPLE, "severity": 0.5}).draw(0, "a", 0, 5.0).steps
    assert [step.seed for step in half] == [step.seed for step in one]
    assert half[0].values["density_per_dm2"] == 20
    assert half[0].values["diameter_mm"] == one[0].values["diameter_mm"]
    assert half[1].values["cyan_kept"] == pytest.approx(1 - (1 - float(one[1].values["cyan_kept"])) / 2)
    assert half[2].values["radius_um"] == float(one[2].values["radius_um"]) / 2


def test_no_severity_is_no_damage(photographs: Path) -> None:
    clean = recipe.load("old-photo").at_severity(0)
    bitmap = sources.find([str(photographs)])[0].read()
    for variant in range(6):
        pair, _ = pairs.make(bitmap, clean, 0, "a", variant, None)
        difference = np.abs(pair.degraded.rgb.astype(int) - pair.clean.rgb)
        assert difference.mean() < 4  # a JPEG at quality 100, its colour subsampled
        assert not pair.masks["any"].any()


@pytest.mark.parametrize("severity", [-1, 21, "much", True])
def test_bad_severities(severity: object) -> None:
    with pytest.raises(RecipeError, match=r"severity is a number in \[0, 20\]"):
        recipe.parse({**SIMPLE, "severity": severity})


@pytest.mark.parametrize(("target", "value"), [("psnr", 16.0), ("ssim", 0.6), ("coverage", 0.05)])
def test_hits_the_target(photographs: Path, target: str, value: float) -> None:
    found = calibration.calibrate(
        recipe.parse(SIMPLE), sources.find([str(photographs)]), target, value, copies=3, size=None
    )
    # Coverage moves in steps, as defects appear one by one.
    assert found.mean == pytest.approx(value, rel=0.06 if target == "coverage" else 0.03)
    assert found.samples == 15
    again = [
        calibration.TARGETS[target](
            pairs.make(
                source.read(), recipe.parse(SIMPLE).at_severity(found.severity), 0, source.key, variant, None
            )[0]
        )
        for source in sources.find([str(photographs)])
        for variant in range(3)
    ]
    assert np.mean(again) == pytest.approx(found.mean, rel=1e-9)


def test_out_of_reach_and_unknown(photographs: Path) -> None:
    found = sources.find([str(photographs)])[:1]
    with pytest.raises(OptionError, match=r"coverage 0\.5 is out of reach"):
        calibration.calibrate(
            recipe.parse({"format": "35mm", "steps": ["fading"]}), found, "coverage", 0.5, copies=1
        )
    with pytest.raises(OptionError, match="did you mean 'psnr'"):
        calibration.calibrate(recipe.parse(SIMPLE), found, "psrn", 12)


def test_command(call: Callable[..., Outcome], photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibrated.yaml"
    done = call(
        "degradekit",
        "calibrate",
        photographs,
        "--target",
        "psnr=18",
        "--size",
        "48",
        "--copies",
        "2",
        "--out",
        out,
    )
    assert done.code == 0, done.err
    severity = yaml.safe_load(out.read_text())["severity"]
    assert f"severity {severity:.4f}" in done.out
    assert recipe.load(str(out)).severity == severity
    assert call("degradekit", "calibrate", photographs, "--target", "psnr").code == 2


def test_sizes_of_crops(call: Callable[..., Outcome], photographs: Path) -> None:
    command = ("degradekit", "calibrate", photographs, "--copies", "1", "--target", "ssim=0.5", "--size")
    for size in ("-5", "0", "15", "65536"):
        refused = call(*command, size)
        assert refused.code == 2
        assert "is not in the range 16<=x<=65535" in refused.err
    assert call(*command, "16").code == 0
