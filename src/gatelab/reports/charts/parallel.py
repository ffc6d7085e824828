"""Parallel coordinates: an axis for each swept key and the metric, a line for each run. Positions in pixels."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatelab.reports import numbers
from gatelab.reports.analysis.swept import SweptKey, show_value
from gatelab.reports.charts.chart import number_axis
from gatelab.reports.pages.links import Link
from gatelab.reports.shown import shorten, visible
from gatelab.runs.load import Run
from gatelab.runs.metrics import title_of

MAX_AXES = 8
LEFT, RIGHT, TOP, BOTTOM = 90, 60, 46, 300
SPACING, WIDEST = 130, 240
FEW_LEVELS = 9  # with a tick each
SPREAD = 7  # pixels: runs with the same value are offset, better ones upwards
MAX_CHOICES = 24  # whose names fit
SHADES = 5


@dataclass(frozen=True)
class ParallelAxis:
    title: str
    x: float
    ticks: list[tuple[float, str]]
    levels: str  # JSON: (y, label) of each value, from below
    is_metric: bool = False


@dataclass(frozen=True)
class ParallelLine:
    points: str
    ys: str  # at each axis, in their order
    shade: int  # 0 to 4, higher is better
    value: float
    tip: str
    url: str | None


@dataclass(frozen=True)
class Parallel:
    metric: str  # its title
    lower_is_better: bool
    width: float
    height: float
    top: float
    bottom: float
    axes: list[ParallelAxis]
    lines: list[ParallelLine]
    left_out: list[str]  # keys without an axis


def draw_parallel(
    runs: Sequence[Run],
    keys: Sequence[SweptKey],
    metric: str,
    values: Sequence[float],
    lower_is_better: bool,
    link: Link,
) -> Parallel | None:
    """values: the metric of each run. None without swept keys or with fewer than two runs. At most 8 keys are drawn."""
    if not keys or len(runs) < 2:
        return None
    shown = keys[:MAX_AXES]
    spacing = min(WIDEST, max(SPACING, 780 / len(shown)))
    found = [key_axis(key, LEFT + spacing * number) for number, key in enumerate(shown)]
    found.append(metric_axis(metric, values, LEFT + spacing * len(shown)))
    axes = [axis for axis, _ in found]
    places = [[place(value) for value in key.values] for key, (_, place) in zip(shown, found, strict=False)]
    places.append([found[-1][1](value) for value in values])
    crowded = [*(len(key.levels) <= FEW_LEVELS for key in shown), False]
    best, worst = (min(values), max(values)) if lower_is_better else (max(values), min(values))
    lines = []
    for number, run in enumerate(runs):
        ys = [column[number] for column in places]
        goodness = 0.5 if best == worst else (values[number] - worst) / (best - worst)
        offset = SPREAD * (1 - 2 * goodness)
        drawn = [y + offset * is_crowded for y, is_crowded in zip(ys, crowded, strict=True)]
        tip = [f"{key.title} {show_value(key.values[number])}" for key in shown]
        tip += [run.replicate_text, f"{title_of(metric)} {numbers.metric(values[number])}", f"run {run.identity}"]
        line = ParallelLine(
            points=" ".join(f"{axis.x:g},{round(y, 1):g}" for axis, y in zip(axes, drawn, strict=True)),
            ys=" ".join(f"{y:g}" for y in ys),
            shade=min(SHADES - 1, int(goodness * SHADES)),
            value=values[number],
            tip=visible(" · ".join(tip)),
            url=link(run),
        )
        lines.append(line)
    lines.sort(key=lambda line: line.value, reverse=lower_is_better)  # the best on top
    title = title_of(metric)
    left_out = [key.title for key in keys[MAX_AXES:]]
    width = axes[-1].x + RIGHT
    return Parallel(title, lower_is_better, width, BOTTOM + 16, TOP, BOTTOM, axes, lines, left_out)


def key_axis(key: SweptKey, x: float) -> tuple[ParallelAxis, Callable[..., float]]:
    levels = key.levels
    if key.kind == "choice":
        places = {level: number for number, level in enumerate(levels)}
        place = placed(-0.5, len(levels) - 0.5, lambda level: len(levels) - 1 - places[level])
        every = -(-len(levels) // MAX_CHOICES)
        ticks = [(place(level), shorten(level, 14)) for level in levels[::every]]
    else:
        turn: Callable[[float], float] = math.log10 if key.kind == "log" else float
        low, high = turn(levels[0]), turn(levels[-1])
        margin = (high - low or 1.0) * 0.04
        place = placed(low - margin, high + margin, turn)
        ticks = [(place(value), show_value(value)) for value in ticks_of(key)]
    labelled = sorted(((place(level), visible(show_value(level))) for level in levels), reverse=True)
    return ParallelAxis(shorten(key.title, 20), x, ticks, json.dumps(labelled, ensure_ascii=False)), place


def metric_axis(metric: str, values: Sequence[float], x: float) -> tuple[ParallelAxis, Callable[..., float]]:
    axis = number_axis(title_of(metric), min(values), max(values))
    place = placed(axis.low, axis.high, float)
    labelled = sorted({(place(value), numbers.metric(value)) for value in values}, reverse=True)
    ticks = [(place(value), label) for value, label in axis.ticks]
    return ParallelAxis(axis.title, x, ticks, json.dumps(labelled), is_metric=True), place


def placed(low: float, high: float, turn: Callable[..., float]) -> Callable[..., float]:
    """The pixel of a value, low at the bottom."""
    return lambda value: round(BOTTOM - (turn(value) - low) / (high - low) * (BOTTOM - TOP), 1)


def ticks_of(key: SweptKey) -> list[float]:
    """All values if they are few, else round numbers: powers of ten, with 2 and 5, on a log scale."""
    levels = key.levels
    if len(levels) <= FEW_LEVELS:
        return levels
    low, high = levels[0], levels[-1]
    if key.kind == "log":
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        factors = (1, 2, 5) if len(powers) <= 3 else (1,)
        return [value for power in powers for factor in factors if low <= (value := factor * 10.0**power) <= high]
    return [value for value, _ in number_axis("", low, high).ticks if low <= value <= high]
