"""The parts of a run's page that need the predictions of a regression."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.analysis.intervals import Interval, percentiles, resample_weights
from gatelab.reports.analysis.number_intervals import number_intervals
from gatelab.reports.charts.length_histogram import length_histogram
from gatelab.reports.charts.number_charts import scatter_chart
from gatelab.reports.pages.class_sections import named
from gatelab.reports.pages.length_table import length_table
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
    errors, more = by_length(rows, model), named(lengths=length_histogram(rows.tokens))
    figures = named(prediction=scatter, errors_by_length=errors["chart"])
    return {
        "resamples": resamples,
        "answer": replace(answer_finished(record, model, len(rows), intervals), cautions=warnings),
        "predicted": {**errors, "charts": [*figures.values(), *more.values()]},
        "figures": figures,
        "more_figures": more,
    }


def by_length(rows: NumberPredictions, model: str) -> dict[str, Any]:
    """The absolute and the mean error of the model and the linear baseline by range of length."""
    errors = {"model": rows.predictions - rows.targets}
    if rows.linear is not None:
        errors["linear"] = rows.linear - rows.targets
    return length_table(
        rows.tokens, errors, lambda error, _: (float(np.abs(error).mean()), [numbers.signed(float(error.mean()))]),
        lambda inside: mean_interval(np.abs(errors["model"][inside])),
        titles=("MAE", "95 % interval", "mean error", "linear MAE", "linear mean error"),
        heading=("Absolute error by length of text", "MAE"), model=model, kind="bootstrap interval",
    )  # fmt: skip


def mean_interval(values: NDArray[Any]) -> Interval:
    return percentiles(np.array([weights @ values / len(values) for weights in resample_weights(len(values))]))
