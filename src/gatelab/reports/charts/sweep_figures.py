"""Figures of a sweep for a paper, figures/*.svg and *.pdf: strip plot, learning curves and trials."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from gatelab.reports.analysis.comparison import Comparison
from gatelab.reports.analysis.statement import statement_of
from gatelab.reports.charts.arm_curves import arm_curves, curve_title
from gatelab.reports.charts.paper import draw_charts, draw_strip_plot, save_figures
from gatelab.reports.charts.strip_plot import strip_plot
from gatelab.reports.charts.swept_lines import lines_over_keys, lines_over_lengths
from gatelab.reports.charts.trials import budget_chart, search_chart
from gatelab.reports.pages.sweep_answer import arm_of
from gatelab.reports.pages.sweep_tables import published_marks
from gatelab.runs.load import Run
from gatelab.runs.metrics import shared_monitor

MAX_ARMS = 30  # strips in one figure
MAX_BANDS = 7  # distinguishable colours


def draw_sweep_figures(folder: Path, comparison: Comparison, runs: Sequence[Run]) -> list[Path]:
    """Write arms, learning_curves and, for a search, trials and expected_best, as far as there are values. Returns the files. Arms are
    named by their cells without titles, since a column is narrow."""
    metric, rows = next(iter(comparison.tables.items()))
    rows = [replace(row, name=", ".join(row.cells)) for row in rows if row.kind == "arm"]
    tested = [row for row in rows if row.values.mean is not None][:MAX_ARMS]
    arms = [replace(arm_of(comparison, row), name=row.name) for row in rows]
    shown = [replace(arm_of(comparison, row), name=row.name) for row in tested]
    plot = strip_plot(metric, tested, shown, published_marks(statement_of(runs).experiment).get(metric), lambda _: None)
    legend, curves = arm_curves(arms[:MAX_BANDS])
    monitor = shared_monitor(run.record.monitor for run in runs)
    paper = [curve_title(f"validation/{name}") for name in ("loss", monitor)]
    curves = [chart for chart in curves if chart.title in paper]
    over_lengths = lines_over_keys(runs, list(comparison.tables)) or lines_over_lengths(arms)
    search, budget = search_chart(runs), budget_chart(runs)
    drawings: dict[str, Callable[[], Figure]] = {}
    if plot:
        drawings["arms"] = lambda: draw_strip_plot(plot, ", ".join(comparison.arms.titles))
    if curves:
        drawings["learning_curves"] = lambda: draw_charts(curves, 3.3 + 0.07 * len(legend), legend, columns=2)
    if over_lengths:
        height = 0.6 + 1.7 * len(over_lengths)
        drawings["over_length"] = lambda: draw_charts(over_lengths, height, over_lengths[0].legend, columns=2)
    if search:
        drawings["trials"] = lambda: draw_charts([search], legend=search.legend)
    if budget:
        drawings["expected_best"] = lambda: draw_charts([budget])
    return save_figures(folder, drawings)
