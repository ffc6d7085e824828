"""predictions.csv: one line a test row: where it stands, its label, the prediction, a probability a class."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from gatelab.runs.folder import write_whole


def write_predictions(file: Path, prepared: Any, rows: np.ndarray, probabilities: np.ndarray) -> None:
    """rows (N,) index the prepared data, probabilities (N, K). file and line name the row in its source file."""
    classes = prepared.classes
    names = [Path(name).name for name in prepared.record["files"]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "line", "label", "prediction", *(f"probability:{name}" for name in classes)])
    for row, values in zip(rows, probabilities, strict=True):
        place = [names[prepared.files[row]], int(prepared.lines[row])]
        writer.writerow([*place, classes[prepared.labels[row]], classes[values.argmax()], *map(repr, values.tolist())])
    write_whole(file, text.getvalue())
