"""Strip plots: a line for each arm with a dot for each run, drawn on a page and in a paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.claims import can_be_solved
from gatelab.reports.analysis.comparison import BASELINES, Row
from gatelab.reports.analysis.statistics import Sample
from gatelab.reports.charts.chart import Axis, number_axis
from gatelab.reports.pages.sweep_answer import baseline_means
from gatelab.reports.shown import shorten
from gatelab.runs.load import Run
from gatelab.runs.metrics import title_of
from gatelab.runs.record import BLIND

MAX_ARMS = 40


@dataclass(frozen=True)
class Dot:
    value: float
    tip: str
    url: str | None


@dataclass(frozen=True)
class Strip:
    name: str
    note: str  # reference, best
    dots: list[Dot]  # from left to right
    mean: float | None
    interval: tuple[float, float] | None
    baselines: dict[str, float]  # by name


@dataclass(frozen=True)
class StripPlot:
    title: str
    summary: str
    x: Axis
    arms: list[Strip]
    published: float | None
    notes: list[str]  # short texts for a paper


def strip_plot(
    metric: str, rows: Sequence[Row], arms: Sequence[Arm], published: float | None, link: Callable[[Run], str | None]
) -> StripPlot | None:
    """rows and arms: those with values, in the same order; the first 40 are drawn. None without values."""
    rows, arms, left_out = rows[:MAX_ARMS], arms[:MAX_ARMS], len(arms) - MAX_ARMS
    values = [arm.measured(metric) for arm in arms]
    if not any(values):
        return None
    baselines = [baseline_means(arm, metric) for arm in arms]
    if can_be_solved(run for arm in arms for run in arm.runs):  # two humps, which a mean would lie between
        rows = [replace(row, values=Sample(row.values.num, None, None, None)) for row in rows]
    axis, off = strip_axis(metric, rows, values, baselines, published)
    drawn = []
    for row, found, means in zip(rows, values, baselines, strict=True):
        notes = [word for word, is_so in (("reference", row.is_reference), ("best", row.is_best)) if is_so]
        beside = {name: value for name, value in means.items() if name not in off}
        ordered = sorted(found, key=lambda pair: (pair[1], pair[0].place))
        dots = [Dot(value, tip(metric, row, run, value), link(run)) for run, value in ordered]
        drawn.append(Strip(shorten(row.name, 60), ", ".join(notes), dots, row.values.mean, row.values.interval, beside))
    outside = []
    for name in off:
        places = sorted({numbers.metric(means[name]) for means in baselines if name in means})
        outside.append(f"{BASELINES[name]} lies outside, at {' to '.join(dict.fromkeys((places[0], places[-1])))}")
    return StripPlot(title_of(metric), summary(rows, outside, left_out), axis, drawn, published, outside)


def strip_axis(
    metric: str,
    rows: Sequence[Row],
    values: Sequence[Sequence[tuple[Run, float]]],
    baselines: Sequence[dict[str, float]],
    published: float | None,
) -> tuple[Axis, list[str]]:
    """The axis, and the baselines left out since they would compress it too much."""
    inside = [value for found in values for _, value in found]
    inside += [bound for row in rows if row.values.interval for bound in row.values.interval]
    inside += [] if published is None else [published]
    inside += [means["linear"] for means in baselines if "linear" in means]
    low, high = min(inside), max(inside)
    off = []
    for name in BLIND:
        found = [means[name] for means in baselines if name in means]
        if found and max(low - min(found), max(found) - high) > high - low:
            off.append(name)
        elif found:
            low, high = min(low, *found), max(high, *found)
    return number_axis(title_of(metric), low, high), off


def tip(metric: str, row: Row, run: Run, value: float) -> str:
    return f"{shorten(row.name, 60)} · {run.replicate_text} · {title_of(metric)} {numbers.metric(value)} · run {run.identity}"


def summary(rows: Sequence[Row], outside: Sequence[str], left_out: int) -> str:
    intervals = any(row.values.interval for row in rows)
    mean = "; the stroke is the mean" if any(row.values.mean is not None for row in rows) else ""
    text = f"Each dot is a run{mean}" + (", the bar its 95 % interval." if intervals else ".")
    text += "".join(f" The {baseline}." for baseline in outside)
    if left_out > 0:
        text += f" The {len(rows)} first of {len(rows) + left_out} arms."
    return text
