"""Small charts for a page: numbers become places in an SVG of 400 × 250, which templates/charts.html.j2 writes out.

A stop is a place to point at: a strip of the chart's full height that says what stands there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from gatelab.reports.texts import shorten

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 16, 38
MANY_TIMES = 1000  # between the smallest and the largest loss: from here an axis is logarithmic
NUM_COLOURS = 7
DASHES = ("", " dashed", " dotted")  # what lies on another lets it show, and print keeps them distinguishable
MODEL, BASELINE = "model", "other dashed"  # of the run itself, in ink, since colours are for classes and arms


def kind_of(number: int) -> str:
    """The colour and the dash of a class, by its number in the data, or of an arm: the same all over a page."""
    return f"c{number % NUM_COLOURS}{DASHES[number % len(DASHES)]}"


@dataclass(frozen=True)
class Axis:
    """low to high, with (value, label) at each tick."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False


@dataclass(frozen=True)
class Line:
    """x and y (P,), a gap where y is NaN, joined or not; kind is CSS classes of the style sheet. whiskers (P, 2): the interval around each y;
    band (P, 2): the same as an area."""

    name: str
    kind: str
    x: np.ndarray
    y: np.ndarray
    joined: bool = True
    dots: bool = False
    whiskers: np.ndarray | None = None
    band: np.ndarray | None = None


@dataclass(frozen=True)
class Stop:
    """x and the ys at it, each with its line's kind, in the units of the axes, and what is said of them.

    tips: what is said of each point besides, as long as its line is shown.
    """

    x: float
    points: Sequence[tuple[float, str]]
    tip: str
    tips: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Chart:
    """What the template draws; all places in pixels."""

    title: str
    summary: str  # what a person who cannot see it should know; also shown while nothing is pointed at
    x: Axis
    y: Axis
    table: Table
    x_ticks: list[tuple[float, str]] = field(default_factory=list)
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    areas: list[tuple[str, str]] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)
    dots: list[tuple[float, float, str]] = field(default_factory=list)
    whiskers: list[tuple[float, float, float, str]] = field(default_factory=list)
    bars: list[tuple[float, float, float, float]] = field(default_factory=list)
    mark: float | None = None
    legend: list[tuple[str, str]] = field(default_factory=list)
    stops: list[tuple[float, float, float, list[tuple[float, str, str]], str]] = field(default_factory=list)
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM


def draw_chart(
    title: str,
    summary: str,
    x: Axis,
    y: Axis,
    lines: Sequence[Line],
    stops: Sequence[Stop],
    table: Table,
    *,
    bars: Sequence[tuple[float, float, float]] = (),
    mark: float | None = None,
) -> Chart:
    """bars are (from, to, height); mark is an x worth a vertical line."""
    across, up = scale(x, LEFT, WIDTH - RIGHT), scale(y, HEIGHT - BOTTOM, TOP)
    chart = Chart(title, summary, x, y, table)
    chart.x_ticks = [(across(value), label) for value, label in x.ticks]
    chart.y_ticks = [(up(value), label) for value, label in y.ticks]
    for line in lines:
        low, high = (line.y, line.y) if line.band is None else line.band.T
        places, lower, upper = (
            [(across(a), up(b)) for a, b in zip(line.x, ends, strict=True)] for ends in (line.y, low, high)
        )
        for stretch in stretches(line.y):
            if line.band is not None:
                edge = thin(lower[stretch]) + thin(upper[stretch])[::-1]
                chart.areas.append((line.kind, " ".join(f"{a:g},{b:g}" for a, b in edge)))
            if line.joined:
                chart.paths.append((line.kind, " ".join(f"{a:g},{b:g}" for a, b in thin(places[stretch]))))
            if line.dots:
                chart.dots += [(a, b, line.kind) for a, b in places[stretch]]
        if line.whiskers is not None:
            ends = zip(places, line.whiskers, strict=True)
            chart.whiskers += [(a, up(bottom), up(top), line.kind) for (a, _), (bottom, top) in ends]
        if line.name:
            chart.legend.append((shorten(line.name, 24), line.kind if line.joined else f"{line.kind} points"))
    chart.bars = [
        (across(begin), up(height), round(across(end) - across(begin) - 1, 1), round(up(y.low) - up(height), 1))
        for begin, end, height in bars
    ]
    chart.mark = None if mark is None else across(mark)
    middles = [across(stop.x) for stop in stops]
    edges = [LEFT, *((a + b) / 2 for a, b in pairwise(middles)), WIDTH - RIGHT]
    for number, stop in enumerate(stops):
        strip = round(edges[number], 1), round(edges[number + 1] - edges[number], 1)
        tips = stop.tips or [""] * len(stop.points)
        told = zip(stop.points, tips, strict=True)
        points = [(up(value), kind, tip) for (value, kind), tip in told if math.isfinite(value)]
        chart.stops.append((*strip, middles[number], points, stop.tip))
    return chart


def scale(axis: Axis, begin: float, end: float) -> Callable[[float], float]:
    """From a value to its pixel."""
    unit = math.log10 if axis.is_log else float
    low = unit(axis.low)
    span = (unit(axis.high) - low) or 1.0

    def place(value: float) -> float:
        shown = max(float(value), axis.low) if axis.is_log else float(value)  # a zero stands at the bottom
        return round(begin + (unit(shown) - low) / span * (end - begin), 1)

    return place


def stretches(y: np.ndarray) -> list[slice]:
    """Where y has numbers, without the gaps between them."""
    edges = np.flatnonzero(np.diff(np.r_[False, np.isfinite(y), False].astype(int)))
    return [slice(begin, end) for begin, end in edges.reshape(-1, 2).tolist()]


def thin(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the points that lie on the same pixel as the one before."""
    kept = places[:1]
    for place in places[1:]:
        if abs(place[0] - kept[-1][0]) >= 0.5 or abs(place[1] - kept[-1][1]) >= 0.5:
            kept.append(place)
    return kept


def shares_axis(title: str, low: float = 0.0) -> Axis:
    """From low, rounded down to a tick, to 1."""
    step = 0.2 if low < 0.4 else 0.1 if low < 0.75 else 0.05
    first = math.floor(low / step + 1e-9) * step
    ticks = np.arange(first, 1 + step / 2, step)
    return Axis(title, float(first), 1.0, [(float(tick), f"{tick:.2f}".rstrip("0").rstrip(".")) for tick in ticks])


def loss_axis(title: str, low: float, high: float) -> Axis:
    """From 0; logarithmic, in whole decades, where low and high are some decades apart."""
    if not spans_decades(low, high):
        return number_axis(title, min(0.0, low), high)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = -(-(last - first) // 5)
    last = first + step * -(-(last - first) // step)
    ticks = [(10.0**power, f"{10.0**power:g}") for power in range(first, last + 1, step)]
    return Axis(title, 10.0**first, 10.0**last, ticks, is_log=True)


def spans_decades(low: float, high: float) -> bool:
    return 0 < low <= high / MANY_TIMES


def number_axis(title: str, low: float, high: float, *, whole: bool = False) -> Axis:
    """Some five round ticks that enclose low and high; whole: whole numbers, and the axis ends at high."""
    span = (high - low) or abs(high) or 1.0
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    step = max(1.0, round(step)) if whole else step
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    last = max(last, first + step)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    form = f",.{digits}f" if digits <= 4 and last < 1e5 else ".3g"  # as wide as the margin
    ticks = [(float(tick), format(tick, form)) for tick in np.arange(first, last + step / 2, step)]
    if whole:
        last, ticks = max(high, first + step), [tick for tick in ticks if tick[0] <= max(high, first + step)]
    return Axis(title, float(first), float(last), ticks)
