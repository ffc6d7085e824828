"""Naive Bayes and NBSVM, held against dense computations."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from gatelab.commands.train import compose
from gatelab.errors import ConfigError
from gatelab.tasks.classification.naive_bayes import naive_bayes_metrics, nbsvm_margins
from gatelab.training.run import check, resolve, train

TRAIN = ["good good film", "a good one", "bad film", "a bad , bad one", "so bad"]
LABELS = np.array([1, 1, 0, 0, 0])


def test_naive_bayes_is_that_of_the_paper_over_words_and_pairs_counted_once_a_text() -> None:
    """log odds b + Σ r of Wang & Manning 2012."""
    test = ["good", "bad", "film", "good bad"]
    texts = [[*words, *map(" ".join, pairwise(words))] for words in map(str.split, TRAIN)]
    vocabulary = sorted({term for terms in texts for term in terms})
    p, q = (
        np.array(
            [1 + sum(term in terms for terms, y in zip(texts, LABELS, strict=True) if y == k) for term in vocabulary]
        )
        for k in (1, 0)
    )
    ratio = dict(zip(vocabulary, np.log(p / p.sum()) - np.log(q / q.sum()), strict=True))
    odds = [np.log(2 / 3) + sum(ratio.get(term, 0) for term in text.split()) for text in test]

    expected = np.array([odd > 0 for odd in odds], dtype=int)
    found = naive_bayes_metrics(TRAIN, LABELS, test, expected, ["neg", "pos"])["naive_bayes"]
    assert found["accuracy"] == 1
    error = np.mean([1 - 1 / (1 + np.exp(-abs(odd))) for odd in odds])  # all are right, each in a bin of its own
    assert found["calibration_error"] == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_nbsvm_is_a_machine_on_scaled_features_mixed_with_naive_bayes(num_classes: int) -> None:
    random = np.random.default_rng(3)
    features, test = (random.integers(0, 2, (size, 7)).astype(float) for size in (40, 9))
    labels = (features[:, :num_classes] @ np.arange(1, num_classes + 1) % num_classes).astype(int)
    found = nbsvm_margins(csr_matrix(features), labels, csr_matrix(test), num_classes)
    for k in range(1 if num_classes == 2 else 0, num_classes):
        p, q = features[labels == k].sum(0) + 1, features[labels != k].sum(0) + 1
        r = np.log((p / p.sum()) / (q / q.sum()))
        machine = LinearSVC(C=1.0, random_state=0).fit(features * r, labels == k)
        bayes = (test * r).sum(1) + np.log((labels == k).sum() / (labels != k).sum())
        mixed = 0.75 * np.abs(machine.coef_).sum() / 7 * bayes + 0.25 * machine.decision_function(test * r)
        assert found[:, k] == pytest.approx(mixed, abs=1e-4)
    if num_classes == 2:
        assert (found[:, 0] == -found[:, 1]).all()


def test_a_class_without_training_rows_is_predicted_for_none() -> None:
    features = csr_matrix(np.eye(4))
    assert (nbsvm_margins(features, np.array([0, 0, 2, 2]), features, 3)[:, 1] == -np.inf).all()


def test_a_run_has_them_beside_its_other_baselines_and_other_tasks_refuse_them(tmp_path: Path, cache_dir: Path) -> None:
    common = ["trainer=smoke", "tracker=none", "report=false", "baseline=nbsvm", f"output_dir={tmp_path}"]
    folder, _ = train(compose([*common, "data.num_rows=300", "encoder.hidden_size=4", f"data.cache_dir={cache_dir}"]))
    record = folder.record
    assert list(record.ordered_baselines()) == ["linear", "nbsvm", "naive_bayes", "majority"]
    assert "calibration_error" not in record.numbers("nbsvm")
    assert record.numbers("nbsvm")["accuracy"] > 0.4
    with pytest.raises(ConfigError, match=r"baseline=nbsvm: this model has linear and none\."):
        check(resolve(compose([*common, "model=regressor", "data=csv", "data.path=x.csv"])))
