"""The parts of a run's page that need the predictions of a multi-label classifier. N rows, K labels."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.analysis.curves import PrecisionRecall, precision_recall
from gatelab.reports.analysis.intervals import proportion_interval
from gatelab.reports.analysis.label_intervals import label_intervals
from gatelab.reports.charts.length_histogram import length_histogram
from gatelab.reports.charts.run_charts import precision_recall_chart
from gatelab.reports.pages import run_tables
from gatelab.reports.pages.class_sections import named
from gatelab.reports.pages.length_table import Inside, length_table
from gatelab.reports.pages.run_answer import answer_finished
from gatelab.runs.label_predictions import LabelPredictions
from gatelab.runs.record import Data, RunRecord


def label_sections(
    record: RunRecord, config: Mapping[str, Any], rows: LabelPredictions, model: str, warnings: list[str]
) -> dict[str, Any]:
    given = config.get("model.threshold", 0.5)
    threshold = 0.5 if given == "fit" else float(given)  # of baselines, for which none is fitted
    predictions = {"model": rows.predictions}
    if rows.linear is not None:
        predictions["linear"] = rows.linear >= threshold
    if "prior" in record.baselines:
        predictions["prior"] = np.tile(prior(record, rows.classes) >= threshold, (len(rows), 1))
    intervals, resamples = label_intervals(rows.labels, predictions, rows.classes)
    curves = label_curves(rows, rows.probabilities)
    linear_curves = {} if rows.linear is None else label_curves(rows, rows.linear)
    averages = {name: curve.average for name, curve in curves.items()}
    chart = precision_recall_chart(rows.classes, curves, linear_curves)
    by_class = run_tables.by_class(record, intervals, averages, model, "label")
    lengths = by_length(rows, predictions, model)
    more = named(f1_by_class=by_class["chart"], by_length=lengths["chart"], lengths=length_histogram(rows.tokens))
    return {
        "resamples": resamples,
        "answer": replace(answer_finished(record, model, len(rows), intervals), cautions=warnings),
        "curves": [chart],
        "by_class": by_class,
        "by_length": lengths,
        "by_class_charts": list(more.values()),
        "titles": {"curves": "Precision and recall", "classes": "By label and length"},
        "figures": {"precision_recall": chart},
        "more_figures": more,
    }


def prior(record: RunRecord, classes: list[str]) -> NDArray[Any]:
    """(K,): the fraction of the training rows that have each label."""
    data = record.data or Data()
    counts = (data.label_counts or {})["train"]
    return np.array([counts[name] for name in classes]) / data.split_sizes["train"]


def label_curves(rows: LabelPredictions, scores: NDArray[Any]) -> dict[str, PrecisionRecall]:
    """By label with test rows, the largest first. scores (N, K)."""
    order = np.argsort(-rows.labels.sum(0), kind="stable")
    found = {rows.classes[k]: precision_recall(rows.labels[:, k], scores[:, k]) for k in order}
    return {name: curve for name, curve in found.items() if curve is not None}


def by_length(rows: LabelPredictions, predictions: Mapping[str, NDArray[Any]], model: str) -> dict[str, Any]:
    """Exact match and micro-F1 of the model and the linear baseline by range of length."""
    sources = {name: predictions[name] for name in ("model", "linear") if name in predictions}
    right = (predictions["model"] == rows.labels).all(1)

    def score(predicted: NDArray[Any], inside: Inside) -> tuple[float, list[str]]:
        labels = rows.labels[inside]
        return float((predicted == labels).all(1).mean()), [numbers.metric(micro_f1(labels, predicted))]

    return length_table(
        rows.tokens, sources, score, lambda inside: proportion_interval(int(right[inside].sum()), int(inside.sum())),
        titles=("exact match", "95 % interval", "micro-F1", "linear exact match", "linear micro-F1"),
        heading=("Exact match by length of text", "exact match"), model=model,
    )  # fmt: skip


def micro_f1(labels: NDArray[Any], predicted: NDArray[Any]) -> float:
    sizes = labels.sum() + predicted.sum()
    return float(2 * (labels & predicted).sum() / sizes) if sizes else np.nan
