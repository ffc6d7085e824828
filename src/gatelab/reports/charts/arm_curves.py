"""Learning curves of arms: a line for the mean over the runs in a band from minimum to maximum."""

from collections.abc import Sequence

import numpy as np

from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.bands import Band, in_order, seed_bands
from gatelab.reports.charts.chart import (
    DASHES,
    NUM_COLOURS,
    Axis,
    Chart,
    Line,
    Stop,
    Table,
    kind_of,
    loss_axis,
    number_axis,
)
from gatelab.reports.shown import capital, shorten, visible
from gatelab.runs.metrics import title_of
from gatelab.screen import counted

MAX_STOPS = 60  # epochs with a tooltip
MAX_ARMS = NUM_COLOURS * len(DASHES)  # that are distinguishable


def arm_curves(arms: Sequence[Arm], problems: list[str] | None = None) -> tuple[list[tuple[str, str]], list[Chart]]:
    """The legend, (name, kind) of each arm with curves, and the charts. Kind a3 marks the fourth arm in all of them.
    problems gets a sentence for each run whose curves cannot be read."""
    found = [(arm, bands) for arm in arms[:MAX_ARMS] if (bands := seed_bands(arm, problems))]
    kinds = [f"{kind_of(number)} a{number}" for number in range(len(found))]
    legend = [(shorten(arm.name, 60), kind) for (arm, _), kind in zip(found, kinds, strict=True)]
    last = max((int(band.epochs[-1]) for _, bands in found for band in bands.values()), default=1)
    x = number_axis("epoch", 1, last, integers=True)
    charts = []
    for name in in_order({name for _, bands in found for name in bands}):
        drawn = [
            (arm.name, bands[name], kind) for (arm, bands), kind in zip(found, kinds, strict=True) if name in bands
        ]
        if drawn:
            charts.append(draw_bands(name, drawn, x, len(arms)))
    return legend, charts


def draw_bands(
    name: str,
    drawn: Sequence[tuple[str, Band, str]],
    x: Axis,
    num_arms: int,
    *,
    over: str = "epoch",
    named: bool = False,
) -> Chart:
    """drawn: name, band and kind of each arm. over: what stands on the x axis. named: with a legend, and dots, of its own."""
    y, is_cut = y_axis(name, [band for _, band, _ in drawn])
    lines = []
    for arm, band, kind in drawn:
        low, mean, high = (np.clip(values, y.low, y.high) for values in (band.low, band.mean, band.high))
        area = np.stack([low, high], axis=1) if band.num.max() > 1 else None
        lines.append(
            Line(arm if named else "", kind, band.epochs, mean, dots=named or len(band.epochs) == 1, band=area)
        )
    epochs = sorted({epoch for _, band, _ in drawn for epoch in band.epochs.tolist()})
    shown = epochs[:: -(-len(epochs) // MAX_STOPS)]
    shown += [] if shown[-1] == epochs[-1] else [epochs[-1]]
    stops, rows = [], []
    for epoch in shown:
        points, tips, cells = [], [], [f"{epoch}"]
        for arm, band, kind in drawn:
            place = int(np.searchsorted(band.epochs, epoch))
            if place == len(band.epochs) or band.epochs[place] != epoch or not band.num[place]:
                cells.append("")
                continue
            value = float(band.mean[place])
            points.append((float(np.clip(value, y.low, y.high)), kind))
            tips.append(f"{shorten(arm, 60)} {point_text(band, place)}")
            cells.append(numbers.metric(value))
        stops.append(Stop(float(epoch), points, f"{over} {epoch}", tips))
        rows.append(cells)
    several = any(band.num.max() > 1 for _, band, _ in drawn)
    summary = "One line per arm: the mean over its runs, in a band of their range."
    summary = summary if several else "One line per arm, of one run each."
    summary += f" The axis is cut at {y.high:g}; some values are larger." if is_cut else ""
    summary += " The axis is logarithmic." if y.is_log else ""
    summary += f" Of the first {MAX_ARMS} of {num_arms} arms." if num_arms > MAX_ARMS else ""
    table = Table([over, *(visible(arm) for arm, _, _ in drawn)], rows)
    notes = ["line: mean over the runs", "band: their range"] if several else []
    notes += [f"{title_of(name)} cut at {y.high:g}"] if is_cut else []
    return Chart(curve_title(name), summary, x, y, lines, stops, table, notes=notes)


def curve_title(name: str) -> str:
    return capital(title_of(name))


def point_text(band: Band, place: int) -> str:
    """0.8123 (0.8011 to 0.8201), with the number of runs where not all have a value."""
    num = int(band.num[place])
    runs = f", {counted(num, 'run')}" if num < band.num.max() else ""
    spread = f"{numbers.metric(float(band.low[place]))} to {numbers.metric(float(band.high[place]))}" if num > 1 else ""
    more = f"{spread}{runs}".removeprefix(", ")
    return numbers.metric(float(band.mean[place])) + (f" ({more})" if more else "")


def y_axis(name: str, bands: Sequence[Band]) -> tuple[Axis, bool]:
    """An axis for all bands, and whether it is cut: a loss axis ends at four times the maximum of the lower half of the arms, so
    that diverged arms leave room for the others."""
    low, high = min(float(np.nanmin(band.low)) for band in bands), max(float(np.nanmax(band.high)) for band in bands)
    if not name.endswith("loss"):
        return number_axis("", low, high), False
    reached = sorted(float(np.nanmax(band.mean)) for band in bands)
    cut = min(high, 4 * reached[(len(reached) - 1) // 2])
    return loss_axis("", low, cut), cut < high
