"""Figures of a run for a paper, figures/*.svg and *.pdf."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from gatelab.reports.charts.chart import Chart
from gatelab.reports.charts.colours import contrast
from gatelab.reports.charts.gate_heatmap import maps_of_reading
from gatelab.reports.charts.gate_picture import draw_reading
from gatelab.reports.charts.paper import draw_charts, new_figure, plain, save_figures
from gatelab.runs.folder import RunFolder

MAX_ACROSS = 64  # characters of the titles of its columns beside each other
MAX_IN_MATRIX = 12  # classes that are legible in a column's width


def draw_figures(folder: RunFolder, page: Mapping[str, Any], gates: bool) -> list[Path]:
    """Write the page's learning curves, charts of the test, confusion matrix and, if wanted, gates and what else the page draws, which
    take most of the time. Returns the files."""
    drawings: dict[str, Callable[[], Figure]] = {
        name: lambda chart=chart: draw_charts([chart])  # type: ignore[misc]
        for name, chart in {**page["figures"], **(page["more_figures"] if gates else {})}.items()
    }
    if page["learning"]:
        drawings["learning_curves"] = lambda: draw_charts(page["learning"], height=3.2)
    if page["confusion"] and len(page["confusion"]["classes"]) <= MAX_IN_MATRIX:
        drawings["confusion_matrix"] = lambda: draw_confusion(page["confusion"])
    for name, reading in page["readings"].items() if gates else ():
        drawings[f"gates/{name}"] = lambda reading=reading: draw_reading(reading)  # type: ignore[misc]
        if reading.maps:
            drawings[f"gates/{name}_units"] = lambda reading=reading: maps_of_reading(reading)  # type: ignore[misc]
    if gates and page["saturation"]:
        drawings["saturation"] = lambda: saturation_figure(page["saturation"])
    return save_figures(folder.figures, drawings)


def saturation_figure(charts: Sequence[Chart]) -> Figure:
    """Stacked, with the gate above each."""
    figure = draw_charts(charts, height=0.3 + 2.0 * len(charts))
    for axes, chart in zip(figure.axes, charts, strict=True):
        axes.set_title(chart.title, fontsize=7)
    return figure


def readable_on(background: Sequence[float]) -> str:
    """White or black, whichever stands out more."""
    return max("#ffffff", "#000000", key=lambda colour: contrast(to_rgb(colour), background))


def draw_confusion(confusion: Mapping[str, Any]) -> Figure:
    """confusion: as made by run_tables.confusion."""
    names = [plain(name, 14) for name in confusion["classes"]]
    num_classes = len(names)
    figure, (axes,) = new_figure(height=min(3.3, 1.2 + 0.35 * num_classes))
    image = axes.imshow(
        [[fraction for _, fraction, _ in cells] for _, cells, _ in confusion["rows"]], vmin=0, vmax=1, aspect="auto"
    )
    predicted = [f"{name}\n{total:,}" for name, total in zip(names, confusion["predicted"], strict=True)]
    labels = [f"{name}\n{total:,}" for name, (_, _, total) in zip(names, confusion["rows"], strict=True)]
    axes.set_xticks(range(num_classes), predicted, rotation=0 if sum(map(len, predicted)) <= MAX_ACROSS else 90)
    axes.set_yticks(range(num_classes), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="prediction, rows", ylabel="label, rows")
    size = 7 if num_classes <= 6 else 5
    for i, (_, cells, _) in enumerate(confusion["rows"]):
        for j, (count, fraction, _) in enumerate(cells):
            cell_text = f"{count:,}\n{fraction:.1%}" if num_classes <= 8 else f"{count:,}"
            colour = readable_on(image.cmap(fraction)[:3])
            axes.text(j, i, cell_text, ha="center", va="center", fontsize=size, color=colour)
    return figure
