from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from gatelab.reports.curves import MOST_POINTS, calibration, learning_curves, length_bins, precision_recall


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
    shares, means = calibration_curve(right, probabilities.max(1), n_bins=15)
    np.testing.assert_allclose(found.right, shares)
    np.testing.assert_allclose(found.confidence, means)
    assert found.count.sum() == 400
    assert ((found.low < found.confidence) & (found.confidence <= found.low + 1 / 15)).all()


def metrics_csv(file: Path, lines: list[tuple[int, int, str, float]]) -> Path:
    file.write_text("epoch,step,name,value\n" + "".join(",".join(map(str, line)) + "\n" for line in lines))
    return file


def test_curves_run_over_epochs_and_the_first_best_epoch_is_marked(tmp_path: Path) -> None:
    lines = [(0, 4, "train/loss", 1.0), (0, 9, "validation/macro_f1", 0.5), (1, 14, "train/loss", 0.8),
             (1, 19, "validation/macro_f1", 0.7), (2, 29, "validation/macro_f1", 0.7), (3, 30, "test/macro_f1", 0.9)]  # fmt: skip
    found = learning_curves(metrics_csv(tmp_path / "metrics.csv", lines))
    assert found.best == 2.0
    assert set(found.curves) == {"train/loss", "validation/macro_f1"}
    assert found.curves["train/loss"][0].tolist() == [0.5, 1.5]
    assert found.curves["validation/macro_f1"][0].tolist() == [1.0, 2.0, 3.0]


def test_many_points_become_means_of_neighbours(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(1000)
    lines = [(0, step, "train/loss", value) for step, value in enumerate(values.tolist())]
    found = learning_curves(metrics_csv(tmp_path / "metrics.csv", lines))
    assert found.averaged == 4
    x, y = found.curves["train/loss"]
    assert len(x) == 250 <= MOST_POINTS
    np.testing.assert_allclose(y, values.reshape(250, 4).mean(1))
    assert found.best is None


def test_a_loss_that_is_no_number_is_no_point(tmp_path: Path) -> None:
    lines = [(0, 4, "train/loss", 1.0), (0, 9, "train/loss", float("inf")), (0, 14, "train/loss", float("nan"))]
    assert learning_curves(metrics_csv(tmp_path / "metrics.csv", lines)).curves["train/loss"][1].tolist() == [1.0]


def test_a_half_written_line_and_a_missing_file_are_no_error(tmp_path: Path) -> None:
    file = metrics_csv(tmp_path / "metrics.csv", [(0, 4, "train/loss", 1.0), (0, 9, "train/loss", 0.5)])
    file.write_text(file.read_text() + "0,14,train/lo")
    assert learning_curves(file).curves["train/loss"][1].tolist() == [1.0, 0.5]
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
