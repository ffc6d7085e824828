"""The index, the page and the sweep of a run of every kind in a real browser, with Back and reload."""

import csv
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browsing import open_everything, opening, rows_of
from served import TOKEN, serving

from gatelab.commands.train import compose
from gatelab.runs.folder import RunFolder
from gatelab.training.run import train

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=20_000)  # milliseconds, where other tests run at the same time
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
ROWS = ["data=csv", "data.path=rows.csv", "data.text=text", "data.split.test=0.3", "data.batch_size=16"]
# Of each kind what trains it, and what its box answers to a text: the name of the table, and how many rows that has.
KINDS: dict[str, tuple[list[str], tuple[str, int] | None]] = {
    "two": (["data.num_rows=120"], ("Probability of each class", 2)),
    "five": (["data.label=stars", *ROWS], ("Probability of each class", 5)),
    "labels": (["model=multi_label", "data.label=tags", *ROWS], ("Probability of each class", 3)),
    "number": (["model=regressor", "data.label=points", *ROWS], ("", 0)),
    "language": (["model=language_model", "data=text", "tokenizer=char", "data.window=16", "data.num_sentences=40"], ("What it expects next", 5)),
    "synthetic": (["data=adding", "data.length=6", "data.test_lengths=[9,12]", "data.num_sequences=32", "data.num_validation=16", "data.num_test=16"], None),
    "diverged": (["data.num_rows=120", "optimizer=sgd", "optimizer.lr=1e30"], ("Probability of each class", 2)),
    "running": ([], None),
    "failed": ([], None),
}  # fmt: skip
QUICK = ["encoder=gated", "encoder.hidden_size=4", "trainer=cpu", "trainer.max_epochs=2", "tracker=none", "report=false", "checkpoint_minutes=0"]  # fmt: skip


def write_rows(file: Path) -> None:
    """Texts with one of five classes, up to three labels, and a number."""
    choice = random.Random(5)
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "stars", "tags", "points"])
        for row in range(150):
            words = choice.choices(["good", "bad", "room", "food", "late", "film"], k=choice.randint(3, 9))
            tags = [tag for tag in ("room", "food", "film") if tag in words]
            writer.writerow(
                [f"{' '.join(words)} {row}", f"{row % 5 + 1} stars", "|".join(tags), 10 * words.count("good") + 1]
            )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Iterator[dict[str, RunFolder]]:
    folder = tmp_path_factory.mktemp("kinds")
    write_rows(folder / "rows.csv")
    runs: dict[str, RunFolder] = {}
    for name, (settings, _) in KINDS.items():
        if settings:
            words = [word.replace("rows.csv", str(folder / "rows.csv")) for word in settings]
            words += [] if name == "synthetic" else [f"data.cache_dir={cache_dir}"]
            runs[name], _ = train(compose([*QUICK, *words, f"name={name}", f"output_dir={folder / 'outputs'}"]))
    for name in ("running", "failed"):
        place = folder / "outputs" / name / runs["five"].path.name
        place.mkdir(parents=True)
        for file in ("run.json", "config.yaml", "metrics.csv"):
            shutil.copy(runs["five"].path / file, place)
        runs[name] = RunFolder(place)
        runs[name].update(status=name, name=name, metrics=None, baselines={})
    runs["failed"].update(error="RunError: the disk <b>is</b> full")
    runs["failed"].error_log.write_text("Traceback\nRunError: the disk <b>is</b> full\n", encoding="utf-8")
    with ExitStack() as stack:
        stack.enter_context(runs["running"].locked())
        yield runs


@pytest.fixture(scope="module")
def address(runs: dict[str, RunFolder]) -> Iterator[str]:
    with serving(runs["two"].path.parents[1]) as port:
        yield f"http://127.0.0.1:{port}/"


def faults_of(page: Any) -> list[Any]:
    found = axe.Axe().run(page).response["violations"]
    return [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in found]


LONG = ("two", "five", "number", "diverged")  # whose pages have nothing of their own that another's have not


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.long if kind in LONG else ()) for kind in KINDS])
def test_its_pages_open_go_back_and_reload_without_a_complaint_or_a_fault_for_axe(
    kind: str, browser: Any, address: str, runs: dict[str, RunFolder]
) -> None:
    run = f"{kind}/{runs[kind].path.name}/report.html"
    with opening(browser) as open_:
        page = open_(f"{address}?token={TOKEN}")
        page.get_by_label("Only runs of the name").select_option(kind)
        ((_, name, _, status, *_),) = rows_of(page, "All runs")
        assert (name, status.split()[0]) == (kind, kind if kind in ("running", "failed") else "finished")
        page.locator(f'a[href="{run}"]:visible').first.click()
        assert page.url == address + run
        heading = page.locator("h1").inner_text()
        answer = KINDS[kind][1]
        assert (page.locator("#own").count() == 1) == (answer is not None)
        if answer:
            page.locator("#own textarea").fill("good film")
            expect(page.locator("#own .tinted > span").first).to_be_visible()
            table, num_rows = answer
            assert page.locator(f'#own table[aria-label="{table}"] tbody tr').count() == num_rows
        open_everything(page)
        assert faults_of(page) == []
        page.reload()
        assert page.locator("h1").inner_text() == heading
        page.locator('header a[href="../report.html"]').first.click()
        assert page.url == f"{address}{kind}/report.html"
        if kind in ("five", "failed"):  # whose pages are the longest and the shortest; axe takes most of the time
            open_everything(page)
            assert faults_of(page) == []
        page.go_back()
        assert page.locator("h1").inner_text() == heading
        page.go_back()
        assert [row[1] for row in rows_of(page, "All runs")] == [kind]
        assert [said for said in page.complaints if not said.startswith(address)] == []
