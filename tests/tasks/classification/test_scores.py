import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from gatelab.tasks.classification.scores import all_metrics


def test_386_of_800_is_0_4825() -> None:
    labels = torch.arange(800) % 3
    predicted = torch.where(torch.arange(800) < 386, labels, (labels + 1) % 3)
    found = all_metrics(torch.eye(3)[predicted], labels, ["a", "b", "c"])
    assert found["accuracy"] == 0.4825


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_metrics_are_scikit_learns_to_the_last_digits_of_a_float64(num_classes: int) -> None:
    random = np.random.default_rng(num_classes)
    scores = random.dirichlet(np.ones(num_classes), 700).round(2) + 1e-3  # with ties
    scores /= scores.sum(1, keepdims=True)
    labels, predicted = random.integers(0, num_classes, 700), scores.argmax(1)
    found = all_metrics(torch.from_numpy(scores), torch.from_numpy(labels), [*"abcde"[:num_classes]])
    area = sk.roc_auc_score(labels, scores[:, 1] if num_classes == 2 else scores, multi_class="ovr")
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted), abs=1e-14)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"), abs=1e-14)
    assert found["auroc"] == pytest.approx(area, abs=1e-14)
    each = np.array(sk.precision_recall_fscore_support(labels, predicted)).T
    for values, expected in zip(found["per_class"].values(), each, strict=True):
        assert list(values.values()) == pytest.approx(expected.tolist(), abs=1e-14)


def test_a_class_that_no_test_row_has_or_is_predicted_as_counts_in_no_mean() -> None:
    labels, probabilities = torch.tensor([0, 0, 1, 1]), torch.eye(3)[[0, 1, 1, 1]]
    found = all_metrics(probabilities, labels, ["a", "b", "never"])
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2, abs=1e-14)
    assert found["auroc"] == 0.75
    assert found["per_class"]["never"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
