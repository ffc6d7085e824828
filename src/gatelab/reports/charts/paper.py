"""Charts for a paper, a column wide, drawn by matplotlib in the style of gatelab.mplstyle."""

import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gatelab.files import atomic_write
from gatelab.reports.analysis.comparison import BASELINES
from gatelab.reports.charts.chart import Chart
from gatelab.reports.charts.strip_plot import StripPlot
from gatelab.reports.shown import shorten
from gatelab.runs.folder import own

STYLE = Path(__file__).with_name("gatelab.mplstyle")
FORMATS = ("svg", "pdf")
COLUMN_WIDTH = 3.3  # inches
MAX_INSIDE = 3  # names of a legend inside a chart
INK, GREY = "#222222", "#8a8a8a"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", INK)  # Okabe & Ito
# The same kinds as in the style sheet of the pages.
LOOKS: dict[str, dict[str, Any]] = {f"c{number}": {"color": colour} for number, colour in enumerate(COLOURS)} | {
    "model": {"color": INK},
    "other": {"color": GREY},
    "guide": {"color": GREY, "linewidth": 0.6},
    "dashed": {"linestyle": "--"},
    "dotted": {"linestyle": ":"},
    "thin": {"linewidth": 0.6},
    "pale": {"linewidth": 0.6, "alpha": 0.35},
    "points": {"linestyle": "none", "marker": "o"},
}
MARKERS = {
    "linear": "D",
    "nbsvm": "^",
    "naive_bayes": "<",
    "majority": "s",
    "prior": "s",
    "mean": "s",
    "median": "v",
    "memoryless": "s",
}


def save_figures(folder: Path, drawings: Mapping[str, Callable[[], Figure]]) -> list[Path]:
    """Write each figure as folder/<name>.svg and .pdf. Returns the files. Raises RunError where the folder is a link."""
    own(folder).mkdir(exist_ok=True)
    files = []
    with matplotlib.rc_context(), style.context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # an emoji is an empty box
        for name, draw in drawings.items():
            figure = laid_out(draw())
            for kind in FORMATS:
                files.append(folder / f"{name}.{kind}")
                atomic_write(files[-1], rendered(figure, kind))
    return files


def laid_out(figure: Figure) -> Figure:
    """Once for all formats, and with no layout engine left, for which savefig would draw the figure twice."""
    FigureCanvasSVG(figure)  # measures the texts as they are drawn
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)
    return figure


def rendered(figure: Figure, kind: str) -> bytes:
    """The same figure gives the same bytes."""
    content = BytesIO()
    undated: dict[str, Any] = {"Date": None} if kind == "svg" else {"CreationDate": None}
    figure.savefig(content, format=kind, metadata=undated)
    return content.getvalue()


def new_figure(height: float = 2.3, rows: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(COLUMN_WIDTH, height), layout="constrained")
    return figure, list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])


def plain(name: str, max_length: int = 24) -> str:
    """A name from data, with $ escaped for matplotlib."""
    return shorten(name, max_length).replace("$", r"\$")


def label(text: str) -> str:
    """An axis label, wrapped to the width of a column."""
    return textwrap.fill(plain(text, 180), 60)


def look_of(kind: str) -> dict[str, Any]:
    return {key: value for word in kind.split() for key, value in LOOKS.get(word, {}).items()}


def draw_charts(
    charts: Sequence[Chart], height: float = 2.3, legend: Sequence[tuple[str, str]] = (), columns: int = 3
) -> Figure:
    """Charts stacked vertically. legend: (name, kind), below all of them; by default each has its own inside."""
    figure, rows = new_figure(height, len(charts))
    for chart, axes in zip(charts, rows, strict=True):
        draw_chart(chart, axes)
        if not legend and 1 < len(chart.legend) <= MAX_INSIDE:
            axes.legend()
        elif not legend and len(chart.legend) > 1:  # it would hide the lines
            figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=6)
    handles = [Line2D([], [], label=plain(name, 40), **look_of(kind)) for name, kind in legend]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=6)
    notes = "; ".join(dict.fromkeys(note for chart in charts for note in chart.notes))
    rows[-1].set_xlabel(label(f"{charts[-1].x.title} ({notes})" if notes else charts[-1].x.title))
    return figure


def draw_chart(chart: Chart, axes: Axes) -> None:
    for begin, end, height in chart.bars:
        axes.bar(begin, height, end - begin, align="edge", color="#dddddd", edgecolor="white")
    for (begin, end, _), text in zip(chart.bars, chart.bar_labels, strict=False):
        place = (begin + end) / 2, chart.y.low
        axes.annotate(text, place, (0, 1.5), textcoords="offset points", ha="center", fontsize=4.5, color=INK)
    for line in chart.lines:
        look = {"marker": "o" if line.dots else None, "clip_on": False, **look_of(line.look)}
        if line.band is not None:
            axes.fill_between(line.x, *line.band.T, color=look["color"], alpha=0.15, linewidth=0)
        if line.whiskers is not None:
            axes.vlines(line.x, *line.whiskers.T, color=look["color"], linewidth=0.8)
        axes.plot(line.x, line.y, label=f"{plain(line.name)} {line.note}".strip() or None, **look)
    if chart.mark is not None:
        axes.axvline(chart.mark, color=GREY, linestyle=":", linewidth=0.8)
        axes.text(chart.mark, 1.04, "best", transform=axes.get_xaxis_transform(), ha="center", fontsize=6, color=GREY)
    if chart.x.is_log:
        axes.set_xscale("log")
    if chart.y.is_log:
        axes.set_yscale("log")
    for axis, scale in ((chart.x, axes.xaxis), (chart.y, axes.yaxis)):
        scale.set_ticks([value for value, _ in axis.ticks], [plain(label) for _, label in axis.ticks])
        scale.set_tick_params(which="minor", size=0)
    axes.set(xlim=(chart.x.low, chart.x.high), ylim=(chart.y.low, chart.y.high))
    axes.set_ylabel(label(chart.y.title or chart.title))
    axes.grid(True)


def draw_strip_plot(plot: StripPlot, title: str) -> Figure:
    """title: of the settings that distinguish the arms."""
    figure, (axes,) = new_figure(height=0.7 + 0.24 * len(plot.arms))
    if plot.published is not None:
        axes.axvline(plot.published, color=INK, linestyle=":", linewidth=0.8, label="published")
    for row, arm in enumerate(plot.arms):
        values = [dot.value for dot in arm.dots]
        if arm.interval is not None:
            axes.plot(arm.interval, [row] * 2, color=INK, alpha=0.2, linewidth=5, solid_capstyle="butt")
        heights = [row + lift for lift in lifts(values, (plot.x.high - plot.x.low) / 50)]
        axes.plot(values, heights, "o", color=INK, markersize=2.6, markeredgewidth=0, clip_on=False)
        axes.plot([np.nan if arm.mean is None else arm.mean], [row], "|", color=INK, markersize=9, markeredgewidth=1.2)
        for name, value in arm.baselines.items():
            axes.plot(
                [value], [row], MARKERS[name], color=GREY, fillstyle="none", markersize=3.5, label=BASELINES[name]
            )
    axes.set_xticks([value for value, _ in plot.x.ticks], [label for _, label in plot.x.ticks])
    axes.set_yticks(range(len(plot.arms)), [plain(arm.name, 40) for arm in plot.arms])
    axes.set(xlim=(plot.x.low, plot.x.high), ylim=(len(plot.arms) - 0.4, -0.6), ylabel=plain(title, 60))
    axes.set_xlabel(label("; ".join([plot.title, *plot.notes])))
    axes.grid(True, axis="x")
    named = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower right", ncols=3)
    return figure


def lifts(values: Sequence[float], near: float) -> list[float]:
    """By how much of a row each of the ascending values is moved up or down, so that those nearer than near to the first of them do not
    cover each other."""
    found: list[float] = []
    while len(found) < len(values):
        group = sum(value - values[len(found)] < near for value in values[len(found) :])
        step = min(0.14, 0.7 / group)
        found += [(place - (group - 1) / 2) * step for place in range(group)]
    return found
