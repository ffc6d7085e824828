"""Temperature and threshold, fitted on the validation."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from sklearn import metrics as sk
from torch import nn

from gatelab.commands.train import compose
from gatelab.config.build import build
from gatelab.errors import ConfigError
from gatelab.reports.pages.facts import calibration_fact
from gatelab.reports.pages.run_page import run_page
from gatelab.runs.folder import RunFolder
from gatelab.runs.readings import read_readings
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.tasks.multi_label.multi_label_classifier import MultiLabelClassifier
from gatelab.tasks.sequence.prediction import Predictor
from gatelab.training.run import train

SETTINGS = [
    "data.num_rows=200", "data.batch_size=32", "data.split.validation=0.3", "trainer=cpu", "trainer.max_epochs=2", "tracker=none",
    "encoder=gated", "encoder.hidden_size=4", "model.embedding_size=4", "optimizer.lr=0.05", "baseline=none", "report=false",
]  # fmt: skip
FIT = ["model.temperature=fit", "model.threshold=fit"]


class Given(nn.Module):
    output_size = 4


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_the_temperature_is_that_with_the_largest_likelihood(true: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 3))
    labels = (log_softmax(logits, 1) + random.gumbel(size=logits.shape)).argmax(1)
    module = SequenceClassifier(Given(), vocab_size=3, num_classes=3, embedding_size=2, temperature="fit",
                                class_weights=[1, 9, 1], label_smoothing=0.3)  # fmt: skip
    module.fit_to(torch.from_numpy(true * logits), torch.from_numpy(labels))
    grid = np.geomspace(0.2, 6, 4001)
    losses = [-log_softmax(true * logits / t, 1)[np.arange(4000), labels].mean() for t in grid[::40]]
    assert module.temperature == pytest.approx(grid[::40][int(np.argmin(losses))], rel=0.04)
    assert module.temperature == pytest.approx(true, rel=0.06)
    assert module.fitted["after"]["nll"] <= min(losses) + 1e-9
    rows = torch.from_numpy(true * logits)
    assert module.predict(rows).argmax(1).tolist() == logits.argmax(1).tolist()


def test_the_threshold_is_that_of_the_hundredths_with_the_largest_macro_f1_and_of_several_the_nearest_to_a_half() -> (
    None
):
    random = np.random.default_rng(0)
    outputs = random.normal(-1, 1, (300, 2))
    targets = (expit(outputs + random.normal(0, 0.5, outputs.shape)) > 0.3).astype(int)
    module = MultiLabelClassifier(Given(), vocab_size=3, num_labels=2, embedding_size=2, threshold="fit")
    module.fit_to(torch.from_numpy(outputs), torch.from_numpy(targets))
    scores = {k / 100: sk.f1_score(targets, expit(outputs) >= k / 100, average="macro") for k in range(1, 100)}
    assert scores[module.threshold] == max(scores.values()) > scores[0.5]
    assert module.temperature == 1.0

    module = MultiLabelClassifier(Given(), vocab_size=3, num_labels=2, embedding_size=2, threshold="fit")
    module.fit_to(torch.tensor([[-3.0, -3.0], [3.0, 3.0]]), torch.tensor([[0, 0], [1, 1]]))
    assert module.threshold == 0.5


def test_a_threshold_of_two_classes_decides_what_is_predicted_counted_and_explained() -> None:
    module = SequenceClassifier(Given(), vocab_size=3, num_classes=2, embedding_size=2, threshold=0.3)
    probabilities, targets = torch.tensor([[0.75, 0.25], [0.65, 0.35], [0.2, 0.8]]), torch.tensor([0, 1, 0])
    assert [module.answer(row, ["no", "yes"]) for row in probabilities.numpy()] == ["no", "yes", "yes"]
    assert module.headline(probabilities, targets)["accuracy"] == pytest.approx(2 / 3)
    assert module.count(probabilities.log(), targets).tolist() == [3, 2, 3]
    weight = module.head.weight
    assert torch.equal(module.direction(probabilities[1]), weight[1] - weight[0])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> tuple[RunFolder, RunFolder]:
    """The same run with both fitted, and with none."""
    where = [f"data.cache_dir={cache_dir}", f"output_dir={tmp_path_factory.mktemp('outputs')}"]
    fitted, _ = train(compose([*SETTINGS, *where, *FIT]))
    return fitted, train(compose([*SETTINGS, *where]))[0]


def predictions_of(run: RunFolder) -> list[dict[str, Any]]:
    with open(run.predictions, newline="", encoding="utf-8") as stream:
        return [*csv.DictReader(stream)]


def test_a_run_tests_and_predicts_with_what_was_fitted_and_tells_of_the_test_without(
    runs: tuple[RunFolder, RunFolder], cache_dir: Path
) -> None:
    fitted, plain = runs
    found = fitted.record.calibration
    assert found is not None
    assert found.temperature is not None
    assert found.threshold is not None
    assert found.temperature != 1.0
    model = json.loads((fitted.model / "config.json").read_text(encoding="utf-8"))["model"]
    assert [model[key] for key in ("temperature", "threshold")] == [found.temperature, found.threshold]
    assert (fitted.model / "model.safetensors").read_bytes() == (plain.model / "model.safetensors").read_bytes()
    histories = [run.metrics.read_text(encoding="utf-8").splitlines() for run in runs]
    assert len({tuple(line for line in lines if "test/" not in line) for lines in histories}) == 1

    of_fitted, of_plain = predictions_of(fitted), predictions_of(plain)
    second = np.array([float(row["probability:positive"]) for row in of_fitted])
    before = np.array([float(row["probability:positive"]) for row in of_plain])
    odds = np.log(before / (1 - before))
    assert second == pytest.approx(expit(odds / found.temperature), abs=1e-9)
    assert [row["prediction"] == "positive" for row in of_fitted] == (second >= found.threshold).tolist()

    scores, without, uncalibrated = fitted.record.metrics, plain.record.metrics, fitted.record.uncalibrated
    assert scores is not None
    assert without is not None
    assert uncalibrated is not None
    assert uncalibrated.numbers() == {key: value for key, value in without.numbers().items() if "." not in key}
    labels = [row["label"] for row in of_fitted]
    assert scores["macro_f1"] == pytest.approx(
        sk.f1_score(labels, [row["prediction"] for row in of_fitted], average="macro")
    )
    assert f"temperature {found.temperature:.3g}, threshold {found.threshold:.3g}, fitted on 60 validation rows" in (
        calibration_fact(fitted.record)
    )
    assert calibration_fact(plain.record) == ""
    assert calibration_fact(fitted.record) in run_page(fitted)

    prepared = build("data", dict(compose([*SETTINGS, f"data.cache_dir={cache_dir}"]).data)).prepared
    rows = prepared.parts["validation"]
    predictor = Predictor(fitted.model)
    predicted = predictor.predictions([prepared.texts[row] for row in rows])
    truths = np.asarray(prepared.labels)[rows]
    assert found.after["nll"] == pytest.approx(sk.log_loss(truths, predicted), abs=1e-6)
    assert found.after["nll"] < found.before["nll"]
    answers = [predictor.answer(values) == "positive" for values in predicted]
    assert found.after["macro_f1"] == pytest.approx(sk.f1_score(truths, answers, average="macro"))
    assert read_readings(fitted, dict)["1"]["answer"] in ("positive", "negative")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["data.split.validation=0", FIT[0]], r"^model\.temperature=fit: is fitted on the validation, and data\.split\.validation=0"),
        (["model=regressor", "+model.temperature=fit"], r"^model\.temperature: unknown key"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused_with_its_key(
    settings: list[str], sentence: str, tmp_path: Path, cache_dir: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        train(compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={tmp_path}", *settings]))


def test_a_threshold_is_for_two_classes() -> None:
    with pytest.raises(ConfigError, match=r"^model\.threshold=fit: chooses between two classes, and there are 3\.$"):
        SequenceClassifier(Given(), vocab_size=3, num_classes=3, embedding_size=2, threshold="fit")
