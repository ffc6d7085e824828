"""Learning curves of an arm over its seeds: the mean and the range at each epoch, from metrics.csv. P epochs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.curves import learning_curves
from gatelab.runs.load import Run
from gatelab.runs.metrics import SELECTED

FIRST = ("train/loss", "validation/loss", f"validation/{SELECTED}", "validation/accuracy", "train/accuracy")


@dataclass(frozen=True)
class Band:
    """At each epoch (P,): mean, minimum and maximum over the runs that reached it, and their number; NaN where none has a
    finite value."""

    epochs: NDArray[Any]
    mean: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    num: NDArray[Any]


def seed_bands(arm: Arm, problems: list[str] | None = None) -> dict[str, Band]:
    """A band for each metric logged per epoch, over the finished runs, or over all while none is finished. A damaged file is
    left out, and its sentence added to problems."""
    by_run = []
    for run in arm.finished or arm.runs:
        try:
            by_run.append(epoch_values(run))
        except RunError as error:
            if problems is not None:
                problems.append(str(error))
    bands = {}
    for name in in_order({name for values in by_run for name in values} - {"train/loss_step"}):
        at: dict[int, list[float]] = {}
        for values in by_run:
            for epoch, value in values.get(name, {}).items():
                at.setdefault(epoch, []).extend([value] if np.isfinite(value) else [])
        if any(at.values()):
            bands[name] = band_of(at)
    return bands


def band_of(at: Mapping[Any, Sequence[float]]) -> Band:
    """at: by epoch, or by another number, the finite values of the runs."""
    epochs = sorted(at)
    columns = [[f(at[epoch] or [np.nan]) for epoch in epochs] for f in (np.mean, min, max)]
    columns.append([len(at[epoch]) for epoch in epochs])
    return Band(np.array(epochs), *(np.array(column) for column in columns))


def in_order(names: Collection[str]) -> list[str]:
    return [*(name for name in FIRST if name in names), *sorted(set(names) - set(FIRST))]


def epoch_values(run: Run) -> dict[str, dict[int, float]]:
    """By metric, the value of each epoch; without train/loss the mean of its logged steps. Empty before the first epoch
    has ended."""
    learning = learning_curves(run.folder.metrics, max_points=None)
    if not any(name.startswith("validation/") for name in learning.curves):
        return {}
    found = {}
    curves = {**learning.curves}
    if "train/loss_step" in curves:
        curves.setdefault("train/loss", curves["train/loss_step"])
    for name, (x, y) in curves.items():
        epochs = np.ceil(x - 1e-6).astype(int)
        distinct, places, counts = np.unique(epochs, return_inverse=True, return_counts=True)
        found[name] = dict(zip(distinct.tolist(), (np.bincount(places, y) / counts).tolist(), strict=True))
    return found
