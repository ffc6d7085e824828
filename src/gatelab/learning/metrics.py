"""The metrics of a classifier, from class probabilities (N, K) and labels (N,), counted by torchmetrics."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_auroc,
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

CALIBRATION_BINS = 15


def headline_metrics(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """accuracy and macro_f1."""
    num_classes = probabilities.shape[1]
    return {
        "accuracy": multiclass_accuracy(probabilities, labels, num_classes, average="micro").item(),
        "macro_f1": multiclass_f1_score(probabilities, labels, num_classes, average="macro").item(),
    }


def all_metrics(probabilities: Tensor, labels: Tensor, classes: list[str]) -> dict[str, Any]:
    """The headline metrics, auroc (of the second class, or the mean of one against the rest), the expected calibration
    error over 15 equal bins of the largest probability, per_class precision, recall, f1 and support, and the
    confusion_matrix (rows: true class, columns: predicted)."""
    num_classes = len(classes)
    if num_classes == 2:
        auroc = binary_auroc(probabilities[:, 1], labels)
    else:
        auroc = multiclass_auroc(probabilities, labels, num_classes, average="macro")
    precision = multiclass_precision(probabilities, labels, num_classes, average="none").tolist()
    recall = multiclass_recall(probabilities, labels, num_classes, average="none").tolist()
    f1 = multiclass_f1_score(probabilities, labels, num_classes, average="none").tolist()
    support = torch.bincount(labels, minlength=num_classes).tolist()
    error = multiclass_calibration_error(probabilities, labels, num_classes, n_bins=CALIBRATION_BINS, norm="l1")
    return {
        **headline_metrics(probabilities, labels),
        "auroc": auroc.item(),
        "calibration_error": error.item(),
        "per_class": {
            name: {"precision": precision[k], "recall": recall[k], "f1": f1[k], "support": support[k]}
            for k, name in enumerate(classes)
        },
        "confusion_matrix": multiclass_confusion_matrix(probabilities, labels, num_classes).tolist(),
    }
