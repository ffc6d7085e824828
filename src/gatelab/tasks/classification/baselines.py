"""What a classifier has to beat: the majority class, and TF-IDF over words and pairs of words with logistic regression."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.tasks.classification.scores import all_metrics


def fit_linear(features: Any, labels: NDArray[Any], test_features: Any, num_classes: int) -> NDArray[np.float32]:
    """The probabilities (N, K) of logistic regression for the test rows; labels are those of the training rows."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, labels)
    linear = np.zeros((test_features.shape[0], num_classes), dtype=np.float32)
    linear[:, model.classes_] = model.predict_proba(test_features)
    return linear


def baseline_metrics(
    linear: NDArray[Any], train_labels: NDArray[Any], test_labels: NDArray[Any], classes: list[str]
) -> dict[str, dict[str, Any]]:
    """Of "majority" and of "linear", whose probabilities (N, K) are given, on test rows with labels (N,)."""
    labels = torch.from_numpy(np.asarray(test_labels, dtype=np.int64))
    fractions = np.bincount(train_labels, minlength=len(classes)) / len(train_labels)
    majority = torch.from_numpy(np.tile(fractions, (len(test_labels), 1)))
    return {
        "majority": all_metrics(majority, labels, classes),
        "linear": all_metrics(torch.from_numpy(linear), labels, classes),
    }
