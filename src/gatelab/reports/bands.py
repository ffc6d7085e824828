"""Learning curves of an arm over its seeds: the mean and the range at each epoch, from metrics.csv. P epochs."""

from dataclasses import dataclass

import numpy as np

from gatelab.reports.arms import Arm
from gatelab.reports.curves import learning_curves
from gatelab.reports.load import Run

CURVES = ("train/loss", "validation/loss", "validation/macro_f1", "validation/accuracy")


@dataclass(frozen=True)
class Band:
    """At each epoch (P,): the mean over the runs that came so far, the lowest and highest of them, and how many."""

    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    num: np.ndarray


def seed_bands(arm: Arm) -> dict[str, Band]:
    """A band for each of CURVES that its finished runs have, or while none is finished those that it has.

    Raises RunError for a file that cannot be read.
    """
    by_run = [epoch_values(run) for run in arm.finished or arm.runs]
    bands = {}
    for name in CURVES:
        at: dict[int, list[float]] = {}
        for values in by_run:
            for epoch, value in values.get(name, {}).items():
                at.setdefault(epoch, []).append(value)
        if at:
            epochs = sorted(at)
            columns = [[f(at[epoch]) for epoch in epochs] for f in (np.mean, min, max, len)]
            bands[name] = Band(np.array(epochs), *(np.array(column) for column in columns))
    return bands


def epoch_values(run: Run) -> dict[str, dict[int, float]]:
    """By metric, the value at the end of each epoch; of train/loss the mean within it. Empty before the first has ended."""
    learning = learning_curves(run.folder.metrics, most_points=None)
    if not any(name.startswith("validation/") for name in learning.curves):
        return {}
    found = {}
    for name, (x, y) in learning.curves.items():
        epochs = np.ceil(x - 1e-6).astype(int)
        sums, counts = np.bincount(epochs, y), np.bincount(epochs)
        found[name] = {epoch: float(sums[epoch] / counts[epoch]) for epoch in np.flatnonzero(counts).tolist()}
    return found
