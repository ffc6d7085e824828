"""The gates during a reading as a figure for a paper, tokens along the x axis."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gatelab.reports.charts.chart import kind_of
from gatelab.reports.charts.paper import GREY, INK, look_of, plain
from gatelab.reports.charts.reading import Reading, describe_reading, end_label, extent, spread
from gatelab.reports.numbers import NOT_A_NUMBER

FORMATS = (".svg", ".pdf", ".png")


def draw_gates(gates: Mapping[str, NDArray[Any]]) -> Figure:
    """The figure of ``gatelab gates``, as wide as the tokens need."""
    return draw_reading(describe_reading(gates))


def draw_reading(reading: Reading, width: float | None = None) -> Figure:
    """From top to bottom: what is predicted after each token; the attention it gets, if any; a band for each gate, its mean over units, dark where
    shut; a band for each unit, its state and the logits it contributes. width in inches."""
    tokens = [plain(token) for token, _ in reading.tokens]
    bands, low, high = reading.bands, reading.low, reading.high
    longest = max(map(len, tokens))
    heights = [1.1, 0.22 * len(bands) + 0.05, 0.3 * len(reading.units)]
    titles = [
        reading.curves_title,
        "gates, mean over units",
        f"{reading.state} state of the units that contribute most",
    ]
    if reading.attention is not None:
        heights.insert(1, 0.4)
        titles.insert(1, "attention: the weight of each token")
    figure = Figure(
        figsize=(width or max(4.6, 2.6 + 0.3 * len(tokens)), sum(heights) + 1.5 + 0.07 * longest), layout="constrained"
    )
    panels = figure.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    top, *weights, middle, bottom = panels

    draw_predictions(top, reading)
    for axes in weights:
        axes.bar(range(len(tokens)), reading.attention, width=0.9, color=INK)
    image = middle.imshow(
        np.stack(list(bands.values())), aspect="auto", cmap="cividis", vmin=low, vmax=high, interpolation="nearest"
    )
    middle.set_yticks(range(len(bands)), list(bands))
    middle.set_yticks(np.arange(0.5, len(bands) - 1), minor=True)
    middle.grid(axis="y", which="minor", color="white", linewidth=2)
    middle.tick_params(which="both", length=0)
    bar = figure.colorbar(image, ax=middle, ticks=[low, high], pad=0.01, fraction=0.02, aspect=8)
    bar.ax.set_yticklabels([f"{low:.2f} shut", f"{high:.2f} open"], fontsize=7)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]
    draw_units(bottom, reading.units)
    bottom.set_xticks(range(len(tokens)), tokens, rotation=90)
    for label, (_, unknown) in zip(bottom.get_xticklabels(), reading.tokens, strict=True):
        if unknown:
            label.set(color=GREY, style="italic")
    for axes in panels:
        axes.spines[:].set_visible(False)
        axes.tick_params(labelsize=8, length=0)
    if width:
        bottom.tick_params(axis="x", labelsize=min(8.0, 72 * (width - 1.9) / len(tokens)))
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=8, loc="left", color=INK, pad=3)
    if reading.notes:
        bottom.set_xlabel("; ".join(reading.notes), fontsize=7, color=GREY, loc="left")
    return figure


def draw_predictions(axes: Axes, reading: Reading) -> None:
    low, high = reading.curves_range
    span = (high - low) or 1.0
    ends = low + span * spread(np.array([(values[-1] - low) / span for values in reading.curves.values()]), 0.17)
    for k, (name, values) in enumerate(reading.curves.items()):
        look = look_of(kind_of(k))
        axes.plot(values, **look, marker="o", markersize=2.5, linewidth=1.4)
        axes.annotate(
            end_label(plain(name), values), (len(values) - 1, ends[k]), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8, color=look["color"], annotation_clip=False,
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
            NOT_A_NUMBER if np.isnan(largest) else f"±{largest:.2g}", (steps[-1], row), xytext=(14, 0), textcoords="offset points", va="center", fontsize=7,
            color=GREY, annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(units)), list(units))
    axes.set_ylim(len(units) - 0.45, -0.55)
    axes.set_ylabel("unit, its logits", fontsize=7, color=GREY)
