"""Small photographs and a way to call the programs as a person does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pictures import picture

from degradekit import imagefiles


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """``call("degradekit", "ops")`` runs the program in this process."""

    def run(program: str, *arguments: str | Path) -> Outcome:
        if program == "degradekit":
            from degradekit.cli import main
        else:
            from benchmark.cli import main
        monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        code = stopped.value.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of five small PNG photographs, one of them in a subfolder."""
    folder = tmp_path / "photographs"
    (folder / "album").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.png", "c.png", "d.png", "album/e.png"]):
        (folder / name).write_bytes(imagefiles.encode_png(picture(number)))
    return folder
