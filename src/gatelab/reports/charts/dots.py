"""A line an arm, a dot a run: places for an SVG that is as wide as there is room, x in percent, y in pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.comparison import BASELINES, Row
from gatelab.reports.charts.svg import Axis, number_axis
from gatelab.reports.pages.links import Link
from gatelab.reports.pages.sweep_answer import baseline_means
from gatelab.reports.texts import shorten
from gatelab.runs.load import Run
from gatelab.runs.metrics import title_of

MOST_ARMS = 40
MARGIN = 2.0  # percent at either side
TOP, ROW, BOTTOM = 18, 40, 30  # pixels
MIDDLE = 26  # of a row, below its name
NEAR = 1.9  # percent: dots nearer than this stand above each other
LIFTS = (0, -6, 6, -12, 12)


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    tip: str
    url: str | None


@dataclass
class ArmDots:
    name: str
    note: str  # reference, best
    top: float
    middle: float
    dots: list[Dot]
    mean: float | None = None
    interval: tuple[float, float] | None = None  # x and width
    baselines: list[tuple[str, float]] = field(default_factory=list)  # linear or majority, x


@dataclass
class DotPlot:
    title: str
    summary: str
    height: float
    bottom: float
    ticks: list[tuple[float, str]]
    arms: list[ArmDots]
    published: tuple[float, str] | None


def draw_dots(
    metric: str, rows: Sequence[Row], arms: Sequence[Arm], published: float | None, link: Link
) -> DotPlot | None:
    """rows and arms: those with values, in the same order, of which the first 40 are drawn. None without any."""
    rows, arms, left_out = rows[:MOST_ARMS], arms[:MOST_ARMS], len(arms) - MOST_ARMS
    values = [arm.measured(metric) for arm in arms]
    if not any(values):
        return None
    baselines = [baseline_means(arm, metric) for arm in arms]
    axis, off = dots_axis(metric, rows, values, baselines, published)

    def place(value: float) -> float:
        return round(MARGIN + (value - axis.low) / (axis.high - axis.low) * (100 - 2 * MARGIN), 2)

    drawn = []
    for number, (row, found) in enumerate(zip(rows, values, strict=True)):
        top = TOP + number * ROW
        middle = top + MIDDLE
        notes = [word for word, is_so in (("reference", row.is_reference), ("best", row.is_best)) if is_so]
        arm = ArmDots(
            shorten(row.name, 60),
            ", ".join(notes),
            top + 11,
            middle,
            place_dots(metric, row, found, place, middle, link),
        )
        arm.mean = None if row.values.mean is None else place(row.values.mean)
        if row.values.interval is not None:
            low, high = map(place, row.values.interval)
            arm.interval = low, round(max(high - low, 0.2), 2)
        arm.baselines = [(name, place(value)) for name, value in baselines[number].items() if name not in off]
        drawn.append(arm)
    bottom = TOP + len(arms) * ROW
    ticks = [(place(value), label) for value, label in axis.ticks]
    marked = None if published is None else (place(published), f"published {published:g}")
    return DotPlot(
        title_of(metric), summary(rows, baselines, off, left_out), bottom + BOTTOM, bottom, ticks, drawn, marked
    )


def dots_axis(
    metric: str,
    rows: Sequence[Row],
    values: Sequence[Sequence[tuple[Run, float]]],
    baselines: Sequence[dict[str, float]],
    published: float | None,
) -> tuple[Axis, set[str]]:
    """The axis, and the baselines that are so far off that they would squeeze the dots together."""
    inside = [value for found in values for _, value in found]
    inside += [bound for row in rows if row.values.interval for bound in row.values.interval]
    inside += [] if published is None else [published]
    inside += [means["linear"] for means in baselines if "linear" in means]
    low, high = min(inside), max(inside)
    majority = [means["majority"] for means in baselines if "majority" in means]
    off = set()
    if majority and (low - min(majority) > (high - low) or max(majority) - high > (high - low)):
        off.add("majority")
    elif majority:
        low, high = min(low, *majority), max(high, *majority)
    return number_axis(title_of(metric), low, high), off


def place_dots(
    metric: str,
    row: Row,
    found: Sequence[tuple[Run, float]],
    place: Callable[[float], float],
    middle: float,
    link: Link,
) -> list[Dot]:
    """From left to right; those that would lie on each other are lifted."""
    dots: list[Dot] = []
    ends = [-100.0] * len(LIFTS)
    for run, value in sorted(found, key=lambda pair: (pair[1], pair[0].place)):
        x = place(value)
        level = next((number for number, end in enumerate(ends) if x - end >= NEAR), ends.index(min(ends)))
        ends[level] = x
        tip = (
            f"{shorten(row.name, 60)} · seed {run.settings.get('seed')} · {title_of(metric)} {numbers.metric(value)} · "
            f"run {run.identity}"
        )
        dots.append(Dot(x, middle + LIFTS[level], tip, link(run)))
    return dots


def summary(rows: Sequence[Row], baselines: Sequence[dict[str, float]], off: set[str], left_out: int) -> str:
    intervals = any(row.values.interval for row in rows)
    told = "A dot a run, the long stroke their mean" + (", the bar its 95 % interval." if intervals else ".")
    for name in sorted(off):
        places = sorted({numbers.metric(means[name]) for means in baselines if name in means})
        told += f" The {BASELINES[name]} lies outside, at {' to '.join(dict.fromkeys((places[0], places[-1])))}."
    if left_out > 0:
        told += f" The {len(rows)} first of {len(rows) + left_out} arms."
    return told
