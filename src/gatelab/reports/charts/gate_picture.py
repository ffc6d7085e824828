"""The gates during a reading as a figure for a paper, tokens along the x axis."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from gatelab.reports.charts.chart import kind_of
from gatelab.reports.charts.colours import OPENNESS, ends_said, extent, palette
from gatelab.reports.charts.paper import COLUMN_WIDTH, GREY, INK, STYLE, look_of, plain
from gatelab.reports.charts.reading import Reading, describe_reading, end_label, spread
from gatelab.reports.numbers import NOT_A_NUMBER

FORMATS = (".svg", ".pdf", ".png")
MAX_IN_COLUMN = 32  # tokens that are legible in a column's width
PAGE_WIDTH = 7.0  # inches: both columns


def draw_gates(gates: Mapping[str, NDArray[Any]]) -> Figure:
    """A column wide, or both where it has more than 32 tokens."""
    return draw_reading(describe_reading(gates))


def draw_reading(reading: Reading) -> Figure:
    return draw_side_by_side([("", reading)])


def draw_side_by_side(readings: Sequence[tuple[str, Reading]]) -> Figure:
    """Each with its name above it, a column wide each."""
    with matplotlib.rc_context(), style.context(STYLE):
        widths = [width_of(len(reading.tokens)) for _, reading in readings]
        figure = Figure(figsize=(sum(widths), max(height_of(reading) for _, reading in readings)), layout="constrained")
        parts = (
            figure.subfigures(1, len(readings), width_ratios=widths, squeeze=False)[0]
            if len(readings) > 1
            else [figure]
        )
        for part, width, (name, reading) in zip(parts, widths, readings, strict=True):
            draw_onto(part, reading, width)
            if name:
                part.suptitle(plain(name, 60), fontsize=8, x=0.02, ha="left")
    return figure


def width_of(num_tokens: int) -> float:
    return COLUMN_WIDTH if num_tokens <= MAX_IN_COLUMN else PAGE_WIDTH


def heights_of(reading: Reading) -> list[float]:
    """Of the panels in inches, from top to bottom: predictions, attention, attributions, gates and units, as far as there are any."""
    return [
        0.9,
        *([0.3] if reading.attention is not None else []),
        *([0.35] if reading.attributions is not None else []),
        *([0.2 * len(reading.bands) + 0.05] if reading.bands else []),
        0.26 * len(reading.units),
    ]


def height_of(reading: Reading) -> float:
    return (
        sum(heights_of(reading))
        + 0.25 * len(heights_of(reading))
        + 0.5
        + 0.07 * max(len(plain(token)) for token, _ in reading.tokens)
    )


def draw_onto(figure: FigureBase, reading: Reading, width: float) -> None:
    """From top to bottom: what is predicted after each token; the attention it gets, if any; its integrated gradient; a band for each gate, its
    mean over units, blue where shut and yellow where open; a band for each unit, its state and the logits it contributes. width in inches."""
    tokens = [plain(token) for token, _ in reading.tokens]
    heights = heights_of(reading)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    rows = iter(range(len(heights)))
    top = figure.add_subplot(grid[next(rows)])
    draw_predictions(top, reading)
    panels = [(top, reading.curves_title)]

    def panel(title: str, row: int) -> Axes:
        panels.append((figure.add_subplot(grid[row], sharex=top), title))
        return panels[-1][0]

    if reading.attention is not None:
        axes = panel("attention: the weight of each token", next(rows))
        axes.bar(range(len(tokens)), reading.attention, width=0.9, color=INK)
    attributed = next(rows) if reading.attributions is not None else None
    middle = panel("gates, mean over units", next(rows)) if reading.bands else None
    bottom = panel(f"{reading.state} state of the units that contribute most", next(rows))
    draw_units(bottom, reading.units)
    bottom.set_ylabel("unit, its logits", fontsize=6, color=GREY)
    if middle is not None:
        draw_bands(figure, middle, reading.bands)
    if attributed is not None:
        draw_units(panel("integrated gradients", attributed), {"": reading.attributions})  # type: ignore[dict-item]
    for axes, title in panels:
        axes.spines[:].set_visible(False)
        axes.tick_params(labelsize=6, length=0)
        axes.xaxis.set_visible(axes is bottom)  # ticks that nobody sees are dear, too
        axes.set_title(plain(title, 90), fontsize=6.5, loc="left", color=INK, pad=3)
    name_tokens(bottom, tokens, width)
    for label, (_, unknown) in zip(bottom.get_xticklabels(), reading.tokens, strict=True):
        if unknown:
            label.set(color=GREY, style="italic")
    notes = "; ".join([f"of gradients and logits: {plain(reading.pointing, 80)}", *reading.notes])
    bottom.set_xlabel(textwrap.fill(notes, round(20 * width)), fontsize=6, color=GREY, loc="left")


def draw_bands(figure: FigureBase, axes: Axes, bands: Mapping[str, NDArray[Any]]) -> None:
    """From 0 to 1, in the colours of openness."""
    draw_image(figure, axes, np.stack(list(bands.values())), OPENNESS, 0.0, 1.0)
    axes.set_yticks(range(len(bands)), [plain(name) for name in bands])
    axes.set_yticks(np.arange(0.5, len(bands) - 1), minor=True)
    axes.grid(axis="y", which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)


def draw_image(
    figure: FigureBase, axes: Axes, values: NDArray[Any], colours: tuple[str, ...], low: float, high: float
) -> None:
    """values (rows, T), a cell each, and beside the panel the colours with their ends."""
    image = axes.imshow(values, aspect="auto", cmap=colour_map(colours), vmin=low, vmax=high, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, ticks=[low, high], pad=0.01, fraction=0.03, aspect=8)
    bar.ax.set_yticklabels(ends_said(low, high), fontsize=6)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]


def name_tokens(axes: Axes, tokens: Sequence[str], width: float) -> None:
    """Below the lowest panel, as large as its width in inches allows."""
    axes.set_xticks(range(len(tokens)), tokens, rotation=90)
    axes.tick_params(axis="x", labelsize=min(7.0, 72 * (width - 1.2) / len(tokens)))


def colour_map(colours: tuple[str, ...]) -> ListedColormap:
    return ListedColormap(palette(colours) / 255)


def draw_predictions(axes: Axes, reading: Reading) -> None:
    low, high = reading.curves_range
    span = (high - low) or 1.0
    ends = low + span * spread(np.array([(values[-1] - low) / span for values in reading.curves.values()]), 0.17)
    for k, (name, values) in enumerate(reading.curves.items()):
        look = look_of(kind_of(k))
        axes.plot(values, **look, marker="o", markersize=1.8, linewidth=1.1)
        axes.annotate(
            end_label(plain(name), values), (len(values) - 1, ends[k]), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=6.5, color=look["color"], annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(low - 0.06 * span, high + 0.06 * span)
    axes.set_yticks([low, low + span / 2, high], [f"{level:.3g}" for level in (low, low + span / 2, high)])
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)


def draw_units(axes: Axes, units: Mapping[str, NDArray[Any]]) -> None:
    """A band for each unit in its own scale, given at the right: positive in ink, negative in grey."""
    for row, values in enumerate(units.values()):
        largest = extent(np.abs(values))[1] or 1.0
        heights = 0.46 * values / largest
        steps = np.arange(len(values))
        axes.bar(steps, -heights, bottom=row, width=0.9, color=np.where(heights >= 0, INK, GREY))
        axes.axhline(row, color=INK, linewidth=0.5)
        axes.annotate(
            NOT_A_NUMBER if np.isnan(largest) else f"±{largest:.2g}", (steps[-1], row), xytext=(8, 0), textcoords="offset points", va="center", fontsize=6,
            color=GREY, annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(units)), list(units))
    axes.set_ylim(len(units) - 0.45, -0.55)
