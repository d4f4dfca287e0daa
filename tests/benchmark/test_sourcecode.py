from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark import sourcecode

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """``write(module, text)`` changes a module of the package ``toycode`` and returns the new fingerprint."""
    folder = tmp_path / "toycode"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "layers.py").write_text("SIZE = 3\n")
    monkeypatch.syspath_prepend(tmp_path)

    def change(module: str, text: str) -> str:
        (folder / f"{module}.py").write_text(text)
        for cached in (sourcecode._imports, sourcecode._code, sourcecode._path):
            cached.cache_clear()
        importlib.invalidate_caches()
        return sourcecode.fingerprint("toycode.net")

    yield change
    sys.modules.pop("toycode", None)


def test_code_counts_and_its_comments_do_not(write: Write) -> None:
    first = write("net", '"""One."""\ndef f(x):\n    """Doc."""\n    return x + 1\n')
    assert write("net", '"""Two."""\n# Why.\ndef f(x):\n\n    return (x + 1)\n') == first
    assert write("net", "def f(x):\n    return x + 2\n") != first


@pytest.mark.parametrize(
    "line",
    [
        "from toycode import layers",
        "from toycode.layers import SIZE",
        "from . import layers",
        "import toycode.layers",
    ],
)
def test_what_is_imported_counts(write: Write, line: str) -> None:
    first = write("net", f"{line}\n")
    assert write("layers", "SIZE = 4\n") != first


def test_what_is_not_imported_does_not_count(write: Write) -> None:
    first = write("net", "import numpy\n")
    assert write("layers", "SIZE = 4\n") == first


def test_a_change_to_shared_code_of_the_harness_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    closure = sourcecode._closure(("baselines.pix2pix", "benchmark.training"))
    assert {"benchmark.adversarial", "benchmark.data", "benchmark.training"} <= closure
    assert not {"benchmark.report", "benchmark.cli", "benchmark.metrics", "degradekit.imagefiles"} & closure
