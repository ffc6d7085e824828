"""The charts of a regression's page."""

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.charts.chart import BASELINE, MODEL, Chart, Line, Stop, Table, number_axis
from gatelab.screen import counted

MAX_POINTS = 500  # of a scatter
BINS = 10


def scatter_chart(
    targets: NDArray[np.float64], predictions: NDArray[np.float64], linear: NDArray[np.float64] | None, model: str
) -> Chart:
    """Predictions over targets, all (N,); the diagonal is perfect. The linear baseline by its means in bins of equal size."""
    finite = np.isfinite(predictions)
    shown = np.flatnonzero(finite)[:: -(-max(1, finite.sum()) // MAX_POINTS)]
    edges = np.unique(np.quantile(targets, np.linspace(0, 1, BINS + 1)))
    bins = np.searchsorted(edges[1:-1], targets, side="right")
    present = np.unique(bins)
    centres, means, linear_means, rows, stops = [], [], [], [], []
    for number in present:
        inside = bins == number
        low, high = targets[inside].min(), targets[inside].max()
        centres.append(float(targets[inside].mean()))
        means.append(float(predictions[inside].mean()))
        ends = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        cells = [ends, f"{inside.sum():,}", numbers.metric(centres[-1]), numbers.metric(means[-1])]
        said = f"target {ends} · {counted(int(inside.sum()), 'row')} · mean prediction {numbers.metric(means[-1])}"
        if linear is not None:
            linear_means.append(float(linear[inside].mean()))
            cells.append(numbers.metric(linear_means[-1]))
            said += f" · linear baseline {numbers.metric(linear_means[-1])}"
        rows.append(cells)
        stops.append(Stop(centres[-1], [(means[-1], MODEL)], said))
    every = np.concatenate([targets, predictions[shown], linear_means])
    low, high = float(every.min()), float(every.max())
    x, y = number_axis("target", float(targets.min()), float(targets.max())), number_axis("prediction", low, high)
    diagonal = np.array([max(x.low, y.low), min(x.high, y.high)])
    lines = [Line("perfect", "guide", diagonal, diagonal)]
    if linear is not None:
        lines.append(Line("linear baseline, mean", BASELINE, np.array(centres), np.array(linear_means), dots=True))
    lines.append(Line(model, MODEL, targets[shown], predictions[shown], joined=False, dots=True))
    summary = (
        "Each dot is a test row."
        if len(shown) == len(targets)
        else f"Each dot is one of {len(shown):,} of {len(targets):,} test rows."
    )
    header = ["target", "rows", "mean target", "mean prediction", *(["linear baseline"] if linear is not None else [])]
    return Chart("Prediction and target", summary, x, y, lines, stops, Table(header, rows))
