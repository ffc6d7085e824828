"""Bootstrap intervals of the test metrics of a multi-label classifier over the test rows; see intervals.py. N rows, K labels, R resamples.

Model and baselines share the resamples, so that the interval of a difference is paired.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.analysis.intervals import Interval, intervals_of, resample_weights


def label_intervals(
    labels: NDArray[Any], predictions: Mapping[str, NDArray[Any]], classes: list[str]
) -> tuple[dict[str, dict[str, Interval]], int]:
    """micro_f1, macro_f1, exact_match, hamming_loss and "f1 NAME" of each label, of every entry of predictions and of
    "model - linear"; and R. labels and predictions (N, K), booleans."""
    summed = {}
    for name, predicted in predictions.items():
        wrong = predicted != labels
        rows = [
            predicted & labels,
            predicted.astype(int) + labels,
            ~wrong.any(1, keepdims=True),
            wrong.mean(1, keepdims=True),
        ]
        summed[name] = np.hstack(rows).astype(float)  # (N, 2 K + 2)
    sums: dict[str, list[NDArray[Any]]] = {name: [] for name in summed}
    for weights in resample_weights(len(labels), len(classes)):
        for name, values in summed.items():
            sums[name].append(weights @ values)
    measured: dict[str, dict[str, NDArray[Any]]] = {}
    num_labels = len(classes)
    for name, found in sums.items():
        drawn = np.stack(found)  # (R, 2 K + 2)
        hits, sizes = drawn[:, :num_labels], drawn[:, num_labels : 2 * num_labels]
        with np.errstate(invalid="ignore"):
            f1 = 2 * hits / sizes  # undefined for a label neither drawn nor predicted, which does not count
            measured[name] = {
                "micro_f1": 2 * hits.sum(1) / sizes.sum(1),
                "macro_f1": np.ma.masked_invalid(f1).mean(1).filled(np.nan),
                "exact_match": drawn[:, -2] / len(labels),
                "hamming_loss": drawn[:, -1] / len(labels),
            }
        measured[name] |= {f"f1 {label}": np.nan_to_num(f1[:, k]) for k, label in enumerate(classes)}
    return intervals_of(measured, with_undefined=False), len(sums["model"])
