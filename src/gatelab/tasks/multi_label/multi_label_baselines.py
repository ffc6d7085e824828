"""What a multi-label classifier has to beat: how frequent each label is, and TF-IDF over words and pairs of words with a logistic
regression for each label."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.tasks.multi_label.multi_label_scores import all_metrics


def fit_linear(features: Any, targets: NDArray[Any], test_features: Any) -> NDArray[np.float32]:
    """The probabilities (N, K) for the test rows; targets (·, K) are those of the training rows."""
    from sklearn.linear_model import LogisticRegression

    linear = np.tile(targets.mean(0, dtype=np.float32), (test_features.shape[0], 1))
    for k, wanted in enumerate(targets.T):
        if wanted.any() and not wanted.all():
            model = LogisticRegression(C=10.0, max_iter=1000).fit(features, wanted)
            linear[:, k] = model.predict_proba(test_features)[:, 1]
    return linear


def baseline_metrics(
    linear: NDArray[Any], train_targets: NDArray[Any], test_targets: NDArray[Any], classes: list[str], threshold: float
) -> dict[str, dict[str, Any]]:
    """Of "linear", whose probabilities (N, K) are given, and of "prior", the frequency of each label in the training rows."""
    targets, prior = torch.from_numpy(test_targets), np.tile(train_targets.mean(0), (len(test_targets), 1))
    return {
        name: all_metrics(torch.from_numpy(probabilities), targets, classes, threshold)
        for name, probabilities in (("linear", linear), ("prior", prior))
    }
