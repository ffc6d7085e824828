"""The pictures of a run as files for a paper, figures/*.svg and *.pdf, in the style of gatelab.mplstyle."""

import warnings
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gatelab.files import atomic_write
from gatelab.reports.analysis.curves import calibration, learning_curves, precision_recall
from gatelab.reports.charts.gate_picture import INK, class_style, draw_gates
from gatelab.reports.charts.run_charts import LEARNING, MOST_CURVES, STEPS
from gatelab.reports.charts.svg import spans_decades
from gatelab.reports.texts import shorten
from gatelab.runs.folder import RunFolder
from gatelab.runs.predictions import Predictions

STYLE = Path(__file__).with_name("gatelab.mplstyle")
FORMATS = ("svg", "pdf")
MOST_IN_MATRIX = 12  # classes whose counts can be read in a column's width
PAGE_WIDTH = 7.0  # inches: both columns, for what does not fit one
GREY = "#8a8a8a"


def draw_figures(folder: RunFolder, rows: Predictions, model: str, gates: bool) -> list[Path]:
    """Learning curves, precision and recall, calibration, the confusion matrix and, if wanted, the gates; each file
    replaced whole. Returns the files."""
    pictures: dict[str, Callable[[], Figure]] = {
        "precision_recall": lambda: draw_precision_recall(rows),
        "calibration": lambda: draw_calibration(rows, model),
    }
    learning = learning_curves(folder.metrics, folder.record.monitor)
    if learning.best is not None:
        pictures["learning_curves"] = lambda: draw_learning(learning)
    if len(rows.classes) <= MOST_IN_MATRIX:
        pictures["confusion_matrix"] = lambda: draw_confusion(rows)
    for file in sorted(folder.gates.glob("*.npz")) if gates else []:
        pictures[f"gates/{file.stem}"] = lambda file=file: draw_gates(np.load(file), width=PAGE_WIDTH)  # type: ignore[misc]
    return save_figures(folder.figures, pictures)


def save_figures(folder: Path, pictures: Mapping[str, Callable[[], Figure]]) -> list[Path]:
    """Each picture as folder/<name>.svg and .pdf, drawn in the project's style and replaced whole. Returns the files."""
    folder.mkdir(exist_ok=True)
    files = []
    with matplotlib.rc_context(), style.context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # an emoji is an empty box in the picture
        for name, draw in pictures.items():
            figure = draw()
            for kind in FORMATS:
                files.append(folder / f"{name}.{kind}")
                atomic_write(files[-1], picture(figure, kind))
    return files


def picture(figure: Figure, kind: str) -> bytes:
    """The same figure gives the same bytes, whenever it is drawn."""
    content = BytesIO()
    undated: dict[str, Any] = {"Date": None} if kind == "svg" else {"CreationDate": None}
    figure.savefig(content, format=kind, metadata=undated)
    figure.set_layout_engine("none")  # arranged once, for all kinds
    return content.getvalue()


def new_figure(height: float = 2.3) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.3, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    return figure, axes


def plain(name: str, most: int = 24) -> str:
    """A name from data as matplotlib writes it: $ is no formula."""
    return shorten(name, most).replace("$", r"\$")


def draw_learning(learning: Any) -> Figure:
    figure = Figure(figsize=(3.3, 3.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, (_, _, names) in zip((above, below), LEARNING, strict=True):
        for label, (metric, kind) in names.items():
            if metric in learning.curves:
                x, y = learning.curves[metric]
                pale = (
                    {"alpha": 0.35, "linewidth": 0.6} if label == STEPS else {"marker": "o" if len(x) <= 60 else None}
                )
                line = "--" if "dashed" in kind else ":" if "dotted" in kind else "-"
                axes.plot(x, y, line, color=INK, label=label, **pale)
        axes.grid(True)
        axes.axvline(learning.best, color=GREY, linestyle=":", linewidth=0.8)
        axes.legend()
    scale_losses(above)
    above.set_ylabel("loss")
    below.set_xlabel(f"epoch (dotted: the best, {learning.best:g})")
    below.xaxis.get_major_locator().set_params(integer=True)
    return figure


def scale_losses(axes: Axes) -> None:
    """As on the page: logarithmic where the losses are some decades apart."""
    losses = [value for line in axes.lines for value in np.asarray(line.get_ydata()) if np.isfinite(value)]
    if losses and spans_decades(min(losses), max(losses)):
        axes.set_yscale("log")


def draw_precision_recall(rows: Predictions) -> Figure:
    figure, axes = new_figure()
    sizes = np.bincount(rows.labels, minlength=len(rows.classes))
    recalls = np.linspace(0, 1, 201)
    for k in np.argsort(-sizes, kind="stable")[:MOST_CURVES]:
        for scores, width, name in ((rows.probabilities, 1.4, plain(rows.classes[k])), (rows.linear, 0.6, None)):
            curve = None if scores is None else precision_recall(rows.labels == k, scores[:, k])
            if curve is not None:
                label = f"{name} ({curve.average:.3f})" if name else None
                precision = curve.precision[curve.at_recall(recalls)]
                axes.plot(recalls, precision, **class_style(int(k)), linewidth=width, label=label)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.03))
    title = "average precision" + ("; thin: linear baseline" if rows.linear is not None else "")
    axes.legend(loc="best", title=title, title_fontsize=6, alignment="left")
    return figure


def draw_calibration(rows: Predictions, model: str) -> Figure:
    figure, axes = new_figure()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
    found = calibration(rows.probabilities, rows.labels)
    axes.bar(
        found.low, 0.3 * found.count / found.count.max(), width=1 / 15, align="edge", color="#dddddd", edgecolor="white"
    )
    axes.plot(found.confidence, found.right, marker="o", color=INK, label=plain(model))
    lowest = found.low.min()
    if rows.linear is not None:
        linear = calibration(rows.linear, rows.labels)
        axes.plot(linear.confidence, linear.right, "--", marker="s", color=GREY, linewidth=0.9, label="linear baseline")
        lowest = min(lowest, linear.low.min())
    axes.set(xlabel="largest probability (bars: rows)", ylabel="share right", xlim=(lowest, 1), ylim=(0, 1.03))
    axes.legend()
    return figure


def draw_confusion(rows: Predictions) -> Figure:
    num_classes = len(rows.classes)
    counts = np.bincount(rows.labels * num_classes + rows.predictions, minlength=num_classes**2).reshape(
        num_classes, -1
    )
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes = new_figure(height=min(3.3, 1.2 + 0.35 * num_classes))
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
