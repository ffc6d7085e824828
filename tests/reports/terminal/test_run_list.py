import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table
from run_folders import Folders, gated
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.commands.export_runs import export_runs
from gatelab.errors import RunError
from gatelab.reports.terminal.run_list import means_table, runs_table, sorted_runs
from gatelab.runs.folder import all_runs
from gatelab.runs.load import read_runs
from gatelab.runs.run_notes import Notes, write_notes
from gatelab.screen import Screen

GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def cells(table: Table) -> list[list[str]]:
    """Titles and lines, as they stand on a screen that is wide enough."""
    console = Screen(width=400, file=io.StringIO())
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in lines if line[0] in "│┃"
    ]


def test_few_differing_settings_have_a_column_each_and_seeds_that_follow_the_seed_have_none(folders: Folders) -> None:
    folders.write(1, 0.7)
    folders.write(2, 0.8, settings=GRU | {"model.dropout": 0.5})
    titles, *lines = cells(runs_table(all_runs(folders.output_dir)))
    assert titles[3:7] == ["encoder", "dropout", "seed", "accuracy"]
    assert [line[3:7] for line in lines] == [
        ["GRUEncoder", "0.5", "2", "0.8000"],
        ["LSTMEncoder", "0.2", "1", "0.7000"],
    ]


def test_many_differing_settings_share_a_column_that_names_what_is_unusual_of_each_run(folders: Folders) -> None:
    for seed in (1, 2, 3):
        folders.write(seed, 0.9 - seed / 100)
    folders.write(1, 0.5, settings=gated(peepholes=True) | {"trainer.max_epochs": 6})
    folders.write(2, 0.4, settings=gated() | {"data.max_length": 9, "model.dropout": 0.5, "optimizer.lr": 0.1})
    titles, *lines = cells(runs_table(all_runs(folders.output_dir)))
    assert titles[3] == "settings (where not as in most runs)"
    assert [line[3] for line in lines] == [
        "encoder=LSTMEncoder seed=1",
        "encoder=LSTMEncoder seed=2",
        "encoder=LSTMEncoder seed=3",
        "encoder=GatedEncoder peepholes=true seed=1 max_epochs=6",
        "max_length=9 encoder=GatedEncoder peepholes=false dropout=0.5 lr=0.1 seed=2",
    ]


def test_a_setting_is_named_with_its_group_only_where_two_groups_have_it(folders: Folders) -> None:
    folders.write(1, 0.8)
    folders.write(1, 0.8, settings={"encoder.dropout": 0.1, "model.dropout": 0.5, "data.max_length": 9})
    titles = cells(runs_table(all_runs(folders.output_dir)))[0]
    assert titles[3:6] == ["max_length", "model.dropout", "encoder.dropout"]


def test_a_setting_that_looks_like_markup_is_shown_as_it_is(folders: Folders) -> None:
    folders.write(1, 0.8, settings={"data.text": "[bold]"})
    folders.write(1, 0.7, settings={"data.text": "plain"})
    assert cells(runs_table(all_runs(folders.output_dir)))[1][3] == "[bold]"
    assert cells(means_table(all_runs(folders.output_dir)))[1][0] == "[bold]"


def test_the_means_are_over_the_finished_runs_of_each_arm(folders: Folders) -> None:
    values = [0.8, 0.85, 0.93]
    for seed, value in enumerate(values):
        folders.write(seed, value, baselines={"linear": {"accuracy": 0.7, "macro_f1": 0.6}})
    folders.write(4, status="failed")
    folders.write(1, 0.5, settings=GRU)
    titles, lstm, gru = cells(means_table(all_runs(folders.output_dir)))
    assert titles[:3] == ["encoder", "seeds", "accuracy"]
    assert lstm[:3] == ["LSTMEncoder", "3", f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"]
    assert lstm[4] == "0.7000 ± 0.0000"
    assert gru[:3] == ["GRUEncoder", "1", "0.5000"]


def test_runs_are_sorted_by_a_metric_a_setting_or_their_start_and_those_without_a_value_come_last(
    folders: Folders,
) -> None:
    folders.write(1, 0.7, settings={"optimizer.lr": 0.1}, seconds=3.0)
    folders.write(2, 0.9, settings={"optimizer.lr": 0.01}, seconds=1.0)
    folders.write(3, status="failed", settings={"optimizer.lr": 0.2})
    runs, _ = read_runs(all_runs(folders.output_dir))
    for sort, seeds in (
        (None, [2, 1, 3]), ("accuracy", [2, 1, 3]), ("-macro-F1", [1, 2, 3]), ("optimizer.lr", [2, 1, 3]),
        ("-optimizer.lr", [3, 1, 2]), ("started", [3, 2, 1]), ("seconds", [2, 1, 3]), ("-seconds", [1, 2, 3]),
    ):  # fmt: skip
        assert [run.record.seed for run in sorted_runs(runs, sort)[0]] == seeds, sort
    with pytest.raises(RunError, match=r"--sort optimizer.ls: no run has it. Did you mean optimizer.lr\?"):
        sorted_runs(runs, "optimizer.ls")


def test_the_runs_as_csv_and_json_hold_every_setting_and_metric_in_full_precision(
    folders: Folders, tmp_path: Path
) -> None:
    baselines = {"linear": {"accuracy": 0.1 + 0.2}}
    settings = {"data.labels": ["a,b", "c"], "optimizer.lr": float("nan")}
    folders.write(1, 1 / 3, settings=settings, baselines=baselines, choices={"encoder": "lstm"})
    folders.write(2, status="failed")
    export_runs(all_runs(folders.output_dir), "seed", tmp_path / "runs.csv", tmp_path / "runs.json")
    with open(tmp_path / "runs.csv", newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    assert (float(first["test/accuracy"]), float(first["linear/accuracy"])) == (1 / 3, 0.1 + 0.2)
    assert json.loads(first["data.labels"]) == ["a,b", "c"]
    assert (first["encoder"], second["status"], second["test/accuracy"]) == ("lstm", "failed", "")
    assert second["started"] == "2026-01-01T00:00:02+00:00"
    one, two = json.loads((tmp_path / "runs.json").read_text())
    assert (one["test/accuracy"], one["data.labels"], one["optimizer.lr"]) == (1 / 3, ["a,b", "c"], None)
    assert "test/accuracy" not in two
    with pytest.raises(RunError, match="two tables cannot go to one place"):
        export_runs(all_runs(folders.output_dir), None, tmp_path / "x", tmp_path / "x")


def test_tags_choose_the_runs_that_have_all_of_them(folders: Folders) -> None:
    for number, tags in enumerate((["odd"], ["odd", "paper"], [])):
        write_notes(folders.write(number, 0.5, identity=f"{number}f9c3b8a2d"), Notes(tags=tags))

    def listed(tags: str) -> str:
        return (
            CliRunner()
            .invoke(app, ["runs", "--tag", tags, "--csv", "-", "--output-dir", str(folders.output_dir)])
            .output
        )

    assert [number for number in range(3) if f"{number}f9c3b8a2d" in listed("odd")] == [0, 1]
    assert [number for number in range(3) if f"{number}f9c3b8a2d" in listed("paper,odd")] == [1]
    assert " with none. " in listed("none")
