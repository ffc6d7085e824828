"""predictions.csv: for each test row its file, line and length, its label and prediction, and the probabilities of the model and the
linear baseline. Written by training, read by reports. Of numbers and of several labels: number_predictions, label_predictions."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.bounded import open_table
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.runs.csv_rows import RowWriter

PLACE = ("file", "line", "tokens")
MODEL, LINEAR = "probability:", "linear:"  # what a column begins with; a class name follows


def write_predictions(
    file: Path, prepared: Any, rows: NDArray[Any], probabilities: NDArray[Any], linear: NDArray[Any] | None,
    predicted: NDArray[Any],
) -> None:  # fmt: skip
    """rows (N,) index the prepared data, probabilities (N, K); linear (R, K) of all R test rows, in their order;
    predicted (N,): classes. file and line name the row in its source file; tokens is its length as the model reads it."""
    classes = prepared.classes
    values = probabilities if linear is None else np.hstack([probabilities, linear_of(prepared, rows, linear)])
    kinds = (MODEL,) if linear is None else (MODEL, LINEAR)
    columns = ["label", "prediction", *(kind + name for kind in kinds for name in classes)]
    cells = (
        [classes[prepared.labels[row]], classes[predicted[number]], *map(repr, values[number].tolist())]
        for number, row in enumerate(rows)
    )
    write_rows(file, prepared, rows, columns, cells)


def write_rows(
    file: Path, prepared: Any, rows: NDArray[Any], columns: Sequence[str], cells: Iterable[Sequence[Any]]
) -> None:
    """The file, line and length of each row, and its cells of the columns."""
    names = [Path(name).name for name in prepared.record["files"]]
    lengths = np.diff(prepared.offsets)
    text = io.StringIO()
    writer = RowWriter(text)
    writer.writerow([*PLACE, *columns])
    for row, more in zip(rows, cells, strict=True):
        writer.writerow([names[prepared.files[row]], int(prepared.lines[row]), int(lengths[row]), *more])
    atomic_write(file, text.getvalue())


def linear_of(prepared: Any, rows: NDArray[Any], linear: NDArray[Any]) -> NDArray[Any]:
    """(N, K) or (N,) of the tested rows, which trainer.limit_test_batches may make fewer than all test rows."""
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
    with readable(file):
        columns = read_columns(file)
        classes = [name.removeprefix(MODEL) for name in columns if name.startswith(MODEL)]
        number = {name: index for index, name in enumerate(classes)}
        return Predictions(
            classes=classes,
            **places(columns),
            labels=np.array([number[name] for name in columns["label"]]),
            predictions=np.array([number[name] for name in columns["prediction"]]),
            probabilities=matrix(columns, MODEL, classes),
            linear=matrix(columns, LINEAR, classes) if LINEAR + classes[0] in columns else None,
        )


def kind_of(file: Path) -> Literal["class", "number", "labels"]:
    """What was predicted, by the columns of the file. Raises RunError."""
    with readable(file), open_table(file) as stream:
        return kind_in(stream)


def kind_in(stream: IO[str]) -> Literal["class", "number", "labels"]:
    """As kind_of, of an open file, which is at its start afterwards."""
    header = next(csv.reader(stream), [])
    stream.seek(0)
    return "number" if "target" in header else "labels" if "labels" in header else "class"


def read_outcomes(file: Path) -> tuple[list[str], list[str]]:
    """The line and the prediction of each row as they are written. Raises RunError."""
    with readable(file):
        columns = read_columns(file)
        return list(columns["line"]), list(columns["predictions" if "predictions" in columns else "prediction"])


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Raise RunError, naming the file, for what a damaged one raises."""
    try:
        yield
    except (ValueError, KeyError, IndexError, StopIteration, OverflowError, OSError, csv.Error) as error:
        problem = f"lacks {error}" if isinstance(error, KeyError) else str(getattr(error, "strerror", None) or error)
        raise RunError(
            f"{file}: cannot be read as predictions ({problem}). force=true on the run's command writes it again."
        ) from None


def read_columns(file: Path) -> dict[str, tuple[str, ...]]:
    with open_table(file) as stream:
        reader = csv.reader(stream)
        header = next(reader)
        return dict(zip(header, zip(*reader, strict=True), strict=True))


def places(columns: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    return {
        "files": list(columns["file"]),
        "lines": np.array(columns["line"], dtype=np.int64),
        "tokens": np.array(columns["tokens"], dtype=np.int64),
    }


def matrix(columns: dict[str, tuple[str, ...]], kind: str, classes: list[str]) -> NDArray[Any]:
    """(N, K) from the columns of one kind."""
    return np.array([columns[kind + name] for name in classes], dtype=float).T
