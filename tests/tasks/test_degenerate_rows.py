"""Rows that lack a class, are alike, or whose predictions are no numbers: metrics without a warning on the screen."""

import warnings
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from gatelab.data.labels import LabelColumn
from gatelab.data.prepare import refuse_one_class
from gatelab.data.row_targets import numbers_of
from gatelab.errors import DataError
from gatelab.reports.analysis.number_intervals import number_intervals
from gatelab.runs.number_predictions import NumberPredictions
from gatelab.tasks.classification import baselines, scores
from gatelab.tasks.classification.classifier import weigh_classes
from gatelab.tasks.multi_label import multi_label_scores
from gatelab.tasks.regression import regression_scores
from gatelab.training.trainer import quiet_lightning


@pytest.fixture(autouse=True)
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("num_rows", [1, 4])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, np.nan])
def test_a_test_part_of_one_class_or_value_is_measured_silently(num_rows: int, value: float) -> None:
    probabilities = torch.full((num_rows, 3), value, dtype=torch.float64)
    for label in (0, 2):
        labels = torch.full((num_rows,), label)
        assert scores.all_metrics(probabilities, labels, ["a", "b", "c"])["per_class"]["b"]["support"] == 0
    for there in (0, 1):
        found = multi_label_scores.all_metrics(probabilities, torch.full((num_rows, 3), there), ["a", "b", "c"], 0.5)
        assert found["per_class"]["a"]["support"] == there * num_rows
    numbers = regression_scores.all_metrics(np.full(num_rows, value), np.full(num_rows, 2.0))
    assert np.isnan([numbers["r2"], numbers["pearson"], numbers["spearman"]]).all()
    linear = np.full((num_rows, 2), 0.5, dtype=np.float32)
    assert baselines.baseline_metrics(linear, np.array([0, 0, 1]), np.zeros(num_rows, int), ["a", "b"])["majority"]


@pytest.mark.parametrize("value", [2.0, 1e38, np.nan, np.inf])
def test_intervals_of_targets_or_predictions_that_do_not_vary_are_computed_silently(value: float) -> None:
    rows, targets = np.arange(4), np.full(4, 2.0)
    found, _ = number_intervals(NumberPredictions(["f"], rows, rows, targets, np.full(4, value), None), {"mean": 1.0})
    assert found["mean"]["mse"][0] == 1.0


def test_a_class_without_training_rows_has_a_weight_that_is_a_number() -> None:
    assert weigh_classes("balanced", [3, 1, 0]) == [4 / 9, 4 / 3, 1.0]


def test_what_torchmetrics_says_of_missing_classes_is_not_shown_in_a_run() -> None:
    with pytest.warns(UserWarning, match="No negative samples"):
        binary_auroc(torch.rand(3), torch.ones(3).long())
    quiet_lightning()
    binary_auroc(torch.rand(3), torch.ones(3).long())


def test_training_rows_of_one_class_are_refused() -> None:
    refuse_one_class(np.array([0, 1]), ["a", "b"])
    with pytest.raises(
        DataError, match=r"^all 3 training rows are of the class 'b', so there is nothing to learn\. Look"
    ):
        refuse_one_class(np.array([1, 1, 1]), ["a", "b"])


def test_numbers_whose_squares_are_beyond_a_float_are_refused() -> None:
    column = LabelColumn("ratings.csv", "stars", Counter(), [])
    assert numbers_of(np.array([1e150, 2.0]), column).values.tolist() == [1e150, 2.0]
    with pytest.raises(
        DataError, match=r"^ratings\.csv: column 'stars' has a number as large as 1e\+300, whose square"
    ):
        numbers_of(np.array([-1e300, 2.0]), column)
