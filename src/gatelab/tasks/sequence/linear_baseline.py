"""The linear baseline of every task: its features are TF-IDF over words and pairs of words."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.files import replacing

FILE = "linear-1.npy"  # another name where the predictions are computed differently
MAX_TRAIN_ROWS = 100_000  # keeps it to seconds; beyond it an evenly spaced sample of the training rows is used


def sampled(rows: NDArray[Any]) -> NDArray[Any]:
    """The training rows that a baseline is fitted to, evenly spaced."""
    return rows[:: -(-len(rows) // MAX_TRAIN_ROWS)]


def tfidf(train_texts: Sequence[str], test_texts: Sequence[str]) -> tuple[Any, Any]:
    """The sparse features of training and test texts, with the vocabulary of the first."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    return vectorizer.fit_transform(train_texts), vectorizer.transform(test_texts)


def cached_predictions(folder: Path, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """compute(), once a data set: remembered beside the prepared arrays."""
    file = folder / FILE
    with suppress(OSError, ValueError, EOFError):  # not there, or damaged
        return np.load(file)
    predictions = compute()
    with replacing(file) as stream:
        np.save(stream, predictions)
    return predictions
