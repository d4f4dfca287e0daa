"""The page of a run, used in a browser as a reader uses it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture
def page(call: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    """The open page of a run of three methods; whatever it logs or asks for is in ``heard``."""
    from playwright.sync_api import sync_playwright

    out = tmp_path / "run"
    options = ("--profile", "smoke", "--workers", "1", "--out", out)
    assert call("benchmark", "run", "--methods", "identity,median,biharmonic", *options).code == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1100, "height": 900})
        heard: list[str] = []
        opened.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: heard.append(str(error)))
        opened.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:")) else heard.append(request.url),
        )
        opened.goto((out / "report.html").as_uri())
        yield opened
        browser.close()
        assert heard == []


def test_sorting_sliding_and_zooming(page: Any) -> None:
    def column(number: int) -> list[float]:
        cells = page.locator(f"#results tbody tr td:nth-child({number})")
        return [float(value) for value in cells.evaluate_all("cells => cells.map(c => c.dataset.value)")]

    psnr = page.get_by_role("button", name="PSNR (dB)")
    psnr.click()
    first = column(2)
    assert first == sorted(first, reverse=True)
    assert len(set(first)) > 1
    psnr.click()
    assert column(2) == first[::-1]
    assert page.locator("th[aria-sort=ascending]").count() == 1

    over = page.locator("#stage .over")
    page.locator("#cut").fill("20")
    assert "80%" in over.evaluate("element => element.style.clipPath")
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20)
    assert float(page.locator("#cut").input_value()) == pytest.approx(75, abs=1)

    page.locator("#zoom").fill("4")
    scales = page.locator(".view img").evaluate_all("images => images.map(i => i.style.transform)")
    assert len(scales) > 4
    assert len(set(scales)) == 1
    assert scales[0].startswith("scale(4)")
    page.locator("#stage").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#strip img").first.evaluate("i => i.style.transform") != scales[0]

    page.locator("#left").select_option("clean")
    assert page.locator("#stage .tag.l").text_content() == "clean"
    shown = page.locator("#stage .over img").evaluate("i => i.naturalWidth")
    assert shown > 0


def test_it_fits_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
