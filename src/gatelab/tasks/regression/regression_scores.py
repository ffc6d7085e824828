"""The metrics of a regression in float64, from predictions (N,) and targets (N,) in the units of the file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def headline_metrics(predictions: NDArray[Any], targets: NDArray[Any]) -> dict[str, float]:
    """mse, mae, and r2, the fraction of the targets' variance that is explained: 0 for their mean, negative below it, NaN where
    they do not vary."""
    with np.errstate(all="ignore"):
        errors = predictions - targets
        mse, variance = float(np.mean(errors**2)), float(np.var(targets))
        return {"mse": mse, "mae": float(np.mean(np.abs(errors))), "r2": 1 - mse / variance if variance else np.nan}


def all_metrics(predictions: NDArray[Any], targets: NDArray[Any]) -> dict[str, float]:
    """The headline metrics, rmse, and the correlations pearson and spearman, NaN where either does not vary."""
    found = headline_metrics(predictions, targets)
    ranks = (rankdata(values) for values in (predictions, targets))
    correlations = {"pearson": correlation(predictions, targets), "spearman": correlation(*ranks)}
    return {**found, "rmse": found["mse"] ** 0.5, **correlations}


def correlation(x: NDArray[Any], y: NDArray[Any]) -> float:
    if not (np.ptp(x) and np.ptp(y)):
        return np.nan
    with np.errstate(all="ignore"):
        x, y = x - x.mean(), y - y.mean()
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))
