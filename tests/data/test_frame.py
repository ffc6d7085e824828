"""A DataFrame as a data source."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gatelab.data.frame import write_frame
from gatelab.data.read import read_table
from gatelab.errors import DataError

TEXTS = ["plain", 'quoted "text", with a comma', "two\nlines", "null", "  café ☕ ", "1.50"]


def test_texts_and_labels_are_read_back_as_they_stand_in_the_frame(tmp_path: Path) -> None:
    frame = pd.DataFrame({"review": TEXTS, "stars": pd.Categorical(["NA", "b"] * 3)}, index=[*"ghijkl"])
    table = read_table(write_frame(frame, tmp_path), text="review", label="stars")
    assert table.texts == TEXTS
    assert [table.classes[label] for label in table.labels] == ["NA", "b"] * 3
    assert table.lines.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_cell_without_a_value_is_no_text_and_no_label(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", None, "c", "d", "e"], "label": [0, 1, np.nan, 1, 0]})
    frame["seen"] = pd.to_datetime("2026-01-01")
    table = read_table(write_frame(frame, tmp_path), text="text", label="label")
    assert [(reject.line, reject.reason) for reject in table.rejects] == [(2, "no text"), (3, "no label")]


def test_equal_frames_are_one_file_and_another_cell_another(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": [1, 2]})
    same = pd.DataFrame({"text": ["a", "b"], "label": [1, 2]}, index=[5, 6])
    other = frame.assign(label=[1, 3])
    file = write_frame(frame, tmp_path)
    written = file.stat().st_mtime_ns
    assert write_frame(same, tmp_path) == file
    assert file.stat().st_mtime_ns == written
    assert write_frame(other, tmp_path) != file


def test_half_of_a_surrogate_pair_is_read_as_a_replacement_character(tmp_path: Path) -> None:
    file = write_frame(
        pd.DataFrame({"text": ["half \ud800 a pair", "whole \U0001f600"], "label": ["x", "y"]}), tmp_path
    )
    assert read_table(file, text="text", label="label").texts == ["half \ufffd a pair", "whole \U0001f600"]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pd.DataFrame({"text": [], "label": []}), "has no rows"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "one name each, and are text, text"),
        (pd.DataFrame([["a"]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "one name each"),
    ],
)
def test_a_frame_that_is_no_table_of_rows_is_refused(frame: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        write_frame(frame, tmp_path)
    assert not list(tmp_path.iterdir())
