"""gatelab ui in a real browser: filter, sort, pick, compare, open."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import opening, rows_of
from run_folders import Folders, write_curves
from served import TOKEN, serving

from gatelab.runs.run_notes import Notes, write_notes

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
Open = Callable[..., Any]
GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}
VALUES = {"first": [0.71, 0.75, 0.73], "second": [0.81, 0.85, 0.86]}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folders = Folders(tmp_path_factory.mktemp("ui") / "outputs")
    for name, values in VALUES.items():
        for seed, value in enumerate(values):
            settings = {"trainer.max_epochs": 9, **(GRU if name == "second" else {})}
            folders.write(seed, value, name=name, settings=settings, epochs=seed + 2)
    failed = folders.write(
        9,
        name="first",
        status="failed",
        settings={"trainer.max_epochs": 9},
        seconds=123456789012.0,
        error="RunError: <script>window.hacked=1</script>",
    )
    write_notes(failed, Notes(note="too large a learning rate", tags=["odd"]))
    write_curves(failed, {"validation/macro_f1": [0.1, 0.3, 0.2]})
    failed.error_log.write_text("Traceback\nRunError: <script>window.hacked=1</script>\n", encoding="utf-8")
    for seed in range(120):
        folders.write(seed, 0.5, name="<b>many")
    with serving(folders.output_dir) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Open]:
    with opening(browser) as open_:
        yield lambda **options: open_(f"{address}?token={TOKEN}", **options)


def shown(page: Any) -> list[tuple[str, ...]]:
    """name, status, seed and macro-F1 of the rows that are shown."""
    return [(row[1], row[3], row[6], row[9]) for row in rows_of(page, "All runs")]


def test_every_page_loads_without_a_complaint_and_asks_nobody_else(open_page: Open, address: str) -> None:
    page = open_page()
    page.locator('a[href="first/report.html"]').first.click()
    assert page.locator("h1").inner_text().startswith("first 0.7300 macro-F1 over 3 seeds")
    page.go_back()
    page.goto(f"{address}compare?name=first&name=second")
    assert page.evaluate("window.hacked") is None
    assert all(complaint.startswith(address) for complaint in page.complaints)


def test_the_table_filters_by_name_status_and_range_and_by_words(open_page: Open) -> None:
    page = open_page()
    assert len(shown(page)) == 100  # of 127, until all are asked for
    page.get_by_label("Only runs of the name").select_option("first")
    assert [row[0] for row in shown(page)] == ["first"] * 4
    page.get_by_label("Only runs with the status").select_option("failed")
    assert shown(page) == [("first", "failed", "9", "")]
    page.get_by_label("Only runs with the status").select_option("")
    page.get_by_label("macro-F1 from").fill("0.72")
    page.get_by_label("macro-F1 to").fill("0.74")
    assert [row[3] for row in shown(page)] == ["0.7300"]
    assert "1 of 127 rows" in page.locator("output").all_inner_texts()
    page.get_by_label("Only runs of the name").select_option("")
    for name in ("macro-F1 from", "macro-F1 to"):
        page.get_by_label(name).fill("")
    page.get_by_role("searchbox", name="Search All runs").fill("gruencoder")
    assert [row[0] for row in shown(page)] == ["second"] * 3
    page.get_by_label("Only runs of the name").select_option("<b>many")
    assert shown(page) == []


def test_the_table_sorts_with_runs_that_have_no_number_last(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Show all 127").click()
    heading = page.locator('table[data-name="All runs"] th', has_text="accuracy").get_by_role("button")
    heading.click()
    found = [row[10] for row in rows_of(page, "All runs")]
    values = sorted([*VALUES["first"], *VALUES["second"], *[0.5] * 120], reverse=True)
    assert found == [*(f"{value:.4f}" for value in values), ""]


def test_picked_runs_and_names_are_compared(open_page: Open) -> None:
    page = open_page()
    button = page.get_by_role("button", name="Compare selected")
    assert button.is_disabled()
    page.get_by_label("Select name first").check()
    page.get_by_label("Only runs of the name").select_option("second")
    for box in page.get_by_label("of second").all()[:2]:  # the two that started last
        box.check()
    assert page.locator(".picked").inner_text() == "1 name and 2 runs selected"
    page.get_by_label("by", exact=True).fill("name")
    button.click()
    assert "6 runs, 5 finished" in page.locator(".kicker").inner_text()
    rows = {row[0]: row for row in rows_of(page, "macro-F1")}
    assert rows["first"][3].startswith(f"{np.mean(VALUES['first']):.4f} ± {np.std(VALUES['first'], ddof=1):.4f}")
    assert rows["second"][3].startswith(f"{np.mean(VALUES['second'][1:]):.4f}")
    page.get_by_label("reference").fill("second")
    with page.expect_navigation():
        page.get_by_role("button", name="Compare again").click()
    assert rows_of(page, "macro-F1")[0][0] == "second"
    page.get_by_role("link", name="All runs").click()
    assert page.locator("h1").inner_text() == "127 runs under 3 names"


def test_all_that_are_shown_can_be_picked_at_once(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Only runs of the name").select_option("second")
    page.get_by_label("Select all of All runs that are shown").check()
    assert page.locator(".picked").inner_text() == "3 runs selected"
    page.get_by_role("button", name="Compare selected").click()
    assert page.url.partition("?")[2] == "by=&name=second"  # all of its runs, so that the address stays short
    assert "3 runs, 3 finished" in page.locator(".kicker").inner_text()


def test_without_scripts_runs_are_picked_and_compared_too(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    page.get_by_label("Select name second").check()
    page.get_by_role("button", name="Compare selected").click()
    assert page.locator("h1").inner_text().startswith("second 0.8400 macro-F1")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
@pytest.mark.parametrize("path", ["", "compare?name=first&name=second"])
def test_axe_finds_no_fault_and_the_page_is_as_wide_as_the_screen(
    path: str, scheme: str, width: int, open_page: Open, address: str
) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(address + path)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    faults = axe.Axe().run(page).response["violations"]
    assert [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in faults] == []


def test_a_page_elsewhere_can_neither_read_nor_frame_it(open_page: Open, address: str, tmp_path: Path) -> None:
    page = open_page()
    (tmp_path / "evil.html").write_text(f'<iframe src="{address}"></iframe>', encoding="utf-8")
    page.goto((tmp_path / "evil.html").as_uri())
    read = page.evaluate(f"fetch('{address}').then(answer => answer.text()).catch(() => 'refused')")
    assert read == "refused"
    assert "runs under" not in page.frames[1].content()


def test_reload_back_and_the_address_keep_searches_filters_sorts_and_picks(open_page: Open) -> None:
    page = open_page()
    assert "token" not in page.url  # nothing that is sent opens the server to others
    page.get_by_label("Only runs of the name").select_option("second")
    page.get_by_label("macro-F1 from").fill("0.82")
    page.get_by_role("searchbox", name="Search All runs").fill("reviews GRU")
    page.locator('table[data-name="Names"] th', has_text="name").get_by_role("button").click()
    accuracy = page.locator('table[data-name="All runs"] th', has_text="accuracy")
    accuracy.get_by_role("button").click()
    accuracy.get_by_role("button").click()
    page.get_by_label("Select all of All runs that are shown").check()
    page.get_by_label("Select name first").check()

    def view() -> tuple[Any, ...]:
        names = [row[1] for row in rows_of(page, "Names")]
        return shown(page), names, accuracy.get_attribute("aria-sort"), page.locator(".picked").inner_text()

    before, address = view(), page.url
    assert before == (
        [("second", "finished", "1", "0.8500"), ("second", "finished", "2", "0.8600")],
        ["<b>many", "first", "second"], "ascending", "1 name and 2 runs selected",
    )  # fmt: skip
    page.reload()
    assert view() == before
    page.get_by_role("link", name="first", exact=True).first.click()
    page.go_back()
    assert (view(), page.url) == (before, address)
    page.goto("about:blank")
    page.goto(address)
    assert view() == before
    assert page.get_by_role("searchbox", name="Search All runs").input_value() == "reviews GRU"


def test_the_skip_link_leads_to_the_content_and_keeps_the_view(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Only runs of the name").select_option("second")
    before = page.url, shown(page)
    page.locator(".skip").press("Enter")
    page.wait_for_timeout(200)  # in which it would be loaded again
    assert page.evaluate("document.activeElement.id") == "content"
    assert (page.url, shown(page)) == before


def test_a_search_finds_runs_by_choices_and_data_that_no_cell_shows(open_page: Open) -> None:
    page = open_page()
    for words, names in (("reviews.csv adam first", 4), ("first GRUEncoder", 0), ("sentiment second", 3)):
        page.get_by_role("searchbox", name="Search All runs").fill(words)
        assert len(shown(page)) == names, words


def test_the_page_of_a_run_leads_on_to_all_runs_its_sweep_and_its_files(open_page: Open, address: str) -> None:
    page = open_page()
    page.get_by_label("Only runs with the status").select_option("failed")
    page.locator('#runs td a[href$="report.html"]:visible').nth(1).click()
    run = page.url
    assert page.locator("pre.log").inner_text().startswith("Traceback\nRunError: <script>")
    for link in page.locator("#files a").all():
        assert page.request.get(f"{run.rsplit('/', 1)[0]}/{link.get_attribute('href')}").ok
    page.get_by_role("link", name="error.log").first.click()
    assert page.locator("body").inner_text().startswith("Traceback")
    page.goto(run)
    page.get_by_role("link", name="first", exact=True).click()
    assert page.url == f"{address}first/report.html"
    page.go_back()
    page.get_by_role("link", name="All runs").click()
    assert page.url == address
    assert page.evaluate("window.hacked") is None


def test_a_table_and_a_command_are_copied_as_they_stand(open_page: Open, address: str) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{address}first/report.html")
    page.get_by_role("button", name="Copy gatelab compare").click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("gatelab compare first --output-dir ")
    copied = {}
    page.get_by_label("Copy macro-F1", exact=True).click()
    for kind in ("CSV", "Markdown", "LaTeX"):
        page.get_by_role("button", name=f"Copy macro-F1 as {kind}").click()
        copied[kind] = page.evaluate("navigator.clipboard.readText()")
    heading, arm = list(csv.reader(io.StringIO(copied["CSV"])))[:2]
    assert len(heading) == len(arm)
    mean = f"{np.mean(VALUES['first']):.4f} ± {np.std(VALUES['first'], ddof=1):.4f}"
    assert arm[heading.index("mean ± sd")] == mean
    assert arm[heading.index("mean ± sd, interval")] == "[0.7100, 0.7500]"
    lines = copied["Markdown"].splitlines()
    assert {line.count("|") for line in lines} == {len(heading) + 1}
    assert f"| {mean} |" in lines[2]
    assert f"& ${mean.replace('±', chr(92) + 'pm')}$ &" in copied["LaTeX"]
    assert "& $[0.7100, 0.7500]$ &" in copied["LaTeX"]


def test_a_wrong_key_or_metric_leaves_the_form_as_it_was_and_offers_the_near_one(open_page: Open, address: str) -> None:
    page = open_page()
    page.get_by_label("Select name second").check()
    page.get_by_label("Select name first").check()
    page.get_by_label("by", exact=True).fill("nme, encodr")
    page.get_by_role("button", name="Compare selected").click()
    assert (
        page.locator(".cautions")
        .inner_text()
        .startswith("by nme: no such key in the configs of these runs. Did you mean name?")
    )
    page.get_by_role("link", name="Compare by name").click()
    assert page.get_by_label("by", exact=True).input_value() == "name,encodr"
    page.get_by_label("by", exact=True).fill("name")
    page.get_by_label("metric").fill("acuracy")
    page.get_by_role("button", name="Compare again").click()
    assert [fault["id"] for fault in axe.Axe().run(page).response["violations"]] == []
    page.get_by_role("link", name="Compare in accuracy").click()
    assert {row[0] for row in rows_of(page, "accuracy")} >= {"first", "second"}


def test_runs_are_grouped_and_columns_chosen_and_both_stay_with_a_sort_and_in_the_address(open_page: Open) -> None:
    page = open_page()
    widths = "[...document.querySelectorAll('#runs thead th')].map(cell => cell.offsetWidth)"
    page.get_by_role("searchbox", name="Search All runs").fill("failed")
    assert [row[7:10] for row in rows_of(page, "All runs")] == [["3 of 9", "0.3000", ""]]
    before = page.evaluate(widths)  # of the run that took the most seconds, too
    page.get_by_role("searchbox", name="Search All runs").fill("0.7300")
    assert [row[7:9] for row in rows_of(page, "All runs")] == [["4 of 9", "0.7300"]]
    assert page.evaluate(widths) == before  # whatever rows are shown
    page.get_by_role("searchbox", name="Search All runs").fill("reviews.csv Sentiment")
    page.get_by_label("macro-F1 from").fill("0.6")
    page.get_by_label("Group runs by").select_option("seed")
    page.locator("#runs th", has_text="accuracy").get_by_role("button").click()
    page.locator(".columns summary").click()
    page.get_by_label("seed", exact=True).uncheck()
    grouped = [row[0] if len(row) == 1 else row[9] for row in rows_of(page, "All runs")]
    assert grouped == [
        "2 · 2 runs", "0.8600", "0.7300", "1 · 2 runs", "0.8500", "0.7500", "0 · 2 runs", "0.8100", "0.7100",
    ]  # fmt: skip
    assert page.locator("#runs th", has_text="seed").is_hidden()
    page.reload()
    assert [row[0] if len(row) == 1 else row[9] for row in rows_of(page, "All runs")] == grouped
    assert page.locator("#runs th", has_text="seed").is_hidden()
    assert [fault["id"] for fault in axe.Axe().run(page).response["violations"]] == []
    page.get_by_label("Group runs by").select_option("nothing")
    assert [row[9] for row in rows_of(page, "All runs")] == sorted(
        (value for value in grouped if "runs" not in value), reverse=True
    )
    page.get_by_label("Select all of All runs that are shown").check()
    assert page.locator(".picked").inner_text() == "6 runs selected"
