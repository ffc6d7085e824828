"""Charts in data units: described once, drawn by svg.py for a page and by paper.py for a paper.

A stop is a tooltip of the page: a strip of the chart's full height that describes the values there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.shown import shorten

MANY_TIMES = 1000  # ratio of the largest to the smallest loss from which an axis is logarithmic
NUM_COLOURS = 7
DASHES = ("", " dashed", " dotted")  # keep overlapping lines and black-and-white prints distinguishable
MODEL, BASELINE = "model", "other dashed"  # of a run, in ink, since colours mark classes and arms


def kind_of(number: int) -> str:
    """The colour and dash of a class, by its number in the data, or of an arm; the same on the whole page."""
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
    """x and y (P,) with gaps where y is NaN; kind: CSS classes of the style sheet. whiskers (P, 2): an interval around each y;
    band (P, 2): the same as an area. note: appended to the name where there is no table."""

    name: str
    kind: str
    x: NDArray[Any]
    y: NDArray[Any]
    joined: bool = True
    dots: bool = False
    whiskers: NDArray[Any] | None = None
    band: NDArray[Any] | None = None
    note: str = ""

    @property
    def look(self) -> str:
        return self.kind if self.joined else f"{self.kind} points"


@dataclass(frozen=True)
class Stop:
    """x, points (y, kind of the line) in the units of the axes, and the tooltip. tips: further text for each point,
    shown with its line."""

    x: float
    points: Sequence[tuple[float, str]]
    tip: str
    tips: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """bars: (from, to, height); bar_labels: at the foot of each. mark: the best epoch. notes: short texts for a paper, beside x.title, in place of the summary."""

    title: str
    summary: str  # alternative text; shown while no tooltip is
    x: Axis
    y: Axis
    lines: Sequence[Line]
    stops: Sequence[Stop]
    table: Table
    bars: Sequence[tuple[float, float, float]] = ()
    bar_labels: Sequence[str] = ()
    mark: float | None = None
    notes: Sequence[str] = ()

    @property
    def legend(self) -> list[tuple[str, str]]:
        return [(shorten(line.name, 24), line.look) for line in self.lines if line.name]


def fraction_axis(title: str, low: float = 0.0) -> Axis:
    """An axis from low, rounded down to a tick, to 1."""
    step = 0.2 if low < 0.4 else 0.1 if low < 0.75 else 0.05
    first = min(math.floor(low / step + 1e-9) * step, 1 - step)
    ticks = np.arange(first, 1 + step / 2, step)
    return Axis(title, float(first), 1.0, [(float(tick), f"{tick:.2f}".rstrip("0").rstrip(".")) for tick in ticks])


def loss_axis(title: str, low: float, high: float) -> Axis:
    """An axis from 0, or in whole decades where low and high are three decades apart."""
    if not spans_decades(low, high):
        return number_axis(title, min(0.0, low), high)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = -(-(last - first) // 5)
    last = first + step * -(-(last - first) // step)
    ticks = [(10.0**power, f"{10.0**power:g}") for power in range(first, last + 1, step)]
    return Axis(title, 10.0**first, 10.0**last, ticks, is_log=True)


def spans_decades(low: float, high: float) -> bool:
    return 0 < low <= high / MANY_TIMES


def number_axis(title: str, low: float, high: float, *, integers: bool = False) -> Axis:
    """About five round ticks that enclose low and high; integers: integer ticks, and the axis ends at high."""
    span = (high - low) or abs(high) or 1.0
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    step = max(1.0, round(step)) if integers else step
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    last = max(last, first + step)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    form = f",.{digits}f" if digits <= 4 and last < 1e5 else ".3g"  # as wide as the margin
    ticks = [(float(tick), format(tick, form)) for tick in np.arange(first, last + step / 2, step)]
    if integers:
        last, ticks = max(high, first + step), [tick for tick in ticks if tick[0] <= max(high, first + step)]
    return Axis(title, float(first), float(last), ticks)
