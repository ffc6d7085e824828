"""Bootstrap intervals of the test metrics of a regression over the test rows; see intervals.py. N rows, R resamples.

Model and baselines share the resamples, so that the interval of a difference is paired.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.analysis.intervals import Interval, intervals_of, resample_weights
from gatelab.runs.number_predictions import NumberPredictions


@np.errstate(all="ignore")  # a model that diverged predicts infinities
def number_intervals(
    rows: NumberPredictions, constants: Mapping[str, float]
) -> tuple[dict[str, dict[str, Interval]], int]:
    """mse, rmse, mae, r2, pearson and spearman of "model", "linear", the constant predictions by their names, and "model - linear", as
    far as they exist; and R."""
    predictions = {"model": rows.predictions} | ({} if rows.linear is None else {"linear": rows.linear})
    constant = {name: np.full(len(rows), value) for name, value in constants.items()}
    resampled: dict[str, dict[str, list[float]]] = {name: {} for name in (*predictions, *constant)}
    truth = Ranked(rows.targets)
    ranked = {name: Ranked(values) for name, values in predictions.items()}
    num_resamples = 0
    for weights in resample_weights(len(rows)):
        num_resamples += 1
        centre = weights @ rows.targets / len(rows)
        variance = weights @ (rows.targets - centre) ** 2 / len(rows)
        truth_ranks = truth.ranks(weights)
        for name, values in (predictions | constant).items():
            errors = values - rows.targets
            mse = weights @ errors**2 / len(rows)
            found = {"mse": mse, "rmse": mse**0.5, "mae": weights @ np.abs(errors) / len(rows)}
            found["r2"] = 1 - mse / variance if variance else np.nan
            if name in ranked:
                found["pearson"] = weighted_correlation(values, rows.targets, weights)
                found["spearman"] = weighted_correlation(ranked[name].ranks(weights), truth_ranks, weights)
            for metric, value in found.items():
                resampled[name].setdefault(metric, []).append(float(value))
    measured = {
        name: {metric: np.array(values) for metric, values in found.items()} for name, found in resampled.items()
    }
    return intervals_of(measured, with_undefined=False), num_resamples


class Ranked:
    """Numbers (N,) in order, for their ranks in a resample."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.order = np.argsort(values, kind="stable")
        ordered = values[self.order]
        self.groups = np.cumsum(np.r_[0, ordered[1:] != ordered[:-1]])  # equal numbers have the same rank

    def ranks(self, weights: NDArray[Any]) -> NDArray[Any]:
        """(N,): the mean rank among the rows of a resample, in which row n is weights[n] times."""
        sizes = np.bincount(self.groups, weights[self.order])
        ranks = np.empty(len(weights))
        ranks[self.order] = (np.cumsum(sizes) - (sizes - 1) / 2)[self.groups]
        return ranks


def weighted_correlation(x: NDArray[Any], y: NDArray[Any], weights: NDArray[Any]) -> float:
    total = weights.sum()
    x, y = x - weights @ x / total, y - weights @ y / total
    spread = np.sqrt((weights @ x**2) * (weights @ y**2))
    return float((weights * x) @ y / spread) if spread else np.nan
