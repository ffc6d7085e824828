"""Learning curves of an arm over its seeds: the mean and the range at each epoch, from metrics.csv. P epochs."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.curves import learning_curves
from gatelab.runs.load import Run
from gatelab.runs.metrics import SELECTED

FIRST = ("train/loss", "validation/loss", f"validation/{SELECTED}", "validation/accuracy", "train/accuracy")


@dataclass(frozen=True)
class Band:
    """At each epoch (P,): the mean over the runs that came so far, the lowest and highest of them, and how many; NaN where
    none of them has a number."""

    epochs: NDArray[Any]
    mean: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    num: NDArray[Any]


def seed_bands(arm: Arm) -> dict[str, Band]:
    """A band for each metric of an epoch that its finished runs have, or while none is finished those that it has.

    Raises RunError for a file that cannot be read.
    """
    by_run = [epoch_values(run) for run in arm.finished or arm.runs]
    bands = {}
    for name in in_order({name for values in by_run for name in values} - {"train/loss_step"}):
        at: dict[int, list[float]] = {}
        for values in by_run:
            for epoch, value in values.get(name, {}).items():
                at.setdefault(epoch, []).extend([value] if np.isfinite(value) else [])
        if any(at.values()):
            epochs = sorted(at)
            columns = [[f(at[epoch] or [np.nan]) for epoch in epochs] for f in (np.mean, min, max)]
            columns.append([len(at[epoch]) for epoch in epochs])
            bands[name] = Band(np.array(epochs), *(np.array(column) for column in columns))
    return bands


def in_order(names: Collection[str]) -> list[str]:
    return [*(name for name in FIRST if name in names), *sorted(set(names) - set(FIRST))]


def epoch_values(run: Run) -> dict[str, dict[int, float]]:
    """By metric, the value of each epoch; of a run that logged no train/loss the mean of the steps that it logged. Empty
    before the first has ended."""
    learning = learning_curves(run.folder.metrics, most_points=None)
    if not any(name.startswith("validation/") for name in learning.curves):
        return {}
    found = {}
    curves = {**learning.curves}
    if "train/loss_step" in curves:
        curves.setdefault("train/loss", curves["train/loss_step"])
    for name, (x, y) in curves.items():
        epochs = np.ceil(x - 1e-6).astype(int)
        sums, counts = np.bincount(epochs, y), np.bincount(epochs)
        found[name] = {epoch: float(sums[epoch] / counts[epoch]) for epoch in np.flatnonzero(counts).tolist()}
    return found
