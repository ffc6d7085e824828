"""Pages of gatelab ui that are open follow their runs, and leave the reader where he is."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import rows_of, watched
from run_folders import Folders, write_curves
from served import TOKEN, ask, serving

from gatelab.runs.folder import RunFolder, all_runs

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=20_000)  # milliseconds, where other tests run at the same time
Open = Callable[[str], Any]
MANY = 40


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    """A sweep of five jobs: one finished, one at work, three to come; and others before it."""
    folders = Folders(tmp_path / "outputs")
    for seed in range(MANY):
        folders.write(seed, 0.5, name="old")
    folders.write(1, 0.8, job=0, jobs=5, seconds=30.0)
    running = folders.write(2, status="running", job=1, jobs=5, settings={"trainer.max_epochs": 4})
    write_curves(running, {"validation/macro_f1": [0.1], "validation/loss": [1.0]})
    with running.locked():
        yield folders


@pytest.fixture
def port(folders: Folders) -> Iterator[int]:
    with serving(folders.output_dir) as port:
        yield port


@pytest.fixture
def open_page(browser: Any, port: int) -> Iterator[Open]:
    context = browser.new_context(viewport={"width": 1200, "height": 700})

    def open_(path: str) -> Any:
        page = watched(context.new_page())
        page.clock.install()
        page.goto(f"http://127.0.0.1:{port}/{path}?token={TOKEN}")
        page.evaluate("window.isSamePage = true")
        return page

    yield open_
    context.close()


def running_of(folders: Folders) -> RunFolder:
    return next(folder for folder in all_runs(folders.output_dir, "sweep") if folder.record.status == "running")


def test_the_table_of_all_runs_moves_and_leaves_picks_searches_and_the_place(open_page: Open, folders: Folders) -> None:
    page, running = open_page(""), running_of(folders)
    row = page.locator(f'tr:has(input[value="sweep/{running.path.name}"])')
    expect(row.locator(".progress")).to_contain_text("epoch 2 of 4 · best validation macro-F1 0.1000")
    assert "written 20" in page.locator(".kicker").inner_text()
    row.get_by_role("checkbox").check()
    page.get_by_role("searchbox", name="Search All runs").fill("sweep")
    page.get_by_role("searchbox", name="Search All runs").focus()
    place = page.evaluate("(scrollTo(0, 30), scrollY)")
    assert place > 0
    new = folders.write(3, 0.9)
    write_curves(running, {"validation/macro_f1": [0.1, 0.2], "validation/loss": [1.0, 0.9]})
    expect(row.locator(".progress")).to_contain_text("epoch 3 of 4 · best validation macro-F1 0.2000")
    assert row.locator("progress").get_attribute("value") == "2.0"
    assert rows_of(page, "All runs")[0][2] == new.path.name  # the latest
    assert len(rows_of(page, "All runs")) == 3
    assert row.get_by_role("checkbox").is_checked()
    assert page.evaluate("[document.activeElement.type, scrollY, window.isSamePage]") == ["search", place, True]
    expect(page.locator("h1")).to_contain_text(f"{MANY + 3} runs")
    running.update(status="failed", error="RunError: no")
    expect(row.locator(".status")).to_have_text("failed")
    assert row.locator("progress").count() == 0
    page.get_by_label("Group runs by").select_option("status")
    page.get_by_label("Only runs with the status").select_option("finished")
    expect(page.locator("#runs .group")).to_have_text("finished · 2 runs")
    folders.write(4, 0.7)
    page.clock.fast_forward(10_000)  # how long it waits where nothing runs
    expect(page.locator("#runs .group")).to_have_text("finished · 3 runs")
    assert [each for each in page.complaints if "http" not in each] == []


def test_a_sweep_says_how_many_jobs_wait_and_moves(open_page: Open, folders: Folders) -> None:
    page, running = open_page("sweep/report.html"), running_of(folders)
    expect(page.locator("header .progress")).to_contain_text("1 running, 3 waiting, 1 of 5 ended")
    assert "written 20" in page.locator("header .progress").inner_text()
    page.get_by_role("group", name="All runs").get_by_role("button", name="status").click()
    page.locator("#learning details").first.evaluate("part => { part.open = true; }")
    running.update(status="finished", metrics={"accuracy": 0.7, "macro_f1": 0.7})
    expect(page.locator("header .progress")).to_have_count(0)
    expect(page.locator(".kicker")).to_contain_text("2 runs, 2 finished")
    assert page.locator("#runs th[aria-sort]").inner_text().startswith("status")
    assert page.evaluate("window.isSamePage")


def test_the_page_of_a_run_moves_under_the_reader_and_ends_with_the_box(
    open_page: Open, folders: Folders, hostile_run: Path
) -> None:
    run = RunFolder(shutil.copytree(hostile_run, folders.output_dir / "real" / hostile_run.name))
    predictions = run.predictions.read_bytes()
    run.predictions.unlink()
    run.update(status="running")
    with run.locked():
        page = open_page(f"real/{run.path.name}/report.html")
        expect(page.locator("header .progress")).to_contain_text("epoch 3 of 3")
        assert page.locator("#own").count() == 0
        page.locator("#learning details").first.evaluate("part => { part.open = true; }")
        page.locator("#learning .plot").first.focus()
        page.keyboard.press("End")
        page.locator("#data").evaluate("part => part.scrollIntoView()")
        top = page.locator("#data").bounding_box()["y"]
        before = page.locator("#learning .stop").count()
        with open(run.metrics, "a", encoding="utf-8") as stream:
            stream.write("3,200,validation/macro_f1,0.5\n3,200,validation/loss,0.5\n")
        expect(page.locator("#learning .stop")).not_to_have_count(before)
        assert page.locator("#learning details").first.evaluate("part => part.open")
        assert page.evaluate("document.activeElement === document.querySelector('#learning .plot')")
        assert page.locator("#learning .stop.at").count() == 1
        assert page.locator("#data").bounding_box()["y"] == pytest.approx(top, abs=2)
    run.predictions.write_bytes(predictions)
    run.update(status="finished")
    page.locator("#own-text").fill("great")
    expect(page.locator("#own .answers tbody tr")).to_have_count(3, timeout=60_000)
    assert page.locator("#confusion h2").inner_text() == "Confusion matrix"
    assert page.evaluate("window.isSamePage")
    assert [each for each in page.complaints if "http" not in each] == []


def test_a_page_that_has_not_changed_is_not_sent_again(port: int) -> None:
    for path in ("/", "/sweep/report.html"):
        tag = ask(port, path).headers["ETag"]
        again = ask(port, path, If_None_Match=tag)
        assert (again.status, again.body) == (304, "")


def test_a_page_says_when_its_server_is_gone(browser: Any, folders: Folders) -> None:
    page = browser.new_page()
    with serving(folders.output_dir) as port:
        page.goto(f"http://127.0.0.1:{port}/?token={TOKEN}")
    page.route("**/*", lambda route: route.abort())
    expect(page.locator(".unanswered")).to_contain_text("gatelab ui does not answer any more")
    page.close()
