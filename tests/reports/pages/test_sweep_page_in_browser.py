"""The page of a sweep in a real browser, from file://; the numbers are held against the run folders."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import open_everything, opening, rows_of
from run_folders import Folders, write_curves, write_rows, write_texts

from gatelab.reports.pages.sweep_page import write_sweep
from gatelab.runs.folder import all_runs

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
Open = Callable[..., Any]
RATES = (0.001, 0.01, 0.1)
SIZES = (16, 64)
SEEDS = (1, 2, 3)
EVIL = "</script><script>window.hacked=1</script>\u202e"
LINES = 40


def accuracy(rate: float, size: int, seed: int) -> float:
    return round(0.7 + 0.03 * np.log10(rate) + 0.001 * size + 0.007 * seed, 6)


def scores(rate: float, size: int, seed: int) -> list[float]:
    return [accuracy(rate, size, seed) - 0.1 / epoch for epoch in range(1, 6)]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 2 sizes × 3 rates × 3 seeds and a failed run."""
    folders = Folders(tmp_path_factory.mktemp("sweep") / "outputs")
    random = np.random.default_rng(8)
    for rate in RATES:
        for size in SIZES:
            for seed in SEEDS:
                value = accuracy(rate, size, seed)
                settings = {"optimizer.lr": rate, "encoder.hidden_size": size, "experiment.question": EVIL}
                baselines = {
                    "linear": {"accuracy": 0.7, "macro_f1": 0.69},
                    "majority": {"accuracy": 0.5, "macro_f1": 0.4},
                }
                folder = folders.write(seed, value, settings=settings, baselines=baselines, seconds=100 * value)
                curve = scores(rate, size, seed)
                write_curves(folder, {"train/loss": [1 - v for v in curve], "validation/loss": [1 - v for v in curve], "validation/macro_f1": curve})  # fmt: skip
                write_rows(folder, {n: ("pos", "pos" if random.random() < value else EVIL) for n in range(LINES)})
                write_texts(folder, {n: f"text {n} {EVIL}" for n in range(0, LINES, 2)})
                folder.report.write_text(f"<title>{folder.path.name}</title>", encoding="utf-8")
    folders.write(
        9, status="failed", error=f"RunError: {EVIL}", settings={"optimizer.lr": 0.1, "encoder.hidden_size": 64}
    )
    page, *_ = write_sweep(all_runs(folders.output_dir))
    return page


@pytest.fixture
def open_page(browser: Any, sweep: Path) -> Iterator[Open]:
    """open_page(**options of a browser context): the page; what it should not do is collected."""
    with opening(browser) as open_:
        yield lambda **options: open_(sweep.as_uri(), **options)


def arm(rate: float, size: int) -> str:
    return f"hidden_size={size} lr={rate:g}"


def test_the_page_loads_from_its_file_alone_without_a_complaint(open_page: Open, sweep: Path) -> None:
    page = open_page()
    open_everything(page)
    assert page.complaints == [sweep.as_uri()]
    assert page.evaluate("window.hacked") is None
    assert page.locator("section").count() == 7
    assert "⟨U+202E⟩" in page.locator(".question").inner_text()


def test_a_dot_tells_its_seed_and_value_and_opens_its_run(open_page: Open, sweep: Path) -> None:
    page = open_page()
    for folder in all_runs(sweep.parents[1])[:3]:
        record = folder.record
        figure = page.locator("figure.strip").nth(1)
        dot = figure.locator(f'a.seed[href="{folder.path.name}/report.html"]')
        dot.hover()
        said = figure.locator(".said").inner_text()
        assert f"seed {record.seed} · accuracy {record.numbers()['accuracy']:.4f} · run {folder.path.name}" in said
    page.locator("h1").hover()
    assert figure.locator(".said").inner_text().startswith("Each dot is a run")
    dot.click()
    page.wait_for_load_state()
    assert page.title() == folder.path.name


def test_a_strip_plot_is_one_stop_for_the_tab_key_and_the_arrows_move_between_its_runs(open_page: Open) -> None:
    page = open_page()
    figure = page.locator("figure.strip").first
    assert figure.locator('.seed[tabindex="0"]').count() == 1
    figure.locator(".seed").first.focus()
    values = []
    for _ in SEEDS:
        values.append(float(figure.locator(".said").inner_text().split("macro-F1 ")[1].split(" ")[0]))
        page.keyboard.press("ArrowRight")
    assert values == sorted(values)
    before = figure.locator(".said").inner_text().split(" · ")[0]
    page.keyboard.press("ArrowDown")
    assert figure.locator(".said").inner_text().split(" · ")[0] != before
    assert figure.locator('.seed[tabindex="0"]').count() == 1


def test_pointing_at_the_curves_tells_the_mean_and_range_of_the_arms_that_are_shown(open_page: Open) -> None:
    page = open_page()
    figure = page.locator("figure", has_text="Validation macro-F1").last
    button = page.locator(".toggles").get_by_role("button", name=arm(0.1, 64), exact=True)
    assert button.get_attribute("aria-pressed") == "true"
    values = [scores(0.1, 64, seed)[2] for seed in SEEDS]
    told = f"{arm(0.1, 64)} {np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"
    figure.locator(".stop").nth(2).hover()
    assert figure.locator(".said").inner_text().startswith("epoch 3 · ")
    assert told in figure.locator(".said").inner_text()
    button.click()
    figure.locator(".stop").nth(2).hover()
    assert told not in figure.locator(".said").inner_text()
    assert button.get_attribute("aria-pressed") == "false"
    lines = figure.locator("polyline.line")
    assert [line.is_visible() for line in lines.all()].count(False) == 1
    plot = page.get_by_role("slider", name="Validation macro-F1")
    plot.focus()
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuetext").startswith("epoch 5 · ")


def parallel(page: Any) -> tuple[int, str]:
    """How many lines are shown, and what is said of them."""
    lines = page.locator(".parallel .run")
    return page.locator(
        ".parallel .run:not(.out)"
    ).count(), f"of {lines.count()} | {page.locator('.parallel output').inner_text()}"


def test_an_axis_is_narrowed_by_the_arrow_keys_and_by_dragging(open_page: Open) -> None:
    page = open_page()
    every = {(rate, size, seed): accuracy(rate, size, seed) for rate in RATES for size in SIZES for seed in SEEDS}
    shown, said = parallel(page)
    assert (shown, said) == (18, f"of 18 | 18 of 18 runs · macro-F1 mean {np.mean(list(every.values())):.4f}, best {max(every.values()):.4f}")  # fmt: skip
    low = page.get_by_role("slider", name="lr, from")
    low.focus()
    page.keyboard.press("ArrowUp")
    assert low.get_attribute("aria-valuetext") == "0.01"
    kept = [value for (rate, _, _), value in every.items() if rate >= 0.01]
    assert parallel(page) == (12, f"of 18 | 12 of 18 runs · macro-F1 mean {np.mean(kept):.4f}, best {max(kept):.4f}")
    page.keyboard.press("End")  # not past the other end
    assert low.get_attribute("aria-valuetext") == "0.1"
    page.get_by_role("button", name="Show all runs").click()
    assert parallel(page)[0] == 18
    page.locator(".parallel").scroll_into_view_if_needed()
    axis = page.locator('.axis[data-title="hidden_size"] .reach').bounding_box()
    x = axis["x"] + axis["width"] / 2
    page.mouse.move(x, axis["y"] + axis["height"] - 60)
    page.mouse.down()
    page.mouse.move(x, axis["y"] + axis["height"] - 90)
    page.mouse.up()
    kept = [value for (_, size, _), value in every.items() if size == 16]
    assert parallel(page) == (9, f"of 18 | 9 of 18 runs · macro-F1 mean {np.mean(kept):.4f}, best {max(kept):.4f}")


def test_runs_sort_with_what_has_no_number_last_and_search(open_page: Open) -> None:
    page = open_page()
    heading = page.locator('table[data-name="All runs"] th', has_text="accuracy").get_by_role("button")
    heading.click()
    column = [row[6] for row in rows_of(page, "All runs")]
    numbers = [float(cell) for cell in column[:-1]]
    assert (numbers, column[-1]) == (sorted(numbers, reverse=True), "")
    heading.click()
    column = [row[6] for row in rows_of(page, "All runs")]
    assert ([float(cell) for cell in column[:-1]], column[-1]) == (numbers[::-1], "")
    page.get_by_role("searchbox", name="Search All runs").fill("failed")
    assert [row[1] for row in rows_of(page, "All runs")] == ["failed"]
    assert any("28" not in row[0] for row in rows_of(page, "Disputed rows"))
    page.get_by_role("searchbox", name="Search Disputed rows").fill("28 text ")
    (found,) = rows_of(page, "Disputed rows")
    assert found[0].startswith("text 28 ")


def test_baselines_stay_below_the_arms_that_are_shown_first(browser: Any, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "outputs")
    for size in range(1, 41):
        baselines = {"linear": {"accuracy": 0.5, "macro_f1": 0.5}}
        folders.write(1, 0.5 + size / 100, settings={"encoder.hidden_size": size}, baselines=baselines)
    page = browser.new_page()
    page.goto(write_sweep(all_runs(folders.output_dir))[0].as_uri())
    shown = rows_of(page, "accuracy")
    assert (len(shown), shown[-1][0]) == (21, "linear baseline")
    page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_axe_finds_no_fault_and_the_page_is_as_wide_as_the_screen(scheme: str, width: int, open_page: Open) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    faults = axe.Axe().run(page).response["violations"]
    assert [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in faults] == []


def test_without_scripts_all_rows_and_arms_are_there(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    assert page.locator('table[data-name="All runs"] tbody tr').last.is_visible()
    assert all(line.is_visible() for line in page.locator("#learning polyline.line").all())
    assert page.locator(".parallel polyline.line").count() == 18
