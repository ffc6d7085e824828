"""report.html in a real browser, from file://, as a person with a mouse, a keyboard, a phone or a dark screen has it.

Debian's chromium (apt-get install chromium) is used where it is installed, else these tests are skipped.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from browsing import open_everything, opening, rows_of, watched
from numpy.typing import NDArray
from sklearn import metrics as sk

from gatelab.reports.charts.colours import fractions, palette
from gatelab.reports.charts.unit_maps import unit_maps

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
Open = Callable[..., Any]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def open_page(browser: Any, hostile_run: Path) -> Iterator[Open]:
    """open_page(**options of a browser context): the page of the hostile run; what it should not do is collected."""
    with opening(browser) as open_:
        yield lambda **options: open_((hostile_run / "report.html").as_uri(), **options)


def column(page: Any, name: str, number: int) -> list[float]:
    return [float(row[number].replace(",", "")) for row in rows_of(page, name)]


def header(page: Any, name: str, title: str) -> Any:
    return page.locator(f'table[data-name="{name}"] th', has_text=title).get_by_role("button")


def predictions(run: Path) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
    """Classes, labels (N,) and probabilities (N, K), read as a user would."""
    rows = list(csv.DictReader((run / "predictions.csv").open(encoding="utf-8", newline="")))
    classes = [name.removeprefix("probability:") for name in rows[0] if name.startswith("probability:")]
    scores = np.array([[float(row[f"probability:{name}"]) for name in classes] for row in rows])
    return classes, np.array([classes.index(row["label"]) for row in rows]), scores


def test_the_page_loads_from_its_file_alone_without_a_complaint(open_page: Open, hostile_run: Path) -> None:
    page = open_page()
    assert page.complaints == [(hostile_run / "report.html").as_uri()]
    assert page.locator("section").count() == 12
    assert "macro-F1 on 120 test rows" in page.locator("h1").inner_text()


def test_a_wide_pages_headline_has_room_for_82_characters_a_line(open_page: Open) -> None:
    """The measure of test_headlines_fit_two_lines in tests/reports/analysis/test_same_data.py."""
    words = "gru 0.8123 macro-F1 on 1,234,567 test rows, not clearly different from the linear "
    lines = """text => {
        const h1 = document.querySelector('h1');
        h1.textContent = text;
        return h1.getBoundingClientRect().height / parseFloat(getComputedStyle(h1).lineHeight);
    }"""
    page = open_page(viewport={"width": 1280, "height": 800})
    assert len(words.rstrip()) == 82 - 1
    assert page.evaluate(lines, words) < 1.5
    assert page.evaluate(lines, words * 2) < 2.5 < page.evaluate(lines, words * 3)


def test_of_a_broken_model_the_page_draws_what_is_no_number_as_nothing_without_a_complaint(
    browser: Any, broken_run: Path
) -> None:
    page = watched(browser.new_page())
    page.goto((broken_run / "report.html").as_uri())
    open_everything(page)
    assert page.complaints == [page.url]
    assert page.locator(".band").count() == page.locator(".reading").count() * 3
    assert page.locator(".band rect").count() == 0
    page.close()


def test_a_click_on_a_unit_tints_each_word_in_the_colour_of_its_state_there(open_page: Open, hostile_run: Path) -> None:
    page = open_page()
    reading = page.locator(".reading").first
    words = reading.locator(".tinted > span")
    tinted = "words => words.map(word => getComputedStyle(word).backgroundColor)"
    before = words.evaluate_all(tinted)
    gates = dict(np.load(hostile_run / "figures" / "gates" / "1.npz"))
    (shown,) = unit_maps(gates, {}, names=["l0.hidden"])
    reading.locator(".which").select_option(label="hidden, layer 1")
    image = reading.locator(".map:visible image")
    box = image.bounding_box()
    image.click(position={"x": 2, "y": box["height"] * 2.5 / len(shown.units)})  # the third unit
    page.wait_for_function("() => document.querySelector('.tinted > span').style.background")
    colours = palette(shown.colours)
    places = (fractions(shown.values[:, 2], shown.low, shown.high) * (len(colours) - 1) + 0.5).astype(int)
    after = [f"rgb({red}, {green}, {blue})" for red, green, blue in colours[places[-60:]].tolist()]
    assert words.evaluate_all(tinted) == after != before
    assert reading.locator(".keys").inner_text().startswith(f"Unit {shown.units[2]} of the hidden, layer 1")
    reading.locator(".by").select_option("0")
    assert words.evaluate_all(tinted) == before
    assert len(page.complaints) == 1


def test_hostile_texts_are_shown_and_do_nothing(open_page: Open) -> None:
    page = open_page()
    open_everything(page)
    shown = page.evaluate("document.body.textContent")
    for text in (
        "</script><script>window.hacked=1</script>",
        '"><img src=x onerror=window.hacked=1>',
        "{{ 7 * 7 }}{% raw %}",
    ):
        assert text in shown
    assert "⟨U+202E⟩gnp.exe" in shown
    assert "\u202e" not in shown
    assert "<b>bad</b>" in page.locator(".confusion").inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.scripts.length") == 1
    assert page.locator("img, iframe, b b, [onload], [onerror], [style]").count() == 0
    assert len(page.complaints) == 1


def test_what_would_slip_through_is_stopped_by_the_policy(open_page: Open) -> None:
    page = open_page()
    page.evaluate("""document.body.insertAdjacentHTML('beforeend', '<img src="x" onerror="window.hacked=1">')""")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked=1'}))"
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.hacked") is None
    assert sum("Content Security Policy" in complaint for complaint in page.complaints) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_as_wide_as_a_phone_with_everything_open(scheme: str, open_page: Open) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_table_sorts_by_a_click_and_by_the_keyboard(open_page: Open) -> None:
    page = open_page()
    name = "Least certain"
    assert column(page, name, 3) == sorted(column(page, name, 3))
    header(page, name, "probability").click()
    found = column(page, name, 3)
    assert found == sorted(found, reverse=True)
    assert page.locator(f'table[data-name="{name}"] th[aria-sort="descending"]').inner_text().startswith("probability")
    header(page, name, "tokens").focus()
    page.keyboard.press("Enter")
    tokens = column(page, name, 4)
    assert tokens == sorted(tokens, reverse=True)
    page.keyboard.press("Enter")
    assert column(page, name, 4)[0] == min(tokens[0], *column(page, name, 4))
    header(page, "By class", "class").click()
    assert rows_of(page, "By class")[0][0].startswith("'so'")


def test_a_search_leaves_the_rows_that_have_the_words(open_page: Open) -> None:
    page = open_page()
    box = page.get_by_role("searchbox", name="Search Least certain")
    assert len(rows_of(page, "Least certain")) == 10
    box.fill("a0 & JavaScript")
    found = rows_of(page, "Least certain")
    assert found
    assert all("A0 & javascript" in row[0] for row in found)
    assert page.locator("output").nth(1).inner_text() == f"{len(found)} of 100 rows"
    box.fill("no such words")
    assert rows_of(page, "Least certain") == []
    box.fill("")
    assert len(rows_of(page, "Least certain")) == 10


def test_pointing_at_a_curve_tells_what_the_files_say(open_page: Open, hostile_run: Path) -> None:
    page = open_page()
    classes, labels, scores = predictions(hostile_run)
    figure = page.locator("figure", has_text="Precision and recall")
    figure.locator(".stop").nth(50).hover()
    said = figure.locator(".said").inner_text()
    assert said.startswith("recall 0.50 · precision ")
    for k, name in enumerate(classes):
        precision, recall, _ = sk.precision_recall_curve(labels == k, scores[:, k])
        expected = precision[np.flatnonzero(recall >= 0.5)[-1]]
        assert f"{name.replace(chr(0x202E), '⟨U+202E⟩')} {expected:.4f}" in said
    figure = page.locator("figure", has_text="Loss").first
    logged = list(csv.DictReader((hostile_run / "metrics.csv").open()))
    ends = [row for row in logged if row["name"] == "validation/loss"]
    for row in ends:
        told = [
            stop
            for stop in figure.locator(".stop").all()
            if stop.get_attribute("data-tip").startswith(f"epoch {int(row['epoch']) + 1} ")
        ]
        told[0].hover()
        assert f"validation {float(row['value']):.4f}" in figure.locator(".said").inner_text()
    page.locator("h1").hover()
    assert figure.locator(".said").inner_text().startswith("Best epoch")


def test_a_tap_tells_a_value_until_the_next(open_page: Open) -> None:
    page = open_page(has_touch=True, viewport={"width": 390, "height": 844})
    figure = page.locator("figure", has_text="Calibration")
    stop = figure.locator(".stop").first
    stop.tap()
    assert figure.locator(".said").inner_text() == stop.get_attribute("data-tip")


def test_the_arrow_keys_walk_along_a_curve(open_page: Open) -> None:
    page = open_page()
    plot = page.get_by_role("slider", name="Calibration")
    plot.focus()
    stops = plot.locator(".stop")
    page.keyboard.press("ArrowRight")
    first = plot.get_attribute("aria-valuetext")
    assert first == stops.first.get_attribute("data-tip")
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuetext") == stops.last.get_attribute("data-tip")
    assert plot.get_attribute("aria-valuenow") == str(stops.count() - 1)
    page.keyboard.press("ArrowLeft")
    assert plot.get_attribute("aria-valuetext") == stops.nth(stops.count() - 2).get_attribute("data-tip")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_axe_finds_no_fault_in_either_scheme(scheme: str, width: int, open_page: Open) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 26)"}[scheme]
    open_everything(page)
    faults = axe.Axe().run(page).response["violations"]
    assert [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in faults] == []


def test_print_is_light_and_has_what_can_be_read_on_paper_alone(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--paper')").strip() == "#ffffff"
    assert not page.locator("nav").is_visible()
    assert not page.get_by_role("searchbox").first.is_visible()
    assert page.locator(".answer").is_visible()


def test_a_figure_is_copied_and_saved_as_svg_with_its_title_legend_and_colours(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    name = "Precision and recall, each class against the rest"
    figure = page.locator("figure", has_text=name)
    page.get_by_label(f"Copy figure {name}").click()
    page.get_by_role("button", name=f"Copy {name} as SVG").click()
    page.locator("button", has_text="Copied").wait_for()
    drawn = ElementTree.fromstring(page.evaluate("navigator.clipboard.readText()"))
    legend = [item.strip() for item in figure.locator(".legend li").all_inner_texts()]
    names = {*legend, name, "recall", "precision"}
    assert names <= {text.text for text in drawn.iter(f"{SVG}text")}
    lines = figure.locator("svg polyline.line").evaluate_all(
        "lines => lines.map(line => [getComputedStyle(line).stroke, line.getAttribute('points')])"
    )
    alone = [[line.get("stroke"), line.get("points")] for line in drawn.iter(f"{SVG}polyline")]
    assert alone == lines
    assert len({stroke for stroke, _ in alone}) > 1
    assert not [node for node in drawn.iter() if node.get("class") or "var(" in str(node.attrib)]
    with page.expect_download() as saved:
        page.get_by_role("button", name=f"Save {name} as SVG").click()
    assert saved.value.suggested_filename == "precision_and_recall_each_class_against_the_rest.svg"
    assert ElementTree.parse(saved.value.path()).getroot().attrib == drawn.attrib
    assert [said for said in page.complaints[1:] if not said.startswith("blob:")] == []


def test_without_scripts_all_rows_are_there(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    rows = page.locator('table[data-name="Least certain"] tbody tr')
    assert rows.count() == 100
    assert rows.last.is_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_only_what_scrolls_is_a_tab_stop_and_what_goes_on_to_the_right_fades_until_it_is_reached(
    width: int, open_page: Open
) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    open_everything(page)
    page.wait_for_timeout(100)  # for the observers of sizes
    found = page.evaluate(
        """() => [...document.querySelectorAll(".wide")].filter(wide => wide.clientWidth).map(wide => ({
            across: wide.scrollWidth - wide.clientWidth > 1, down: wide.scrollHeight - wide.clientHeight > 1,
            stop: wide.tabIndex === 0, fades: getComputedStyle(wide).maskImage !== "none"}))"""
    )
    assert [one["stop"] for one in found] == [one["across"] or one["down"] for one in found]
    assert [one["fades"] for one in found] == [one["across"] for one in found]
    assert {one["across"] for one in found} == {True, False}
    page.evaluate('() => { for (const wide of document.querySelectorAll(".wide")) wide.scrollLeft = 99999 }')
    page.wait_for_timeout(100)
    assert page.locator(".wide.more-right").count() == 0


def test_the_first_tab_stop_skips_to_the_content(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    assert link.evaluate("link => link === document.activeElement && link.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
