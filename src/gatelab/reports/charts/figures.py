"""The pictures of a run as files for a paper, figures/*.svg and *.pdf."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gatelab.reports.charts.gate_picture import draw_reading
from gatelab.reports.charts.paper import draw_charts, new_figure, plain, save_figures
from gatelab.runs.folder import RunFolder
from gatelab.runs.predictions import Predictions

MOST_IN_MATRIX = 12  # classes whose counts can be read in a column's width
PAGE_WIDTH = 7.0  # inches: both columns, for what does not fit one


def draw_figures(folder: RunFolder, rows: Predictions, page: Mapping[str, Any], gates: bool) -> list[Path]:
    """Of what stands on the page its learning curves, precision and recall, calibration and, if wanted, the gates; and the
    confusion matrix. Each file is replaced whole. Returns the files."""
    precision_recall, calibration = page["curves"]
    pictures: dict[str, Callable[[], Figure]] = {
        "precision_recall": lambda: draw_charts([precision_recall]),
        "calibration": lambda: draw_charts([calibration]),
    }
    if page["learning"]:
        pictures["learning_curves"] = lambda: draw_charts(page["learning"], height=3.2)
    if len(rows.classes) <= MOST_IN_MATRIX:
        pictures["confusion_matrix"] = lambda: draw_confusion(rows)
    for file, reading in zip(sorted(folder.gates.glob("*.npz")), page["readings"], strict=True) if gates else []:
        pictures[f"gates/{file.stem}"] = lambda reading=reading: draw_reading(reading, PAGE_WIDTH)  # type: ignore[misc]
    return save_figures(folder.figures, pictures)


def draw_confusion(rows: Predictions) -> Figure:
    num_classes = len(rows.classes)
    counts = np.bincount(rows.labels * num_classes + rows.predictions, minlength=num_classes**2).reshape(
        num_classes, -1
    )
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, (axes,) = new_figure(height=min(3.3, 1.2 + 0.35 * num_classes))
    axes.imshow(shares, vmin=0, vmax=1, aspect="auto")
    axes.grid(False)
    names = [plain(name, 14) for name in rows.classes]
    axes.set_xticks(range(num_classes), names, rotation=0 if num_classes <= 4 else 90)
    axes.set_yticks(range(num_classes), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="prediction", ylabel="label")
    size = 7 if num_classes <= 6 else 5
    for i in range(num_classes):
        for j in range(num_classes):
            colour = "white" if shares[i, j] > 0.55 else "#222222"
            told = f"{counts[i, j]:,}\n{shares[i, j]:.1%}" if num_classes <= 8 else f"{counts[i, j]:,}"
            axes.text(j, i, told, ha="center", va="center", fontsize=size, color=colour)
    return figure
