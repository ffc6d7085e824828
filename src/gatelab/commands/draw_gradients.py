"""gatelab gradients: how far the gradient of a finished run reaches back, as a picture and as numbers."""

from collections.abc import Sequence
from pathlib import Path

from gatelab.commands.predict import finished
from gatelab.commands.reproduce import recorded_settings
from gatelab.reports.charts.gradient_chart import gradient_charts
from gatelab.runs.gradients import write_gradients
from gatelab.screen import console


def draw_gradients(
    run: str, output_dir: Path, overrides: Sequence[str] = (), *, allow_targets: Sequence[str] = ()
) -> None:
    """Write gradients.csv and figures/gradients.svg and .pdf into the run folder, and its page again.

    overrides may only give places (data.path=…). Raises RunError where there is no finished run, ConfigError for an encoder that cannot
    be read step by step.
    """
    from gatelab.reports.charts.paper import draw_charts, save_figures
    from gatelab.reports.pages.run_page import write_report
    from gatelab.training.gradient_reach import gradient_reach

    folder = finished(run, output_dir)
    reaches = gradient_reach(recorded_settings(folder, overrides, allow_targets), folder)
    write_gradients(folder.gradients, reaches)
    charts = gradient_charts(reaches)
    picture, *_ = save_figures(folder.figures, {"gradients": lambda: draw_charts(charts, 0.6 + 1.7 * len(charts))})
    page, *_ = write_report(folder, gates=False)
    for chart in charts:
        console.print(f"{chart.title:<11} {chart.summary}", soft_wrap=True)
    console.print(f"figure      {picture}\nnumbers     {folder.gradients}\nreport      {page}", soft_wrap=True)
