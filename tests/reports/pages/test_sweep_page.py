"""report.html of a sweep, read as a file; test_sweep_in_browser.py opens it."""

import csv
import html
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import gatelab
from page_tables import Tables
from run_folders import Folders, gated, write_curves, write_rows
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.commands.report import report_sweeps
from gatelab.reports.analysis.bands import seed_bands
from gatelab.reports.analysis.comparison import compare
from gatelab.reports.charts.trials import best_so_far, trials_of
from gatelab.reports.pages.links import links_from
from gatelab.reports.pages.run_answer import Answer
from gatelab.reports.pages.sweep_answer import answer_sweep
from gatelab.reports.pages.sweep_page import compare_sweep, ordered_arms, write_sweep
from gatelab.reports.pages.sweep_tables import runs_table
from gatelab.reports.terminal.formats import to_csv
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import load_runs
from gatelab.sweeps.outcome import Outcome

GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}
BASELINES = {"linear": {"accuracy": 0.75, "macro_f1": 0.72}, "majority": {"accuracy": 0.5, "macro_f1": 0.33}}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def page_of(folders: Folders, name: str = "sweep", **options: Any) -> str:
    file, *_ = write_sweep(all_runs(folders.output_dir, name), **options)
    return file.read_text(encoding="utf-8")


def answer_of(folders: Folders, **options: Any) -> Answer:
    return answer_sweep(compare_sweep(load_runs(all_runs(folders.output_dir)), **options))


def write_arm(
    folders: Folders, values: dict[int, float], settings: dict[str, Any] | None = None, **record: Any
) -> None:
    for seed, value in values.items():
        folders.write(seed, value, macro_f1=value - 0.02, settings=settings, baselines=BASELINES, **record)


def numbers_in(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-+]?\d+\.\d+", text.replace("−", "-"))]


def test_the_tables_hold_the_numbers_of_gatelab_compare_and_of_numpy(folders: Folders) -> None:
    lstm, gru = {1: 0.81, 2: 0.79, 3: 0.84, 4: 0.80}, {2: 0.83, 3: 0.85, 4: 0.79, 5: 0.91}
    write_arm(folders, lstm)
    write_arm(folders, gru, GRU)
    tables = Tables(page_of(folders)).rows
    listed = list(csv.DictReader(io.StringIO(to_csv(compare(load_runs(all_runs(folders.output_dir)))))))
    for metric, title in (("accuracy", "accuracy"), ("macro_f1", "macro-F1")):
        shown = {row[0]: row for row in tables[title][1:]}
        for line in (line for line in listed if line["metric"] == metric):
            _, seeds, _, mean, difference, p = shown[line["arm"]]
            wanted = [line[key] for key in ("mean", "std", "interval_low", "interval_high") if line[key]]
            assert numbers_in(mean) == [round(float(number), 4) for number in wanted]
            assert seeds == line["seeds"]
            if line["is_reference"] == "false":
                wanted = [line[key] for key in ("difference", "difference_low", "difference_high") if line[key]]
                assert numbers_in(difference) == [round(float(number), 4) for number in wanted]
                assert numbers_in(p) == ([round(float(line["p_holm"]), 4)] if line["p_holm"] else [])
    values = np.array(list(gru.values()))
    differences = [gru[seed] - lstm[seed] for seed in lstm if seed in gru]
    row = next(row for row in tables["accuracy"] if row[0] == "GRUEncoder")
    assert numbers_in(row[3])[:2] == [round(values.mean(), 4), round(values.std(ddof=1), 4)]
    assert numbers_in(row[4])[0] == round(float(np.mean(differences)), 4)


def test_the_first_sentence_names_the_best_arm_and_the_distances_that_are_clear(folders: Folders) -> None:
    random = np.random.default_rng(5)
    write_arm(folders, {seed: 0.80 + 0.01 * random.random() for seed in range(8)})
    write_arm(folders, {seed: 0.84 + 0.01 * random.random() for seed in range(8)}, GRU)
    answer = answer_of(folders)
    lstm, gru = (row.values for row in compare(load_runs(all_runs(folders.output_dir))).tables["macro_f1"][:2])
    assert lstm.mean is not None
    assert gru.mean is not None
    assert gru.interval is not None
    low, high = gru.interval
    assert answer.sentence.replace("\u00a0", " ") == (
        f"GRUEncoder {gru.mean:.4f} macro-F1 over 8 seeds, {gru.mean - 0.72:.4f} above the linear baseline, "
        f"{gru.mean - lstm.mean:.4f} above LSTMEncoder"
    )
    assert f"GRUEncoder: 95 % interval {low:.4f} to {high:.4f}." in answer.detail.replace("\u00a0", " ")
    assert "p = 0.0078" in answer.detail  # 2 / 2^8: all differences have one sign
    assert answer.cautions == []


@pytest.mark.parametrize(
    ("lstm", "gru", "words"),
    [
        ({1: 0.8, 2: 0.82, 3: 0.81}, {1: 0.85, 2: 0.84, 3: 0.86}, ", 0.0400 above LSTMEncoder (too few seeds)"),
        ({1: 0.8}, {1: 0.9}, ", 0.1000 above LSTMEncoder (one seed)"),
        (
            {seed: 0.8 + seed % 3 / 100 for seed in range(8)},
            {seed: 0.8 + (seed + 1) % 3 / 100 for seed in range(8)},
            ", not clearly different from LSTMEncoder",
        ),
    ],
)
def test_what_the_seeds_cannot_tell_is_said(
    lstm: dict[int, float], gru: dict[int, float], words: str, folders: Folders
) -> None:
    write_arm(folders, lstm)
    write_arm(folders, gru, GRU)
    assert answer_of(folders).sentence.endswith(words)


def test_where_the_reference_is_the_best_it_is_compared_with_the_next(folders: Folders) -> None:
    write_arm(folders, {1: 0.9, 2: 0.88, 3: 0.89})
    write_arm(folders, {1: 0.7, 2: 0.71, 3: 0.7}, GRU)
    write_arm(folders, {1: 0.8, 2: 0.82, 3: 0.8}, gated())
    sentence = answer_of(folders).sentence
    assert sentence.startswith("LSTMEncoder 0.8700 macro-F1 over 3 seeds, 0.1500 above the linear baseline (")
    assert "), 0.0833 above GatedEncoder (" in sentence


def test_a_best_that_the_test_itself_has_chosen_is_compared_with_the_choice_of_validation(folders: Folders) -> None:
    for number, size in enumerate((8, 16, 32, 64, 128)):
        validation = {"macro_f1": 0.9 if size == 16 else 0.5}
        folders.write(1, 0.6 + number / 100, settings={"encoder.hidden_size": size}, best_validation=validation)
    assert answer_of(folders).detail.endswith(
        "The best of 5 arms is chosen on the test set, which biases its value upwards. By validation macro-F1 one would have taken "
        "hidden_size=16: 0.6100 on the test rows."
    )


def test_a_sweep_without_a_finished_run_has_a_page_that_says_so(folders: Folders) -> None:
    folders.write(1, status="failed", error="RunError: the loss is nan\nat step 12")
    folders.write(2, status="interrupted")
    page = page_of(folders)
    assert "<h1>No run is finished yet</h1>" in page
    assert "2 of 2 runs not finished: 1 failed, 1 interrupted." in page
    row = Tables(page).rows["Not finished"][1]
    assert row[1:5] == ["failed", "sweep", "1", "RunError: the loss is nan"]
    assert "<h2>Every seed</h2>" not in page


def test_a_failed_run_links_to_its_log_and_every_run_that_has_one_to_its_report(folders: Folders) -> None:
    failed = folders.write(1, status="failed", error="RunError: no")
    failed.error_log.write_text("Traceback", encoding="utf-8")
    reported, bare = folders.write(2, 0.8), folders.write(3, 0.7)
    reported.report.write_text("<html>", encoding="utf-8")
    page = page_of(folders)
    assert f'href="{failed.path.name}/error.log"' in page
    assert f'href="{reported.path.name}/report.html"' in page
    assert f'href="{bare.path.name}/' not in page


def test_links_hold_whatever_the_folder_is_called(folders: Folders) -> None:
    folder = folders.write(1, 0.8, identity="a #?%&\"<b>'")
    folder.report.write_text("", encoding="utf-8")
    assert 'href="a%20%23%3F%25%26%22%3Cb%3E%27/report.html"' in page_of(folders)


def test_a_band_is_numpys_mean_minimum_and_maximum_of_the_seeds_that_came_so_far(folders: Folders) -> None:
    random = np.random.default_rng(6)
    curves = [random.random(length) for length in (5, 5, 3)]
    losses = [random.random(length) for length in (5, 5, 3)]
    for seed, (scores, loss) in enumerate(zip(curves, losses, strict=True)):
        write_curves(folders.write(seed, 0.8), {"validation/macro_f1": scores.tolist(), "train/loss": loss.tolist()})
    (arm,) = compare(load_runs(all_runs(folders.output_dir))).arms.arms
    for name, values in (("validation/macro_f1", curves), ("train/loss", losses)):
        band = seed_bands(arm)[name]
        for epoch in range(5):
            there = np.array([curve[epoch] for curve in values if epoch < len(curve)])
            found = [band.epochs[epoch], band.mean[epoch], band.low[epoch], band.high[epoch], band.num[epoch]]
            assert found == pytest.approx([epoch + 1, there.mean(), there.min(), there.max(), len(there)])


def test_where_all_arms_diverged_the_loss_is_drawn_in_decades_and_no_number_as_nothing(folders: Folders) -> None:
    for settings, losses in (({}, [0.7, 2e13, 2.5e13]), (GRU, [0.7, math.nan, 2.5e13])):
        scores = {"validation/macro_f1": [0.3] * 3}
        write_curves(folders.write(1, 0.8, settings=settings), {"validation/loss": losses, **scores})
    page = page_of(folders)
    chart = re.search(r'aria-label="Validation loss.*?</svg>', page, re.DOTALL)
    assert chart is not None
    assert "The axis is logarithmic." in chart[0]
    assert [points.count(",") for points in re.findall(r'<polyline[^>]*points="([^"]*)"', chart[0])] == [3, 1, 1]
    assert "nan" not in page


def test_an_arm_that_diverged_leaves_room_for_the_others(folders: Folders) -> None:
    for settings, loss in (({}, 0.5), (GRU, 400.0)):
        write_curves(
            folders.write(1, 0.8, settings=settings), {"validation/loss": [loss] * 3, "validation/macro_f1": [0.5] * 3}
        )
    page = page_of(folders)
    assert "some values are larger" in page
    ticks = re.search(r'aria-label="Validation loss.*?class="ticks">(.*?)</g>', page, re.DOTALL)
    assert ticks is not None
    assert max(numbers_in(re.sub(r'"[^"]*"', "", ticks[1]))) < 1000
    for points in re.findall(r'<polyline class="line [^>]*points="([^"]*)"', page):
        assert all(0 <= float(pair.split(",")[1]) <= 250 for pair in points.split())


def test_a_search_is_led_by_what_it_looked_at_and_counts_the_best_of_whole_trials(folders: Folders) -> None:
    for number, value in enumerate([0.5, 0.7, 0.65, 0.6, 0.9]):
        pruned = number in (2, 4)
        search = {"search.metric": "validation/macro_f1", "search.trial": number, "optimizer.lr": 10.0 ** -(number + 1)}
        folder = folders.write(
            1, None if pruned else 0.99 - value, settings=search, status="pruned" if pruned else "finished", job=number
        )
        if not pruned:
            change(folder, best_validation={"macro_f1": value})
        write_curves(folder, {"validation/macro_f1": [0.1, value]})
    runs = load_runs(all_runs(folders.output_dir))
    trials = trials_of(runs, "validation/macro_f1")
    assert [(trial.number, trial.value, trial.is_complete) for trial in trials] == [
        (0, 0.5, True), (1, 0.7, True), (2, 0.65, False), (3, 0.6, True), (4, 0.9, False),
    ]  # fmt: skip
    assert best_so_far(trials, "validation/macro_f1") == [0.5, 0.7, 0.7, 0.7, 0.7]
    page = page_of(folders)
    assert "lr=0.01: 0.7000 validation macro-F1" in page  # in the test it is one of the worst
    assert "On the test rows its macro-F1 is 0.2900." in page
    assert "not finished" not in page
    assert "<h2>Search</h2>" in page
    # Of 0.5, 0.6 and 0.7: one; the best of two, (0.6 + 0.7 + 0.7) / 3; of three.
    expected = page[page.index("Expected best validation macro-F1 by budget") :]
    assert re.findall(r'<td class="number">([\d.]+)</td>', expected)[:3] == ["0.6000", "0.6667", "0.7000"]


def change(folder: RunFolder, **values: Any) -> None:
    folder.update(**values)


def test_published_numbers_stand_above_what_the_arms_have_of_them(folders: Folders) -> None:
    published = {
        "experiment.question": "Does it hold?",
        "experiment.published.source": "a kernel",
        "experiment.published.accuracy": 0.83,
        "experiment.published.recall.Negative": 0.914,
        "experiment.published.recall.nowhere": 0.5,
    }
    recalls = [0.9, 0.92, 0.97]
    for seed, recall in enumerate(recalls):
        metrics = {"accuracy": 0.8, "macro_f1": 0.7, "per_class": {"Negative": {"recall": recall}}}
        folders.write(seed, settings=published, metrics=metrics)
    page = page_of(folders)
    titles, stated, arm = Tables(page).rows["Beside the published numbers"]
    assert (titles, stated) == (["arm", "accuracy", "recall Negative"], ["published", "0.83", "0.914"])
    assert numbers_in(arm[2])[:2] == [round(np.mean(recalls), 4), round(float(np.std(recalls, ddof=1)), 4)]
    assert "Does it hold?" in page
    assert "Published: <bdi>a kernel</bdi>." in page
    assert ">published 0.83<" in page  # in the plot of the seeds


def test_long_numbers_are_short_unless_two_arms_were_then_the_same(folders: Folders) -> None:
    for rate in (0.05651405264653441, 0.0012591767851139835):
        folders.write(1, 0.8, settings={"optimizer.lr": rate})
    assert [arm.name for arm in compare_sweep(load_runs(all_runs(folders.output_dir))).arms.arms] == ["lr=0.05651", "lr=0.001259"]  # fmt: skip
    folders.write(1, 0.8, settings={"optimizer.lr": 0.05651405264653442})
    assert "lr=0.05651405264653442" in [arm.name for arm in compare_sweep(load_runs(all_runs(folders.output_dir))).arms.arms]  # fmt: skip


def test_hostile_names_are_text(folders: Folders) -> None:
    evil = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>{{ 7 * 7 }}"
    for number, text in enumerate((evil, "\u202egnp.exe")):
        folder = folders.write(1, 0.8, settings={"data.text": text, "experiment.question": evil})
        write_rows(folder, {1: (evil, evil if number else "other")})
        write_curves(folder, {"validation/macro_f1": [0.1, 0.2], "validation/loss": [1, 2]})
    folders.write(2, status="failed", error=evil, settings={"data.text": evil})
    page = page_of(folders)
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<img" not in page
    assert "{{ 7 * 7 }}" in html.unescape(page)
    assert "\u202e" not in page
    attributes = Attributes(page).names
    assert not {name for name in attributes if name in ("style", "src") or name.startswith("on")}


class Attributes(HTMLParser):
    """The names of all attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attributes}


def test_a_page_of_200_runs_is_under_three_megabytes(folders: Folders) -> None:
    random = np.random.default_rng(7)
    for arm in range(20):
        for seed in range(10):
            settings = {"encoder.hidden_size": 8 * (arm % 5 + 1), "optimizer.lr": 10.0 ** -(arm // 5)}
            folder = folders.write(seed, random.random(), settings=settings, baselines=BASELINES)
            scores = random.random(20).tolist()
            write_curves(folder, dict.fromkeys(("train/loss", "validation/loss", "validation/macro_f1", "validation/accuracy"), scores))  # fmt: skip
            write_rows(folder, {line: ("pos", str(random.choice(["pos", "neg"]))) for line in range(100)})
            folder.report.write_text("", encoding="utf-8")
    page = page_of(folders)
    assert "<b>sweep</b> · 200 runs, 200 finished" in page
    assert page.count('class="seed"') == 400  # in two metrics
    assert len(page.encode()) < 3_000_000


def test_the_pictures_fit_a_papers_column_and_are_the_same_bytes_again(folders: Folders) -> None:
    for settings in ({"search.metric": "validation/macro_f1"}, {**GRU, "search.metric": "validation/macro_f1"}):
        for seed in (1, 2, 3):
            folder = folders.write(seed, 0.8 + seed / 100, settings=settings, baselines=BASELINES)
            write_curves(folder, {"validation/macro_f1": [0.1, 0.2], "validation/loss": [1, 2]})
    _, *pictures = write_sweep(all_runs(folders.output_dir))
    assert {file.name for file in pictures} == {
        f"{name}.{kind}" for name in ("arms", "learning_curves", "trials", "expected_best") for kind in ("svg", "pdf")
    }
    before = [file.read_bytes() for file in pictures]
    assert [file.read_bytes() for file in write_sweep(all_runs(folders.output_dir))[1:]] == before
    for file in pictures:
        if file.suffix == ".pdf":
            width = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", file.read_bytes())
            assert width is not None
            assert float(width[1]) == pytest.approx(3.3 * 72)


def reported(folders: Folders, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["report", *arguments, "--output-dir", str(folders.output_dir)])
    return result.exit_code, result.output.replace("\n", " ")


def test_gatelab_report_takes_a_name_its_folder_or_options_of_compare(folders: Folders) -> None:
    for rate in (0.1, 0.2):
        for settings in ({}, GRU):
            folders.write(1, 0.8, settings={**settings, "optimizer.lr": rate})
    page = folders.output_dir / "sweep" / "report.html"
    for what in ("sweep", str(folders.output_dir / "sweep")):
        code, output = reported(folders, what)
        assert (code, f"report      {page}" in output) == (0, True)
    code, _ = reported(folders, "sweep", "--by", "encoder", "--metric", "accuracy", "--reference", "GRUEncoder")
    tables = Tables(page.read_text(encoding="utf-8")).rows
    assert code == 0
    assert [row[0] for row in tables["accuracy"]] == ["encoder", "GRUEncoder", "LSTMEncoder"]
    assert "macro-F1" not in tables


def test_what_is_ambiguous_unknown_or_for_a_name_alone_is_refused_in_a_sentence(folders: Folders) -> None:
    folders.write(1, 0.8, name="abc", identity="0123456789")
    folders.write(1, 0.8, name="other", identity="abc3456789")
    code, output = reported(folders, "abc")
    assert (code, "abc: may be the name " in output, "other/abc3456789. Give the folder" in output) == (2, True, True)
    code, output = reported(folders, "abd")
    assert (code, "abd: no run and no name in" in output, "Did you mean abc?" in output) == (2, True, True)
    code, output = reported(folders, "0123", "--by", "encoder")
    assert (code, "--by: 0123 is one run." in output) == (2, True)


def test_a_multirun_ends_with_the_page_of_its_name(tmp_path: Path, cache_dir: Path) -> None:
    common = [
        "trainer=smoke",
        "tracker=none",
        "data.num_rows=600",
        "encoder.hidden_size=8",
        f"data.cache_dir={cache_dir}",
    ]
    output = gatelab("train", "-m", "encoder=lstm,gru", "name=tiny", *common, cwd=tmp_path)
    assert "report      outputs/tiny/report.html" in output
    page = (tmp_path / "outputs" / "tiny" / "report.html").read_text(encoding="utf-8")
    rows = {row[0]: row for row in Tables(page).rows["macro-F1"][1:]}
    for folder in all_runs(tmp_path / "outputs"):
        record = folder.record
        assert rows[record.choices["encoder"]][3] == f"{record.numbers()['macro_f1']:.4f}"
        assert f'href="{folder.path.name}/report.html"' in page
    assert "gatelab train -m encoder=lstm,gru name=tiny trainer=smoke" in page


def test_jobs_that_want_no_report_leave_no_page_of_their_name(folders: Folders) -> None:
    runs = [folders.write(seed, 0.8, settings={"report": False}) for seed in (1, 2)]
    outcomes = [Outcome("done", folder=str(run.path)) for run in runs]
    report_sweeps(outcomes)
    assert not (folders.output_dir / "sweep" / "report.html").exists()
    wanted = folders.write(3, 0.8, settings={"report": True})
    report_sweeps([*outcomes, Outcome("done", folder=str(wanted.path))])
    assert (folders.output_dir / "sweep" / "report.html").exists()


def test_a_sweep_ends_with_the_answer_of_its_own_jobs_and_not_of_others_of_the_name(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(5):
        folders.write(seed, 0.3, settings={"report": False})
    own = [folders.write(seed, 0.8, settings={"report": False, "optimizer.lr": 0.5}) for seed in (1, 2)]
    report_sweeps([Outcome("done", folder=str(run.path)) for run in own])
    shown = capsys.readouterr().out
    assert "over 2 seeds" in shown
    assert "0.3" not in shown


def test_a_page_that_cannot_be_written_changes_nothing_of_the_sweep(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [folders.write(1, 0.8), folders.write(2, 0.8)]
    in_its_place = folders.output_dir / "sweep" / "report.html"
    in_its_place.mkdir()
    report_sweeps([Outcome("done", folder=str(run.path)) for run in runs])
    assert "report.html could not be written (IsADirectoryError: " in capsys.readouterr().out.replace("\n", " ")
    in_its_place.rmdir()
    report_sweeps([Outcome("failed", 1, "it failed", str(run.error_log)) for run in runs])
    assert (folders.output_dir / "sweep" / "report.html").exists()


def test_every_run_of_arms_that_read_the_same_stands_in_its_own_arm(folders: Folders) -> None:
    for seed in (1, 2):
        for value, accuracy in ((None, 0.8), ("null", 0.7)):
            folder = folders.write(seed, accuracy + seed / 100, settings={"optimizer.weight_decay": value})
            write_curves(folder, {"validation/macro_f1": [accuracy]})
    comparison = compare_sweep(load_runs(all_runs(folders.output_dir)))
    found = [[round(run.record.numbers()["accuracy"], 2) for run in arm.runs] for arm in ordered_arms(comparison)]
    assert found == [[0.81, 0.82], [0.71, 0.72]]
    assert "0.7000" in page_of(folders)


def test_where_less_is_better_the_run_with_the_least_comes_first(folders: Folders) -> None:
    for seed, loss in ((1, 0.4), (2, 0.3), (3, 0.5)):
        change(folders.write(seed, 0.8), metrics={"loss": loss})
    runs = load_runs(all_runs(folders.output_dir))
    rows = runs_table(runs, ["loss"], links_from(folders.output_dir))["rows"]
    assert [cell for row in rows for cell in row if str(cell).startswith("0.")] == ["0.3000", "0.4000", "0.5000"]


def test_a_failed_run_is_in_no_mean_of_the_learning_curves(folders: Folders) -> None:
    for seed, value in ((1, 0.5), (2, 0.7)):
        write_curves(folders.write(seed, 0.8), {"validation/macro_f1": [value]})
    write_curves(folders.write(3, status="failed"), {"validation/macro_f1": [0.0]})
    (arm,) = compare(load_runs(all_runs(folders.output_dir))).arms.arms
    assert seed_bands(arm)["validation/macro_f1"].mean.tolist() == pytest.approx([0.6])


def test_whole_numbers_stand_as_they_are(folders: Folders) -> None:
    for seed, rows in enumerate((16384, 100000, 131072)):
        folders.write(seed, 0.8 + seed / 100, settings={"data.max_length": rows})
    page = page_of(folders)
    assert ">131072<" in page
    assert "e+0" not in re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
