"""gatelab predict on tables, with a run that earlier code has made."""

import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from gatelab.cli import app
from gatelab.commands.predict import predict_table
from gatelab.screen import TolerantStream

OUTPUTS = Path(__file__).parents[1] / "runs" / "made_before"
RUN = "efe8cbbc26"  # trained on a column called text
FRAME = pd.DataFrame({"text": ["a lovely film", "", "an awful, long film", "a film"], "stars": ["5", "3", "1", "3"]})


def predict(*arguments: str | Path, code: int = 0, **settings: Any) -> Result:
    given = ["predict", RUN, *map(str, arguments), "--output-dir", str(OUTPUTS)]
    done = CliRunner().invoke(app, given, env={"COLUMNS": "300"}, **settings)
    assert done.exit_code == code, done.output
    return done


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    FRAME.to_csv(tmp_path / "new.csv", index=False)
    return tmp_path / "new.csv"


def test_keep_writes_the_columns_of_the_table_beside_each_prediction(file: Path, tmp_path: Path) -> None:
    done = predict("--csv", file, "--out", tmp_path / "out.csv", "--keep")
    written = pd.read_csv(tmp_path / "out.csv", dtype=str)
    used = FRAME[FRAME["text"] != ""]
    assert list(written)[:4] == ["line", "text", "stars", "prediction"]
    pd.testing.assert_frame_equal(written[["text", "stars"]], used.reset_index(drop=True))
    assert written["line"].tolist() == ["2", "4", "5"]
    assert "reads 'text' of new.csv" in done.output
    assert "1 row rejected, the first at line 3: no text" in done.output
    plain = predict("--csv", file, "--out", "-")
    assert [list(row.values()) for row in rows_of(plain.stdout)] == written.drop(columns=["text", "stars"]).to_numpy().tolist()  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_standard_input_and_output_carry_any_kind_of_table_and_nothing_else(kind: str, tmp_path: Path) -> None:
    new = tmp_path / "new"
    if kind == "csv":
        FRAME.to_csv(new, index=False)
    elif kind == "jsonl":
        FRAME.to_json(new, orient="records", lines=True)
    else:
        FRAME.to_parquet(new)
    done = predict("--csv", "-", "--out", "-", "--keep", input=new.read_bytes())
    assert [row["stars"] for row in rows_of(done.stdout)] == ["5", "1", "3"]
    assert "3 rows of standard input" in done.stderr


def test_a_reader_that_has_what_it_wants_ends_the_prediction_without_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pd.DataFrame({"text": ["a lovely film"] * 9000}).to_csv(tmp_path / "new.csv", index=False)
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(sys, "stdout", TolerantStream(os.fdopen(write, "w")))
    predict_table(RUN, OUTPUTS, tmp_path / "new.csv", Path("-"))
    sys.stdout.close()
    assert "\n1,000 rows of" in capfd.readouterr().err


def test_errors_of_standard_input_name_it(tmp_path: Path) -> None:
    done = predict("--csv", "-", "--out", "-", input=b"text\nna\xefve", code=2)
    assert done.stdout == ""
    assert "error: standard input: line 2, byte 3: byte 0xef is not valid utf-8" in done.stderr
    assert "--encoding cp1252" in done.stderr


def test_another_column_than_that_of_the_training_is_read_with_a_warning(file: Path, tmp_path: Path) -> None:
    FRAME.rename(columns={"text": "review"}).to_csv(file, index=False)
    done = predict("--csv", file, "--out", "-")
    assert "warning: reads 'review' of new.csv, since it lacks 'text'" in done.stderr
    given = predict("--csv", file, "--out", "-", "--text", "review", "--text", "stars")
    assert "warning" not in given.stderr
    assert "reads 'review' and 'stars' of new.csv; the run was trained on 'text'" in given.stderr


def test_a_table_without_a_header_is_read_as_in_training(file: Path) -> None:
    FRAME.to_csv(file, index=False, header=False, sep=";")
    options = ["--no-header", "--columns", "text,stars", "--delimiter", ";", "--keep"]
    rows = rows_of(predict("--csv", file, "--out", "-", *options).stdout)
    assert [row["text"] for row in rows] == ["a lovely film", "an awful, long film", "a film"]


def test_texts_a_line_are_predicted_whatever_is_in_them(file: Path) -> None:
    lines = ["a film, lovely, and long", '"so', 'a "film"; really']
    file.write_text("\n".join(lines))
    options = ["--no-header", "--columns", "text", "--delimiter", "\\t", "--keep"]
    assert [row["text"] for row in rows_of(predict("--csv", file, "--out", "-", *options).stdout)] == lines


def test_half_of_a_surrogate_pair_is_predicted_and_written(file: Path) -> None:
    file.write_text(json.dumps([{"text": "a lovely film \ud83d", "n\udc00": 1}]))
    (row,) = rows_of(predict("--csv", file, "--out", "-", "--keep").stdout)
    assert (row["text"], row["n?"]) == ("a lovely film �", "1")
    assert "positive" in predict("a lovely film \udcff").stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--csv", "new.csv"], "--csv needs --out FILE"),
        (["a film", "--keep"], "go with --csv FILE"),
        (["a film", "--header"], "go with --csv FILE"),
        (["--csv", "new.csv", "--out", "."], "--out .: is a folder. Name a file in it."),
        (["--csv", "n*.csv", "--out", "-"], "n*.csv: is 2 files. Give one"),
        (["--csv", "named.csv", "--out", "-", "--keep"], "has a column 'line' of its own. Rename it there, or leave --keep out"),
        (["--csv", "new.csv", "--out", "-", "--delimiter", "ab"], "--delimiter ab: takes one character, no line end and no quote."),
        (["--csv", "new.csv", "--out", "-", "--text", "txt"], "--text txt: no such column. Its columns: text, stars. Did you mean 'text'?"),
    ],
    ids=["no out", "keep", "header", "folder", "glob", "line", "delimiter", "column"],
)  # fmt: skip
def test_what_cannot_be_done_is_told(
    arguments: list[str], problem: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    FRAME.rename(columns={"stars": "line"}).to_csv("named.csv", index=False)
    assert problem in predict(*arguments, code=2).stderr
    assert sorted(Path().iterdir()) == [Path("named.csv"), Path("new.csv")]
