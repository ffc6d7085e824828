"""The curve of a learning rate range test."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import style
from numpy.typing import NDArray

from gatelab.files import atomic_write
from gatelab.reports.charts.paper import INK, STYLE, new_figure, rendered


def draw_range_test(file: Path, rates: NDArray[Any], losses: NDArray[Any], steepest: float | None) -> None:
    """Write rates and smoothed losses (P,) as file, an .svg or .pdf, with a line at the steepest."""
    with matplotlib.rc_context(), style.context(STYLE):
        figure, (axes,) = new_figure()
        axes.plot(rates, losses, color=INK)
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss, smoothed")
        if steepest is not None:
            axes.axvline(steepest, color=INK, linestyle=":")
        atomic_write(file, rendered(figure, file.suffix[1:]))
