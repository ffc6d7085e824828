from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as sk

from gatelab.reports.analysis.intervals import (
    Ranking,
    metric_intervals,
    percentiles,
    proportion_interval,
    resample_auroc,
    resample_cells,
)
from gatelab.runs.predictions import Predictions

NAMES = ["a", "b", "c"]


def rows(num_rows: int, num_classes: int = 3, seed: int = 0) -> Predictions:
    """Labels with scores that are often right, and those of a better model as the linear baseline."""
    random = np.random.default_rng(seed)
    labels = random.choice(num_classes, num_rows, p=np.arange(1, num_classes + 1) / np.arange(1, num_classes + 1).sum())
    scores = []
    for clearness in (1.0, 2.0):
        logits = random.normal(size=(num_rows, num_classes))
        logits[np.arange(num_rows), labels] += clearness
        scores.append(np.round(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 2))  # with ties
    places = np.arange(num_rows)
    return Predictions(
        NAMES[:num_classes], ["f"] * num_rows, places, places, labels, scores[0].argmax(1), scores[0], scores[1]
    )


def test_drawing_counts_of_cells_is_drawing_rows() -> None:
    data = rows(200)
    found = resample_cells(data.labels, {"model": data.predictions}, NAMES)["model"]
    random = np.random.default_rng(5)
    drawn = []
    for _ in range(500):
        at = random.integers(0, 200, 200)
        labels, predictions = data.labels[at], data.predictions[at]
        f1 = sk.f1_score(labels, predictions, labels=[0, 1, 2], average=None)
        drawn.append([(labels == predictions).mean(), f1.mean(), f1[0]])
    for values, name in zip(np.array(drawn).T, ("accuracy", "macro_f1", "f1 a"), strict=True):
        assert percentiles(found[name]) == pytest.approx(percentiles(values), abs=0.02), name


def test_the_area_under_weights_is_scikit_learns() -> None:
    random = np.random.default_rng(1)
    positive, score = random.random(300) < 0.3, np.round(random.normal(size=300), 1)
    for weights in (np.ones(300, dtype=int), random.integers(0, 4, 300)):
        expected = sk.roc_auc_score(positive, score, sample_weight=weights)
        assert Ranking(positive, score).area(weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_interval_of_auroc_lies_around_it_and_as_wide_as_by_drawing_rows(num_classes: int) -> None:
    data = rows(300, num_classes)
    found = resample_auroc(data.labels, {"model": data.probabilities})["model"]

    def area(at: NDArray[Any]) -> float:
        scores = [sk.roc_auc_score(data.labels[at] == k, data.probabilities[at, k]) for k in range(num_classes)]
        return scores[1] if num_classes == 2 else float(np.mean(scores))

    random = np.random.default_rng(7)
    drawn = np.array([area(random.integers(0, 300, 300)) for _ in range(300)])
    assert percentiles(found) == pytest.approx(percentiles(drawn), abs=0.02)
    low, high = percentiles(found)
    assert low < area(np.arange(300)) < high


def test_the_difference_to_the_baseline_is_a_paired_one() -> None:
    data = rows(500)
    same = Predictions(**{**vars(data), "linear": data.probabilities})
    found = metric_intervals(same, majority=2)
    assert found["model - linear"] == dict.fromkeys(found["model"], (0.0, 0.0))
    nearly = data.probabilities.copy()
    nearly[:20] = np.eye(3)[data.labels[:20]]
    found = metric_intervals(Predictions(**{**vars(data), "linear": nearly}), majority=2)
    low, high = found["model - linear"]["accuracy"]
    assert -0.04 < low < high < 0
    for name in ("model", "linear"):  # either alone varies far more than their difference
        assert found[name]["accuracy"][1] - found[name]["accuracy"][0] > 2 * (high - low)


def test_the_interval_of_the_majority_class_is_that_of_its_share() -> None:
    data = rows(500)
    expected = stats.binom.ppf([0.025, 0.975], 500, (data.labels == 2).mean()) / 500
    assert metric_intervals(data, majority=2)["majority"]["accuracy"] == pytest.approx(tuple(expected), abs=0.008)


@pytest.mark.filterwarnings("error")
def test_a_test_file_with_rows_of_one_class_has_intervals_of_all_but_auroc() -> None:
    data = Predictions(**{**vars(rows(200)), "labels": np.zeros(200, dtype=int)})
    found = metric_intervals(data, majority=0)
    assert np.isnan(found["model"]["auroc"]).all()
    low, high = found["model"]["accuracy"]
    assert low < (data.predictions == 0).mean() < high
    assert found["majority"]["accuracy"] == (1, 1)


@pytest.mark.parametrize(("hits", "total"), [(0, 5), (179, 179), (40, 100)])
def test_the_interval_of_a_share_is_wilsons(hits: int, total: int) -> None:
    """Its ends are the shares that lie 1.96 of their own standard errors from the one found."""
    for end in proportion_interval(hits, total):
        assert abs(hits / total - end) == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(end * (1 - end) / total))


def test_intervals_are_the_same_every_time_and_too_much_for_a_second_has_none() -> None:
    data = rows(400)
    assert metric_intervals(data, 0) == metric_intervals(data, 0)
    large = np.zeros((500_000, 2))
    assert resample_auroc(np.zeros(500_000, dtype=int), {"model": large}) == {}
