"""A method of somebody else's package: installed by pip, trained and scored beside ours, ours untouched."""

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "extending.md"
DIST = "tiny_method-0.1.dist-info"


def _example() -> str:
    """The method in the guide, so that what the guide says is what works."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if "METHOD = Declaration(" in block)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed a wheel with that one module."""
    folder = tmp_path_factory.mktemp("tiny")
    wheel = folder / "tiny_method-0.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("my_package/__init__.py", "")
        archive.writestr("my_package/mine.py", _example())
        archive.writestr(f"{DIST}/METADATA", "Metadata-Version: 2.1\nName: tiny-method\nVersion: 0.1\n")
        archive.writestr(
            f"{DIST}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{DIST}/entry_points.txt", "[degradekit.methods]\ngain = my_package.mine:METHOD\n")
        archive.writestr(f"{DIST}/RECORD", "")
    target = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    return target


def _benchmark(installed: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed_with_its_networks(installed: Path) -> None:
    listed = json.loads(_benchmark(installed, "list", "methods", "--json"))
    (found,) = (entry for entry in listed if entry["name"] == "gain")
    assert found["networks"] == {"gain": 6}
    assert found["trains"] == "paired"


def test_it_is_trained_and_scored_beside_ours(installed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    _benchmark(
        installed, "run", "--methods", "gain,identity", "--profile", "smoke", "--out", str(run),
        "--workers", "1", "-o", "metrics=[psnr]", "-o", "train.iterations=8",
    )  # fmt: skip
    with (run / "rows.csv").open(newline="") as file:
        methods = {row["method"] for row in csv.DictReader(file)}
    assert methods == {"gain", "identity"}
    assert (run / "methods" / "gain" / "weights.safetensors").is_file()
