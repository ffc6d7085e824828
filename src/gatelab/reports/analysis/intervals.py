"""Bootstrap intervals of test metrics over the test rows. N rows, K classes, R resamples, C cells.

Accuracy and F1 depend only on the counts of (label, prediction) cells, so a resample is a multinomial draw of these counts.
AUROC needs the rows themselves. Model and baselines share the resamples, so that the interval of a difference is paired.

Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentiles).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.runs.predictions import Predictions

SEED = 0
LEVEL = 0.95
RESAMPLES = 1000
MIN_RESAMPLES = 100
MAX_DRAWN = 40_000_000  # rows × classes of AUROC over all resamples, about a second
CHUNK = 2_000_000

Interval = tuple[float, float]


def metric_intervals(rows: Predictions, majority: int | None) -> dict[str, dict[str, Interval]]:
    """accuracy, macro_f1, auroc and "f1 NAME" of each class, for "model", "linear", "majority" and "model - linear", as far
    as they exist. majority is a class index."""
    predictions = {"model": rows.predictions}
    scores = {"model": rows.probabilities}
    if rows.linear is not None:
        predictions["linear"], scores["linear"] = rows.linear.argmax(1), rows.linear
    if majority is not None:
        predictions["majority"] = np.full(len(rows), majority)
    resampled = resample_cells(rows.labels, predictions, rows.classes)
    for name, values in resample_auroc(rows.labels, scores).items():
        resampled[name]["auroc"] = values
    return intervals_of(resampled)


def intervals_of(
    measured: dict[str, dict[str, NDArray[Any]]], *, with_undefined: bool = True
) -> dict[str, dict[str, Interval]]:
    """Of each metric (R,) over the resamples, for each entry and, where there is a "linear", for "model - linear" too.
    with_undefined: also of a metric that no resample has, as NaN."""
    if "linear" in measured:
        linear = measured["linear"]
        measured["model - linear"] = {metric: values - linear[metric] for metric, values in measured["model"].items()}
    return {
        name: {
            metric: percentiles(values)
            for metric, values in metrics.items()
            if with_undefined or not np.isnan(values).all()
        }
        for name, metrics in measured.items()
    }


def percentiles(values: NDArray[Any]) -> Interval:
    tail = (1 - LEVEL) / 2
    values = values[~np.isnan(values)]  # AUROC of resamples that lack a class, or of all
    low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
    return float(low), float(high)


def resample_weights(num_rows: int, num_columns: int = 1) -> Iterator[NDArray[np.int64]]:
    """How often each row is drawn, (N,), in each resample: fewer, but at least 100, where rows and columns are many."""
    random = np.random.default_rng(SEED)
    for _ in range(max(MIN_RESAMPLES, min(RESAMPLES, MAX_DRAWN // (num_rows * num_columns)))):
        yield np.bincount(random.integers(0, num_rows, num_rows), minlength=num_rows)


def proportion_interval(hits: int, total: int) -> Interval:
    """Wilson's interval of a proportion (1927), valid near 0 and 1 and for few rows."""
    from scipy.stats import binomtest

    low, high = binomtest(hits, total).proportion_ci(LEVEL, method="wilson")
    return float(low), float(high)


def resample_cells(
    labels: NDArray[Any], predictions: Mapping[str, NDArray[Any]], classes: Sequence[str]
) -> dict[str, dict[str, NDArray[Any]]]:
    """accuracy, macro_f1 and "f1 NAME", each (R,), of every entry of predictions. labels and predictions (N,)."""
    cells, counts = np.unique(np.stack([labels, *predictions.values()]), axis=1, return_counts=True)  # (1 + P, C), (C,)
    random = np.random.default_rng(SEED)
    num_rows, step = len(labels), max(1, CHUNK // len(counts))
    parts = [
        random.multinomial(num_rows, counts / num_rows, size=min(step, RESAMPLES - begin))
        for begin in range(0, RESAMPLES, step)
    ]
    one_hot = np.eye(len(classes))
    results: dict[str, dict[str, NDArray[Any]]] = {}
    for name, predicted in zip(predictions, cells[1:], strict=True):
        right = np.where((cells[0] == predicted)[:, None], one_hot[predicted], 0)  # (C, K)
        either = one_hot[cells[0]] + one_hot[predicted]  # (C, K)
        hits = np.concatenate([drawn @ right for drawn in parts])  # (R, K)
        sizes = np.concatenate([drawn @ either for drawn in parts])  # (R, K)
        with np.errstate(invalid="ignore"):
            f1 = 2 * hits / sizes  # undefined for a class neither drawn nor predicted, which does not count
            results[name] = {"accuracy": hits.sum(1) / num_rows, "macro_f1": np.nanmean(f1, 1)}
        results[name] |= {f"f1 {class_name}": np.nan_to_num(f1[:, k]) for k, class_name in enumerate(classes)}
    return results


def resample_auroc(labels: NDArray[Any], scores: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The area (R,) of each entry of scores (N, K): of the second of two classes, else the mean of one against the
    rest. Empty where rows and classes are too many for 100 resamples within about a second."""
    num_rows, num_classes = next(iter(scores.values())).shape
    wanted = [1] if num_classes == 2 else list(range(num_classes))
    cost = max(num_rows, 2000) * len(wanted)  # smaller samples take no less time
    resamples = min(RESAMPLES, MAX_DRAWN // cost)
    if resamples < MIN_RESAMPLES:
        return {}
    ranked = {name: [Ranking(labels == k, values[:, k]) for k in wanted] for name, values in scores.items()}
    areas: dict[str, list[float]] = {name: [] for name in scores}
    random = np.random.default_rng(SEED)
    for _ in range(resamples):
        weights = np.bincount(random.integers(0, num_rows, num_rows), minlength=num_rows)
        for name, rankings in ranked.items():
            found = [ranking.area(weights) for ranking in rankings]
            areas[name].append(float(np.nanmean(found)) if not np.isnan(found).all() else np.nan)
    return {name: np.array(values) for name, values in areas.items()}


class Ranking:
    """Rows ordered by score, for weighted areas."""

    def __init__(self, positive: NDArray[Any], score: NDArray[Any]) -> None:
        self.order = np.argsort(score, kind="stable")
        self.positive = positive[self.order]
        ordered = score[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])  # of each group of equal scores
        self.tied = len(self.starts) < len(ordered)

    def area(self, weights: NDArray[Any]) -> float:
        """The fraction of (positive, negative) pairs in which the positive scores higher, ties counted half."""
        weights = weights[self.order]
        positive = np.where(self.positive, weights, 0)
        negative = weights - positive
        if self.tied:
            positive, negative = np.add.reduceat(positive, self.starts), np.add.reduceat(negative, self.starts)
        pairs = float(positive.sum()) * float(negative.sum())
        below = np.cumsum(negative) - negative / 2
        return float(positive @ below) / pairs if pairs else float("nan")
