"""Learning, precision-recall and calibration curves from metrics.csv and predictions.csv. N rows, K classes."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.runs.history import read_values
from gatelab.runs.metrics import SELECTED, is_lower_better

MAX_POINTS = 300  # of a curve, more than a figure can resolve
BINS = 15  # of calibration, as in the calibration error
MAX_LENGTHS = 6
LARGEST = 1e100  # a larger loss has diverged, and would overflow an axis


@dataclass(frozen=True)
class Learning:
    """Curves (x in epochs, y) by metric, e.g. "train/loss". best: the epoch with the best selection metric, monitor."""

    curves: dict[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    best: float | None = None
    monitor: str = SELECTED
    averaged: int = 1  # number of logged values averaged in each point of train/loss_step


def learning_curves(file: Path, monitor: str = SELECTED, max_points: int | None = MAX_POINTS) -> Learning:
    """The train and validation values of metrics.csv, NaN where not finite; empty without a file or values. train/loss is the
    mean of an epoch, train/loss_step of a batch; more than max_points of these are averaged in groups.

    Raises RunError for a damaged file.
    """
    steps: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    ends: dict[int, int] = {}  # epoch → its last step, at which validation is logged
    for epoch, step, name, value in read_values(file):
        if name.startswith(("train/", "validation/")):
            steps[name].append(step)
            values[name].append(value if abs(value) < LARGEST else np.nan)
        if name.startswith("validation/"):
            ends[epoch] = step
    at_ends = set(steps.get("train/loss", [])) <= set(ends.values())
    if "train/loss" in values and "train/accuracy" not in values and not at_ends:  # from before epoch means were logged
        steps["train/loss_step"], values["train/loss_step"] = steps.pop("train/loss"), values.pop("train/loss")
    per_epoch = (max(ends.values()) + 1) / (max(ends) + 1) if ends else None
    curves = {
        name: ((np.array(steps[name]) + 1) / (per_epoch or 1), np.array(values[name]))
        for name in steps
        if per_epoch or name.startswith("train/")
    }
    best = None
    if f"validation/{monitor}" in curves:
        epochs, scores = curves[f"validation/{monitor}"]
        worse = np.where(np.isnan(scores), np.inf, scores if is_lower_better(monitor) else -scores)
        best = float(epochs[worse.argmin()])
    averaged = 1
    if "train/loss_step" in curves and max_points is not None:
        averaged = -(-len(curves["train/loss_step"][0]) // max_points)
        x, y = (average(part, averaged) for part in curves["train/loss_step"])
        curves["train/loss_step"] = x, y
    return Learning(curves, best, monitor, averaged)


def average(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Means of consecutive groups of size values; the last group may be smaller."""
    starts = np.arange(0, len(values), size)
    return np.add.reduceat(values, starts) / np.diff(np.r_[starts, len(values)])


@dataclass(frozen=True)
class PrecisionRecall:
    """One class against the rest, thresholds descending: recall (ascending), precision, threshold."""

    recall: NDArray[Any]
    precision: NDArray[Any]
    threshold: NDArray[Any]
    average: float  # average precision, as in scikit-learn

    def at_recall(self, wanted: NDArray[Any]) -> NDArray[Any]:
        """The index of the largest threshold at which the recall is at least each wanted value, from 0 to 1."""
        return np.searchsorted(self.recall, wanted - 1e-12).clip(max=len(self.recall) - 1)


def precision_recall(positive: NDArray[Any], score: NDArray[Any]) -> PrecisionRecall | None:
    """positive (N,) of truth, score (N,). None where no row is positive."""
    if not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    score, hits = score[order], np.cumsum(positive[order])
    ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True])  # equal scores share a threshold
    recall, precision = hits[ends] / hits[-1], hits[ends] / (ends + 1)
    area = float(np.sum(np.diff(np.r_[0.0, recall]) * precision))
    return PrecisionRecall(recall, precision, score[ends], area)


@dataclass(frozen=True)
class Calibration:
    """Of the rows in each of 15 equal bins of the largest probability, without empty bins."""

    low: NDArray[Any]
    confidence: NDArray[Any]  # the mean of the largest probabilities
    accuracy: NDArray[Any]
    count: NDArray[Any]


def calibration(probabilities: NDArray[Any], labels: NDArray[Any]) -> Calibration:
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    count = np.bincount(bins, minlength=BINS)
    some = np.flatnonzero(count)
    mean, accuracy = (np.bincount(bins, weights, BINS)[some] / count[some] for weights in (confidence, right))
    return Calibration(some / BINS, mean, accuracy, count[some])


def length_bins(tokens: NDArray[Any]) -> list[tuple[int, int]]:
    """About six ranges of lengths, both ends included, with similar numbers of rows. A length shared by most rows of
    its range, as where texts are truncated, is a range of its own."""
    highs = np.unique(np.quantile(tokens, np.linspace(0, 1, MAX_LENGTHS + 1)[1:], method="lower")).tolist()
    bins, low = [], int(tokens.min())
    for high in highs:
        inside = tokens[(tokens >= low) & (tokens <= high)]
        if low < high and (inside == high).mean() > 0.5:
            bins.append((low, high - 1))
            low = high
        bins.append((low, high))
        low = high + 1
    return [(low, high) for low, high in bins if ((tokens >= low) & (tokens <= high)).any()]
