"""Bootstrap intervals of regression and multi-label classification, against scikit-learn and scipy on the drawn rows themselves."""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as sk

from gatelab.reports.analysis import intervals
from gatelab.reports.analysis.intervals import percentiles, resample_weights
from gatelab.reports.analysis.label_intervals import label_intervals
from gatelab.reports.analysis.number_intervals import Ranked, number_intervals
from gatelab.runs.number_predictions import NumberPredictions


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 12)
    monkeypatch.setattr(intervals, "MIN_RESAMPLES", 12)


def test_ranks_in_a_resample_are_those_of_its_rows() -> None:
    values, weights = np.array([3.0, 1.0, 3.0, 2.0, 5.0]), np.array([2, 0, 1, 3, 1])
    drawn = np.repeat(np.arange(5), weights)
    expected = dict(zip(drawn.tolist(), stats.rankdata(values[drawn]).tolist(), strict=True))
    found = Ranked(values).ranks(weights)
    assert {row: found[row] for row in expected} == expected


def test_those_of_a_regression_are_of_the_metrics_of_the_drawn_rows() -> None:
    random = np.random.default_rng(2)
    targets = random.integers(0, 5, 40).astype(float)
    predictions, linear = (np.round(targets + random.normal(size=40), 1) for _ in range(2))
    rows = NumberPredictions([], np.arange(40), np.arange(40), targets, predictions, linear)
    found, num_resamples = number_intervals(rows, {"mean": 2.0})
    assert num_resamples == 12
    drawn = [np.repeat(np.arange(40), weights) for weights in resample_weights(40)]

    def measured(metric: str, values: NDArray[Any]) -> NDArray[Any]:
        compute = {
            "mse": sk.mean_squared_error,
            "rmse": sk.root_mean_squared_error,
            "mae": sk.mean_absolute_error,
            "r2": sk.r2_score,
            "pearson": lambda y, p: stats.pearsonr(y, p).statistic,
            "spearman": lambda y, p: stats.spearmanr(y, p).statistic,
        }[metric]
        return np.array([compute(targets[some], values[some]) for some in drawn])

    for metric in ("mse", "rmse", "mae", "r2", "pearson", "spearman"):
        assert found["model"][metric] == pytest.approx(percentiles(measured(metric, predictions)))
        difference = measured(metric, predictions) - measured(metric, linear)
        assert found["model - linear"][metric] == pytest.approx(percentiles(difference))
    assert found["mean"]["mae"] == pytest.approx(percentiles(measured("mae", np.full(40, 2.0))))
    assert "pearson" not in found["mean"]


def test_those_of_labels_are_of_the_metrics_of_the_drawn_rows() -> None:
    random = np.random.default_rng(3)
    labels, model, linear = random.random((3, 50, 3)) < 0.4
    found, num_resamples = label_intervals(labels, {"model": model, "linear": linear}, ["a", "b", "c"])
    assert num_resamples == 12
    drawn = [np.repeat(np.arange(50), weights) for weights in resample_weights(50, 3)]
    expected = {
        "micro_f1": lambda y, p: sk.f1_score(y, p, average="micro"),
        "macro_f1": lambda y, p: sk.f1_score(y, p, average="macro"),
        "exact_match": sk.accuracy_score,
        "hamming_loss": sk.hamming_loss,
        "f1 b": lambda y, p: sk.f1_score(y[:, 1], p[:, 1]),
    }
    for metric, compute in expected.items():
        values = np.array([[compute(labels[some], of[some]) for some in drawn] for of in (model, linear)])
        assert found["model"][metric] == pytest.approx(percentiles(values[0]))
        assert found["model - linear"][metric] == pytest.approx(percentiles(values[0] - values[1]))


def test_a_label_that_is_nowhere_counts_in_no_mean_and_warns_nobody() -> None:
    labels = np.array([[True, False], [False, False]] * 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, _ = label_intervals(labels, {"model": labels}, ["a", "b"])
    assert found["model"]["macro_f1"] == (1.0, 1.0)
