"""The tables of a sweep's page; a cell is text, markup, or (shown, sort key)."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from gatelab.config.experiment import Experiment
from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.comparison import Comparison, Row
from gatelab.reports.analysis.importance import Importance
from gatelab.reports.analysis.settings import differing_settings
from gatelab.reports.analysis.statistics import Sample, describe
from gatelab.reports.analysis.swept import SweptKey
from gatelab.reports.pages.links import Link
from gatelab.reports.shown import folded, isolated
from gatelab.reports.terminal.comparison_table import count_texts, count_titles, number_texts, number_titles
from gatelab.runs.load import Run, data_places
from gatelab.runs.metrics import order_of, title_of

BAR = 120  # pixels of 100 %


def comparison_table(comparison: Comparison, metric: str) -> dict[str, Any]:
    """The table of gatelab compare, with intervals below their numbers."""
    mean, _, difference, _, p = number_titles(comparison)
    columns = [(title, "text") for title in comparison.arms.titles]
    columns += [(title, "number") for title in (*count_titles(comparison), mean, difference, p)]
    rows = [comparison_row(comparison, row) for row in comparison.tables[metric]]
    return {"title": title_of(metric), "columns": columns, "rows": rows}


def comparison_row(comparison: Comparison, row: Row) -> tuple[str, list[Any]]:
    """The CSS classes and the cells of a row."""
    mean, interval, difference, difference_interval, p = number_texts(row)
    cells: list[Any] = [isolated(cell) for cell in row.cells]
    cells += count_texts(comparison, row)
    difference_mean = None if row.difference is None else row.difference.mean
    cells += [
        (with_interval(mean, interval), row.values.mean),
        (with_interval(difference, difference_interval), difference_mean),
        p,
    ]
    classes = [row.kind, *(word for word, is_so in (("best", row.is_best), ("reference", row.is_reference)) if is_so)]
    return " ".join(classes), [
        ("", "") if isinstance(cell, tuple) and not cell[0] else sortable(cell) for cell in cells
    ]


def with_interval(number: str, interval: str) -> Markup:
    small = Markup("<small>{}</small>").format(minus(interval)) if interval else ""
    return Markup("{}{}").format(minus(number), small)


def minus(text: str) -> str:
    """With minus signs as wide as a plus."""
    return text.replace("-", "−")


def sortable(cell: Any) -> Any:
    return (cell[0], "" if cell[1] is None else f"{cell[1]!r}") if isinstance(cell, tuple) else cell


def published_numbers(experiment: Experiment) -> tuple[str, dict[str, float]]:
    """The source and the published numbers that are of no arm in particular, by metric, such as per_class.Negative.recall."""
    found = [stated for stated in experiment.published if not stated.where and stated.baseline is None]
    return "; ".join(dict.fromkeys(stated.source for stated in found)), {one.metric: one.value for one in found}


def published_marks(experiment: Experiment) -> dict[str, float]:
    """By metric, the number to be marked in a picture of all arms: the only one that is published."""
    values: dict[str, set[float]] = {}
    for stated in experiment.published:
        if stated.baseline is None:
            values.setdefault(stated.metric, set()).add(stated.value)
    return {metric: found.pop() for metric, found in values.items() if len(found) == 1}


def published_table(published: Mapping[str, float], arms: Sequence[Arm]) -> dict[str, Any] | None:
    """The published numbers and those of each arm; without metrics that no run has."""
    found = [{metric: describe(list(arm.values(metric).values()), arm.overlap) for metric in published} for arm in arms]
    known = [metric for metric in published if any(samples[metric].num for samples in found)]
    if not known:
        return None
    rows: list[list[Any]] = [["published", *(f"{published[metric]:g}" for metric in known)]]
    for arm, samples in zip(arms, found, strict=True):
        if arm.finished:
            rows.append([isolated(arm.name), *(sample_cell(samples[metric]) for metric in known)])
    return {"columns": [("arm", "text"), *((stated_title(metric), "number") for metric in known)], "rows": rows}


def sample_cell(sample: Sample) -> Any:
    if sample.mean is None:
        return ""
    mean = numbers.metric(sample.mean) + ("" if sample.std is None else f" ± {numbers.metric(sample.std)}")
    return with_interval(mean, numbers.interval(sample.interval)), f"{sample.mean!r}"


def stated_title(metric: str) -> str:
    if not metric.startswith("per_class."):
        return title_of(metric)
    name, measure = metric.removeprefix("per_class.").rsplit(".", 1)
    return f"{measure} {name}"


def importance_table(found: Importance, keys: Sequence[SweptKey]) -> list[list[Any]]:
    """From most to least important; for a grid then interactions, seed or fold, and residual."""
    by_chance: Sequence[float | None] = found.by_chance or [None] * len(keys)
    lines = [
        (key.title, key.key, fraction, chance)
        for key, fraction, chance in zip(keys, found.fractions, by_chance, strict=True)
    ]
    lines.sort(key=lambda line: -line[2])
    if found.measure == "grid":
        besides = [("interactions", found.interactions), (found.replicate, found.seed)]
        lines += [(title, "", *both) for title, both in besides if both is not None]
        rest = 1 - sum(fraction for _, _, fraction, _ in lines)
        # With one run per setting, interactions and noise cannot be separated.
        lines.append(
            ("residual" if found.interactions or len(keys) == 1 else "interactions and residual", "", rest, None)
        )
    rows = []
    for title, _, fraction, chance in lines:
        by_chance_cell = ["" if chance is None else numbers.percentage(chance)] if found.measure == "grid" else []
        shown = (numbers.percentage(max(fraction, 0.0)), f"{fraction:.6f}")
        rows.append([isolated(title), shown, *by_chance_cell, bar(fraction)])
    return rows


def bar(fraction: float) -> Markup:
    width = round(BAR * min(1.0, max(0.0, fraction)), 1)
    return Markup(
        '<svg class="fraction" width="{}" height="12" aria-hidden="true"><rect width="{}" height="12"/></svg>'
    ).format(BAR, width)


def runs_table(runs: Sequence[Run], metrics: Sequence[str], link: Link) -> dict[str, Any]:
    """All runs by data set, from best to worst in the first metric."""
    names = {run.folder.path.parent.name for run in runs}
    titles, settings = differing_settings(runs)
    columns = [*([("name", "text")] if len(names) > 1 else []), ("run", "text"), ("status", "text")]
    columns += [(title, "text") for title in titles] + [(title_of(metric), "number") for metric in metrics]
    linear_metric = next(
        (name for name in metrics if any(name in run.record.numbers("linear") for run in runs)), metrics[0]
    )
    columns += [(f"linear {title_of(linear_metric)}", "number"), ("seconds", "number")]
    places = data_places(runs)
    rows = []
    for run, cells in zip(runs, settings, strict=True):
        values = run.record.numbers()
        measured = [values.get(metric) for metric in metrics]
        linear = run.record.numbers("linear").get(linear_metric)
        row: list[Any] = [isolated(run.folder.path.parent.name)] if len(names) > 1 else []
        row += [linked(run.identity, link(run, "report.html")), status(run), *map(isolated, cells)]
        row += [numbers.metric(value) for value in (*measured, linear)]
        row.append("" if run.record.seconds is None else f"{run.record.seconds:.0f}")
        rows.append((places[run.content], order_of(metrics[0], measured[0]), row))
    rows.sort(key=lambda line: line[:2])
    return {"columns": columns, "rows": [row for *_, row in rows]}


def linked(text: str, url: str | None) -> Markup:
    shown = Markup('<span class="whole">{}</span>').format(isolated(text))
    return shown if url is None else Markup('<a href="{}">{}</a>').format(url, shown)


def status(run: Run) -> Markup:
    name = run.status or "unknown"
    return Markup('<span class="status {}">{}</span>').format(name, ", no ".join([name, *run.record.lacks]))


def failures_table(comparison: Comparison, link: Link) -> list[list[Any]]:
    """A line for each unfinished run: its arm, seed or fold, and status, the first line of its error, and its log; without pruned trials."""
    without = [("", run) for run in comparison.arms.without_config if run.status != "finished"]
    rows = []
    for name, run in [*((arm.name, run) for arm in comparison.arms.arms for run in arm.unfinished), *without]:
        if run.status == "pruned":
            continue
        error, log = run.record.first_error_line, link(run, "error.log")
        about = [
            linked(run.identity, link(run, "report.html")),
            status(run),
            isolated(name),
            run.replicate_text.removeprefix("seed "),
        ]
        rows.append([*about, folded(error, len(error), "error.log"), "" if log is None else linked("error.log", log)])
    return rows
