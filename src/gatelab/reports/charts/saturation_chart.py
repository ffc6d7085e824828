"""How often each unit's gates are shut or open over many texts: a dot a unit, a chart for each gate of each layer and direction.

Karpathy, Johnson & Fei-Fei 2015, Visualizing and Understanding Recurrent Networks, figure 2.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.charts.chart import MODEL, Axis, Chart, Line, Stop, Table
from gatelab.reports.charts.unit_maps import place
from gatelab.runs.activity import ABOUT, DEVIATION, LEFT, LEFT_SHARE, MEAN, RIGHT, RIGHT_SHARE
from gatelab.screen import counted

BINS = 20  # of what the page tells where one points
TICKS = [(tick / 5, f"{tick / 5:g}") for tick in range(6)]


def saturation_charts(activity: Mapping[str, NDArray[Any]]) -> list[Chart]:
    """Of the gates that move, in activity as in gates.npz; nothing of units whose values are not all numbers."""
    gates = {name: values for name, values in activity.items() if name not in ABOUT and name.endswith("_gate")}
    finite = {name: values[:, np.isfinite(values[MEAN])] for name, values in gates.items()}
    # A gate that a variant takes away is 1 throughout.
    return [saturation_chart(name, values) for name, values in finite.items() if values[DEVIATION].any()]


def saturation_chart(name: str, shares: NDArray[Any]) -> Chart:
    layer, _, gate = name.partition(".")
    left, right = shares[LEFT_SHARE], shares[RIGHT_SHARE]
    x, y = (Axis(f"share of values {said}", 0, 1, TICKS) for said in (f"below {LEFT:g}", f"above {RIGHT:g}"))
    diagonal = np.array([0.0, 1.0])
    lines = [Line("", "guide", diagonal, 1 - diagonal), Line("", MODEL, left, right, joined=False, dots=True)]
    bins = np.minimum((left * BINS).astype(int), BINS - 1)
    stops, rows = [], []
    for number in np.unique(bins):
        inside = bins == number
        ends = f"{number / BINS:.2f} to {(number + 1) / BINS:.2f}"
        shown = ", ".join(map(str, np.flatnonzero(inside)[:12])) + ("…" if inside.sum() > 12 else "")
        mean = float(right[inside].mean())
        stops.append(
            Stop((number + 0.5) / BINS, [], f"{ends} below {LEFT:g} · {counted(int(inside.sum()), 'unit')} ({shown}) · {mean:.2f} above {RIGHT:g}")
        )  # fmt: skip
        rows.append([ends, f"{inside.sum():,}", f"{mean:.4f}"])
    summary = (
        f"Each dot is a unit. Of all values {left.mean():.1%} are below {LEFT:g} (left-saturated) and {right.mean():.1%} above {RIGHT:g} "
        f"(right-saturated); their mean is {shares[MEAN].mean():.2f}."
    )
    table = Table([f"below {LEFT:g}", "units", f"above {RIGHT:g}, mean"], rows)
    return Chart(
        f"{gate.replace('_', ' ').capitalize()}, {place(layer)}",
        summary,
        x,
        y,
        lines,
        stops,
        table,
        notes=["a dot a unit"],
    )
