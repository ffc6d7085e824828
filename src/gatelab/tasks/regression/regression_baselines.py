"""What a regression has to beat: the mean and the median of the training rows, and TF-IDF over words and pairs of words with ridge
regression."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.tasks.regression.regression_scores import all_metrics
from gatelab.tasks.regression.regression_symptoms import CORRELATIONS


def fit_linear(features: Any, targets: NDArray[Any], test_features: Any) -> NDArray[np.float64]:
    """What ridge regression predicts for the test rows, (N,); targets are those of the training rows."""
    from sklearn.linear_model import Ridge

    return Ridge(alpha=1.0).fit(features, targets).predict(test_features)


def baseline_metrics(
    linear: NDArray[Any], train_targets: NDArray[Any], test_targets: NDArray[Any]
) -> dict[str, dict[str, Any]]:
    """Of "linear", whose predictions (N,) are given, and of "mean" and "median" without the correlations that they lack."""
    metrics: dict[str, dict[str, Any]] = {"linear": {**all_metrics(linear, test_targets)}}
    for name, value in {"mean": np.mean(train_targets), "median": np.median(train_targets)}.items():
        found = all_metrics(np.full(len(test_targets), value), test_targets)
        metrics[name] = {key: number for key, number in found.items() if key not in CORRELATIONS}
    return metrics
