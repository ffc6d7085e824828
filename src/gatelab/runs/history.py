"""metrics.csv, the history of a run: written while it trains, read at once or while it grows."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from gatelab.bounded import MIB, read_all, regular
from gatelab.errors import RunError
from gatelab.runs.metrics import SELECTED, order_of
from gatelab.trackers.tracker import Point

MAX_STEP = 2**53
MAX_METRICS_BYTES = 256 * MIB  # of some six million values
HEADER = ["epoch", "step", "name", "value"]


class Value(NamedTuple):
    epoch: int
    step: int
    name: str
    value: float


def append_values(metrics_file: Path, epoch: int, step: int | None, metrics: Mapping[str, float]) -> None:
    """Append a line for each value, after a header in a new file."""
    with open(metrics_file, "a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if stream.tell() == 0:
            writer.writerow(HEADER)
        writer.writerows([epoch, step, name, repr(float(value))] for name, value in metrics.items())


def read_values(metrics_file: Path, size: int = -1) -> list[Value]:
    """All complete lines, or those of the first size bytes; none without a file. Raises RunError for a damaged file."""
    try:
        content = b""
        with suppress(FileNotFoundError), open(metrics_file, "rb", opener=regular) as stream:
            if size < 0:
                content = read_all(stream, metrics_file, MAX_METRICS_BYTES)
            else:
                content = stream.read(min(size, os.fstat(stream.fileno()).st_size))
        # A run that was killed, or is running, may have written half a line.
        complete = content[: content.rfind(b"\n") + 1]
        header, *lines = complete.decode("utf-8").splitlines() or [",".join(HEADER)]
        if header != ",".join(HEADER):
            raise ValueError(f"its first line is not {','.join(HEADER)}")
        return list(parse(lines))
    except OSError as error:
        raise RunError(f"{metrics_file}: {error.strerror}. Run again with force=true.") from None
    except (ValueError, csv.Error) as error:
        raise RunError(f"{metrics_file}: cannot be read as metrics: {error}.") from None


def parse(lines: Iterable[str]) -> Iterator[Value]:
    """Raises ValueError or csv.Error for a line that append_values has not written."""
    for epoch, step, name, value in csv.reader(lines):
        found = Value(int(epoch), int(step), name, float(value))
        if not (0 <= found.epoch < MAX_STEP and 0 <= found.step < MAX_STEP):
            raise ValueError(f"no run has epoch {epoch[:20]} at step {step[:20]}")
        yield found


class NewValues:
    """What has been added to metrics.csv since the last call of ``read``; damaged lines are skipped."""

    def __init__(self, metrics_file: Path) -> None:
        self.metrics_file = metrics_file
        self.reset()

    def reset(self) -> None:
        """The next call of ``read`` begins at the first line."""
        self._offset, self._rest = 0, b""

    def read(self) -> list[Value]:
        """The values of the complete lines that are new; of all lines where the file was cut back to a checkpoint.
        Raises FileNotFoundError."""
        with open(self.metrics_file, "rb", opener=regular) as stream:
            if stream.seek(0, 2) < self._offset:
                self.reset()
            stream.seek(self._offset)
            content = stream.read(MAX_METRICS_BYTES)
        self._offset += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        found: list[Value] = []
        for line in lines:
            with suppress(ValueError, csv.Error):
                found += parse([line.decode("utf-8")])
        return found


def read_points(metrics_file: Path, size: int) -> list[Point]:
    """The first size bytes of metrics.csv, with the values logged together as one point."""
    return [
        Point(step, epoch, {line.name: line.value for line in group})
        for (epoch, step), group in groupby(read_values(metrics_file, size), lambda line: line[:2])
    ]


def best_validation(metrics_file: Path, monitor: str = SELECTED) -> dict[str, float]:
    """The validation metrics of the first epoch with the best selection metric, and that epoch, counted from 0; empty where
    no epoch was validated."""
    epochs: dict[int, dict[str, float]] = {}
    for epoch, _, name, value in read_values(metrics_file):
        if name.startswith("validation/"):
            epochs.setdefault(epoch, {})[name.removeprefix("validation/")] = value
    if not epochs:
        return {}
    best = min(epochs, key=lambda epoch: order_of(monitor, epochs[epoch].get(monitor)))
    return {"epoch": best, **epochs[best]}
