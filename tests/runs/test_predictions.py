from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gatelab.errors import RunError
from gatelab.runs.predictions import read_predictions, write_predictions

CLASSES = ['a "b", c', "probability:d", "\u202e"]


@pytest.fixture
def prepared() -> Any:
    """Ten rows in two files, of which 1, 4, 5 and 8 are the test rows; row r has r + 1 tokens."""
    return SimpleNamespace(
        classes=CLASSES,
        record={"files": ["/somewhere/one.csv", "two, three.csv"]},
        files=np.array([0] * 5 + [1] * 5),
        lines=np.arange(10) + 2,
        offsets=np.concatenate([[0], np.cumsum(np.arange(1, 11))]),
        labels=np.arange(10) % 3,
        parts={"test": np.array([1, 4, 5, 8])},
    )


def test_what_is_written_is_read_again_to_the_last_digit(prepared: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    probabilities, linear = random.dirichlet(np.ones(3), 4), random.dirichlet(np.ones(3), 4).astype(np.float32)
    write_predictions(
        tmp_path / "p.csv", prepared, np.array([1, 4, 5, 8]), probabilities, linear, probabilities.argmax(1)
    )
    rows = read_predictions(tmp_path / "p.csv")
    assert (rows.classes, rows.files) == (CLASSES, ["one.csv", "one.csv", "two, three.csv", "two, three.csv"])
    assert (rows.lines.tolist(), rows.tokens.tolist()) == ([3, 6, 7, 10], [2, 5, 6, 9])
    assert rows.labels.tolist() == [1, 1, 2, 2]
    assert rows.predictions.tolist() == probabilities.argmax(1).tolist()
    np.testing.assert_array_equal(rows.probabilities, probabilities)
    assert rows.linear is not None
    np.testing.assert_array_equal(rows.linear.astype(np.float32), linear)


def test_of_rows_that_were_not_tested_the_linear_baseline_says_nothing_either(prepared: Any, tmp_path: Path) -> None:
    linear = np.arange(12).reshape(4, 3)
    write_predictions(tmp_path / "p.csv", prepared, np.array([4, 8]), np.eye(3)[:2], linear, np.array([0, 1]))
    found = read_predictions(tmp_path / "p.csv").linear
    assert found is not None
    assert found.tolist() == linear[[1, 3]].tolist()


def test_without_a_baseline_there_are_no_columns_for_it(prepared: Any, tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", prepared, np.array([4, 8]), np.eye(3)[:2], None, np.array([0, 1]))
    assert read_predictions(tmp_path / "p.csv").linear is None
    assert "linear" not in (tmp_path / "p.csv").read_text()


@pytest.mark.parametrize(
    "damage", ["", "file,line\n", "file,line,tokens,label,prediction,probability:x\n1,2\n", "text\nx\n"]
)
def test_a_file_that_holds_no_predictions_is_named(damage: str, tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_text(damage)
    with pytest.raises(RunError, match=r"predictions\.csv: cannot be read as predictions"):
        read_predictions(tmp_path / "predictions.csv")
