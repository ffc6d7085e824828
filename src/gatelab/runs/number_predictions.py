"""predictions.csv of a regression: for each test row its file, line and length, its target, what is predicted, and the prediction of
the linear baseline; and in examples.json the rows with the largest errors. N test rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.runs.examples import write_selected
from gatelab.runs.predictions import linear_of, places, read_columns, readable, write_rows


def write_number_predictions(
    file: Path, prepared: Any, rows: NDArray[Any], predictions: NDArray[Any], linear: NDArray[Any] | None = None
) -> None:
    """rows (N,) index the prepared data, predictions (N,); linear (R,) of all R test rows, in their order."""
    values = [np.asarray(prepared.labels)[rows], predictions]
    values += [] if linear is None else [linear_of(prepared, rows, linear)]
    columns = ("target", "prediction", "linear")[: len(values)]
    write_rows(file, prepared, rows, columns, ([*map(repr, row)] for row in np.stack(values, 1).tolist()))


@dataclass(frozen=True)
class NumberPredictions:
    files: list[str]
    lines: NDArray[Any]  # (N,)
    tokens: NDArray[Any]  # (N,)
    targets: NDArray[Any]  # (N,)
    predictions: NDArray[Any]  # (N,)
    linear: NDArray[Any] | None  # (N,)

    def __len__(self) -> int:
        return len(self.targets)


def read_number_predictions(file: Path) -> NumberPredictions:
    """Raises RunError, naming the file, for a damaged one."""
    with readable(file):
        columns = read_columns(file)
        targets, predictions = (np.array(columns[name], dtype=float) for name in ("target", "prediction"))
        linear = np.array(columns["linear"], dtype=float) if "linear" in columns else None
        return NumberPredictions(**places(columns), targets=targets, predictions=predictions, linear=linear)


def write_number_examples(file: Path, prepared: Any, rows: NDArray[Any], predictions: NDArray[Any]) -> None:
    targets = np.asarray(prepared.labels)[rows]
    errors = predictions - targets

    def outcome(number: int) -> dict[str, Any]:
        values = {"target": targets, "prediction": predictions, "error": errors}
        return {name: float(of[number]) for name, of in values.items()}

    orders = {"largest errors": np.argsort(-np.abs(errors), kind="stable")}
    write_selected(file, prepared, rows, orders, lambda number: float(targets[number]), outcome)
