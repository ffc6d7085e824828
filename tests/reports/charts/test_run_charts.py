"""What the charts of a run's page draw, held against counts made another way."""

import math

import numpy as np
import pytest
from matplotlib import style
from matplotlib.colors import to_rgb

from gatelab.reports.analysis.curves import calibration, precision_recall
from gatelab.reports.charts.colours import contrast
from gatelab.reports.charts.figures import draw_confusion
from gatelab.reports.charts.length_histogram import length_histogram
from gatelab.reports.charts.paper import STYLE, draw_charts
from gatelab.reports.charts.run_charts import (
    LINEAR_MEAN,
    Measured,
    calibration_chart,
    interval_chart,
    precision_recall_chart,
)
from gatelab.reports.charts.svg import draw_chart
from gatelab.reports.numbers import short_count
from gatelab.reports.pages.run_tables import confusion

GENERATOR = np.random.default_rng(0)


def test_calibration_shows_the_rows_in_each_bin_and_how_sure_its_accuracy_is() -> None:
    probabilities = GENERATOR.dirichlet([1, 1], 2000)
    labels = GENERATOR.integers(0, 2, 2000)
    found = calibration(probabilities, labels)
    chart = calibration_chart(found, None, 0.1, "lstm")
    largest, right = probabilities.max(1), probabilities.argmax(1) == labels
    (line,) = (line for line in chart.lines if line.name == "lstm")
    assert line.whiskers is not None
    for number, (begin, end, _) in enumerate(chart.bars):
        inside = (largest > max(begin, found.low[number])) & (largest <= end)
        n, p, z = inside.sum(), right[inside].mean(), 1.959964
        assert chart.bar_labels[number] == str(n)
        # Wilson (1927)
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert line.whiskers[number] == pytest.approx([middle - half, middle + half], abs=1e-6)
    drawn = [label for _, _, label in draw_chart(chart).bar_labels]
    assert drawn == list(chart.bar_labels)
    (axes,) = draw_charts([chart]).axes
    assert [text.get_text() for text in axes.texts] == drawn


def test_with_many_classes_the_baseline_stays_as_one_line_and_the_legend_hides_none() -> None:
    names, labels = list("abcde"), GENERATOR.integers(0, 5, 500)
    curves, linear = (
        {name: found for k, name in enumerate(names) if (found := precision_recall(labels == k, GENERATOR.random(500)))}
        for _ in range(2)
    )
    chart = precision_recall_chart(names, curves, linear)
    mean = chart.lines[-1]
    assert [name for name, _ in chart.legend] == [*names, LINEAR_MEAN]
    expected = np.mean([[curve.precision[curve.recall >= x - 1e-12][0] for x in (0.25, 0.5, 1.0)] for curve in linear.values()], axis=0)  # fmt: skip
    assert mean.y[np.searchsorted(mean.x, (0.25, 0.5, 1.0))] == pytest.approx(expected)
    figure = draw_charts([chart])
    assert figure.axes[0].get_legend() is None
    assert [text.get_text().split(" (")[0] for text in figure.legends[0].get_texts()] == [*names, LINEAR_MEAN]


def test_each_number_of_a_confusion_matrix_stands_out_from_its_colour() -> None:
    counts = [[90.0, 10.0, 0.0], [40.0, 60.0, 0.0], [25.0, 25.0, 50.0]]
    found = confusion(counts, list("abc"))
    assert found is not None
    with style.context(STYLE):
        (axes,) = draw_confusion(found).axes
    shades = axes.images[0].cmap(np.array(counts) / np.sum(counts, axis=1, keepdims=True))[..., :3].reshape(-1, 3)
    for text, shade in zip(axes.texts, shades, strict=True):
        assert contrast(to_rgb(text.get_color()), shade) >= 4.5
    assert [label.get_text().split("\n")[1] for label in axes.get_xticklabels()] == ["155", "95", "50"]
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast(to_rgb("#777777"), (1, 1, 1)) == pytest.approx(
        4.48, abs=0.005
    )  # the example of WCAG's Understanding 1.4.3


def test_the_bars_of_the_lengths_count_every_row_once() -> None:
    tokens = GENERATOR.integers(3, 200, 1000)
    chart = length_histogram(tokens)
    assert chart is not None
    assert len(chart.bars) <= 25
    for begin, end, height in chart.bars:
        assert height == ((tokens >= begin) & (tokens < end)).sum()
    assert sum(height for _, _, height in chart.bars) == 1000
    assert length_histogram(np.array([3, 3, 4])) is None


def test_two_numbers_are_no_chart() -> None:
    of = lambda n: interval_chart("", ("", ""), ["a"] * n, [Measured("lstm", "model", [0.5] * n, [])], "")  # noqa: E731
    assert (of(2), of(3) is None) == (None, False)


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (999, "999"), (1145, "1.1k"), (34_400, "34k"), (5_600_000, "5.6M")]
)
def test_a_count_is_short_in_a_small_place(value: int, shown: str) -> None:
    assert short_count(value) == shown
