"""The gates during a reading for a page: positions in an SVG that templates/charts.html.j2 writes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.charts.chart import kind_of
from gatelab.reports.charts.reading import Reading, end_label, extent, spread
from gatelab.reports.charts.svg import stretches

LEFT, RIGHT, TOP = 92, 96, 18
CURVE, BAND, UNIT, GAP = 60, 15, 20, 26  # heights
MAX_UNITS = 5


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
    bands: list[tuple[float, str, str, list[tuple[float, float]]]] = field(
        default_factory=list
    )  # y, name, range, (x, fraction)
    units: list[tuple[float, str, str, list[tuple[float, float, float, str]]]] = field(default_factory=list)
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
    y = place_bands(drawing, reading, y + GAP)
    y = place_units(drawing, reading, y + GAP)
    drawing.bottom = y + 8
    drawing.height = drawing.bottom + 8 + 6.4 * max(len(token) for token, _ in tokens)
    named = reading.curves | ({} if reading.attention is None else {"attention": reading.attention}) | reading.bands
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
    """A band for each gate, darker where further open."""
    low, high = reading.low, reading.high
    drawing.titles.append((y - 6, f"gates, mean over units: from {low:.2f} (pale) to {high:.2f} (full)"))
    for name, values in reading.bands.items():
        place_band(drawing, name, values, np.clip((values - low) / (high - low), 0, 1), y)
        y += BAND
    return y


def place_band(drawing: ReadingDrawing, name: str, values: NDArray[Any], fractions: NDArray[Any], y: float) -> None:
    """A cell for each token, of a darkness from 0 to 1."""
    placed = [(x, s) for x, s in zip(drawing.middles, fractions, strict=True) if np.isfinite(s)]
    cells = [(round(x - drawing.column / 2, 1), round(float(s), 2)) for x, s in placed]
    reached = "–".join(dict.fromkeys(numbers.formatted(end, ".2f") for end in extent(values)))
    drawing.bands.append((y, name, reached, cells))


def place_units(drawing: ReadingDrawing, reading: Reading, y: float) -> float:
    """A band for each unit in its own scale: the state above or below its line."""
    drawing.titles.append((y - 6, f"{reading.state} state of the units that contribute most, and their logits"))
    for name, values in list(reading.units.items())[:MAX_UNITS]:
        largest = extent(np.abs(values))[1] or 1.0
        bars = []
        for x, value in zip(drawing.middles[np.isfinite(values)], values[np.isfinite(values)], strict=True):
            height = round(abs(float(value)) / largest * (UNIT / 2 - 1), 1)
            top = y + UNIT / 2 - (height if value >= 0 else 0)
            bars.append(
                (round(x - drawing.column / 2 + 0.5, 1), round(top, 1), height, "above" if value >= 0 else "below")
            )
        scale = numbers.NOT_A_NUMBER if np.isnan(largest) else f"±{largest:.2g}"
        drawing.units.append((y + UNIT / 2, name.replace("-", "−"), scale, bars))
        y += UNIT
    return y
