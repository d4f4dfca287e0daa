"""The page of a study, used in a browser as a participant uses it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from studyruns import study_run

from benchmark import blinding, study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of a study of two photographs and three methods; errors and requests fail the test."""
    from playwright.sync_api import sync_playwright

    chosen = study.choose(study_run(tmp_path / "run"), photographs=2)
    blinding.write(chosen, tmp_path / "study.html")
    heard: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def open_page(**context: Any) -> Any:
            page = browser.new_page(**context)
            page.on(
                "console", lambda message: heard.append(message.text) if message.type == "error" else None
            )
            page.on("pageerror", lambda error: heard.append(str(error)))
            page.on(
                "request",
                lambda request: (
                    None if request.url.startswith(("file:", "data:", "blob:")) else heard.append(request.url)
                ),
            )
            page.goto((tmp_path / "study.html").as_uri())
            return page

        yield open_page
        browser.close()
    assert heard == []


@pytest.fixture
def page(opened: Callable[..., Any]) -> Any:
    """The page on a desk."""
    return opened(viewport={"width": 1100, "height": 800})


def _order(page: Any) -> str:
    """The letters in the bar, best first."""
    return "".join(page.locator("#order .tile span").all_text_contents())


def _drag(page: Any, what: Any, place: int) -> None:
    start, end = what.bounding_box(), page.locator("#order li").nth(place).bounding_box()
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 20, steps=6)
    page.mouse.up()


def _tokens(page: Any) -> dict[str, str]:
    """Letter -> token, of the photograph that is shown."""
    cards = page.locator(".card:not(.reference)")
    found = cards.evaluate_all("cards => cards.map(c => [c.querySelector('b').textContent, c.dataset.token])")
    return dict(found)


def test_a_participant_ranks_reloads_and_saves(
    page: Any, call: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.get_by_role("button", name="Begin").click()
    assert page.locator("#progress").text_content() == "Photograph 1 of 2"
    assert page.locator("#next").is_disabled()

    # By the keyboard alone.
    for letter in "CAB":
        page.locator(f'.choose[aria-label^="Choose {letter} "]').focus()
        page.keyboard.press("Enter")
    assert _order(page) == "CAB"
    page.get_by_role("button", name="B: one place better").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert _order(page) == "BCA"
    page.get_by_role("button", name="Undo").press("Enter")
    assert _order(page) == "CBA"
    expected = {page.evaluate("current().trial"): [_tokens(page)[letter] for letter in "CBA"]}
    page.get_by_role("button", name="Next").press("Enter")
    assert page.evaluate("document.activeElement.id") == "progress"

    # By mouse: pictures into the bar, and within it.
    assert page.locator("#progress").text_content() == "Photograph 2 of 2"
    page.get_by_role("button", name="Choose A as 1st").click()
    _drag(page, page.locator(".card:not(.reference) .see").nth(2), 0)
    assert _order(page) == "CA"
    assert not page.locator("#large").is_visible()
    page.get_by_role("button", name="Choose B as 3rd").click()
    _drag(page, page.locator("#order .tile").nth(0), 2)
    assert _order(page) == "ABC"
    page.get_by_role("button", name="B is 2nd: take it out").click()
    assert _order(page) == "AC"

    letters, looked = _tokens(page), page.evaluate("state.participant")
    page.reload()
    assert page.locator("#progress").text_content() == "Photograph 2 of 2"
    assert (_order(page), _tokens(page), page.evaluate("state.participant")) == ("AC", letters, looked)
    page.get_by_role("button", name="Back").click()
    assert _order(page) == "CBA"
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Choose B as 3rd").click()
    expected[page.evaluate("current().trial")] = [_tokens(page)[letter] for letter in "ACB"]
    page.get_by_role("button", name="Finish").click()

    with page.expect_download() as saving:
        page.get_by_role("link", name="Save my answers").click()
    path = tmp_path / saving.value.suggested_filename
    saving.value.save_as(path)
    saved = json.loads(path.read_text())
    assert {trial["trial"]: trial["ranking"] for trial in saved["trials"]} == expected
    assert all(trial["seconds"] > 0 for trial in saved["trials"])
    assert saved["started"] < saved["finished"]
    assert json.loads(page.locator("#text").input_value()) == saved
    done = call("benchmark", "study-report", tmp_path / "study-key.json", path, "--json")
    assert done.code == 0, done.err
    numbers = json.loads(done.out)
    assert (numbers["participants"], numbers["photographs"]) == (1, 2)

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Start anew").click()
    assert page.get_by_role("button", name="Begin").is_visible()
    assert page.evaluate("state.participant") != looked


def test_enlarged_pictures_keep_size_and_place(page: Any) -> None:
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="Restoration B: enlarge").click()
    shown = page.locator("#shown")
    assert shown.get_attribute("alt") == "Restoration B"
    fitted = shown.evaluate("image => image.style.transform")
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert page.locator("#scales [aria-pressed=true]").text_content() == "200 %"
    page.keyboard.press("Shift+ArrowRight")
    placed = shown.evaluate("image => image.style.transform")
    assert placed != fitted
    assert placed.startswith("scale(2)")
    source = shown.get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert shown.get_attribute("alt") == "Restoration C"
    assert shown.get_attribute("src") != source
    assert shown.evaluate("image => image.style.transform") == placed
    page.locator("#pick").click()
    page.get_by_role("button", name="Close").click()
    assert _order(page) == "C"
    assert not page.locator("#large").is_visible()


def test_every_participant_has_an_order_of_their_own(page: Any) -> None:
    orders = page.evaluate("Array.from({length: 40}, () => JSON.stringify(fresh().trials.map(t => t.shown)))")
    # Two orders of the photographs times six of each one's outputs.
    assert len(set(orders)) > 20


def test_all_is_in_sight_and_it_fits_a_phone(page: Any) -> None:
    page.get_by_role("button", name="Begin").click()
    assert page.evaluate("document.documentElement.scrollHeight") <= 800
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".see").first.click()
    close = page.get_by_role("button", name="Close").bounding_box()
    assert close["x"] + close["width"] <= 390


def test_by_touch(opened: Callable[..., Any]) -> None:
    from playwright.sync_api import expect

    page = opened(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Begin").tap()
    for letter in "ABC":
        page.locator(f'.choose[aria-label^="Choose {letter} "]').tap()
    start = page.locator("#order .tile").nth(0).bounding_box()
    end = page.locator("#order li").nth(2).bounding_box()
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, share: float | None) -> None:
        x = start["x"] + 20 + (share or 0) * (end["x"] - start["x"])
        points = [] if share is None else [{"x": x, "y": start["y"] + 20}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0)
    for step in range(1, 7):
        touch("touchMove", step / 6)
    # Lifted in full swing, a finger throws the page, and Chromium takes the next tap as a stop.
    page.wait_for_timeout(300)
    touch("touchEnd", None)
    expect(page.locator("#order .tile span")).to_have_text(["B", "C", "A"])
    page.locator(".see").first.tap()
    page.locator("#large").wait_for(state="visible")
    page.get_by_role("button", name="Close").tap()
    page.get_by_role("button", name="Next").tap()
    assert page.locator("#progress").text_content() == "Photograph 2 of 2"
