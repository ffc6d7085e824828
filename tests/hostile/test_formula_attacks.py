"""No text of somebody else is a formula in a table that is written to be looked at, and none is changed in one that is read again."""

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from run_folders import Folders

from gatelab.api.comparison_of_runs import Comparison
from gatelab.commands.export_runs import to_csv as table_of_runs
from gatelab.reports.analysis.comparison import compare
from gatelab.reports.terminal.formats import to_csv
from gatelab.runs.flat_row import row_of
from gatelab.runs.folder import all_runs
from gatelab.runs.load import load_runs
from gatelab.runs.predictions import read_predictions, write_predictions

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1", "－1+1", "=cmd|' /C calc'!A0"]
NO_FORMULAS = ["-1.5", "+1e-3", "-inf", "a=1", "", " -1", "'=1"]


def cells(table: str) -> list[str]:
    return [cell for line in csv.reader(io.StringIO(table)) for cell in line]


@pytest.mark.parametrize("texts", [FORMULAS, NO_FORMULAS])
def test_a_table_of_runs_shows_them_as_texts(texts: list[str], tmp_path: Path) -> None:
    folders = Folders(tmp_path / "outputs")
    folders.write(1, -0.25, settings={f"data.text{number}": text for number, text in enumerate(texts)})
    for text in filter(None, texts):
        folders.write(2, 0.5, settings={text: 1})
    rows = [row_of(run) for run in load_runs(all_runs(folders.output_dir))]
    found = cells(table_of_runs(rows))
    mark = "'" if texts is FORMULAS else ""
    assert {f"{mark}{text}" for text in texts} <= {*found}
    assert not {*FORMULAS} & {*found}
    assert "-0.25" in found  # a number


def test_a_comparison_shows_them_as_texts_and_keeps_them_in_python(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "outputs")
    for seed in (1, 2):
        for value in (3, 4):
            folders.write(seed, value / 10, settings={"=1+1": value})
    comparison = compare(load_runs(all_runs(folders.output_dir)))
    arms = {"=1+1=3", "=1+1=4"}
    assert {f"'{arm}" for arm in arms} <= {*cells(to_csv(comparison))}
    assert not arms & {*cells(to_csv(comparison))}
    assert {*Comparison(comparison).frame()["arm"]} == arms


def test_predictions_are_read_again_as_they_were(tmp_path: Path) -> None:
    num_rows = len(FORMULAS)
    prepared: Any = SimpleNamespace(
        classes=FORMULAS,
        record={"files": ["/somewhere/=1+1.csv"]},
        files=np.zeros(num_rows, int),
        lines=np.arange(num_rows),
        offsets=np.arange(num_rows + 1),
        labels=np.arange(num_rows),
    )
    rows = np.arange(num_rows)
    write_predictions(tmp_path / "p.csv", prepared, rows, np.eye(num_rows), None, rows)
    found = read_predictions(tmp_path / "p.csv")
    assert (found.classes, {*found.files}) == (FORMULAS, {"=1+1.csv"})
    assert found.predictions.tolist() == rows.tolist()
