"""The metrics of a classifier in float64, from class probabilities (N, K) and labels (N,)."""

from typing import Any

import torch
from scipy.stats import rankdata
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_confusion_matrix

CALIBRATION_BINS = 15


def headline_metrics(predicted: Tensor, labels: Tensor, num_classes: int) -> dict[str, float]:
    """accuracy and macro_f1, the mean over the classes that are there or predicted. predicted (N,): classes."""
    return headline(confusion(predicted, labels, num_classes))


def confusion(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """(K, K) rows: true class, columns: predicted."""
    return multiclass_confusion_matrix(predicted, labels, num_classes).double().cpu()


def headline(matrix: Tensor) -> dict[str, float]:
    f1, there = f1_by_class(matrix), matrix.sum(0) + matrix.sum(1) > 0
    return {"accuracy": float(matrix.diag().sum() / matrix.sum()), "macro_f1": float(f1[there].mean())}


def f1_by_class(matrix: Tensor) -> Tensor:
    """(K,) from a confusion matrix (K, K); 0 for a class without rows that is predicted for none."""
    return 2 * matrix.diag() / (matrix.sum(0) + matrix.sum(1)).clamp(min=1)


def all_metrics(
    probabilities: Tensor, labels: Tensor, classes: list[str], predicted: Tensor | None = None
) -> dict[str, Any]:
    """The headline metrics, auroc (of the second class, or the mean of one against the rest), the expected calibration
    error over 15 equal bins of the largest probability, per_class precision, recall, f1 and support, and the
    confusion_matrix (rows: true class, columns: predicted). predicted (N,): classes, where not the most probable ones."""
    num_classes, probabilities = len(classes), probabilities.double()
    matrix = confusion(probabilities.argmax(1) if predicted is None else predicted, labels, num_classes)
    hits, support, predicted = matrix.diag(), matrix.sum(1), matrix.sum(0)
    each = [hits / predicted, hits / support]
    precision, recall = (torch.where(hits > 0, values, 0.0).tolist() for values in each)
    f1 = f1_by_class(matrix).tolist()
    error = multiclass_calibration_error(probabilities, labels, num_classes, n_bins=CALIBRATION_BINS, norm="l1")
    areas = [auroc(probabilities[:, k], labels == k) for k in ([1] if num_classes == 2 else range(num_classes))]
    return {
        **headline(matrix),
        "auroc": float(torch.tensor(areas, dtype=torch.float64).nanmean()),
        "calibration_error": error.item(),
        "per_class": {
            name: {"precision": precision[k], "recall": recall[k], "f1": f1[k], "support": int(support[k])}
            for k, name in enumerate(classes)
        },
        "confusion_matrix": matrix.long().tolist(),
    }


def auroc(score: Tensor, positive: Tensor) -> float:
    """The fraction of pairs of a positive and another row in which the positive scores higher, ties counted half (Mann & Whitney
    1947); NaN without such a pair."""
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(score.cpu().numpy())[positive.cpu().numpy()].sum()
    pairs = num_positive * num_negative
    return float(ranks - num_positive * (num_positive + 1) / 2) / pairs if pairs else float("nan")
