"""predictions.csv: for each test row its file, line, length, label and prediction, and the probabilities of the model and the
linear baseline. Written by training, read by reports."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.files import atomic_write

PLACE = ("file", "line", "tokens", "label", "prediction")
MODEL, LINEAR = "probability:", "linear:"  # what a column begins with; a class name follows


def write_predictions(
    file: Path, prepared: Any, rows: NDArray[Any], probabilities: NDArray[Any], linear: NDArray[Any] | None = None
) -> None:
    """rows (N,) index the prepared data, probabilities (N, K); linear (R, K) of all R test rows, in their order. file
    and line name the row in its source file; tokens is its length as the model reads it."""
    classes = prepared.classes
    names = [Path(name).name for name in prepared.record["files"]]
    values = probabilities if linear is None else np.hstack([probabilities, linear_of(prepared, rows, linear)])
    lengths = np.diff(prepared.offsets)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = (MODEL,) if linear is None else (MODEL, LINEAR)
    writer.writerow([*PLACE, *(kind + name for kind in kinds for name in classes)])
    predicted = probabilities.argmax(1)
    for number, row in enumerate(rows):
        place = [names[prepared.files[row]], int(prepared.lines[row]), int(lengths[row])]
        outcome = [classes[prepared.labels[row]], classes[predicted[number]]]
        writer.writerow([*place, *outcome, *map(repr, values[number].tolist())])
    atomic_write(file, text.getvalue())


def linear_of(prepared: Any, rows: NDArray[Any], linear: NDArray[Any]) -> NDArray[Any]:
    """(N, K) of the tested rows, which trainer.limit_test_batches may make fewer than all test rows."""
    return linear[np.searchsorted(prepared.parts["test"], rows)].astype(float)


@dataclass(frozen=True)
class Predictions:
    """What predictions.csv says of N test rows. labels and predictions are indices into classes."""

    classes: list[str]
    files: list[str]
    lines: NDArray[Any]  # (N,)
    tokens: NDArray[Any]  # (N,)
    labels: NDArray[Any]  # (N,)
    predictions: NDArray[Any]  # (N,)
    probabilities: NDArray[Any]  # (N, K)
    linear: NDArray[Any] | None  # (N, K)

    def __len__(self) -> int:
        return len(self.labels)


def read_predictions(file: Path) -> Predictions:
    """Raises RunError, naming the file, for a damaged one."""
    try:
        with open(file, newline="", encoding="utf-8") as stream:
            reader = csv.reader(stream)
            header = next(reader)
            columns = dict(zip(header, zip(*reader, strict=True), strict=True))
        classes = [name.removeprefix(MODEL) for name in header if name.startswith(MODEL)]
        number = {name: index for index, name in enumerate(classes)}
        return Predictions(
            classes=classes,
            files=list(columns["file"]),
            lines=np.array(columns["line"], dtype=np.int64),
            tokens=np.array(columns["tokens"], dtype=np.int64),
            labels=np.array([number[name] for name in columns["label"]]),
            predictions=np.array([number[name] for name in columns["prediction"]]),
            probabilities=matrix(columns, MODEL, classes),
            linear=matrix(columns, LINEAR, classes) if LINEAR + classes[0] in columns else None,
        )
    except (ValueError, KeyError, IndexError, StopIteration) as error:
        problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise RunError(
            f"{file}: cannot be read as predictions ({problem}). force=true on the run's command writes it again."
        ) from None


def matrix(columns: dict[str, tuple[str, ...]], kind: str, classes: list[str]) -> NDArray[Any]:
    """(N, K) from the columns of one kind."""
    return np.array([columns[kind + name] for name in classes], dtype=float).T
