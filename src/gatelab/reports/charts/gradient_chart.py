"""How far the gradient reaches: the norm of the loss's derivative with respect to each state, over the steps of a sequence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.charts.chart import MODEL, Axis, Chart, Line, Stop, Table, loss_axis, number_axis
from gatelab.runs.gradients import Reach

MAX_STOPS = 60
LOGARITHMIC = " The axis is logarithmic; where a line is missing, the norm is 0 in single precision."
LOOKS = {"start": f"{MODEL} dashed", "end": MODEL}
NAMES = {"start": "first weights", "end": "trained weights"}


def gradient_charts(reaches: Sequence[Reach]) -> list[Chart]:
    """One for each part of the state, both weights in it; on a logarithmic axis where they are decades apart."""
    charts: dict[str, list[Reach]] = {}
    for reach in reaches:
        charts.setdefault(reach.state, []).append(reach)
    return [draw_reaches(state, found) for state, found in charts.items()]


def draw_reaches(state: str, reaches: Sequence[Reach]) -> Chart:
    steps = np.arange(1, 1 + max(len(reach.norms) for reach in reaches))
    above = [norm for reach in reaches for norm in reach.norms if 0 < norm < np.inf] or [1.0]
    y = loss_axis("", min(above), max(above))
    lines = [Line(NAMES[one.weights], LOOKS[one.weights], steps[: len(one.norms)], drawn(one, y)) for one in reaches]
    shown = steps[:: -(-len(steps) // MAX_STOPS)].tolist()
    stops, rows = [], []
    for step in shown:
        there = [one for one in reaches if step <= len(one.norms)]
        points = [(one.norms[step - 1], LOOKS[one.weights]) for one in there]
        said = " · ".join(f"{NAMES[one.weights]} {one.norms[step - 1]:.2e}" for one in there)
        stops.append(Stop(float(step), points, f"step {step} · {said}"))
        rows.append([str(step), *(f"{one.norms[step - 1]:.2e}" for one in there)])
    first = {one.weights: one.norms[0] / max(one.norms) if max(one.norms) else 0.0 for one in reaches}
    said = ", ".join(f"{value:.1e} with the {NAMES[weights]}" for weights, value in first.items())
    summary = f"At the first step, as a fraction of the largest: {said}." + (LOGARITHMIC if y.is_log else "")
    table = Table(["step", *(NAMES[one.weights] for one in reaches)], rows)
    x = number_axis("step", 1, len(steps), integers=True)
    return Chart(f"|∂L/∂{state}|", summary, x, y, lines, stops, table)


def drawn(reach: Reach, y: Axis) -> NDArray[Any]:
    """Without zeros, which a logarithmic axis does not have."""
    norms = np.array(reach.norms)
    return np.where(norms > 0, norms, np.nan) if y.is_log else norms
