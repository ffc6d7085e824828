"""Regression: its metrics, its baselines, and a run of it with all that is made of a run."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_texts import config, said, write_ratings
from scipy import stats
from sklearn import metrics as sk
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from torch import nn

from gatelab.reports.pages.run_page import write_report
from gatelab.reports.server.site import Site
from gatelab.runs.examples import read_examples
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_points
from gatelab.runs.number_predictions import read_number_predictions
from gatelab.runs.readings import read_readings
from gatelab.tasks.regression.regression_scores import all_metrics
from gatelab.tasks.regression.regression_symptoms import symptoms
from gatelab.tasks.regression.regression_task import Regression
from gatelab.tasks.regression.regressor import SequenceRegressor
from gatelab.tasks.sequence.prediction import Predictor
from gatelab.training.run import train


def expected(predictions: Any, targets: Any) -> dict[str, float]:
    mse = sk.mean_squared_error(targets, predictions)
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": sk.mean_absolute_error(targets, predictions),
        "r2": sk.r2_score(targets, predictions),
        "pearson": stats.pearsonr(predictions, targets).statistic,
        "spearman": stats.spearmanr(predictions, targets).statistic,
    }


def test_the_metrics_are_those_of_scikit_learn_and_scipy() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(1, 6, 200).astype(float)  # with ties
    predictions = np.round(targets + random.normal(size=200), 1)
    assert all_metrics(predictions, targets) == pytest.approx(expected(predictions, targets), abs=1e-12)


def test_one_number_for_all_rows_has_no_correlation_and_is_a_symptom_unless_the_targets_are_one_too() -> None:
    found = all_metrics(np.full(3, 0.1), np.array([1.0, 2.0, 3.0]))
    assert np.isnan([found["pearson"], found["spearman"]]).all()
    assert symptoms(found) == ["one number is predicted for all rows"]
    assert symptoms(all_metrics(np.array([1.0, 2.0]), np.array([3.0, 3.0]))) == [
        "r2 is nan", "pearson is nan", "spearman is nan"
    ]  # fmt: skip
    (clause,) = symptoms({"validation/loss": 5.5})
    assert clause == "validation loss 5.5000 is far above 1, the variance of the standardised targets"


class Given(nn.Module):
    output_size = 4


@pytest.mark.parametrize("name", ["mse", "huber", "l1"])
def test_the_loss_is_of_standardised_targets_and_of_parts_with_filling_the_same(name: Any) -> None:
    module = SequenceRegressor(
        Given(), vocab_size=3, target_mean=10.0, target_deviation=2.0, embedding_size=2, loss=name
    )
    outputs, targets = torch.tensor([[0.5], [-3.0], [1.0]]), torch.tensor([11.0, 12.0, 8.0]).double()
    apart = np.array([0.0, -4.0, 2.0])
    losses = {
        "mse": apart**2,
        "l1": np.abs(apart),
        "huber": np.where(np.abs(apart) < 1, apart**2 / 2, np.abs(apart) - 0.5),
    }
    assert module.loss(outputs, targets).item() == pytest.approx(losses[name].mean())
    filled, filling = torch.cat([outputs[2:], torch.ones(1, 1)]), torch.tensor([8.0, torch.nan]).double()
    parts = [(outputs[:2], targets[:2]), (filled.requires_grad_(), filling)]
    total = sum(module.loss(*part, "sum") for part in parts)
    assert total.detach().item() == pytest.approx(losses[name].sum())  # type: ignore[union-attr]
    assert sum(module.count(*part).item() for part in parts) == 3
    total.backward()  # type: ignore[union-attr]
    assert filled.grad is not None
    assert filled.grad[1].item() == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("regression")
    file = write_ratings(folder / "ratings.csv")
    return train(config(folder, file, "model=regressor"))[0]


def of(run: RunFolder) -> tuple[list[str], list[float]]:
    """The file's texts and numbers, read again."""
    with open(run.path.parents[2] / "ratings.csv", newline="") as stream:
        rows = [*csv.DictReader(stream)]
    return [row["review"] for row in rows], [float("nan" if row["points"] == "n/a" else row["points"]) for row in rows]


def test_predictions_are_in_the_units_of_the_file_and_the_metrics_are_theirs(run: RunFolder) -> None:
    texts, numbers = of(run)
    rows, record = read_number_predictions(run.predictions), run.record
    assert rows.targets.tolist() == [numbers[line - 2] for line in rows.lines.tolist()]
    model = record.metrics
    assert model is not None
    assert model.numbers() == pytest.approx(expected(rows.predictions, rows.targets))
    assert model["r2"] > 0.7  # it learns
    again = Predictor(run.model).predictions([texts[line - 2] for line in rows.lines])
    assert again[:, 0] == pytest.approx(rows.predictions, rel=1e-6)
    assert record.monitor == "mse"
    assert record.best_validation["mse"] < record.data.numbers["validation"]["standard deviation"] ** 2  # type: ignore
    assert record.symptoms == []


def test_a_row_without_a_number_is_rejected_with_its_line(run: RunFolder) -> None:
    data = run.record.data
    assert data is not None
    assert [(row["line"], row["reason"]) for row in data.rejects] == [(7, "'n/a' is no number")]
    assert (data.used, data.columns and data.columns["label"]) == (299, "points")


def test_the_baselines_are_the_mean_the_median_and_ridge_regression(run: RunFolder) -> None:
    texts, numbers = of(run)
    rows, data, record = read_number_predictions(run.predictions), run.record.data, run.record
    cached = next((run.path.parents[2] / "cache" / "prepared").iterdir())
    lines = np.load(next((run.path.parents[2] / "cache" / "rows").iterdir()) / "lines.npy")[
        np.load(cached / "train.npy")
    ]
    train_texts, train_numbers = [texts[line - 2] for line in lines], np.array([numbers[line - 2] for line in lines])
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    ridge = Ridge().fit(vectorizer.fit_transform(train_texts), train_numbers)
    linear = ridge.predict(vectorizer.transform([texts[line - 2] for line in rows.lines]))
    assert rows.linear == pytest.approx(linear)
    found = {name: record.baselines[name]["mae"] for name in ("linear", "mean", "median")}
    predicted = {"linear": linear, "mean": np.mean(train_numbers), "median": np.median(train_numbers)}
    assert found == pytest.approx({name: np.abs(rows.targets - value).mean() for name, value in predicted.items()})
    assert data is not None
    assert data.numbers is not None
    assert data.numbers["train"]["median"] == pytest.approx(np.median(train_numbers))


def test_the_largest_errors_are_kept_with_their_texts(run: RunFolder) -> None:
    texts, _ = of(run)
    rows = read_number_predictions(run.predictions)
    errors = rows.predictions - rows.targets
    worst = int(np.abs(errors).argmax())
    (first, *_) = read_examples(run.examples)["largest errors"]
    assert (first["line"], first["text"]) == (rows.lines[worst], texts[rows.lines[worst] - 2])
    assert first["error"] == pytest.approx(errors[worst])
    readings = read_readings(run, dict)
    assert [str(gates["role"]) for gates in readings.values()] == [
        "largest error", "highest prediction", "lowest prediction", "smallest error"
    ]  # fmt: skip
    row = rows.lines.tolist().index(int(readings["1"]["line"]))
    assert readings["1"]["predictions"][-1] == pytest.approx(rows.predictions[row], rel=1e-6)
    assert str(readings["1"]["label"]) == f"{rows.targets[row]:.6g}"


def test_the_page_shows_what_a_regression_leaves_and_nothing_of_classes(run: RunFolder) -> None:
    write_report(run, gates=False)
    page, record = run.report.read_text(encoding="utf-8"), run.record
    assert record.metrics is not None
    assert f"gated {record.metrics['mse']:.4f} MSE on " in page
    for part in (
        'id="predicted"',
        "Errors by length in tokens",
        "Largest errors",
        "mean baseline",
        "prediction after each token",
    ):
        assert part in page, part
    for part in ("Confusion matrix", 'id="curves"', 'id="classes"', "macro-F1", "probability"):
        assert part not in page, part


def test_the_commands_know_it(run: RunFolder, tmp_path: Path) -> None:
    texts, _ = of(run)
    where, name = ("--output-dir", run.path.parents[1]), run.path.name
    record, rows = run.record, read_number_predictions(run.predictions)
    assert record.metrics is not None
    for listed in (said("runs", *where), said("runs", "--mean", *where), said("compare", "default", *where)):
        assert f"{record.metrics['mse']:.4f}" in listed
    assert "median baseline" in said("compare", "default", *where)
    alone = Predictor(run.model).predictions(["a great and fine film"])[0, 0]
    assert f"{alone:.6g}" in said("predict", name, "a great and fine film", *where)
    assert f"prediction  {alone:.6g} after" in said(
        "gates", name, "a great and fine film", "--out", tmp_path / "g.svg", *where
    )
    said("predict", name, "--csv", run.path.parents[2] / "ratings.csv", "--out", tmp_path / "p.csv", *where)
    with open(tmp_path / "p.csv", newline="") as stream:
        predicted = {int(row["line"]): float(row["prediction"]) for row in csv.DictReader(stream)}
    assert list(predicted) == list(range(2, len(texts) + 2))
    assert [predicted[line] for line in rows.lines.tolist()] == pytest.approx(rows.predictions.tolist(), rel=1e-6)
    assert "identical" in said("reproduce", name, *where)


def test_the_page_of_all_runs_lists_its_metric(run: RunFolder) -> None:
    from werkzeug.test import Client

    page = Client(Site(run.path.parents[1], 8000, "token")).get("/?token=token", base_url="http://127.0.0.1:8000").text
    assert run.record.metrics is not None
    assert f">{run.record.metrics['mse']:.4f}<" in page
    assert "linear MSE" in page


def test_what_the_task_says_it_logs_is_what_it_logs(run: RunFolder) -> None:
    points = read_points(run.metrics, run.metrics.stat().st_size)
    logged = {name for point in points for name in point.values if not name.startswith("test/")}
    assert logged | {"train/loss_step"} == set(Regression.logged)  # few batches have no step in 50
