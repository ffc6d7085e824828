"""The charts of one run's page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.analysis.curves import Calibration, Learning, PrecisionRecall
from gatelab.reports.analysis.intervals import Interval, proportion_interval
from gatelab.reports.charts.chart import (
    BASELINE,
    MODEL,
    Axis,
    Chart,
    Line,
    Stop,
    Table,
    fraction_axis,
    kind_of,
    loss_axis,
    number_axis,
    spans_decades,
)
from gatelab.reports.shown import capital, shorten, visible
from gatelab.runs.metrics import METRICS, SELECTED, is_lower_better, title_of
from gatelab.screen import counted

MAX_CURVES = 7  # that are distinguishable
FEW_CURVES = 3  # with room for those of the baseline
LINEAR_MEAN = "linear baseline, mean"
MIN_NAMES = 3  # of a chart
STEPS = "train steps"
Curves = Mapping[str, tuple[str, str]]  # the metric of each curve and the kind of its line


def learning_charts(learning: Learning, validation_f1: Mapping[str, Sequence[float]] | None = None) -> list[Chart]:
    """Loss, then the other metrics of train and validation, with the best epoch marked, and F1 by class, of which there is a number a
    validation."""
    loss = {STEPS: ("train/loss_step", f"{MODEL} pale"), "train": ("train/loss", f"{MODEL} dashed"), "validation": ("validation/loss", MODEL)}  # fmt: skip
    charts = [draw_learning("Loss", "loss", loss, learning)]
    for keys in charted_together(learning):
        title = " and ".join(title_of(key) for key in keys)
        curves: dict[str, tuple[str, str]] = {}
        for key in keys:
            curves[title_of(f"train/{key}")] = f"train/{key}", f"{MODEL} dashed"
            curves[title_of(f"validation/{key}")] = f"validation/{key}", MODEL if key == keys[0] else f"{MODEL} dotted"
        charts.append(draw_learning(capital(title), "", curves, learning))
    charts.append(f1_chart(learning, validation_f1 or {}))
    return [chart for chart in charts if chart is not None]


def f1_chart(learning: Learning, validation_f1: Mapping[str, Sequence[float]]) -> Chart | None:
    """None where the numbers are not those of the validations of metrics.csv, such as those before the run that this one began from."""
    epochs, _ = learning.curves.get(f"validation/{SELECTED}", (np.empty(0), None))
    curves = {
        f"f1 {name}": (epochs, np.asarray(values))
        for name, values in validation_f1.items()
        if len(values) == len(epochs)
    }
    names = {shorten(name, 24): (f"f1 {name}", kind_of(number)) for number, name in enumerate(validation_f1)}
    return draw_learning("F1 by class, validation", "", names, replace(learning, curves=curves))


def charted_together(learning: Learning) -> list[list[str]]:
    """The metrics of each chart: those from 0 to 1 share one, each other has its own."""
    found = {name.removeprefix("validation/"): None for name in learning.curves if name.startswith("validation/")}
    shared = [key for key in METRICS if key in found and not is_lower_better(key)]
    return [shared] * bool(shared) + [[key] for key in found if key not in (*shared, "loss")]


def draw_learning(title: str, y_title: str, names: Curves, learning: Learning) -> Chart | None:
    """None where no curve has two numbers."""
    curves = {name: learning.curves[metric] for name, (metric, _) in names.items() if metric in learning.curves}
    every = np.concatenate([y[np.isfinite(y)] for _, y in curves.values()] or [np.empty(0)])
    if max((np.isfinite(y).sum() for _, y in curves.values()), default=0) < 2:
        return None
    in_epochs = learning.best is not None
    by_epoch: dict[float, list[tuple[str, float]]] = {}
    for name, (x, y) in curves.items():
        for epoch, value in zip(x.tolist(), y.tolist(), strict=True):
            by_epoch.setdefault(epoch, []).append((name, value))
    rows, stops = [], []
    for epoch in sorted(by_epoch):
        values = dict(by_epoch[epoch])
        place = f"epoch {epoch:.2f}".removesuffix(".00") if in_epochs else f"step {epoch:.0f}"
        said = " · ".join(f"{name} {numbers.metric(value)}" for name, value in values.items())
        best = " · best" if epoch == learning.best else ""
        points = [(value, names[name][1]) for name, value in values.items()]
        stops.append(Stop(epoch, points, f"{place} · {said}{best}"))
        rows.append([place, *(numbers.metric(values.get(name)) for name in curves)])
    lines = [
        Line(name, names[name][1], x, y, dots=len(x) <= (1 if name == STEPS else 60)) for name, (x, y) in curves.items()
    ]
    x_axis = number_axis("epoch" if in_epochs else "step", 0, max(by_epoch), integers=True)
    by = title_of(f"validation/{learning.monitor}")
    summary = f"Best epoch {learning.best:g}, by {by}." if in_epochs else "No epoch has been validated."
    if STEPS in curves:
        behind = f"the mean of {learning.averaged} logged batches" if learning.averaged > 1 else "one batch"
        summary += f" Each point of {STEPS} is {behind}."
    low, high = float(every.min()), float(every.max())
    falls = all(is_lower_better(metric) for metric, _ in names.values())
    is_loss = y_title == "loss" or (falls and spans_decades(low, high))
    y_axis = (loss_axis if is_loss else number_axis)(y_title, low, high)
    summary += " The axis is logarithmic." if y_axis.is_log else ""
    return Chart(title, summary, x_axis, y_axis, lines, stops, Table(["", *curves], rows), mark=learning.best)


def precision_recall_chart(
    classes: Sequence[str], curves: Mapping[str, PrecisionRecall], linear: Mapping[str, PrecisionRecall]
) -> Chart:
    """A curve for each class against the rest; for the linear baseline thin lines, of more than three classes their mean."""
    shown = list(curves)[:MAX_CURVES]
    kinds = {name: kind_of(classes.index(name)) for name in shown}
    places, stops_at = np.linspace(0, 1, 201), np.linspace(0, 1, 101)
    lines = []
    for name in shown:
        if name in linear and len(shown) <= FEW_CURVES:
            lines.append(curve_line("", f"{kinds[name]} thin", linear[name], places))
        lines.append(curve_line(name, kinds[name], curves[name], places, f"({numbers.metric(curves[name].average)})"))
    beside = [name for name in shown if name in linear]
    if beside and len(shown) > FEW_CURVES:
        precision = np.mean([linear[name].precision[linear[name].at_recall(places)] for name in beside], axis=0)
        average = sum(linear[name].average for name in beside) / len(beside)
        lines.append(Line(LINEAR_MEAN, BASELINE, places, precision, note=f"({numbers.metric(average)})"))
    stops = []
    for recall in stops_at:
        points = [(precision_at(curves[name], recall), kinds[name]) for name in shown]
        said = [f"{shorten(name, 24)} {numbers.metric(value)}" for name, (value, _) in zip(shown, points, strict=True)]
        if linear:
            said += [
                f"linear {shorten(name, 24)} {numbers.metric(precision_at(linear[name], recall))}" for name in shown
            ]
        stops.append(Stop(float(recall), points, f"recall {recall:.2f} · precision {' · '.join(said)}"))
    header = ["recall", *shown, *(f"linear, {name}" for name in shown if name in linear)]
    sources = [*(curves[name] for name in shown), *(linear[name] for name in shown if name in linear)]
    rows = [[f"{r:.2f}", *(numbers.metric(precision_at(curve, r)) for curve in sources)] for r in stops_at[::5]]
    summary = "One line per class; the table by class has the average precision."
    if beside and len(shown) > FEW_CURVES:
        summary = f"One line per class; dashed grey, the mean of the linear baseline's {len(beside)} curves. The table by class has the average precision."
    if len(shown) <= FEW_CURVES:
        summary = f"Average precision: {averages(curves, shown)}."
        if linear:
            summary += f" Thin, the linear baseline: {averages(linear, shown)}."
    if len(curves) > len(shown):
        summary += f" The {len(shown)} largest of {len(curves)} classes."
    lowest = min(float(line.y.min()) for line in lines)
    title = "Precision and recall, each class against the rest"
    table = Table([visible(name) for name in header], rows)
    notes = [
        "brackets: average precision",
        *(["thin: linear baseline"] if any(not line.name for line in lines) else []),
    ]
    x, y = fraction_axis("recall"), fraction_axis("precision", lowest)
    return Chart(title, summary, x, y, lines, stops, table, notes=notes)


def averages(curves: Mapping[str, PrecisionRecall], names: Sequence[str]) -> str:
    return ", ".join(f"{shorten(name, 24)} {numbers.metric(curves[name].average)}" for name in names)


def precision_at(curve: PrecisionRecall, recall: float) -> float:
    return float(curve.precision[curve.at_recall(np.array([recall]))[0]])


def curve_line(name: str, kind: str, curve: PrecisionRecall, recalls: NDArray[Any], note: str = "") -> Line:
    return Line(name, kind, recalls, curve.precision[curve.at_recall(recalls)], note=note)


def calibration_chart(found: Calibration, linear: Calibration | None, error: float, model: str) -> Chart:
    """Accuracy over mean confidence in each bin, with Wilson's 95 % interval; the diagonal is perfect calibration."""
    low = float(min(found.low.min(), linear.low.min() if linear else 1.0))
    x, y = fraction_axis("largest probability", low), fraction_axis("accuracy")
    lines = [Line("perfect", "guide", np.array([x.low, 1.0]), np.array([x.low, 1.0]))]
    if linear:
        lines.append(Line("linear baseline", BASELINE, linear.confidence, linear.accuracy, dots=True))
    right = np.rint(found.accuracy * found.count)
    bounds = [proportion_interval(int(k), int(n)) for k, n in zip(right, found.count, strict=True)]
    lines.append(Line(model, MODEL, found.confidence, found.accuracy, dots=True, whiskers=np.array(bounds)))
    total, width = found.count.sum(), 1 / 15
    stops, rows = [], []
    for begin, confidence, accuracy, count, interval in zip(
        found.low, found.confidence, found.accuracy, found.count, bounds, strict=True
    ):
        said = f"probability {begin:.2f} to {begin + width:.2f} · {counted(int(count), 'row')} · mean {confidence:.4f} · accuracy {accuracy:.4f} ({numbers.interval(interval)})"
        stops.append(Stop(float(confidence), [(float(accuracy), MODEL)], said))
        rows.append(
            [
                f"{begin:.2f} to {begin + width:.2f}",
                f"{count:,}",
                f"{confidence:.4f}",
                f"{accuracy:.4f}",
                numbers.interval(interval),
            ]
        )
    bars = [
        (max(float(begin), x.low), float(begin) + width, 0.3 * float(count / found.count.max()))
        for begin, count in zip(found.low, found.count, strict=True)
    ]
    summary = (
        f"Calibration error {numbers.metric(error)}: the mean gap to the diagonal, weighted by rows. Whiskers are 95 % intervals (Wilson); "
        f"the bars count the {total:,} test rows in each bin."
    )
    table = Table(["largest probability", "rows", "mean", "accuracy", "95 % interval"], rows)
    counts = [numbers.short_count(int(count)) for count in found.count]
    notes = ["whiskers: 95 % intervals", "bars: rows"]
    return Chart("Calibration", summary, x, y, lines, stops, table, bars=bars, bar_labels=counts, notes=notes)


class Measured(NamedTuple):
    """A metric for each name on the x axis, with its 95 % intervals or none."""

    source: str
    kind: str
    values: Sequence[float]
    bounds: Sequence[Interval]

    def texts(self, number: int) -> list[str]:
        bounds = [numbers.interval(self.bounds[number])] if self.bounds else []
        return [numbers.metric(self.values[number]), *bounds]


def interval_chart(
    title: str, axes: tuple[str, str], names: Sequence[str], measured: Sequence[Measured], summary: str
) -> Chart | None:
    """A metric by class or length, of the model and the linear baseline side by side. axes: the titles of x and y. None for
    fewer than three names, of which a table says more."""
    if len(names) < MIN_NAMES:
        return None
    lines, header = [], [axes[0]]
    for number, (source, kind, values, bounds) in enumerate(measured):
        x = np.arange(len(names)) + 0.16 * (number - (len(measured) - 1) / 2)
        whiskers = np.array(bounds) if bounds else None
        lines.append(Line(source, kind, x, np.array(values), joined=False, dots=True, whiskers=whiskers))
        header += [source, *(["95 % interval"] if bounds else [])]
    stops, rows = [], []
    for number, name in enumerate(names):
        cells = [one.texts(number) for one in measured]
        said = [
            f"{one.source} {text} {''.join(f'({bounds})' for bounds in more)}"
            for one, (text, *more) in zip(measured, cells, strict=True)
        ]
        stops.append(Stop(float(number), [], " · ".join([shorten(name), *map(str.strip, said)])))
        rows.append([visible(name), *(text for texts in cells for text in texts)])
    ends = [end for one in measured for end in (*one.values, *(end for pair in one.bounds for end in pair))]
    width = max(4, 44 // len(names))
    ticks = [(float(k), shorten(name, width)) for k, name in enumerate(names)]
    x_axis, y_axis = Axis(axes[0], -0.5, len(names) - 0.5, ticks), number_axis(axes[1], min(ends), max(ends))
    return Chart(title, summary, x_axis, y_axis, lines, stops, Table(header, rows))


def range_name(low: int, high: int) -> str:
    return f"{low}–{high}" if high > low else f"{low}"
