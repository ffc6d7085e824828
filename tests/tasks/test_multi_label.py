"""Multi-label classification: its metrics, its baselines, and a run of it with all that is made of a run."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_texts import THINGS, config, said, write_tags
from sklearn import metrics as sk
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from torch import nn

from gatelab.errors import ConfigError
from gatelab.reports.pages.run_page import write_report
from gatelab.runs.examples import read_examples
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_points
from gatelab.runs.label_predictions import read_label_predictions
from gatelab.runs.readings import read_readings
from gatelab.tasks.multi_label.multi_label_classifier import MultiLabelClassifier, weigh_positives
from gatelab.tasks.multi_label.multi_label_scores import all_metrics
from gatelab.tasks.multi_label.multi_label_symptoms import symptoms
from gatelab.tasks.multi_label.multi_label_task import MultiLabel
from gatelab.tasks.sequence.prediction import Predictor
from gatelab.training.run import train

CLASSES = sorted(THINGS)


def expected(probabilities: Any, targets: Any, threshold: float) -> dict[str, float]:
    predicted = probabilities >= threshold
    there = targets.any(0)
    counted = there | predicted.any(0)
    return {
        "micro_f1": sk.f1_score(targets, predicted, average="micro"),
        "macro_f1": sk.f1_score(targets[:, counted], predicted[:, counted], average="macro"),
        "exact_match": sk.accuracy_score(targets, predicted),
        "hamming_loss": sk.hamming_loss(targets, predicted),
        "average_precision": sk.average_precision_score(targets[:, there], probabilities[:, there], average="macro"),
    }


def test_the_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    probabilities = np.round(random.random((80, 4)), 2)
    targets = (random.random((80, 4)) < [0.5, 0.2, 0.1, 0]).astype(int)
    probabilities[:, 3] *= 0.1  # a label that is neither there nor predicted
    found = all_metrics(torch.tensor(probabilities), torch.tensor(targets), list("abcd"), 0.6)
    each = found.pop("per_class")
    assert found == pytest.approx(expected(probabilities, targets, 0.6))
    precision, recall, f1, support = sk.precision_recall_fscore_support(targets, probabilities >= 0.6, zero_division=0)
    for k, name in enumerate("abc"):
        area = sk.average_precision_score(targets[:, k], probabilities[:, k])
        values = {
            "precision": precision[k],
            "recall": recall[k],
            "f1": f1[k],
            "average_precision": area,
            "support": support[k],
        }
        assert each[name] == pytest.approx(values)
    assert np.isnan(each["d"].pop("average_precision"))
    assert set(each["d"].values()) == {0}


class Given(nn.Module):
    output_size = 4


def module_of(**settings: Any) -> MultiLabelClassifier:
    return MultiLabelClassifier(Given(), vocab_size=3, num_labels=2, embedding_size=2, **settings)


def test_the_loss_is_the_weighted_cross_entropy_of_each_entry_and_of_parts_with_filling_the_same() -> None:
    module = module_of(label_counts=[1, 2], num_rows=3, pos_weight="balanced")
    outputs, targets = torch.tensor([[0.5, -3.0], [1.0, 2.0], [0.0, -1.0]]), torch.tensor([[1, 0], [0, 1], [0, 1]])
    # Rows without a label to those with it.
    p, weights = (1 / (1 + np.exp(-outputs.double().numpy())), np.array([2.0, 0.5]))
    losses = -np.where(targets.numpy() == 1, weights * np.log(p), np.log(1 - p))
    assert module.loss(outputs, targets).item() == pytest.approx(losses.mean(), rel=1e-6)
    parts = [(outputs[:1], targets[:1]), (torch.cat([outputs[1:], torch.ones(1, 2)]), torch.cat([targets[1:], torch.full((1, 2), -100)]))]  # fmt: skip
    total = sum(float(module.loss(*part, "sum")) for part in parts)
    assert total / sum(module.count(*part).item() for part in parts) == pytest.approx(losses.mean(), rel=1e-6)


def test_weights_are_one_a_label_and_a_label_without_rows_has_a_finite_one() -> None:
    assert weigh_positives(None, [1, 2], 10) is None
    assert weigh_positives("balanced", [2, 0, 10], 10) == [4.0, 9.0, 0.1]
    with pytest.raises(ConfigError, match=r"model\.pos_weight: has 3 weights for 2 labels"):
        weigh_positives([1, 2, 3], [1, 2], 10)


def test_the_threshold_decides_what_is_predicted() -> None:
    answers = [module_of(threshold=threshold).answer(np.array([0.4, 0.7]), ["a", "b"]) for threshold in (0.3, 0.5, 0.9)]
    assert answers == ["a|b", "b", ""]


def test_balanced_sampling_of_labels_is_refused_before_data_is_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^data\.sampling=balanced: .* a row has no class.* model\.pos_weight=balanced\.$"
    ):
        train(config(tmp_path, tmp_path / "none.csv", "model=multi_label", "data.sampling=balanced"))


def test_a_model_that_finds_no_label_looks_broken() -> None:
    assert symptoms({"micro_f1": 0.0, "loss": 0.5}, 0.0) == ["no label of any row is found"]
    assert symptoms({"micro_f1": 0.5, "loss": 9.0}, 0.5) == ["loss 9.0000 is far above ln 2 = 0.69, that of a guess"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("multi_label")
    file = write_tags(folder / "tags.csv")
    return train(config(folder, file, "model=multi_label", "data.label=tags", "model.threshold=0.4"))[0]


def of(run: RunFolder) -> tuple[list[str], Any]:
    """The file's texts and labels, read again."""
    with open(run.path.parents[2] / "tags.csv", newline="") as stream:
        rows = [*csv.DictReader(stream)]
    return [row["comment"] for row in rows], np.array(
        [[name in row["tags"].split("|") for name in CLASSES] for row in rows]
    )


def test_predictions_have_a_probability_for_each_label_and_the_metrics_are_theirs(run: RunFolder) -> None:
    texts, labels = of(run)
    rows, record = read_label_predictions(run.predictions), run.record
    assert rows.classes == CLASSES
    assert (rows.labels == labels[rows.lines - 2]).all()
    assert (rows.predictions == (rows.probabilities >= 0.4)).all()
    assert record.metrics is not None
    own = {name: value for name, value in record.metrics.numbers().items() if "." not in name}
    assert own == pytest.approx(expected(rows.probabilities, rows.labels, 0.4))
    assert own["macro_f1"] > 0.7  # it learns
    again = Predictor(run.model).predictions([texts[line - 2] for line in rows.lines])
    assert again == pytest.approx(rows.probabilities, rel=1e-5)
    assert record.data is not None
    assert record.data.notes == [
        "labels are separated by '|'",
        f"{(~labels.any(1)).sum()} of 300 rows have none of the labels",
    ]


def test_the_baselines_are_the_frequencies_and_a_logistic_regression_for_each_label(run: RunFolder) -> None:
    texts, labels = of(run)
    rows, record = read_label_predictions(run.predictions), run.record
    cache = run.path.parents[2] / "cache"
    lines = np.load(next((cache / "rows").iterdir()) / "lines.npy")[
        np.load(next((cache / "prepared").iterdir()) / "train.npy")
    ]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    model = OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=1000))
    model.fit(vectorizer.fit_transform([texts[line - 2] for line in lines]), labels[lines - 2])
    linear = model.predict_proba(vectorizer.transform([texts[line - 2] for line in rows.lines]))
    assert rows.linear == pytest.approx(linear, abs=1e-4)
    prior = np.tile(labels[lines - 2].mean(0), (len(rows), 1))
    for name, probabilities in (("linear", linear), ("prior", prior)):
        found = {
            key: value
            for key, value in record.baselines[name].numbers().items()
            if "." not in key and key != "train_rows"
        }
        assert found == pytest.approx(expected(probabilities, rows.labels, 0.4), abs=1e-6)


def test_the_rows_with_most_wrong_labels_are_kept_with_their_texts(run: RunFolder) -> None:
    texts, _ = of(run)
    rows = read_label_predictions(run.predictions)
    wrong = dict(zip(rows.lines.tolist(), (rows.labels != rows.predictions).sum(1).tolist(), strict=True))
    kept = read_examples(run.examples)["most wrong labels"]
    assert [row["wrong"] for row in kept] == sorted((number for number in wrong.values() if number), reverse=True)
    assert all(wrong[row["line"]] == row["wrong"] and texts[row["line"] - 2] == row["text"] for row in kept)
    gates = read_readings(run, dict)["1"]
    row = rows.lines.tolist().index(int(gates["line"]))
    assert gates["probabilities"][-1] == pytest.approx(rows.probabilities[row], rel=1e-5)


def test_the_page_has_its_labels_and_no_confusion_of_classes(run: RunFolder) -> None:
    write_report(run, gates=False)
    page, record = run.report.read_text(encoding="utf-8"), run.record
    assert record.metrics is not None
    assert f"gated {record.metrics['macro_f1']:.4f} macro-F1 on " in page
    for part in (
        "By label",
        "Exact match by length",
        "Hamming loss",
        "prior baseline",
        "Most wrong labels",
        'id="curves"',
    ):
        assert part in page, part
    for part in ("Confusion matrix", "alibration", "By class"):
        assert part not in page, part


def test_the_commands_know_it(run: RunFolder, tmp_path: Path) -> None:
    where, name = ("--output-dir", run.path.parents[1]), run.path.name
    record, rows = run.record, read_label_predictions(run.predictions)
    assert record.metrics is not None
    for listed in (said("runs", *where), said("runs", "--mean", *where), said("compare", "default", *where)):
        assert f"{record.metrics['macro_f1']:.4f}" in listed
    found = Predictor(run.model)
    answer = found.answer(found.predictions(["the plot and the music"])[0])
    assert answer in said("predict", name, "the plot and the music", *where)
    assert f"prediction  {answer} (" in said(
        "gates", name, "the plot and the music", "--out", tmp_path / "g.svg", *where
    )
    said("predict", name, "--csv", run.path.parents[2] / "tags.csv", "--out", tmp_path / "p.csv", *where)
    with open(tmp_path / "p.csv", newline="") as stream:
        predicted = {int(row["line"]): row for row in csv.DictReader(stream)}
    for line, own in zip(rows.lines.tolist(), rows.predictions, strict=True):
        assert predicted[line]["prediction"] == "|".join(np.array(CLASSES)[own])
    assert float(predicted[2][f"probability:{CLASSES[0]}"]) < 1
    assert "identical" in said("reproduce", name, *where)


def test_what_the_task_says_it_logs_is_what_it_logs(run: RunFolder) -> None:
    points = read_points(run.metrics, run.metrics.stat().st_size)
    logged = {name for point in points for name in point.values if not name.startswith("test/")}
    assert logged | {"train/loss_step"} == set(MultiLabel.logged)  # few batches have no step in 50
