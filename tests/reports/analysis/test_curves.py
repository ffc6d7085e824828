from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from gatelab.reports.analysis.curves import MAX_POINTS, calibration, learning_curves, length_bins, precision_recall
from gatelab.reports.charts.run_charts import learning_charts
from gatelab.reports.charts.svg import draw_chart


@pytest.mark.parametrize("digits", [1, 9])
def test_precision_and_recall_are_scikit_learns(digits: int) -> None:
    random = np.random.default_rng(0)
    positive, score = random.random(500) < 0.2, np.round(random.random(500), digits)
    found = precision_recall(positive, score)
    assert found is not None
    precision, recall, thresholds = sk.precision_recall_curve(positive, score)
    np.testing.assert_allclose(found.precision[::-1], precision[:-1])
    np.testing.assert_allclose(found.recall[::-1], recall[:-1])
    np.testing.assert_allclose(found.threshold[::-1], thresholds)
    assert found.average == pytest.approx(sk.average_precision_score(positive, score), abs=1e-12)
    for wanted in (0.0, 0.3, 0.5, 1.0):
        at = found.at_recall(np.array([wanted]))[0]
        assert found.precision[at] == pytest.approx(precision[:-1][np.flatnonzero(recall[:-1] >= wanted)[-1]])
    assert precision_recall(np.zeros(5, dtype=bool), np.arange(5.0)) is None


def test_calibration_is_scikit_learns() -> None:
    random = np.random.default_rng(1)
    probabilities = random.dirichlet(np.ones(3), 400)
    labels = random.integers(0, 3, 400)
    found = calibration(probabilities, labels)
    right = probabilities.argmax(1) == labels
    accuracies, means = calibration_curve(right, probabilities.max(1), n_bins=15)
    np.testing.assert_allclose(found.accuracy, accuracies)
    np.testing.assert_allclose(found.confidence, means)
    assert found.count.sum() == 400
    assert ((found.low < found.confidence) & (found.confidence <= found.low + 1 / 15)).all()


def metrics_csv(file: Path, lines: list[tuple[int, int, str, float]]) -> Path:
    file.write_text("epoch,step,name,value\n" + "".join(",".join(map(str, line)) + "\n" for line in lines))
    return file


def test_curves_run_over_epochs_and_the_first_best_epoch_is_marked(tmp_path: Path) -> None:
    lines = [(0, 4, "train/loss_step", 1.0), (0, 9, "validation/macro_f1", 0.5), (1, 14, "train/loss_step", 0.8),
             (1, 19, "validation/macro_f1", 0.7), (2, 29, "validation/macro_f1", 0.7), (3, 30, "test/macro_f1", 0.9)]  # fmt: skip
    found = learning_curves(metrics_csv(tmp_path / "metrics.csv", lines))
    assert found.best == 2.0
    assert set(found.curves) == {"train/loss_step", "validation/macro_f1"}
    assert found.curves["train/loss_step"][0].tolist() == [0.5, 1.5]
    assert found.curves["validation/macro_f1"][0].tolist() == [1.0, 2.0, 3.0]


def test_many_points_become_means_of_neighbours(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(1000)
    lines = [(0, step, "train/loss_step", value) for step, value in enumerate(values.tolist())]
    found = learning_curves(metrics_csv(tmp_path / "metrics.csv", lines))
    assert found.averaged == 4
    x, y = found.curves["train/loss_step"]
    assert len(x) == 250 <= MAX_POINTS
    np.testing.assert_allclose(y, values.reshape(250, 4).mean(1))
    assert found.best is None


def test_a_loss_that_is_no_number_is_no_point(tmp_path: Path) -> None:
    values = [1.0, float("inf"), 0.8, float("nan"), 0.7, 0.6]
    lines = [(epoch, 10 * epoch + 9, "validation/loss", value) for epoch, value in enumerate(values)]
    (chart,) = learning_charts(learning_curves(metrics_csv(tmp_path / "metrics.csv", lines)))
    drawing = draw_chart(chart)
    assert [points.count(",") for _, points in drawing.paths] == [1, 1, 2]
    assert len(drawing.dots) == 4
    assert not any("nan" in points for _, points in drawing.paths)


def test_the_steps_lie_pale_behind_the_means_of_train_and_validation(tmp_path: Path) -> None:
    lines = [(0, 4, "train/loss_step", 1.4), (0, 9, "train/loss", 1.1), (0, 9, "train/accuracy", 0.6), (0, 9, "validation/loss", 1.2),
             (0, 9, "validation/macro_f1", 0.4), (0, 9, "validation/accuracy", 0.5)]  # fmt: skip
    # Of one epoch there is no curve.
    assert learning_charts(learning_curves(metrics_csv(tmp_path / "one.csv", lines))) == []
    lines += [(1, 14, "train/loss_step", 1.0), *((1, 19, name, value) for _, step, name, value in lines if step == 9)]
    learning = learning_curves(metrics_csv(tmp_path / "metrics.csv", lines))
    loss, scores = learning_charts(learning, {"another's": [0.5]})
    assert learning_charts(learning, {"a": [0.5, 0.75], "b": [0.5, 0.25]})[2].legend == [
        ("a", "c0"),
        ("b", "c1 dashed"),
    ]
    assert loss.legend == [("train steps", "model pale"), ("train", "model dashed"), ("validation", "model")]
    assert [name for name, _ in scores.legend] == ["train accuracy", "validation accuracy", "validation macro-F1"]
    assert loss.stops[1].tip == "epoch 1 · train 1.1000 · validation 1.2000 · best"


def test_what_a_run_logged_as_train_loss_before_there_were_means_is_drawn_as_steps(tmp_path: Path) -> None:
    lines = [(0, 4, "train/loss", 1.4), (0, 9, "train/loss", 1.2), (0, 9, "validation/macro_f1", 0.4)]
    found = learning_curves(metrics_csv(tmp_path / "metrics.csv", lines))
    assert found.curves["train/loss_step"][1].tolist() == [1.4, 1.2]
    assert "train/loss" not in found.curves


def test_losses_that_are_decades_apart_have_a_logarithmic_axis(tmp_path: Path) -> None:
    lines = [(epoch, epoch, "validation/loss", 10.0**epoch) for epoch in range(31)]
    (chart,) = learning_charts(learning_curves(metrics_csv(tmp_path / "metrics.csv", lines)))
    drawing = draw_chart(chart)
    heights = [y for _, y, _ in drawing.dots]
    np.testing.assert_allclose(np.diff(heights), -(drawing.bottom - drawing.top) / 30, atol=0.11)
    assert [label for _, label in chart.y.ticks] == ["1", "1e+06", "1e+12", "1e+18", "1e+24", "1e+30"]
    assert "logarithmic" in chart.summary


def test_a_half_written_line_and_a_missing_file_are_no_error(tmp_path: Path) -> None:
    file = metrics_csv(tmp_path / "metrics.csv", [(0, 4, "train/loss_step", 1.0), (0, 9, "train/loss_step", 0.5)])
    file.write_text(file.read_text() + "0,14,train/lo")
    assert learning_curves(file).curves["train/loss_step"][1].tolist() == [1.0, 0.5]
    assert learning_curves(tmp_path / "none.csv").curves == {}


@pytest.mark.parametrize(
    ("tokens", "bins"),
    [
        ([5] * 9, [(5, 5)]),
        ([1, 2], [(1, 1), (2, 2)]),
        (list(range(1, 61)), [(1, 10), (11, 20), (21, 30), (31, 40), (41, 50), (51, 60)]),
        ([20, 30] + [100] * 98, [(20, 99), (100, 100)]),
    ],
)
def test_lengths_fall_into_ranges_and_a_cut_has_its_own(tokens: list[int], bins: list[tuple[int, int]]) -> None:
    assert length_bins(np.array(tokens)) == bins


def test_every_row_lies_in_one_range_of_lengths() -> None:
    for seed in range(20):
        tokens = np.random.default_rng(seed).geometric(0.1, 200).clip(max=15)
        counts = [int(((tokens >= low) & (tokens <= high)).sum()) for low, high in length_bins(tokens)]
        assert sum(counts) == 200
        assert min(counts) > 0
