import csv
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import gatelab
from run_folders import Folders, gated
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.commands.compare import compare_runs
from gatelab.errors import RunError
from gatelab.reports.analysis.comparison import Comparison, Row, compare
from gatelab.reports.analysis.notes import caution_notes, failure_notes, method_notes
from gatelab.reports.terminal.comparison_table import screen
from gatelab.runs.folder import all_runs
from gatelab.runs.load import load_runs
from gatelab.screen import Screen
from gatelab.tasks.classification.symptoms import record_symptoms

GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}
LSTM_VALUES = {1: 0.81, 2: 0.79, 3: 0.84, 4: 0.80, 5: 0.87}
GRU_VALUES = {2: 0.83, 3: 0.85, 4: 0.79, 5: 0.91, 6: 0.99}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def compared(folders: Folders, **options: Any) -> Comparison:
    return compare(load_runs(all_runs(folders.output_dir)), **options)


def row(comparison: Comparison, name: str, metric: str = "accuracy") -> Row:
    (found,) = (row for row in comparison.tables[metric] if row.name == name)
    return found


def write_two_arms(folders: Folders) -> None:
    for seed, value in LSTM_VALUES.items():
        folders.write(seed, value)
    for seed, value in GRU_VALUES.items():
        folders.write(seed, value, settings=GRU)


def baselines(linear: float, majority: float = 0.5) -> dict[str, Any]:
    return {
        "linear": {"accuracy": linear, "macro_f1": linear},
        "majority": {"accuracy": majority, "macro_f1": majority},
    }


def on_screen(comparison: Comparison, width: int) -> str:
    console = Screen(width=width, file=io.StringIO())
    console.print(screen(comparison, console))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_means_and_paired_differences_are_those_worked_out_by_hand(folders: Folders) -> None:
    write_two_arms(folders)
    comparison = compared(folders)
    gru = row(comparison, "GRUEncoder")
    values = list(GRU_VALUES.values())
    assert (gru.values.num, gru.values.mean, gru.values.std) == (5, pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))  # fmt: skip
    differences = np.array([0.83 - 0.79, 0.85 - 0.84, 0.79 - 0.80, 0.91 - 0.87])  # the seeds that both have: 2 to 5
    signs = np.array(list(itertools.product((1, -1), repeat=4)))
    p = (np.abs((signs * differences).mean(1)) >= abs(differences.mean()) - 1e-12).mean()
    assert gru.difference is not None
    assert (gru.difference.num, gru.difference.mean, gru.p, gru.p_holm) == (4, pytest.approx(differences.mean()), p, p)
    assert row(comparison, "LSTMEncoder").is_reference
    assert "Seeds shared with LSTMEncoder: 4 in GRUEncoder." in caution_notes(comparison)


def test_the_smallest_p_that_the_seeds_can_give_is_named(folders: Folders) -> None:
    for seed in range(1, 6):
        for settings in ({}, GRU, gated()):
            folders.write(seed, seed / 10 + len(settings) / 100, settings=settings)
    (note,) = (note for note in method_notes(compared(folders)) if "cannot give p below" in note)
    assert note == "5 shared seeds cannot give p below 0.0625 (0.125 corrected); p < 0.05 needs 7."


def test_failures_are_counted_apart_and_named_and_an_arm_without_a_finished_run_is_shown(folders: Folders) -> None:
    for seed in (1, 2, 3):
        folders.write(seed, 0.8 + seed / 100)
    folders.write(1, 0.82, settings=GRU)
    folders.write(2, settings=GRU, status="failed", error="RunError: the loss is nan at step 12 [x]\nmore of it")
    folders.write(3, settings=GRU, status="interrupted")
    folders.write(4, settings=GRU, status="running")  # by a process that is gone
    folders.write(1, settings=gated(), status="pruned")
    comparison = compared(folders)
    assert row(comparison, "GRUEncoder").statuses == {"finished": 1, "failed": 1, "interrupted": 2}
    assert row(comparison, "GatedEncoder").statuses == {"pruned": 1}
    lines = on_screen(comparison, 200).splitlines()
    titles = next(line.split() for line in lines if "seeds" in line)
    assert titles[:6] == ["encoder", "seeds", "failed", "interrupted", "pruned", "mean"]
    assert next(line.split() for line in lines if "GRUEncoder" in line)[1:5] == ["1", "1", "2", "0"]
    assert next(line.split() for line in lines if "GatedEncoder" in line) == ["GatedEncoder", "0", "0", "0", "1"]
    failed, *_ = failure_notes(comparison)
    assert failed.startswith("failed  GRUEncoder, seed 2: RunError: the loss is nan at step 12 [x]  (")
    assert failed in "\n".join(lines)
    assert "more of it" not in failed
    assert len(failure_notes(comparison)) == 4


def test_where_nothing_is_finished_the_table_says_so(folders: Folders) -> None:
    folders.write(1, status="failed", error="ValueError: no")
    text = on_screen(compared(folders, metrics=["auroc"]), 100)
    assert "No run is finished, so there is nothing to compare yet." in text
    assert "ValueError: no" in text


def test_the_reference_stands_first_then_the_others_best_first(folders: Folders) -> None:
    for settings, value in (({}, 0.7), (GRU, 0.6), (gated(), 0.9)):
        folders.write(1, value, settings=settings)
    order = [line.name for line in compared(folders).tables["accuracy"]]
    assert order == ["LSTMEncoder", "GatedEncoder", "GRUEncoder"]
    chosen = compared(folders, reference="encoder=GRUEncoder").tables["accuracy"]
    assert [line.name for line in chosen] == ["GRUEncoder", "GatedEncoder", "LSTMEncoder"]
    assert [line.is_best for line in chosen] == [False, True, False]


def test_the_reference_is_the_first_arm_as_typed_even_where_jobs_ran_side_by_side(folders: Folders) -> None:
    folders.write(1, 0.8, settings=GRU, job=2)  # which happened to start first
    folders.write(1, 0.8, settings=gated(), job=1)
    folders.write(1, status="failed", settings=gated(coupled="input"), job=0)
    folders.write(2, 0.8, settings=GRU, job=3)
    reference = compared(folders).reference
    assert reference is not None
    assert reference.name == "GatedEncoder"


def test_of_errors_the_smallest_is_best(folders: Folders) -> None:
    for settings, value in (({}, 0.7), (GRU, 0.2), (gated(), 0.9)):
        folders.write(1, settings=settings, metrics={"calibration_error": value})
    rows = compared(folders, metrics=["calibration_error"]).tables["calibration_error"]
    assert [(line.name, line.is_best) for line in rows] == [("LSTMEncoder", False), ("GRUEncoder", True), ("GatedEncoder", False)]  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("gru", "--reference gru: no arm matches. There are: encoder=LSTMEncoder lr=0.1; encoder=GRUEncoder lr=0.1; "),
        ("encoder=LSTMEncoder", "--reference encoder=LSTMEncoder: several arms match."),
    ],
)
def test_a_reference_that_is_no_single_arm_is_refused_with_the_arms(
    reference: str, sentence: str, folders: Folders
) -> None:
    for rate in (0.1, 0.2):
        for settings in ({}, GRU):
            folders.write(1, 0.8, settings={**settings, "optimizer.lr": rate})
    with pytest.raises(RunError) as raised:
        compared(folders, reference=reference)
    assert sentence in str(raised.value)
    found = compared(folders, reference="LSTMEncoder,optimizer.lr=0.2").reference
    assert found is not None
    assert found.name == "encoder=LSTMEncoder lr=0.2"


def test_one_baseline_beside_all_arms_is_one_line_and_of_two_splits_one_each(folders: Folders) -> None:
    for seed in (1, 2, 3):
        for by, linear in (("random", 0.9), ("group", 0.7)):
            for settings in ({}, GRU):
                values = baselines(linear + seed / 100)
                folders.write(seed, 0.8, settings={**settings, "data.split.by": by}, baselines=values)
    comparison = compared(folders, by=["data.split.by", "encoder"])
    cells = [line.cells for line in comparison.tables["accuracy"] if line.kind == "baseline"]
    assert cells[:2] == [("random", "linear baseline"), ("group", "linear baseline")]
    beside = row(comparison, "random linear baseline")
    assert beside.values.mean == pytest.approx(0.92)
    assert beside.difference is not None
    assert beside.difference.mean == pytest.approx(0.12)  # from the reference beside it, on the same split
    assert row(comparison, "group linear baseline").difference is None
    alone = [line.name for line in compared(folders, by=["encoder"]).tables["accuracy"] if line.kind == "baseline"]
    assert alone == ["linear baseline", "majority class"]


def test_arms_without_a_common_seed_have_a_baseline_each_since_nobody_knows_that_it_is_the_same(
    folders: Folders,
) -> None:
    folders.write(1, 0.8, baselines={"linear": {"accuracy": 0.7}})
    folders.write(2, 0.8, settings=GRU, baselines={"linear": {"accuracy": 0.6}})
    names = [line.name for line in compared(folders).tables["accuracy"]]
    assert names[2:] == ["LSTMEncoder, linear baseline", "GRUEncoder, linear baseline"]


def test_with_the_linear_baseline_as_reference_every_arm_is_compared_with_its_own(folders: Folders) -> None:
    for seed in (1, 2, 3):
        for by, linear in (("random", 0.9), ("group", 0.7)):
            folders.write(seed, 0.8, settings={"data.split.by": by}, baselines=baselines(linear))
    comparison = compared(folders, by=["data.split.by"], reference="linear")
    differences = {line.name: line.difference.mean for line in comparison.tables["accuracy"] if line.difference}
    assert differences == {"split.by=random": pytest.approx(-0.1), "split.by=group": pytest.approx(0.1)}


def test_any_metric_of_the_runs_can_be_asked_for_and_a_wrong_one_is_told_the_near_one(folders: Folders) -> None:
    metrics = {"accuracy": 0.8, "auroc": 0.9, "per_class": {"a, b": {"f1": 0.7}}, "confusion_matrix": [[1]]}
    folders.write(1, metrics=metrics, best_validation={"macro_f1": 0.6})
    wanted = ["auroc,validation/macro_f1", "per_class.a, b.f1"]
    tables = compared(folders, metrics=wanted).tables
    assert {name: rows[0].values.mean for name, rows in tables.items()} == {
        "auroc": 0.9,
        "validation/macro_f1": 0.6,
        "per_class.a, b.f1": 0.7,
    }
    with pytest.raises(RunError, match=r"--metric acuracy: no finished run has it\. Did you mean accuracy\?"):
        compared(folders, metrics=["acuracy"])


def test_what_differs_besides_the_columns_is_told_below_the_table(folders: Folders) -> None:
    git = {"commit": "d" * 40, "dirty": True}
    for seed in (1, 2):
        for size in (16, 32):
            folders.write(seed, 0.8, settings={"encoder.hidden_size": size, "model.dropout": 0.1})
            folders.write(seed, 0.8, settings={"encoder.hidden_size": size, "data.split.by": "random"}, git=git)
    assert caution_notes(compared(folders, by=["model.dropout"])) == [
        "The arms differ in data.split.by too: group in dropout=0.1; random in dropout=0.2.",
        "Pooled in every arm: encoder.hidden_size = 16 (2 runs), 32 (2 runs); a seed counts with its mean.",
        "Tested on other rows than dropout=0.1, since data.split.by differs: dropout=0.2. Their pairs share only the seed.",
        "Not all runs were made by the same code: commit ccccccccc, torch 2.13.0+cpu (4 runs); "
        "commit ddddddddd with changes, torch 2.13.0+cpu (4 runs).",
    ]


def test_an_arm_whose_model_looks_broken_is_named_with_what_says_so(folders: Folders) -> None:
    folders.write(1, 0.5, macro_f1=0.33)
    metrics = {"accuracy": 0.5, "macro_f1": 0.33, "confusion_matrix": [[60, 0], [60, 0]]}
    found = record_symptoms(metrics, {"loss": 1.5e30, "macro_f1": 0.3})
    for seed in (1, 2):
        folders.write(seed, settings={"optimizer.lr": 1e30}, metrics=metrics, symptoms=found)
    assert (
        "lr=1e30: 2 of 2 finished runs look broken, such as seed 1: validation loss 1.5e+30 is far above ln 2 = 0.69, that of "
        "a guess; only one class is predicted."
    ) in "\n".join(caution_notes(compared(folders)))


def test_of_runs_that_note_the_hash_of_their_code_that_decides_and_not_the_commit(folders: Folders) -> None:
    for commit in ("c", "d"):  # of which one changed a text beside the code
        folders.write(1, 0.8, code={"gatelab": "a" * 64}, git={"commit": commit * 40, "dirty": False})
    assert caution_notes(compared(folders)) == []
    folders.write(2, 0.8, code={"gatelab": "b" * 64})
    (note,) = caution_notes(compared(folders))
    assert "code aaaaaaaaa, torch 2.13.0+cpu (2 runs); code bbbbbbbbb" in note


@pytest.mark.parametrize(
    ("split_seeds", "words"),
    [((1, 2), "the split changes with the seed"), ((7, 7), "one split for all of them"), ((7, 8), "over 2 splits")],
)
def test_it_is_told_whether_the_spread_is_over_splits_too(
    split_seeds: tuple[int, int], words: str, folders: Folders
) -> None:
    for seed, split_seed in zip((1, 2), split_seeds, strict=True):
        folders.write(seed, 0.8, settings={"data.split.seed": split_seed})
    assert words in method_notes(compared(folders))[0]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_number_is_cut_off_at_usual_widths(width: int, folders: Folders) -> None:
    write_two_arms(folders)
    for seed in (1, 2, 3):
        folders.write(seed, 0.7, settings=gated(), baselines=baselines(0.6))
    folders.write(4, settings=gated(), status="interrupted")
    comparison = compared(folders)
    text = on_screen(comparison, width)
    assert "…" not in text
    for rows in comparison.tables.values():
        for line in rows:
            for sample in (line.values, line.difference):
                if sample and sample.interval:
                    assert f"{sample.interval[0]:.4f}" in text
                    assert f"{sample.interval[1]:.4f}" in text
    assert max(map(len, text.splitlines())) <= width


def test_a_sweep_is_compared_by_the_names_that_were_typed(tmp_path: Path, cache_dir: Path) -> None:
    (tmp_path / "experiments").mkdir()
    sweep = "{mode: MULTIRUN, sweeper: {params: {encoder: 'lstm,peephole'}}}"
    (tmp_path / "experiments" / "tiny.yaml").write_text(f"name: tiny\nencoder: {{hidden_size: 8}}\nhydra: {sweep}\n")
    common = ["trainer=smoke", "tracker=none", "report=false", "data.num_rows=600", f"data.cache_dir={cache_dir}"]
    gatelab("train", "experiments=tiny", *common, cwd=tmp_path)
    records = [folder.record for folder in all_runs(tmp_path / "outputs")]
    assert sorted(record.job or 0 for record in records) == [0, 1]
    assert records[0].choices["trainer"] == "smoke"
    assert records[0].changed == {"data.num_rows": 600, "encoder.hidden_size": 8}
    output = gatelab("compare", "tiny", "--by", "encoder", "--csv", "-", "--latex", "table.tex", cwd=tmp_path)
    lines = list(csv.DictReader(io.StringIO(output.split("written")[0])))
    assert [line["arm"] for line in lines[:3]] == ["lstm", "peephole", "linear baseline"]
    for record, line in itertools.product(records, lines[:2]):
        if record.choices["encoder"] == line["arm"]:
            assert float(line["mean"]) == record.numbers()["accuracy"]
    assert (tmp_path / "table.tex").exists()
    refused = CliRunner().invoke(app, ["compare", "tinny", "--output-dir", str(tmp_path / "outputs")])
    assert (refused.exit_code, "Did you mean tiny?" in refused.output) == (2, True)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"csv": Path("no/table.csv")}, "no/table.csv: there is no folder no. Make it first."),
        ({"csv": Path("-"), "latex": Path("-")}, "-: two tables cannot go to one place."),
        ({"markdown": Path("outputs")}, "outputs: is a folder."),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_at_once(
    files: dict[str, Path], sentence: str, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.write(1, 0.8)
    monkeypatch.chdir(folders.output_dir.parent)
    with pytest.raises(RunError) as raised:
        compare_runs(["sweep"], Path("outputs"), **files)  # type: ignore[arg-type]
    assert str(raised.value).startswith(sentence)


def test_what_is_piped_is_one_table_and_nothing_else(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders.write(1, 0.8)
    compare_runs(["sweep"], folders.output_dir, csv=Path("-"), latex=tmp_path / "table.tex")
    piped = capsys.readouterr().out
    assert [line["arm"] for line in csv.DictReader(io.StringIO(piped))] == ["sweep", "sweep"]
    assert piped.count("\n") == 3
