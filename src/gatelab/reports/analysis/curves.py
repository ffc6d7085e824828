"""What a report's charts and pictures show, as numbers from metrics.csv and predictions.csv. N rows, K classes."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.runs.history import read_values
from gatelab.runs.metrics import SELECTED, is_lower_better

MOST_POINTS = 300  # of a curve: more than a picture of this size can show
BINS = 15  # of calibration, as in the calibration error
MOST_LENGTHS = 6
LARGEST = 1e100  # beyond it a loss has diverged, and an axis would overflow


@dataclass(frozen=True)
class Learning:
    """Curves by metric name, e.g. "train/loss": x in epochs, y. best is the epoch of the best selection metric, by name monitor."""

    curves: dict[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    best: float | None = None
    monitor: str = SELECTED
    averaged: int = 1  # how many logged values of train/loss_step stand behind each of its points


def learning_curves(file: Path, monitor: str = SELECTED, most_points: int | None = MOST_POINTS) -> Learning:
    """The train and validation values of metrics.csv, NaN where there is no number; empty where it is missing or has none
    yet. train/loss is an epoch's mean, train/loss_step a batch's; of more than most_points of these neighbours are averaged.

    Raises RunError where it is not what training writes.
    """
    steps: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    ends: dict[int, int] = {}  # epoch → its last step, where its validation stands
    for epoch, step, name, value in read_values(file):
        if name.startswith(("train/", "validation/")):
            steps[name].append(step)
            values[name].append(value if abs(value) < LARGEST else np.nan)
        if name.startswith("validation/"):
            ends[epoch] = step
    at_ends = set(steps.get("train/loss", [])) <= set(ends.values())
    if "train/loss" in values and "train/accuracy" not in values and not at_ends:  # of before gatelab logged means
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
    if "train/loss_step" in curves and most_points is not None:
        averaged = -(-len(curves["train/loss_step"][0]) // most_points)
        x, y = (average(part, averaged) for part in curves["train/loss_step"])
        curves["train/loss_step"] = x, y
    return Learning(curves, best, monitor, averaged)


def average(values: NDArray[Any], size: int) -> NDArray[Any]:
    """The means of each size values, the last of what is left."""
    starts = np.arange(0, len(values), size)
    return np.add.reduceat(values, starts) / np.diff(np.r_[starts, len(values)])


@dataclass(frozen=True)
class PrecisionRecall:
    """Of one class against the rest, from the largest threshold down: recall ascending, precision, threshold."""

    recall: NDArray[Any]
    precision: NDArray[Any]
    threshold: NDArray[Any]
    average: float  # precision, as in scikit-learn's average_precision_score

    def at_recall(self, wanted: NDArray[Any]) -> NDArray[Any]:
        """The index of the largest threshold at which the recall is at least each wanted value, from 0 to 1."""
        return np.searchsorted(self.recall, wanted - 1e-12).clip(max=len(self.recall) - 1)


def precision_recall(positive: NDArray[Any], score: NDArray[Any]) -> PrecisionRecall | None:
    """positive (N,) of truth, score (N,). None where no row is positive."""
    if not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    score, hits = score[order], np.cumsum(positive[order])
    ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True])  # equal scores come together
    recall, precision = hits[ends] / hits[-1], hits[ends] / (ends + 1)
    area = float(np.sum(np.diff(np.r_[0.0, recall]) * precision))
    return PrecisionRecall(recall, precision, score[ends], area)


@dataclass(frozen=True)
class Calibration:
    """Of the rows whose largest probability lies in each of 15 equal bins, where there are any."""

    low: NDArray[Any]
    confidence: NDArray[Any]  # the mean of the largest probabilities
    right: NDArray[Any]  # the share of right predictions
    count: NDArray[Any]


def calibration(probabilities: NDArray[Any], labels: NDArray[Any]) -> Calibration:
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    count = np.bincount(bins, minlength=BINS)
    some = np.flatnonzero(count)
    mean, share = (np.bincount(bins, weights, BINS)[some] / count[some] for weights in (confidence, right))
    return Calibration(some / BINS, mean, share, count[some])


def length_bins(tokens: NDArray[Any]) -> list[tuple[int, int]]:
    """Some six ranges of lengths, first and last included, with about as many rows each.

    A length that most rows of its range have, as where texts are cut, is a range of its own.
    """
    highs = np.unique(np.quantile(tokens, np.linspace(0, 1, MOST_LENGTHS + 1)[1:], method="lower")).tolist()
    bins, low = [], int(tokens.min())
    for high in highs:
        inside = tokens[(tokens >= low) & (tokens <= high)]
        if low < high and (inside == high).mean() > 0.5:
            bins.append((low, high - 1))
            low = high
        bins.append((low, high))
        low = high + 1
    return [(low, high) for low, high in bins if ((tokens >= low) & (tokens <= high)).any()]
