"""metrics.csv: written while a run trains, and read again when it is resumed or ends."""

import csv
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from gatelab.errors import RunError
from gatelab.runs.metrics import SELECTED, order_of
from gatelab.trackers.tracker import Point

HEADER = ["epoch", "step", "name", "value"]


def append_values(metrics_file: Path, epoch: int, step: int | None, metrics: Mapping[str, float]) -> None:
    """One line a value; the first has the names of the columns before it."""
    with open(metrics_file, "a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if stream.tell() == 0:
            writer.writerow(HEADER)
        writer.writerows([epoch, step, name, repr(float(value))] for name, value in metrics.items())


def read_values(metrics_file: Path) -> list[tuple[int, int, str, float]]:
    """(epoch, step, name, value) of every whole line; none without a file. Raises RunError where it is not what training writes."""
    try:
        text = metrics_file.read_text(encoding="utf-8") if metrics_file.exists() else ""
        whole_lines = text[: text.rfind("\n") + 1]  # a run that was killed, or is running, may have written half of one
        lines = csv.reader(whole_lines.splitlines())
        if next(lines, HEADER) != HEADER:
            raise ValueError(f"its first line is not {','.join(HEADER)}")
        return [(int(epoch), int(step), name, float(value)) for epoch, step, name, value in lines]
    except ValueError as error:
        raise RunError(f"{metrics_file}: cannot be read as metrics: {error}.") from None


def read_points(metrics_file: Path, size: int) -> list[Point]:
    """The first size bytes of metrics.csv, those logged together as one point."""
    with open(metrics_file, "rb") as stream:
        lines = list(csv.DictReader(stream.read(size).decode("utf-8").splitlines()))
    return [
        Point(step, epoch, {line["name"]: float(line["value"]) for line in group})
        for (epoch, step), group in groupby(lines, lambda line: (int(line["epoch"]), int(line["step"])))
    ]


def best_validation(metrics_file: Path, monitor: str = SELECTED) -> dict[str, float]:
    """The validation metrics of the first epoch with the best selection metric, and that epoch, counted from 0."""
    epochs: dict[int, dict[str, float]] = {}
    for epoch, _, name, value in read_values(metrics_file):
        if name.startswith("validation/"):
            epochs.setdefault(epoch, {})[name.removeprefix("validation/")] = value
    best = min(epochs, key=lambda epoch: order_of(monitor, epochs[epoch][monitor]))
    return {"epoch": best, **epochs[best]}
