from pathlib import Path

import numpy as np
import pytest

from gatelab.reports.analysis.curves import calibration, learning_curves
from gatelab.reports.analysis.intervals import metric_intervals
from gatelab.reports.charts.chart import Axis, Chart, Line, Stop, Table, fraction_axis, kind_of, number_axis
from gatelab.reports.charts.reading import describe_reading
from gatelab.reports.charts.reading_svg import draw_reading
from gatelab.reports.charts.run_charts import calibration_chart, learning_charts, precision_recall_chart
from gatelab.reports.charts.svg import draw_chart
from gatelab.reports.pages import run_tables
from gatelab.reports.pages.class_sections import class_curves
from gatelab.reports.shown import shorten
from gatelab.runs.folder import RunFolder
from gatelab.runs.predictions import read_predictions
from gatelab.runs.readings import read_readings


@pytest.mark.parametrize("states", [("cell", "hidden"), ("hidden",)])
def test_a_reading_shows_the_cell_state_or_where_there_is_none_the_hidden_state(states: tuple[str, ...]) -> None:
    values = {
        f"l{layer}.{name}": np.full((2, 3), layer + len(name)) for layer in (0, 1) for name in ("update_gate", *states)
    }
    gates = {
        "tokens": np.array(["so", "good"]), "unknown": np.zeros(2, bool), "classes": np.array(["no", "yes"]),
        "probabilities": np.full((2, 2), 0.5), "units": np.array([2]), "contributions": np.array([0.5]),
        "learned": np.array(["update_gate"]), **values,
    }  # fmt: skip
    reading = describe_reading(gates)
    assert reading.state == states[0]
    assert [band.tolist() for band in reading.units.values()] == [[1.0 + len(states[0])] * 2]
    assert list(reading.bands) == ["update"]
    assert any(title.startswith(f"{states[0]} state of the units") for _, title in draw_reading(reading).titles)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 0.83, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.71, 0.84, ["0.70", "0.75", "0.80", "0.85"]),
        (-1, 3, ["-1", "0", "1", "2", "3"]),
        (0.5, 0.5, ["0.5", "0.6"]),
        (0, 3e6, ["0", "1e+06", "2e+06", "3e+06"]),
        (0, 2e-6, ["0", "5e-07", "1e-06", "1.5e-06", "2e-06"]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low: float, high: float, labels: list[str]) -> None:
    axis = number_axis("", low, high)
    assert [label for _, label in axis.ticks] == labels
    assert axis.low <= low <= high <= axis.high


@pytest.mark.parametrize("last", [1, 2, 7, 20, 33, 500])
def test_epochs_have_whole_ticks(last: int) -> None:
    ticks = [value for value, _ in number_axis("epoch", 0, last, integers=True).ticks]
    assert all(tick == int(tick) for tick in ticks)
    assert 2 <= len(ticks) <= 9


def test_shares_end_at_one() -> None:
    assert [label for _, label in fraction_axis("", 0.83).ticks] == ["0.8", "0.85", "0.9", "0.95", "1"]
    assert [label for _, label in fraction_axis("", 1.0).ticks] == ["0.95", "1"]  # of what is perfect


def test_values_stand_where_the_axes_put_them_and_stops_fill_the_width() -> None:
    axis = Axis("", 0.0, 10.0, [(0.0, "0"), (10.0, "10")])
    x, y = np.array([0.0, 5.0, 10.0]), np.array([0.0, 10.0, 5.0])
    stops = [Stop(float(a), [(float(b), "c0")], f"{a}") for a, b in zip(x, y, strict=True)]
    chart = draw_chart(Chart("", "", axis, axis, [Line("", "c0", x, y)], stops, Table([], []), mark=5.0))
    middle = (chart.left + chart.right) / 2
    assert chart.paths == [
        ("c0", f"{chart.left},{chart.bottom} {middle:g},{chart.top} {chart.right},{(chart.top + chart.bottom) / 2:g}")
    ]
    assert chart.mark == middle
    assert [stop[2] for stop in chart.stops] == [chart.left, middle, chart.right]
    begins, widths = [stop[0] for stop in chart.stops], [stop[1] for stop in chart.stops]
    assert begins[0] == chart.left
    assert begins[-1] + widths[-1] == pytest.approx(chart.right)
    assert [begin + width for begin, width in zip(begins, widths, strict=True)][:2] == pytest.approx(begins[1:])


def test_a_class_has_one_colour_and_one_dash_all_over_a_page_and_nothing_else_has_them(hostile_run: Path) -> None:
    folder, rows = RunFolder(hostile_run), read_predictions(hostile_run / "predictions.csv")
    by_size = class_curves(rows, rows.probabilities)
    curves = precision_recall_chart(rows.classes, by_size, by_size)
    kinds = {shorten(name, 24): kind_of(number) for number, name in enumerate(rows.classes)}
    assert dict(curves.legend) == kinds
    assert len(set(kinds.values())) == len(kinds)
    assert list(by_size) != rows.classes, "which stand in another order there"
    drawn = read_readings(folder, describe_reading)
    assert drawn
    for reading in drawn.values():
        assert [kind for _, kind, _, _ in draw_reading(reading).curves] == list(kinds.values())
    intervals = metric_intervals(rows, None)
    by_class = run_tables.by_class(folder.record, intervals, dict.fromkeys(rows.classes, 0.5), "lstm")["chart"]
    found = calibration(rows.probabilities, rows.labels)
    others = [*learning_charts(learning_curves(folder.metrics)), calibration_chart(found, found, 0.1, "lstm")]
    for chart in (*others, by_class, run_tables.by_length(rows, "lstm")["chart"]):
        drawing = draw_chart(chart)
        shown = [kind for _, kind in chart.legend] + [kind for kind, _ in (*drawing.paths, *drawing.areas)]
        shown += [kind for _, _, kind in drawing.dots]
        assert shown
        assert not [kind for kind in shown if set(kind.split()) & {f"c{number}" for number in range(7)}], chart.title


def test_the_colours_of_many_classes_or_arms_come_with_another_dash_each_time() -> None:
    assert len({kind_of(number) for number in range(21)}) == 21
