"""The box for a text of one's own in a real browser."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browsing import opening
from run_folders import Folders
from served import TOKEN, serving

from gatelab.commands import ui
from gatelab.commands.predict import predictor_of
from gatelab.runs.folder import RunFolder

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=20_000)  # milliseconds, where other tests run at the same time
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def address(live_folders: Folders) -> Iterator[str]:
    with serving(live_folders.output_dir) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Open]:
    with opening(browser) as open_:
        yield lambda place, **options: open_(f"{address}{place}/report.html?token={TOKEN}", **options)


def wait_for_words(page: Any, text: str) -> None:
    """Until the answer is of this text."""
    expect(page.locator("#own .tinted > span")).to_have_text(text.split())


def test_the_answer_follows_the_text_and_one_that_comes_late_is_dropped(open_page: Open, address: str) -> None:
    page = open_page("classes/aaaaaaaaaa")
    assert not any("/load" in asked or "/read" in asked for asked in page.complaints)  # until somebody types

    box = page.get_by_label("Type or paste a text")
    box.fill("great")
    wait_for_words(page, "great")
    seen: list[list[str]] = []
    page.expose_function("seen", lambda answered, typed: seen.append([answered, typed]))
    page.evaluate(
        """() => {
            const own = document.querySelector("#own"), ask = fetch;
            let isLate = true;
            window.fetch = async (...question) => {
                const answer = await ask(...question);
                if (isLate) await new Promise(resolve => setTimeout(resolve, 300));
                isLate = false;
                return answer;
            };
            const words = () => [...own.querySelectorAll(".tinted > span")].map(word => word.innerText).join(" ");
            new MutationObserver(() => seen(words(), own.querySelector("textarea").value)).observe(own.querySelector(".answer-of-model"), { childList: true });
        }"""
    )
    box.fill("awful")
    box.press_sequentially(" film", delay=5)
    wait_for_words(page, "awful film")
    assert len(seen) >= 1
    assert all(answered == typed.strip() for answered, typed in seen)
    assert page.locator("#own .answers tbody tr").count() == 3
    assert all(complaint.startswith(address) for complaint in page.complaints)


def test_the_chosen_unit_map_and_the_open_values_stay_while_one_types(open_page: Open) -> None:
    page = open_page("classes/aaaaaaaaaa")
    box, own = page.get_by_label("Type or paste a text"), page.locator("#own")
    box.fill("a sad one")
    wait_for_words(page, "a sad one")
    own.locator("select.which").select_option("2")
    own.locator("select.unit").select_option("3")
    own.locator("details.values").evaluate("part => { part.open = true; }")
    box.fill("a sad one too")
    wait_for_words(page, "a sad one too")
    kept = {name: own.locator(f"select.{name}").input_value() for name in ("which", "unit", "by")}
    assert kept == {"which": "2", "unit": "3", "by": "unit"}
    assert own.locator("details.values").evaluate("part => part.open")
    assert own.locator(".map:visible").count() == 1
    assert own.locator(".tinted > span").first.get_attribute("style").startswith("background: rgb(")
    box.fill("")
    expect(page.locator(".answer-of-model > *")).to_have_count(0)


def test_what_is_wrong_is_said_in_the_page_and_the_next_text_is_answered(open_page: Open) -> None:
    page = open_page("classes/aaaaaaaaaa")
    box, told = page.get_by_label("Type or paste a text"), page.locator("#own output")
    page.route("**/read?*", lambda route: route.fulfill(status=400, body="The text is odd."), times=1)
    box.fill("odd")
    expect(told).to_have_text("The text is odd.")
    page.route("**/read?*", lambda route: route.abort(), times=1)
    box.fill("fine film")
    expect(told).to_contain_text("does not answer any more")
    box.fill("fine")
    wait_for_words(page, "fine")
    expect(told).to_have_text("")


class Slow:
    """A language model that writes without end, 50 letters a second."""

    def __init__(self, folder: RunFolder) -> None:
        self.read_gates = predictor_of(folder, ()).read_gates

    def continued(self, text: str, **settings: Any) -> Iterator[str]:
        while True:
            time.sleep(0.02)
            yield "a"


def test_a_language_model_goes_on_until_it_is_stopped(
    browser: Any, live_folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "open_model", lambda allowed, folder: Slow(folder))
    with serving(live_folders.output_dir) as port:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/language/bbbbbbbbbb/report.html?token={TOKEN}")
        box = page.get_by_label("A beginning")
        box.fill("bad ")
        page.get_by_role("button", name="Let it go on").click()
        expect(box).to_have_value(re.compile("bad aa+"))
        page.get_by_role("button", name="Stop").click()
        expect(box).to_be_editable()
        expect(page.locator("#own .answers tbody tr")).to_have_count(5)  # what it expects after what it has written
        assert len(box.input_value()) < 500
        page.close()


@pytest.mark.parametrize(
    ("place", "scheme", "width"), [("classes/aaaaaaaaaa", "dark", 390), ("language/bbbbbbbbbb", "light", 1200)]
)
def test_axe_finds_no_fault_in_the_box_and_it_is_as_wide_as_the_screen(
    place: str, scheme: str, width: int, open_page: Open
) -> None:
    page = open_page(place, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.locator("#own-text").fill("fad bad")
    page.wait_for_selector("#own .answers")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    faults = axe.Axe().run(page, context="#own").response["violations"]
    assert [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in faults] == []
