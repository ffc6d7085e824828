"""The pictures of a sweep as files for a paper, figures/*.svg and *.pdf: every seed of every arm, and learning curves."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.bands import seed_bands
from gatelab.reports.analysis.comparison import BASELINES, Comparison, Row
from gatelab.reports.charts.figures import GREY, new_figure, plain, save_figures, scale_losses
from gatelab.reports.charts.gate_picture import INK
from gatelab.reports.charts.trials import best_so_far, searched_metric, trials_of
from gatelab.reports.pages.sweep_answer import arm_of, baseline_means
from gatelab.reports.pages.sweep_tables import published_numbers
from gatelab.runs.load import Run
from gatelab.runs.metrics import SELECTED, title_of

MOST_ARMS = 30  # lines of dots on one page
MOST_BANDS = 7  # colours that can be told apart
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))
MARKERS = {"linear": "D", "majority": "s"}


def draw_sweep_figures(folder: Path, comparison: Comparison, runs: Sequence[Run]) -> list[Path]:
    """arms, learning_curves and, of a search, trials, as far as there is something to draw. Returns the files."""
    metric, rows = next(iter(comparison.tables.items()))
    tested = [row for row in rows if row.kind == "arm" and row.values.mean is not None]
    arms = [arm_of(comparison, row) for row in rows if row.kind == "arm"]
    pictures: dict[str, Callable[[], Figure]] = {}
    if tested:
        published = published_numbers(runs)[1].get(metric)
        pictures["arms"] = lambda: draw_arms(comparison, metric, tested[:MOST_ARMS], published)
    if any(seed_bands(arm) for arm in arms[:MOST_BANDS]):
        pictures["learning_curves"] = lambda: draw_curves(arms[:MOST_BANDS])
    searched = searched_metric(runs)
    if searched is not None and any(trial.value is not None for trial in trials_of(runs, searched)):
        pictures["trials"] = lambda: draw_trials(runs, searched)
    return save_figures(folder, pictures)


def draw_arms(comparison: Comparison, metric: str, rows: Sequence[Row], published: float | None) -> Figure:
    """A dot a run, the stroke their mean, the bar its 95 % interval; dotted, what was published."""
    figure, axes = new_figure(height=0.7 + 0.24 * len(rows))
    seen = set()
    if published is not None:
        axes.axvline(published, color=INK, linestyle=":", linewidth=0.8, label="published")
    for number, row in enumerate(rows):
        arm = arm_of(comparison, row)
        values = [value for _, value in arm.measured(metric)]
        if row.values.interval is not None:
            axes.plot(row.values.interval, [number] * 2, color=INK, alpha=0.2, linewidth=5, solid_capstyle="butt")
        axes.plot(values, [number] * len(values), "o", color=INK, markersize=2.6, markeredgewidth=0)
        axes.plot([row.values.mean or 0.0], [number], "|", color=INK, markersize=9, markeredgewidth=1.2)
        for name, value in baseline_means(arm, metric).items():
            label = None if name in seen else BASELINES[name]
            axes.plot([value], [number], MARKERS[name], color=GREY, fillstyle="none", markersize=3.5, label=label)
            seen.add(name)
    axes.set_yticks(range(len(rows)), [short(row.cells) for row in rows])
    axes.set_ylabel(plain(", ".join(comparison.arms.titles), 60))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(title_of(metric))
    axes.grid(False, axis="y")
    if seen or published is not None:
        figure.legend(loc="outside lower right", ncols=3)
    return figure


def short(cells: Sequence[str]) -> str:
    """What tells an arm from the others, without the titles."""
    return plain(", ".join(cells), 40)


def draw_curves(arms: Sequence[Arm]) -> Figure:
    figure = Figure(figsize=(3.3, 3.3 + 0.07 * len(arms)), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for number, arm in enumerate(arms):
        bands = seed_bands(arm)
        for axes, name in ((above, "validation/loss"), (below, f"validation/{SELECTED}")):
            if name in bands:
                band = bands[name]
                axes.fill_between(band.epochs, band.low, band.high, color=f"C{number}", alpha=0.15, linewidth=0)
                axes.plot(
                    band.epochs, band.mean, color=f"C{number}", linestyle=DASHES[number % 3], label=short(arm.cells)
                )
    scale_losses(above)
    for axes, title in ((above, "validation loss"), (below, title_of(f"validation/{SELECTED}"))):
        axes.set_ylabel(title)
        axes.grid(True)
    below.set_xlabel("epoch (line: mean over seeds, band: their range)")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=6)
    return figure


def draw_trials(runs: Sequence[Run], metric: str) -> Figure:
    trials = [trial for trial in trials_of(runs, metric) if trial.value is not None]
    numbers, values = np.array([trial.number for trial in trials]), np.array([trial.value for trial in trials])
    whole = np.array([trial.is_whole for trial in trials])
    best = np.array([np.nan if value is None else value for value in best_so_far(trials, metric)])
    figure, axes = new_figure()
    if (~whole).any():
        axes.plot(numbers[~whole], values[~whole], "o", color=GREY, fillstyle="none", label="not trained to its end")
    axes.plot(numbers[whole], values[whole], "o", color=INK, label="trial")
    axes.step(numbers, best, where="post", color=INK, label="best so far")
    axes.set(xlabel="trial", ylabel=title_of(metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=3)
    return figure
