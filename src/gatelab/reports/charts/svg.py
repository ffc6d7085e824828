"""A chart for a page: positions in an SVG of 400 × 250 that templates/charts.html.j2 writes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.charts.chart import Axis, Chart
from gatelab.reports.charts.strip_plot import Dot

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 16, 38


@dataclass
class Drawing:
    """Positions in pixels."""

    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    mark: float | None
    areas: list[tuple[str, str]] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)
    dots: list[tuple[float, float, str]] = field(default_factory=list)
    whiskers: list[tuple[float, float, float, str]] = field(default_factory=list)
    bars: list[tuple[float, float, float, float]] = field(default_factory=list)
    bar_labels: list[tuple[float, float, str]] = field(default_factory=list)
    stops: list[tuple[float, float, float, list[tuple[float, str, str]], str]] = field(default_factory=list)
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM


def draw_chart(chart: Chart) -> Drawing:
    across, up = scale(chart.x, LEFT, WIDTH - RIGHT), scale(chart.y, HEIGHT - BOTTOM, TOP)
    drawing = Drawing(
        [(across(value), label) for value, label in chart.x.ticks],
        [(up(value), label) for value, label in chart.y.ticks],
        None if chart.mark is None else across(chart.mark),
    )
    for line in chart.lines:
        low, high = (line.y, line.y) if line.band is None else line.band.T
        places, lower, upper = (
            [(across(a), up(b)) for a, b in zip(line.x, ends, strict=True)] for ends in (line.y, low, high)
        )
        for stretch in stretches(line.y):
            if line.band is not None:
                edge = thin(lower[stretch]) + thin(upper[stretch])[::-1]
                drawing.areas.append((line.kind, " ".join(f"{a:g},{b:g}" for a, b in edge)))
            if line.joined:
                drawing.paths.append((line.kind, " ".join(f"{a:g},{b:g}" for a, b in thin(places[stretch]))))
            if line.dots:
                drawing.dots += [(a, b, line.kind) for a, b in places[stretch]]
        if line.whiskers is not None:
            ends = zip(places, line.whiskers, strict=True)
            drawing.whiskers += [(a, up(bottom), up(top), line.kind) for (a, _), (bottom, top) in ends]
    drawing.bars = [
        (across(begin), up(height), round(across(end) - across(begin) - 1, 1), round(up(chart.y.low) - up(height), 1))
        for begin, end, height in chart.bars
    ]
    drawing.bar_labels = [
        (across((begin + end) / 2), up(chart.y.low) - 3, label)  # where no curve is
        for (begin, end, _), label in zip(chart.bars, chart.bar_labels, strict=False)
    ]
    middles = [across(stop.x) for stop in chart.stops]
    edges = [LEFT, *((a + b) / 2 for a, b in pairwise(middles)), WIDTH - RIGHT]
    for number, stop in enumerate(chart.stops):
        strip = round(edges[number], 1), round(edges[number + 1] - edges[number], 1)
        tips = stop.tips or [""] * len(stop.points)
        pairs = zip(stop.points, tips, strict=True)
        points = [(up(value), kind, tip) for (value, kind), tip in pairs if math.isfinite(value)]
        drawing.stops.append((*strip, middles[number], points, stop.tip))
    return drawing


def scale(axis: Axis, begin: float, end: float, digits: int = 1) -> Callable[[float], float]:
    """The position of a value, such as a pixel."""
    unit = math.log10 if axis.is_log else float
    low = unit(axis.low)
    span = (unit(axis.high) - low) or 1.0

    def place(value: float) -> float:
        shown = max(float(value), axis.low) if axis.is_log else float(value)  # zero is at the bottom
        return round(begin + (unit(shown) - low) / span * (end - begin), digits)

    return place


def stretches(y: NDArray[Any]) -> list[slice]:
    """The stretches of finite values in y."""
    edges = np.flatnonzero(np.diff(np.r_[False, np.isfinite(y), False].astype(int)))
    return [slice(begin, end) for begin, end in edges.reshape(-1, 2).tolist()]


MARGIN = 2.0  # percent at either side
NEAR = 1.9  # percent: dots nearer than this are stacked
LIFTS = (0, -6, 6, -12, 12)  # pixels


def percent(axis: Axis) -> Callable[[float], float]:
    """The position of a value in percent of the width."""
    return scale(axis, MARGIN, 100 - MARGIN, digits=2)


def lifted(dots: Sequence[Dot], place: Callable[[float], float]) -> list[tuple[float, int, Dot]]:
    """x in percent and vertical offset in pixels of each dot; dots that would overlap are stacked."""
    placed = []
    ends = [-100.0] * len(LIFTS)
    for dot in dots:
        x = place(dot.value)
        level = next((number for number, end in enumerate(ends) if x - end >= NEAR), ends.index(min(ends)))
        ends[level] = x
        placed.append((x, LIFTS[level], dot))
    return placed


def thin(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the points on the same pixel as the previous one."""
    kept = places[:1]
    for place in places[1:]:
        if abs(place[0] - kept[-1][0]) >= 0.5 or abs(place[1] - kept[-1][1]) >= 0.5:
            kept.append(place)
    return kept
