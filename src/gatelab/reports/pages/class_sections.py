"""The parts of a run's page that need the predictions of a classifier. N rows, K classes."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.analysis.curves import PrecisionRecall, calibration, precision_recall
from gatelab.reports.analysis.intervals import metric_intervals
from gatelab.reports.charts.chart import Chart
from gatelab.reports.charts.length_histogram import length_histogram
from gatelab.reports.charts.run_charts import calibration_chart, precision_recall_chart
from gatelab.reports.pages import run_tables
from gatelab.reports.pages.run_answer import answer_finished
from gatelab.runs.predictions import Predictions
from gatelab.runs.record import Data, RunRecord, scores_of


def class_sections(record: RunRecord, rows: Predictions, model: str, warnings: list[str]) -> dict[str, Any]:
    data, scores = record.data or Data(), scores_of(record)
    train_counts = list((data.label_counts or {}).get("train", {}).values())
    majority = int(np.argmax(train_counts)) if train_counts and "majority" in record.baselines else None
    intervals = metric_intervals(rows, majority)
    curves = class_curves(rows, rows.probabilities)
    linear_curves = {} if rows.linear is None else class_curves(rows, rows.linear)
    linear_calibration = None if rows.linear is None else calibration(rows.linear, rows.labels)
    averages = {name: curve.average for name, curve in curves.items()}
    found = calibration(rows.probabilities, rows.labels)
    charts = [
        precision_recall_chart(rows.classes, curves, linear_curves),
        calibration_chart(found, linear_calibration, scores.numbers().get("calibration_error", math.nan), model),
    ]
    confusion = run_tables.confusion(scores.confusion_matrix, rows.classes)
    by_class = run_tables.by_class(record, intervals, averages, model)
    by_length = run_tables.by_length(rows, model)
    more = named(f1_by_class=by_class["chart"], by_length=by_length["chart"], lengths=length_histogram(rows.tokens))
    return {
        "no_auroc_interval": "auroc" not in intervals["model"],
        "answer": replace(answer_finished(record, model, len(rows), intervals), cautions=warnings),
        "confusion": confusion,
        "curves": charts,
        "by_class": by_class,
        "by_length": by_length,
        "by_class_charts": list(more.values()),
        "figures": dict(zip(("precision_recall", "calibration"), charts, strict=True)),
        "more_figures": more,
    }


def named(**charts: Chart | None) -> dict[str, Chart]:
    """Those that there are, by the name of their file."""
    return {name: chart for name, chart in charts.items() if chart is not None}


def class_curves(rows: Predictions, scores: NDArray[Any]) -> dict[str, PrecisionRecall]:
    """By class with test rows, the largest first. scores (N, K)."""
    sizes = np.bincount(rows.labels, minlength=len(rows.classes))
    found = {
        rows.classes[k]: precision_recall(rows.labels == k, scores[:, k]) for k in np.argsort(-sizes, kind="stable")
    }
    return {name: curve for name, curve in found.items() if curve is not None}
