from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmark import method
from degradekit.errors import OptionError

HEAD = "from benchmark.method import Declaration\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """``package(module, text)`` adds a module to a package that is searched for methods."""
    name = f"methods_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(method, "PACKAGES", (name,))

    def add(module: str, text: str) -> None:
        (tmp_path / name / f"{module}.py").write_text(text)
        importlib.invalidate_caches()

    return add


def test_a_module_with_a_declaration_is_a_method(package: Callable[[str, str], None]) -> None:
    package("one", HEAD + "METHOD = Declaration('first', 's', lambda setting: None)")
    package("two", HEAD + "METHODS = tuple(Declaration(n, 's', lambda setting: None) for n in ('b', 'c'))")
    package("layers", "SIZE = 3")
    assert method.names() == ("b", "c", "first")
    assert method.find("first").summary == "s"
    with pytest.raises(OptionError, match="unknown method 'frist'; did you mean 'first'"):
        method.find("frist")


def test_a_module_that_cannot_be_imported_is_a_method_that_cannot_run(
    package: Callable[[str, str], None],
) -> None:
    package("fine", HEAD + "METHOD = Declaration('fine', 's', lambda setting: None)")
    package("needy", "import a_package_nobody_has")
    assert method.names() == ("fine", "needy")
    reason = method.find("needy").unavailable()
    assert reason is not None
    assert "No module named 'a_package_nobody_has'" in reason


def test_two_methods_of_one_name(package: Callable[[str, str], None]) -> None:
    package("one", HEAD + "METHOD = Declaration('same', 's', lambda setting: None)")
    package("two", HEAD + "METHOD = Declaration('same', 's', lambda setting: None)")
    with pytest.raises(OptionError, match=r"two methods are called 'same': .*one and .*two"):
        method.names()


def test_another_package_offers_a_method(
    package: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [
        EntryPoint("pix2pix", "baselines.pix2pix:METHOD", method.ENTRY_POINTS),
        EntryPoint("gone", "a_package_nobody_has:METHOD", method.ENTRY_POINTS),
    ]

    def entry_points(group: str) -> list[EntryPoint]:
        assert group == "degradekit.methods"
        return points

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    assert method.names() == ("gone", "pix2pix")
    assert method.find("pix2pix").module == "baselines.pix2pix"
    assert method.find("gone").unavailable() is not None
