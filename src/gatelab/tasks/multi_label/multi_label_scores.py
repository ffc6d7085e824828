"""The metrics of multi-label classification in float64, from probabilities (N, K) and which labels each row has (N, K)."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_average_precision


def headline_metrics(probabilities: Tensor, targets: Tensor, threshold: float) -> dict[str, float]:
    """micro_f1 over all rows and labels; macro_f1, the mean over the labels that are there or predicted; exact_match, the fraction
    of rows with all labels right; hamming_loss, the fraction of wrong entries. NaN where nothing is there or predicted."""
    predicted, there = probabilities >= threshold, targets == 1
    hits, sizes = (predicted & there).sum(0).double(), (predicted.sum(0) + there.sum(0)).double()
    wrong = predicted != there
    return {
        "micro_f1": float(2 * hits.sum() / sizes.sum()),
        "macro_f1": float((2 * hits / sizes)[sizes > 0].mean()),
        "exact_match": float((~wrong.any(1)).double().mean()),
        "hamming_loss": float(wrong.double().mean()),
    }


def all_metrics(probabilities: Tensor, targets: Tensor, classes: list[str], threshold: float) -> dict[str, Any]:
    """The headline metrics, per_class precision, recall, f1, average_precision and support, and average_precision, the mean over the
    labels that are there. A ratio of nothing is 0, an average precision of nothing NaN."""
    predicted, there = probabilities >= threshold, targets == 1
    hits, support, num_predicted = ((values.sum(0).double()) for values in (predicted & there, there, predicted))
    ratios = [hits / num_predicted, hits / support, 2 * hits / (num_predicted + support)]
    precision, recall, f1 = (torch.where(hits > 0, values, 0.0).tolist() for values in ratios)
    areas = [
        float(binary_average_precision(probabilities[:, k].double(), there[:, k].long())) if support[k] else torch.nan
        for k in range(len(classes))
    ]
    return {
        **headline_metrics(probabilities, targets, threshold),
        "average_precision": float(torch.tensor(areas, dtype=torch.float64).nanmean()),
        "per_class": {
            name: {
                "precision": precision[k],
                "recall": recall[k],
                "f1": f1[k],
                "average_precision": areas[k],
                "support": int(support[k]),
            }
            for k, name in enumerate(classes)
        },
    }
