"""The page and the paper draw the same numbers: what stands in matplotlib's axes, put through its own transforms into the
frame of the SVG, stands where the SVG has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from run_folders import Folders, write_curves

from gatelab.reports.analysis.comparison import compare
from gatelab.reports.charts.arm_curves import arm_curves
from gatelab.reports.charts.chart import Chart, Line, Table, loss_axis, number_axis
from gatelab.reports.charts.figures import draw_confusion
from gatelab.reports.charts.gate_picture import draw_reading
from gatelab.reports.charts.paper import draw_charts, draw_strip_plot, lifts, new_figure, save_figures
from gatelab.reports.charts.reading_svg import draw_reading as place_reading
from gatelab.reports.charts.strip_plot import strip_plot
from gatelab.reports.charts.svg import draw_chart, lifted, percent
from gatelab.reports.charts.trials import search_chart
from gatelab.reports.pages.run_page import page_values
from gatelab.reports.pages.sweep_page import ordered_arms
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import load_runs
from gatelab.runs.predictions import read_predictions

BASELINES = {name: {"accuracy": value, "macro_f1": value} for name, value in (("linear", 0.78), ("majority", 0.7))}
ROUNDED, THINNED = 0.06, 0.6  # pixels


def in_frame(axes: Axes, points: NDArray[Any], frame: tuple[float, float, float, float]) -> NDArray[Any]:
    """Points (P, 2) of the axes, as far as they are numbers, in a frame of left, right, top and bottom."""
    left, right, top, bottom = frame
    across, up = (axes.transScale + axes.transLimits).transform(points[np.isfinite(points).all(1)]).T
    return np.stack([left + across * (right - left), bottom - up * (bottom - top)], axis=1)


def assert_alike(page: NDArray[Any], paper: NDArray[Any]) -> None:
    """Each point of either has one of the other; the page leaves out those on the pixel of the one before."""
    assert len(page)
    assert len(paper)
    distances = np.abs(page[:, None] - paper[None]).max(2)
    assert distances.min(1).max() <= ROUNDED
    assert distances.min(0).max() <= THINNED


def pairs(points: str) -> list[list[float]]:
    return [[float(number) for number in pair.split(",")] for pair in points.split()]


def assert_same(chart: Chart, axes: Axes) -> None:
    page = draw_chart(chart)
    frame = page.left, page.right, page.top, page.bottom
    lines = list(axes.lines)
    if chart.mark is not None:
        *lines, mark = lines
        assert in_frame(axes, np.array([[mark.get_xdata()[0], chart.y.low]]), frame)[0, 0] == pytest.approx(page.mark, abs=ROUNDED)  # type: ignore[index] # fmt: skip
    ticks = (
        np.array([[x, chart.y.low] for x in axes.get_xticks()]),
        np.array([[chart.x.low, y] for y in axes.get_yticks()]),
    )
    assert in_frame(axes, ticks[0], frame)[:, 0] == pytest.approx([x for x, _ in page.x_ticks], abs=ROUNDED)
    assert in_frame(axes, ticks[1], frame)[:, 1] == pytest.approx([y for y, _ in page.y_ticks], abs=ROUNDED)
    assert len(lines) == len(chart.lines)
    for line, drawn in zip(chart.lines, lines, strict=True):
        paper = in_frame(axes, np.asarray(drawn.get_xydata()), frame)
        alone = draw_chart(Chart("", "", chart.x, chart.y, [line], [], chart.table))
        if line.joined:
            assert drawn.get_linestyle() != "None"
            assert_alike(np.array([pair for _, points in alone.paths for pair in pairs(points)]), paper)
        assert (drawn.get_marker() == "o") == bool(alone.dots)
        if alone.dots:
            np.testing.assert_allclose([dot[:2] for dot in alone.dots], paper, atol=ROUNDED)
    corners = [bar.get_corners()[[0, 2]] for bar in axes.patches]  # type: ignore[attr-defined]
    assert len(page.bars) == len(corners)
    for (x, y, width, height), corner in zip(page.bars, corners, strict=True):
        (begin, low), (end, high) = in_frame(axes, corner, frame)
        assert (x, y, x + width + 1, y + height) == pytest.approx((begin, high, end, low), abs=2 * ROUNDED)
    areas = [area for area in axes.collections if isinstance(area, PolyCollection)]
    assert bool(page.areas) == bool(areas)
    if areas:
        vertices = np.concatenate([path.vertices for area in areas for path in area.get_paths()])
        assert_alike(
            np.array([pair for _, points in page.areas for pair in pairs(points)]), in_frame(axes, vertices, frame)
        )


def assert_all_same(charts: Sequence[Chart]) -> None:
    assert charts
    for chart, axes in zip(charts, draw_charts(charts).axes, strict=True):
        assert_same(chart, axes)


def test_the_charts_of_a_run(hostile_run: Path) -> None:
    page = page_values(RunFolder(hostile_run))
    assert_all_same(page["learning"])
    for chart in (*page["curves"], page["by_class"]["chart"], page["by_length"]["chart"]):
        assert_all_same([chart])


def test_gaps_bands_whiskers_and_a_logarithmic_axis() -> None:
    x, y = np.arange(6.0), np.array([1e-3, 1e-2, np.nan, 1.0, 10.0, 3.0])
    band = np.stack([y / 2, y * 2], axis=1)
    lines = [Line("$a_b^$", "c2 dotted a2", x, y, band=band), Line("b", "other", x, y, joined=False, dots=True)]
    chart = Chart(
        "$t_^$", "", number_axis("$x_^$", 0, 5, integers=True), loss_axis("", 5e-4, 20), lines, [], Table([], [])
    )
    assert chart.y.is_log
    assert_all_same([chart])
    figure = draw_charts([chart])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [r"\$a_b^\$", "b"]  # type: ignore[union-attr]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (r"\$x_^\$", r"\$t_^\$")
    whiskers = Line("", "model", x, y, whiskers=band)
    (axes,) = draw_charts([Chart("t", "", chart.x, chart.y, [whiskers], [], Table([], []))]).axes
    paths = [np.asarray(path.vertices) for path in axes.collections[0].get_paths()]
    drawn = [vertices[:, 1] for vertices in paths if np.isfinite(vertices).all()]
    np.testing.assert_allclose(drawn, band[np.isfinite(y)])


def test_a_figure_is_laid_out_once_and_drawn_once_for_each_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, (axes,) = new_figure()
    axes.set_yticks([0], ["a name that needs room on the left"])
    figure.colorbar(axes.imshow([[0.0, 1.0]], aspect="auto"))
    drawn, draw = [], Figure.draw

    def counted(figure: Figure, renderer: Any) -> None:
        drawn.append(figure)
        draw(figure, renderer)

    monkeypatch.setattr(Figure, "draw", counted)
    files = save_figures(tmp_path / "figures", {"named": lambda: figure})
    assert [file.name for file in files] == ["named.svg", "named.pdf"]
    assert len(drawn) == 2
    assert figure.get_tightbbox().x0 >= 0


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """A search of two arms of three seeds."""
    folders = Folders(tmp_path / "outputs")
    for arm, settings in enumerate(({}, {"encoder._target_": "gatelab.recurrent.GRUEncoder"})):
        for seed in (1, 2, 3):
            value = 0.8 + seed / 100 - arm / 30
            settings = {**settings, "search.metric": "validation/macro_f1"}
            folder = folders.write(seed, value, settings=settings, baselines=BASELINES, job=3 * arm + seed)
            curves = {name: [value / 4, value / 2, value] for name in ("validation/loss", "train/loss")}
            write_curves(folder, {**curves, "validation/macro_f1": [value / 3, value, value / 2]})
    return folders


def test_the_charts_of_a_sweep_and_a_search(folders: Folders) -> None:
    runs = load_runs(all_runs(folders.output_dir))
    _, curves = arm_curves(ordered_arms(compare(runs, None, ["macro_f1"], None)))
    assert_all_same(curves)
    search = search_chart(runs)
    assert search is not None
    assert_all_same([search])


def test_every_seed_of_every_arm(folders: Folders) -> None:
    comparison = compare(load_runs(all_runs(folders.output_dir)), None, ["macro_f1"], None)
    rows = [row for row in comparison.tables["macro_f1"] if row.kind == "arm"]
    plot = strip_plot("macro_f1", rows, ordered_arms(comparison), 0.81, lambda run: None)
    assert plot is not None
    (axes,) = draw_strip_plot(plot, "encoder").axes
    frame = 2.0, 98.0, 0.0, 1.0
    place = percent(plot.x)

    def across(values: Sequence[float]) -> list[float]:
        return in_frame(axes, np.array([[value, 0.0] for value in values]), frame)[:, 0].tolist()

    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(dots) == len(plot.arms) == 2
    for row, (arm, line) in enumerate(zip(plot.arms, dots, strict=True)):
        assert across(list(line.get_xdata())) == pytest.approx([x for x, _, _ in lifted(arm.dots, place)], abs=0.006)  # type: ignore[arg-type]
        assert set(line.get_ydata()) == {row}  # type: ignore[arg-type]
    means = [line for line in axes.lines if line.get_marker() == "|"]
    assert [across(list(line.get_xdata()))[0] for line in means] == pytest.approx([place(arm.mean or 0) for arm in plot.arms], abs=0.006)  # type: ignore[arg-type] # fmt: skip
    assert [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"] == pytest.approx([0.78, 0.78])  # type: ignore[index]
    assert [list(line.get_xdata()) for line in axes.lines if line.get_alpha() == 0.2] == [list(arm.interval or ()) for arm in plot.arms]  # type: ignore[arg-type] # fmt: skip


def test_the_confusion_matrix(hostile_run: Path) -> None:
    rows = read_predictions(hostile_run / "predictions.csv")
    (axes,) = draw_confusion(page_values(RunFolder(hostile_run))["confusion"]).axes
    counts = np.zeros((len(rows.classes),) * 2)
    np.add.at(counts, (rows.labels, rows.predictions), 1)
    np.testing.assert_allclose(axes.images[0].get_array(), counts / counts.sum(1, keepdims=True))  # type: ignore[arg-type]
    assert [text.get_text().split("\n")[0] for text in axes.texts] == [f"{count:,.0f}" for count in counts.ravel()]


def test_the_gates(hostile_run: Path) -> None:
    readings = page_values(RunFolder(hostile_run))["readings"]
    assert readings
    for reading in readings.values():
        page = place_reading(reading)
        top, middle, bottom, *_ = draw_reading(reading).axes
        foot, height = page.levels[0][0], page.levels[0][0] - page.levels[-1][0]
        for (points, *_rest), line in zip(page.curves, top.lines, strict=True):
            drawn = [(foot - y) / height for _, y in pairs(points)]
            assert drawn == pytest.approx(list(line.get_ydata()), abs=0.06 / height)  # type: ignore[arg-type]
        (image,) = middle.images
        for (_, _, _, cells), values in zip(page.bands, image.get_array(), strict=True):  # type: ignore[arg-type]
            shares = (values - image.norm.vmin) / (image.norm.vmax - image.norm.vmin)  # type: ignore[operator]
            assert [share for _, share in cells] == pytest.approx(shares.tolist(), abs=0.006)
        bars = np.array([bar.get_height() for bar in bottom.patches]).reshape(len(reading.units), -1) / -0.46  # type: ignore[attr-defined]
        for (*_rest, drawn_bars), heights in zip(page.units, bars, strict=False):
            signed = [height / 9 * (1 if side == "above" else -1) for _, _, height, side in drawn_bars]
            assert signed == pytest.approx(heights.tolist(), abs=0.006)


def test_seeds_with_the_same_result_are_all_seen() -> None:
    moved = lifts([0.0, 0.0, 0.0, 0.5, 1.0, 1.001], near=0.02)
    assert moved == pytest.approx([-0.14, 0.0, 0.14, 0.0, -0.07, 0.07])
    many = lifts([1.0] * 20, near=0.02)
    assert len(set(many)) == 20
    assert max(many) - min(many) < 0.8  # of a row
