"""The parts of a run's page that need the predictions of a regression."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.analysis.curves import length_bins
from gatelab.reports.analysis.intervals import Interval, percentiles, resample_weights
from gatelab.reports.analysis.number_intervals import number_intervals
from gatelab.reports.charts.chart import MODEL
from gatelab.reports.charts.length_histogram import length_histogram
from gatelab.reports.charts.number_charts import scatter_chart
from gatelab.reports.charts.run_charts import Measured, interval_chart, range_name
from gatelab.reports.pages.class_sections import drawn
from gatelab.reports.pages.run_answer import answer_finished
from gatelab.runs.number_predictions import NumberPredictions
from gatelab.runs.record import Data, RunRecord


def number_sections(record: RunRecord, rows: NumberPredictions, model: str, warnings: list[str]) -> dict[str, Any]:
    train = ((record.data or Data()).numbers or {}).get("train", {})
    constants: dict[str, float] = {
        name: train[name] for name in ("mean", "median") if name in train and name in record.baselines
    }
    intervals, resamples = number_intervals(rows, constants)
    scatter = scatter_chart(rows.targets, rows.predictions, rows.linear, model)
    errors, histogram = by_length(rows, model), length_histogram(rows.tokens)
    return {
        "resamples": resamples,
        "answer": replace(answer_finished(record, model, len(rows), intervals), cautions=warnings),
        "predicted": {**errors, "charts": drawn([scatter, errors["chart"], histogram])},
        "figures": {"prediction": scatter} | ({"errors_by_length": errors["chart"]} if errors["chart"] else {}),
        "more_figures": {"lengths": histogram} if histogram else {},
    }


def by_length(rows: NumberPredictions, model: str) -> dict[str, Any]:
    """The absolute error of the model and the linear baseline by range of length, and the model's mean error."""
    bins = length_bins(rows.tokens)
    errors = {"model": rows.predictions - rows.targets}
    columns = [("tokens", "number"), ("test rows", "number"), ("MAE", "number"), ("95 % interval", "number")]
    columns += [("mean error", "number")]
    if rows.linear is not None:
        errors["linear"] = rows.linear - rows.targets
        columns += [("linear MAE", "number")]
    means: dict[str, list[float]] = {name: [] for name in errors}
    bounds, table = [], []
    for low, high in bins:
        inside = (rows.tokens >= low) & (rows.tokens <= high)
        for name, values in errors.items():
            means[name].append(float(np.abs(values[inside]).mean()))
        bounds.append(mean_interval(np.abs(errors["model"][inside])))
        row = [(range_name(low, high), low), f"{inside.sum():,}", numbers.metric(means["model"][-1])]
        row += [numbers.interval(bounds[-1]), numbers.signed(float(errors["model"][inside].mean()))]
        table.append([*row, *(numbers.metric(means[name][-1]) for name in means if name != "model")])
    measured = [Measured(model, MODEL, means["model"], bounds)]
    measured += [Measured("linear baseline", "other", means["linear"], [])] if "linear" in means else []
    names, summary = (
        [range_name(*ends) for ends in bins],
        "Each dot is a range of lengths; the whisker is its 95 % bootstrap interval.",
    )
    chart = interval_chart("Absolute error by length of text", ("tokens", "MAE"), names, measured, summary)
    return {"chart": chart, "columns": columns, "rows": table}


def mean_interval(values: NDArray[Any]) -> Interval:
    return percentiles(np.array([weights @ values / len(values) for weights in resample_weights(len(values))]))
