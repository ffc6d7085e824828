"""What the gates did while the model read a row, for a page: the numbers of reports/gates.py in places of an SVG. T tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatelab.reports import numbers
from gatelab.reports.charts.gate_picture import MOST_TOKENS, colour_range, extent, gate_bands, spread, unit_bands
from gatelab.reports.charts.svg import Table, kind_of, stretches
from gatelab.reports.texts import shorten

LEFT, RIGHT, TOP = 92, 96, 18
CURVE, BAND, UNIT, GAP = 60, 15, 20, 26  # heights
MOST_UNITS = 5
MOST_CURVES = 7


@dataclass
class Reading:
    """role, place, label and prediction say which row; the rest is what the template draws, in pixels."""

    role: str
    place: str
    label: str
    prediction: str
    probability: str
    tokens: list[tuple[float, str, bool]]  # middle, token, whether the vocabulary lacks it
    column: float
    width: float
    height: float
    notes: list[str]
    has_gaps: bool  # where a value is no number
    table: Table
    titles: list[tuple[float, str]] = field(default_factory=list)
    curves: list[tuple[str, str, str, float]] = field(default_factory=list)  # points, kind, name, where the name stands
    levels: list[tuple[float, str]] = field(default_factory=list)
    bands: list[tuple[float, str, str, list[tuple[float, float]]]] = field(
        default_factory=list
    )  # y, name, range, (x, share)
    units: list[tuple[float, str, str, list[tuple[float, float, float, str]]]] = field(default_factory=list)
    stops: list[tuple[float, str]] = field(default_factory=list)
    bottom: float = 0.0
    left, right = LEFT, RIGHT


def draw_reading(gates: Mapping[str, np.ndarray]) -> Reading:
    """The last 60 tokens of what ``write_telling_rows`` saved."""
    first = max(0, len(gates["tokens"]) - MOST_TOKENS)
    tokens = [shorten(token, 16) for token in gates["tokens"][first:]]
    unknown, probabilities = gates["unknown"][first:], gates["probabilities"][first:]
    classes = [shorten(name, 12) for name in gates["classes"]]
    bands = gate_bands(gates, first)
    units = dict(list(unit_bands(gates, first).items())[:MOST_UNITS])
    column = min(26.0, max(15.0, 640 / len(tokens)))
    middles = LEFT + column * (np.arange(len(tokens)) + 0.5)
    final = gates["probabilities"][-1]
    rows = [
        [token, *map(numbers.metric, probabilities[t]), *(numbers.metric(float(band[t])) for band in bands.values())]
        for t, token in enumerate(tokens)
    ]
    notes = []
    if first:
        notes.append(f"the last {len(tokens)} of {len(gates['tokens'])} tokens")
    if unknown.any():
        notes.append("italics: not in the vocabulary")
    has_gaps = not all(np.isfinite(values).all() for values in (probabilities, *bands.values(), *units.values()))
    if has_gaps:
        notes.append("gaps: not a number")
    reading = Reading(
        role=str(gates["role"]),
        place=f"{gates['source']}, line {gates['line']}",
        label=str(gates["label"]),
        prediction=str(gates["classes"][final.argmax()]),
        probability=numbers.metric(float(final.max())),
        tokens=[(round(x, 1), token, bool(new)) for x, token, new in zip(middles, tokens, unknown, strict=True)],
        column=column,
        width=LEFT + column * len(tokens) + RIGHT,
        height=0,
        notes=notes,
        has_gaps=has_gaps,
        table=Table(["token", *(f"P({name})" for name in classes), *bands], rows),
    )
    y = place_curves(reading, probabilities, classes, middles, TOP)
    y = place_bands(reading, bands, middles, y + GAP)
    y = place_units(reading, units, middles, y + GAP)
    reading.bottom = y + 8
    reading.height = reading.bottom + 8 + 6.4 * max(map(len, tokens))
    named = dict(list(zip(classes, probabilities.T, strict=True))[:MOST_CURVES]) | bands
    for t, (x, token, _) in enumerate(reading.tokens):
        said = " · ".join(f"{name} {numbers.metric(float(values[t]))}" for name, values in named.items())
        reading.stops.append((round(x - column / 2, 1), f"{token} · {said}"))
    return reading


def place_curves(
    reading: Reading, probabilities: np.ndarray, classes: list[str], middles: np.ndarray, y: float
) -> float:
    """The probability of each class after each token. Returns where the next part may begin."""
    reading.titles.append((y - 6, "probability after each token"))
    reading.levels = [(y + CURVE * (1 - level), f"{level:g}") for level in (0, 0.5, 1)]
    ends = y + CURVE * (1 - spread(probabilities[-1, :MOST_CURVES], 0.2))
    for k, name in enumerate(classes[:MOST_CURVES]):
        heights = y + CURVE * (1 - probabilities[:, k])
        said, place = f"{name} {probabilities[-1, k]:.2f}", round(float(ends[k]) + 4, 1)
        for stretch in stretches(heights):
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(middles[stretch], heights[stretch], strict=True))
            reading.curves.append((points, kind_of(k), said, place))
            said = ""  # once a class
    return y + CURVE


def place_bands(reading: Reading, bands: Mapping[str, np.ndarray], middles: np.ndarray, y: float) -> float:
    """A band a gate, the more ink the further open."""
    low, high = colour_range(list(bands.values()))
    reading.titles.append((y - 6, f"gates, mean over units: from {low:.2f} (pale) to {high:.2f} (full)"))
    for name, values in bands.items():
        shares = np.clip((values - low) / (high - low), 0, 1)
        placed = [(x, s) for x, s in zip(middles, shares, strict=True) if np.isfinite(s)]
        cells = [(round(x - reading.column / 2, 1), round(float(s), 2)) for x, s in placed]
        reading.bands.append((y, name, "{:.2f}–{:.2f}".format(*extent(values)), cells))
        y += BAND
    return y


def place_units(reading: Reading, units: Mapping[str, np.ndarray], middles: np.ndarray, y: float) -> float:
    """A band a unit, each in its own scale: the cell state above its line or below it."""
    reading.titles.append((y - 6, "cell state of the units that decide most, and the logits each adds"))
    for name, values in units.items():
        largest = extent(np.abs(values))[1] or 1.0
        bars = []
        for x, value in zip(middles[np.isfinite(values)], values[np.isfinite(values)], strict=True):
            height = round(abs(float(value)) / largest * (UNIT / 2 - 1), 1)
            top = y + UNIT / 2 - (height if value >= 0 else 0)
            bars.append(
                (round(x - reading.column / 2 + 0.5, 1), round(top, 1), height, "above" if value >= 0 else "below")
            )
        reading.units.append((y + UNIT / 2, name.replace("-", "−"), f"±{largest:.2g}", bars))
        y += UNIT
    return y
