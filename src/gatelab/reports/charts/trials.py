"""A search: the value of each trial, and the best so far."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.reports import numbers
from gatelab.reports.analysis.curves import learning_curves
from gatelab.reports.analysis.expected_best import expected_best
from gatelab.reports.analysis.swept import setting_texts, swept_keys
from gatelab.reports.charts.chart import MODEL, Chart, Line, Stop, Table, number_axis
from gatelab.reports.shown import visible
from gatelab.runs.load import Run
from gatelab.runs.metrics import is_lower_better, title_of
from gatelab.screen import counted


@dataclass(frozen=True)
class Trial:
    number: int
    value: float | None  # None before its first validation
    is_complete: bool  # trained to its end; a pruned trial has its best value so far
    run: Run


def searched_metric(runs: Sequence[Run]) -> str | None:
    """The metric that the search optimized, such as validation/macro_f1; None outside a search."""
    return next((str(run.settings["search.metric"]) for run in runs if run.settings.get("search.metric")), None)


def trials_of(runs: Sequence[Run], metric: str) -> list[Trial]:
    """The trials in order. A trial that repeats the settings of an earlier one has no run of its own."""
    trials = []
    for run in runs:
        if run.settings.get("search.metric") != metric:
            continue
        value = run.record.numbers().get(metric)
        if value is None:
            curve = None
            with suppress(RunError):  # a damaged metrics.csv, which the learning curves name
                curve = learning_curves(run.folder.metrics).curves.get(metric)
            value = None if curve is None else float((np.min if is_lower_better(metric) else np.max)(curve[1]))
        trials.append(Trial(run.record.job or 0, value, run.status == "finished", run))
    return sorted(trials, key=lambda trial: trial.number)


def best_so_far(trials: Sequence[Trial], metric: str) -> list[float | None]:
    """After each trial the best value of the complete ones, as the search itself counts."""
    better = min if is_lower_better(metric) else max
    best: float | None = None
    found = []
    for trial in trials:
        if trial.is_complete and trial.value is not None:
            best = trial.value if best is None else better(best, trial.value)
        found.append(best)
    return found


def search_chart(runs: Sequence[Run]) -> Chart | None:
    """None outside a search, and before two trials have a value."""
    metric = searched_metric(runs)
    trials = [] if metric is None else trials_of(runs, metric)
    valued = [trial for trial in trials if trial.value is not None]
    if metric is None or len(valued) < 2:
        return None
    inside = [trial.run for trial in trials]
    settings = setting_texts(inside, swept_keys(inside))
    best = best_so_far(valued, metric)
    x, y = np.array([trial.number for trial in valued], dtype=float), np.array([trial.value for trial in valued])
    complete = np.array([trial.is_complete for trial in valued])
    lines = []
    if not complete.all():
        lines.append(Line("not trained to its end", "other", x[~complete], y[~complete], joined=False, dots=True))
    lines.append(Line("trial", MODEL, x[complete], y[complete], joined=False, dots=True))
    known = [(number, value) for number, value in zip(x, best, strict=True) if value is not None]
    if known:
        lines.append(Line("best so far", MODEL, *steps(known)))
    stops, rows = [], []
    for trial, so_far in zip(valued, best, strict=True):
        ended = "" if trial.is_complete else f" · {trial.run.status}"
        setting = settings.get(id(trial.run), "")
        kind = MODEL if trial.is_complete else "other"
        tip = f"trial {trial.number} · {setting} · {numbers.metric(trial.value)}{ended} · best so far {numbers.metric(so_far)}"
        stops.append(Stop(float(trial.number), [(float(trial.value or 0.0), kind)], tip))
        rows.append(
            [str(trial.number), numbers.metric(trial.value), trial.run.status, numbers.metric(so_far), visible(setting)]
        )
    counts = f"{sum(complete)} of {counted(len(trials), 'trial')} trained to the end"
    summary = f"{counts}; best {numbers.metric(best[-1])}." if best[-1] is not None else f"{counts}."
    title = title_of(metric)
    x_axis = number_axis("trial", float(x.min()), float(x.max()), integers=True)
    y_axis = number_axis(title, float(y.min()), float(y.max()))
    table = Table(["trial", title, "status", "best so far", "settings"], rows)
    return Chart(f"{title} by trial", summary, x_axis, y_axis, lines, stops, table)


def budget_chart(runs: Sequence[Run]) -> Chart | None:
    """The expected best validation score of a smaller search; None outside a search, and before two trials are complete."""
    metric = searched_metric(runs)
    trials = [] if metric is None else trials_of(runs, metric)
    values = [
        trial.value for trial in trials if trial.is_complete and trial.value is not None and np.isfinite(trial.value)
    ]
    if metric is None or len(values) < 2:
        return None
    title, best = title_of(metric), np.array(expected_best(values, is_lower_better(metric)))
    summary = (
        "The mean of the best over all choices of so many of these trials: what a smaller random search finds on average. A sampler that "
        "learns from its trials would draw others."
    )
    stops, rows = [], []
    for budget, value in enumerate(best.tolist(), 1):
        said = numbers.metric(value)
        stops.append(Stop(float(budget), [(value, MODEL)], f"{counted(budget, 'trial')} · expected best {said}"))
        rows.append([str(budget), said])
    x_axis = number_axis("trials", 1.0, float(len(values)), integers=True)
    y_axis = number_axis(title, float(best.min()), float(best.max()))
    lines = [Line("expected best", MODEL, np.arange(1.0, len(values) + 1), best, dots=True)]
    table = Table(["trials", f"expected best {title}"], rows)
    return Chart(f"Expected best {title} by budget", summary, x_axis, y_axis, lines, stops, table)


def steps(known: Sequence[tuple[float, float]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A step curve: the best value holds until a better trial."""
    xs, ys = [known[0][0]], [known[0][1]]
    for x, y in known[1:]:
        xs += [x, x]
        ys += [ys[-1], y]
    return np.array(xs), np.array(ys)
