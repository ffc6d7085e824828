"""Naive Bayes and NBSVM over words and pairs of words (Wang & Manning 2012): baselines that small data sets are hard to beat on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.tasks.classification.scores import all_metrics

WORDS = r"(?u)[\w'’]+|[^\w\s]"  # punctuation counts, and n't is one word in texts that are cut already
INTERPOLATION = 0.25  # β of the paper: how much of the machine there is beside naive Bayes


def naive_bayes_metrics(
    train_texts: Sequence[str], train_labels: NDArray[Any], test_texts: Sequence[str], test_labels: NDArray[Any],
    classes: list[str],
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """The test metrics of "naive_bayes", and of "nbsvm", which is of margins and so has no calibration."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=WORDS)
    features, test_features = vectorizer.fit_transform(train_texts), vectorizer.transform(test_texts)
    bayes = np.zeros((len(test_texts), len(classes)))
    model = MultinomialNB(alpha=1.0).fit(features, train_labels)
    bayes[:, model.classes_] = model.predict_proba(test_features)
    margins = nbsvm_margins(features, train_labels, test_features, len(classes))
    labels = torch.from_numpy(np.asarray(test_labels, dtype=np.int64))
    nbsvm = all_metrics(torch.from_numpy(margins).softmax(1), labels, classes)
    del nbsvm["calibration_error"]
    return {"nbsvm": nbsvm, "naive_bayes": all_metrics(torch.from_numpy(bayes), labels, classes)}


def nbsvm_margins(features: Any, labels: NDArray[Any], test_features: Any, num_classes: int) -> NDArray[np.float64]:
    """(N, K): of each class against the rest. The bias is interpolated as the weights are, of which the paper says nothing.

    features of 0 and 1 (M, V) and test_features (N, V) are sparse; labels (M,) are those of the first.
    """
    from sklearn.svm import LinearSVC

    margins = np.full((test_features.shape[0], num_classes), -np.inf)
    for k in [1] if num_classes == 2 else np.unique(labels):
        is_k = labels == k
        p, q = (1 + np.asarray(features[rows].sum(0)).ravel() for rows in (is_k, ~is_k))
        ratio = np.log(p / p.sum()) - np.log(q / q.sum())
        machine = LinearSVC(C=1.0, random_state=0).fit(features.multiply(ratio).tocsr(), is_k)
        scale = (1 - INTERPOLATION) * np.abs(machine.coef_).mean()
        weights = scale + INTERPOLATION * machine.coef_[0]
        bias = scale * np.log(is_k.sum() / (~is_k).sum()) + INTERPOLATION * machine.intercept_[0]
        margins[:, k] = test_features @ (ratio * weights) + bias
    if num_classes == 2:
        margins[:, 0] = -margins[:, 1]
    return margins
