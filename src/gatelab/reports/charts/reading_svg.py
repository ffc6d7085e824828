"""The gates during a reading for a page: positions in an SVG that templates/reading.html.j2 writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.charts.chart import kind_of
from gatelab.reports.charts.colours import ends_said, extent, fractions, hexadecimal
from gatelab.reports.charts.reading import Reading, end_label, spread
from gatelab.reports.charts.svg import stretches
from gatelab.reports.charts.unit_image import data_uri
from gatelab.reports.charts.unit_maps import UnitMap

LEFT, RIGHT, TOP = 92, 96, 18
CURVE, BAND, UNIT, GAP = 60, 15, 20, 26  # heights
MAX_UNITS = 5
MAP, MIN_ROW, MAX_ROW = 256, 3, 12  # heights of a map of units and of one of them


@dataclass
class ReadingDrawing:
    """Positions in pixels."""

    column: float
    width: float
    middles: NDArray[Any]
    height: float = 0.0
    bottom: float = 0.0
    titles: list[tuple[float, str]] = field(default_factory=list)
    tokens: list[tuple[float, str, bool]] = field(default_factory=list)
    curves: list[tuple[str, str, str, float]] = field(default_factory=list)  # points, kind, name, y of the name
    levels: list[tuple[float, str]] = field(default_factory=list)
    # y, name, range, (x, fraction)
    bands: list[tuple[float, str, str, list[tuple[float, float]]]] = field(default_factory=list)
    units: list[tuple[float, str, str, list[tuple[float, float, float, str]]]] = field(default_factory=list)
    attributions: tuple[float, str, list[tuple[float, float, float, str]]] | None = None  # as a unit
    stops: list[tuple[float, str]] = field(default_factory=list)
    left, right = LEFT, RIGHT


def draw_reading(reading: Reading) -> ReadingDrawing:
    tokens = reading.tokens
    column = min(26.0, max(15.0, 640 / len(tokens)))
    middles = LEFT + column * (np.arange(len(tokens)) + 0.5)
    drawing = ReadingDrawing(column, LEFT + column * len(tokens) + RIGHT, middles)
    y = place_curves(drawing, reading, TOP)
    if reading.attention is not None:
        y = place_attention(drawing, reading.attention, y + GAP)
    if reading.attributions is not None:
        y = place_attributions(drawing, reading, reading.attributions, y + GAP)
    y = place_bands(drawing, reading, y + GAP)
    y = place_units(drawing, reading, y + GAP)
    drawing.bottom = y + 8
    drawing.height = drawing.bottom + 8 + 6.4 * max(len(token) for token, _ in tokens)
    named = reading.curves | reading.beside
    for t, (x, (token, unknown)) in enumerate(zip(middles.round(1).tolist(), tokens, strict=True)):
        said = " · ".join(f"{name} {numbers.metric(float(values[t]))}" for name, values in named.items())
        drawing.tokens.append((x, token, unknown))
        drawing.stops.append((round(x - column / 2, 1), f"{token} · {said}"))
    return drawing


def place_curves(drawing: ReadingDrawing, reading: Reading, y: float) -> float:
    """What is predicted after each token. Returns the y at which the next part may begin."""
    low, high = reading.curves_range
    drawing.titles.append((y - 6, reading.curves_title))

    def up(value: Any) -> Any:
        return y + CURVE * (1 - (value - low) / ((high - low) or 1.0))

    drawing.levels = [(up(level), f"{level:.3g}") for level in (low, (low + high) / 2, high)]
    last = np.array([values[-1] for values in reading.curves.values()])
    ends = y + CURVE * (1 - spread((last - low) / ((high - low) or 1.0), 0.2))
    for k, (name, values) in enumerate(reading.curves.items()):
        heights = up(values)
        said, place = end_label(name, values), round(float(ends[k]) + 4, 1)
        for stretch in stretches(heights):
            places = zip(drawing.middles[stretch], heights[stretch], strict=True)
            drawing.curves.append((" ".join(f"{a:.1f},{b:.1f}" for a, b in places), kind_of(k), said, place))
            said = ""  # once for each class
    return y + CURVE


def place_attention(drawing: ReadingDrawing, weights: NDArray[Any], y: float) -> float:
    """A band, darker where more of the token's state is in the pooled one."""
    largest = extent(weights)[1]
    drawing.titles.append((y - 6, f"attention: the weight of each token, from 0 (pale) to {largest:.2f} (full)"))
    place_band(drawing, "attention", weights, weights / (largest or 1.0), y)
    return y + BAND


def place_bands(drawing: ReadingDrawing, reading: Reading, y: float) -> float:
    """A band for each gate, in the colours of openness."""
    if reading.bands:
        drawing.titles.append((y - 6, "gates, mean over units: from 0, shut (blue), to 1, open (yellow)"))
    for name, values in reading.bands.items():
        place_band(drawing, name, values, fractions(values, 0, 1), y)
        y += BAND
    return y


def place_band(drawing: ReadingDrawing, name: str, values: NDArray[Any], fractions: NDArray[Any], y: float) -> None:
    """A cell for each token, with its place between the ends of the colours."""
    placed = [(x, s) for x, s in zip(drawing.middles, fractions, strict=True) if np.isfinite(s)]
    cells = [(round(x - drawing.column / 2, 1), round(float(s), 2)) for x, s in placed]
    reached = "–".join(dict.fromkeys(numbers.formatted(end, ".2f") for end in extent(values)))
    drawing.bands.append((y, name, reached, cells))


def place_attributions(drawing: ReadingDrawing, reading: Reading, values: NDArray[Any], y: float) -> float:
    """Bars above and below a line, as those of units."""
    start, end = (numbers.formatted(score, "+.2f").replace("-", "−") for score in reading.scores)
    drawing.titles.append((y - 6, f"integrated gradients: from {start} without words to {end}; {reading.pointing}"))
    drawing.attributions = (y + UNIT / 2, *signed_bars(drawing, values, y))
    return y + UNIT


def place_units(drawing: ReadingDrawing, reading: Reading, y: float) -> float:
    """A band for each unit in its own scale: the state above or below its line."""
    title = f"{reading.state} state of the units that contribute most, and their logits: {reading.pointing}"
    drawing.titles.append((y - 6, title))
    for name, values in list(reading.units.items())[:MAX_UNITS]:
        drawing.units.append((y + UNIT / 2, name.replace("-", "−"), *signed_bars(drawing, values, y)))
        y += UNIT
    return y


def signed_bars(
    drawing: ReadingDrawing, values: NDArray[Any], y: float
) -> tuple[str, list[tuple[float, float, float, str]]]:
    """The scale, ± the largest value, and a bar for each token: x, top, height and side."""
    largest = extent(np.abs(values))[1] or 1.0
    bars = []
    for x, value in zip(drawing.middles[np.isfinite(values)], values[np.isfinite(values)], strict=True):
        height = round(abs(float(value)) / largest * (UNIT / 2 - 1), 1)
        top = y + UNIT / 2 - (height if value >= 0 else 0)
        bars.append((round(x - drawing.column / 2 + 0.5, 1), round(top, 1), height, "above" if value >= 0 else "below"))
    return numbers.NOT_A_NUMBER if np.isnan(largest) else f"±{largest:.2g}", bars


@dataclass(frozen=True)
class MapDrawing:
    """A map of units under the columns of its reading; key: (y, height, colour) from high to low."""

    title: str
    image: str
    height: float
    row: float
    units: str
    high: str
    low: str
    key: list[tuple[float, float, str]]


def draw_maps(reading: Reading) -> Iterator[MapDrawing]:
    for one in reading.maps:
        row = float(np.clip(MAP // len(one.units), MIN_ROW, MAX_ROW))
        height = row * len(one.units)
        step = height / 20
        key = [
            (round(k * step, 2), round(step + 0.5, 2), hexadecimal(1 - (k + 0.5) / 20, one.colours)) for k in range(20)
        ]
        units = ",".join(map(str, one.units.tolist()))
        image = data_uri(one.values, one.colours, one.low, one.high)
        low, high = (end.replace("-", "−") for end in ends_said(one.low, one.high))
        yield MapDrawing(said_of(one), image, height, row, units, high, low, key)


def said_of(one: UnitMap) -> str:
    units = "the first " if len(one.units) < one.num_units else ""
    return f"{one.title}: {units}{len(one.units)} of {one.num_units} units, {one.ordered}"
