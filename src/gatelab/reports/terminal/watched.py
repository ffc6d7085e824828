"""How far a run is, read again and again: of metrics.csv only what has been added since the last look."""

import math
from contextlib import suppress
from typing import Any

from gatelab.errors import RunError
from gatelab.runs.config import load_config
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import NewValues, Value
from gatelab.runs.load import Run
from gatelab.runs.metrics import best_of
from gatelab.runs.record import RunRecord

MIN_SECONDS = 1.0  # between two looks, for a speed


class WatchedRun:
    """status, epoch (the current one, or the number of ended ones), last values, speed."""

    def __init__(self, folder: RunFolder) -> None:
        self.run = Run(folder, "", RunRecord(), {})
        self.status = ""
        self.problem = ""  # why its folder is unreadable
        self._stamp = (0, 0)
        self._new_values = NewValues(folder.metrics)
        self._forget()

    def _forget(self) -> None:
        self._new_values.reset()
        self._ended = 0  # epochs
        self._step = -1
        self._steps_per_epoch: float | None = None
        self._speed: list[tuple[float, int]] = []  # time and number of steps, first and last known
        self.train_loss: float | None = None
        self.monitored: float | None = None
        self.best: float | None = None

    def look(self) -> None:
        try:
            self._read_record()
            self._read_metrics()
            self.problem = ""
        except (RunError, OSError) as error:
            self.problem = str(error)
        self.status = self.run.folder.status_of(self.run.record)

    @property
    def num_epochs(self) -> int | None:
        return whole_number(self.run.settings.get("trainer.max_epochs"))

    @property
    def epoch(self) -> int:
        if self.status != "running":
            return self._ended
        return min(self._ended + 1, self.num_epochs or self._ended + 1)

    @property
    def epochs_done(self) -> float:
        """With the part of the current one that is trained, as far as that is known."""
        steps = (self._step + 1) / self._steps_per_epoch if self._steps_per_epoch else 0.0
        return min(max(float(self._ended), steps), float(self.num_epochs or self._ended))

    @property
    def seconds_per_epoch(self) -> float | None:
        """Of training and validation, None until known; after the end, the mean over the whole run."""
        if self.status != "running":
            seconds = self.run.record.seconds
            return seconds / self._ended if seconds and self._ended else None
        if len(self._speed) < 2 or self._steps_per_epoch is None:
            return None
        (start, before), (end, after) = self._speed
        return (end - start) / (after - before) * self._steps_per_epoch

    @property
    def seconds_left(self) -> float | None:
        """Until its last epoch, without early stopping; None unless it is running and its speed is known."""
        seconds = self.seconds_per_epoch
        if self.status != "running" or seconds is None or self._steps_per_epoch is None or self.num_epochs is None:
            return None
        return max(0.0, seconds * (self.num_epochs - (self._step + 1) / self._steps_per_epoch))

    def _read_record(self) -> None:
        """Raises RunError for a damaged run.json or config.yaml."""
        folder = self.run.folder
        try:
            stat = folder.record_file.stat()
        except FileNotFoundError:  # it is being started again
            return
        if (stat.st_mtime_ns, stat.st_size) == self._stamp and self.run.settings:  # config.yaml comes a little later
            return
        self._stamp = (stat.st_mtime_ns, stat.st_size)
        record, before = folder.record, self.run
        self.run = Run(folder, record.status, record, before.settings)
        if starts(self.run) != starts(before) or not before.settings:
            self._forget()
            self.run = Run(folder, self.run.status, record, load_config(folder))
            rows = record.data.split_sizes.get("train") if record.data and record.data.unit == "row" else None
            batch_size = whole_number(self.run.settings.get("data.batch_size"))
            if rows and batch_size:
                self._steps_per_epoch = math.ceil(rows / batch_size)  # until the first epoch ends
            if not record.resumed and (started := record.started_at()) is not None:
                self._speed = [(started, 0)]

    def _read_metrics(self) -> None:
        try:
            values = self._new_values.read()
            changed = self.run.folder.metrics.stat().st_mtime
        except FileNotFoundError:
            return
        for value in values:
            with suppress(ArithmeticError):  # an epoch or step that training has not written
                self._take(value)
        if values:
            self._time(changed)

    def _take(self, value: Value) -> None:
        self._step = value.step
        if value.name == "train/loss":
            self.train_loss = value.value
        elif value.name == f"validation/{self.run.record.monitor}":
            self.monitored = value.value
            self.best = best_of(value.name, [self.monitored if self.best is None else self.best, self.monitored])
            self._ended = value.epoch + 1
            self._steps_per_epoch = (self._step + 1) / self._ended

    def _time(self, changed: float) -> None:
        """Speed between looks; before the second look since the start of the run, including its preparation."""
        now = (changed, self._step + 1)
        first = self._speed[:1]
        if len(self._speed) == 2 and self._speed[0][1] == 0:
            first = self._speed[1:]
        if first and (now[1] <= first[0][1] or now[0] - first[0][0] < MIN_SECONDS):
            return
        self._speed = [*first, now]


def whole_number(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 2**63 else None


def starts(run: Run) -> tuple[str, int]:
    return run.started, len(run.record.resumed)
