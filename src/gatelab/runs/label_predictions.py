"""predictions.csv of a multi-label classifier: for each test row its file, line and length, its labels and those predicted, and the
probability of each label by the model and the linear baseline; and selected rows in examples.json. N test rows, K labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.runs.examples import write_selected
from gatelab.runs.predictions import LINEAR, MODEL, linear_of, matrix, places, read_columns, readable, write_rows

JOINED = "|"  # between the labels of a row; in no label


def joined(classes: list[str], chosen: NDArray[Any]) -> str:
    """chosen (K,): which labels."""
    return JOINED.join(classes[k] for k in np.flatnonzero(chosen))


def write_label_predictions(
    file: Path, prepared: Any, rows: NDArray[Any], probabilities: NDArray[Any], linear: NDArray[Any] | None,
    threshold: float,
) -> None:  # fmt: skip
    """rows (N,) index the prepared data, probabilities (N, K); linear (R, K) of all R test rows, in their order."""
    classes, targets = prepared.classes, np.asarray(prepared.labels)[rows]
    values = probabilities if linear is None else np.hstack([probabilities, linear_of(prepared, rows, linear)])
    kinds = (MODEL,) if linear is None else (MODEL, LINEAR)
    columns = ["labels", "predictions", *(kind + name for kind in kinds for name in classes)]
    cells = (
        [joined(classes, target), joined(classes, of >= threshold), *map(repr, more)]
        for target, of, more in zip(targets, probabilities, values.tolist(), strict=True)
    )
    write_rows(file, prepared, rows, columns, cells)


@dataclass(frozen=True)
class LabelPredictions:
    """labels and predictions: which of the classes each row has."""

    classes: list[str]
    files: list[str]
    lines: NDArray[Any]  # (N,)
    tokens: NDArray[Any]  # (N,)
    labels: NDArray[Any]  # (N, K)
    predictions: NDArray[Any]  # (N, K)
    probabilities: NDArray[Any]  # (N, K)
    linear: NDArray[Any] | None  # (N, K)

    def __len__(self) -> int:
        return len(self.labels)


def read_label_predictions(file: Path) -> LabelPredictions:
    """Raises RunError, naming the file, for a damaged one."""
    with readable(file):
        columns = read_columns(file)
        classes = [name.removeprefix(MODEL) for name in columns if name.startswith(MODEL)]
        number = {name: index for index, name in enumerate(classes)}

        def chosen(cells: tuple[str, ...]) -> NDArray[Any]:
            found = np.zeros((len(cells), len(classes)), dtype=bool)
            for row, cell in enumerate(cells):
                found[row, [number[name] for name in cell.split(JOINED) if name]] = True
            return found

        return LabelPredictions(
            classes=classes,
            **places(columns),
            labels=chosen(columns["labels"]),
            predictions=chosen(columns["predictions"]),
            probabilities=matrix(columns, MODEL, classes),
            linear=matrix(columns, LINEAR, classes) if LINEAR + classes[0] in columns else None,
        )


def write_label_examples(
    file: Path, prepared: Any, rows: NDArray[Any], probabilities: NDArray[Any], threshold: float
) -> None:
    classes, targets = prepared.classes, np.asarray(prepared.labels)[rows].astype(bool)
    wrong = (probabilities >= threshold) != targets
    surprise = -np.log(np.where(targets, probabilities, 1 - probabilities).clip(1e-300)).sum(1)
    mistakes = np.flatnonzero(wrong.any(1))
    orders = {
        "most wrong labels": mistakes[np.lexsort((-surprise[mistakes], -wrong[mistakes].sum(1)))],
        "least certain": np.argsort(np.abs(probabilities - threshold).min(1), kind="stable"),
    }

    def outcome(number: int) -> dict[str, Any]:
        predicted = joined(classes, probabilities[number] >= threshold)
        return {"label": joined(classes, targets[number]), "prediction": predicted, "wrong": int(wrong[number].sum())}

    write_selected(file, prepared, rows, orders, lambda number: targets[number].tobytes(), outcome)
