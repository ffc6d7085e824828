"""What an LSTM has to beat: the majority class, and TF-IDF over words and pairs of words with logistic regression."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.files import atomic_write, replacing
from gatelab.tasks.base import Baselines
from gatelab.tasks.classification.scores import all_metrics

FORMAT = 3
MAX_TRAIN_ROWS = 100_000  # keeps it to seconds; beyond it an evenly spaced sample of the training rows is used


def cached_baselines(folder: Path, compute: Callable[[], Baselines]) -> Baselines:
    """compute(), once a data set: remembered beside the prepared arrays, baselines.json last."""
    file, array = folder / "baselines.json", folder / "linear.npy"
    if file.exists():
        remembered = json.loads(file.read_text(encoding="utf-8"))
        if remembered["format"] == FORMAT:
            return Baselines(remembered["baselines"], np.load(array))
    baselines = compute()
    with replacing(array) as stream:
        np.save(stream, baselines.predictions)
    atomic_write(file, json.dumps({"format": FORMAT, "baselines": baselines.metrics}))
    return baselines


def fit_baselines(
    train_texts: Sequence[str],
    train_labels: NDArray[Any],
    test_texts: Sequence[str],
    test_labels: NDArray[Any],
    classes: list[str],
) -> Baselines:
    """The test metrics of "majority" and "linear", in the form of ``all_metrics``; linear's probabilities (N, K)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    step = -(-len(train_texts) // MAX_TRAIN_ROWS)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    features = vectorizer.fit_transform(train_texts[::step])
    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, train_labels[::step])
    linear = np.zeros((len(test_labels), len(classes)), dtype=np.float32)
    linear[:, model.classes_] = model.predict_proba(vectorizer.transform(test_texts))
    metrics = baseline_metrics(linear, train_labels, test_labels, classes)
    metrics["linear"]["train_rows"] = features.shape[0]
    return Baselines(metrics, linear)


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
