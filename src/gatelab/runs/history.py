"""metrics.csv: written while a run trains, and read again when it is resumed or ends."""

import csv
import math
from itertools import groupby
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from gatelab.runs.metrics import SELECTED, is_lower_better
from gatelab.trackers.tracker import Point


class MetricsCsv(Logger):
    """metrics.csv: epoch, step, name, value, one line a value, written as it is logged."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self._written = False

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> int:
        return 0

    @property
    @rank_zero_experiment
    def experiment(self) -> Path:
        return self.file

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        epoch = int(metrics.get("epoch", 0))
        with open(self.file, "a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if not self._written and self.file.stat().st_size == 0:
                writer.writerow(["epoch", "step", "name", "value"])
            self._written = True
            writer.writerows(
                [epoch, step, name, repr(float(value))] for name, value in metrics.items() if name != "epoch"
            )

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The config has a file of its own."""


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
    with open(metrics_file, newline="", encoding="utf-8") as stream:
        for line in csv.DictReader(stream):
            part, _, name = line["name"].partition("/")
            if part == "validation":
                epochs.setdefault(int(line["epoch"]), {})[name] = float(line["value"])
    sign = 1 if is_lower_better(monitor) else -1

    def place(epoch: int) -> float:
        value = sign * epochs[epoch][monitor]
        return math.inf if math.isnan(value) else value

    epoch = min(epochs, key=place)
    return {"epoch": epoch, **epochs[epoch]}
