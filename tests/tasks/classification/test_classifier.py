"""What a classifier logs of its training."""

import os
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor, nn

from gatelab.commands.train import compose
from gatelab.config.build import build
from gatelab.errors import ConfigError
from gatelab.runs.history import read_points
from gatelab.tasks.classification.classifier import SequenceClassifier, weigh_classes
from gatelab.tasks.sequence.prediction import Predictor
from gatelab.training.run import train

SETTINGS = [
    "data.num_rows=500", "data.batch_size=32", "trainer=cpu", "trainer.max_epochs=2", "trainer.log_every_n_steps=4", "tracker=none",
    "encoder.hidden_size=8", "encoder.dropout=0", "model.embedding_size=8", "model.embedding_dropout=0", "model.dropout=0",
    "model.class_weights=[1,7]", "baseline=none", "report=false",
]  # fmt: skip


def logged(folder: Any) -> dict[str, list[float]]:
    values = defaultdict(list)
    for point in read_points(folder.metrics, folder.metrics.stat().st_size):
        for name, value in point.values.items():
            values[name].append(value)
    return values


def test_train_loss_and_accuracy_are_the_weighted_means_over_all_rows_of_the_epoch(
    tmp_path: Path, cache_dir: Path
) -> None:
    """A model that stands still has one loss for all rows, whatever their batches: 350 rows are 10 of 32 and one of 30."""
    still = ["optimizer=sgd", "optimizer.lr=1e-30", "optimizer.schedule=constant"]
    config = compose([*SETTINGS, *still, f"data.cache_dir={cache_dir}", f"output_dir={tmp_path}"])
    folder, _ = train(config)

    prepared = build("data", dict(config.data)).prepared
    rows = prepared.parts["train"]
    labels = np.asarray(prepared.labels)[rows]
    probabilities = Predictor(folder.model).predictions([prepared.texts[row] for row in rows])
    loss = sk.log_loss(labels, probabilities, sample_weight=np.array([1, 7])[labels])
    values = logged(folder)
    assert values["train/loss"] == pytest.approx([loss] * 2, abs=1e-6)
    assert values["train/accuracy"] == [sk.accuracy_score(labels, probabilities.argmax(1))] * 2
    assert len(values["train/loss_step"]) == 5
    assert max(abs(step - loss) for step in values["train/loss_step"]) > 1e-3


def test_the_means_of_an_epoch_that_was_stopped_inside_and_resumed_are_the_same_bytes(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*SETTINGS, f"data.cache_dir={cache_dir}"]
    whole, _ = train(compose([*settings, f"output_dir={tmp_path / 'whole'}"]))
    step = SequenceClassifier.training_step

    def stopped(self: SequenceClassifier, batch: Any, index: int) -> Any:
        if self.trainer.global_step == 16:  # the sixth of the second epoch's 11
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, index)

    config = compose([*settings, f"output_dir={tmp_path / 'stopped'}"])
    monkeypatch.setattr(SequenceClassifier, "training_step", stopped)
    with pytest.raises(SystemExit):
        train(config)
    monkeypatch.undo()
    resumed, _ = train(config)
    assert len(resumed.record.resumed) == 1
    assert resumed.metrics.read_bytes() == whole.metrics.read_bytes()
    f1 = resumed.record.validation_f1  # the first epoch's from the checkpoint
    assert f1 == whole.record.validation_f1
    assert np.mean(list(f1.values()), 0) == pytest.approx(logged(whole)["validation/macro_f1"], abs=1e-12)
    assert len(f1) == 2


class StatesAlone(nn.Module):
    output_size = 3

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return x


def test_an_encoder_that_returns_no_state_is_told_what_is_expected() -> None:
    classifier = SequenceClassifier(StatesAlone(), vocab_size=5, num_classes=2, embedding_size=3)
    with pytest.raises(ConfigError, match=r"encoder: StatesAlone returned a Tensor.* return states, None"):
        classifier(torch.ones(2, 4, dtype=torch.long), torch.tensor([4, 4]))  # of two rows, which would unpack


def classifier_with(**settings: Any) -> SequenceClassifier:
    return SequenceClassifier(StatesAlone(), vocab_size=5, num_classes=3, embedding_size=3, **settings)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 0.5]])
def test_the_loss_is_that_of_its_formula_row_by_row(
    smoothing: float, gamma: float, weights: list[float] | None
) -> None:
    classifier = classifier_with(label_smoothing=smoothing, focal_gamma=gamma, class_weights=weights)
    outputs = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    targets = [0, 2, 1, 1, -100, 2]  # the fifth row does not count
    w = weights or [1.0] * 3
    total = weight = 0.0
    for logits, target in zip(outputs.numpy(), targets, strict=True):
        if target < 0:
            continue
        p = np.exp(logits) / np.exp(logits).sum()
        soft = np.full(3, smoothing / 3) + (1 - smoothing) * np.eye(3)[target]
        total += (1 - p[target]) ** gamma * -(soft * np.array(w) * np.log(p)).sum()
        weight += w[target]
    labels = torch.tensor(targets)
    assert classifier.loss(outputs, labels).item() == pytest.approx(total / weight, rel=1e-6)
    assert classifier.loss(outputs, labels, "sum").item() == pytest.approx(total, rel=1e-6)


def test_weights_by_name_leave_the_other_classes_at_one() -> None:
    names = ["negative", "neutral", "1"]
    assert weigh_classes({"neutral": 2, 1: 0.5}, [1, 1, 1], names) == [1.0, 2.0, 0.5]
    with pytest.raises(
        ConfigError, match=r"class_weights: neutrl is no class\. Did you mean neutral\?.*negative, neutral, 1"
    ):
        weigh_classes({"neutrl": 2}, [1, 1, 1], names)


def test_balanced_weights_give_every_class_the_same_total() -> None:
    weights = weigh_classes("balanced", [30, 10])
    assert weights is not None
    assert weights == pytest.approx([2 / 3, 2.0])
    assert weights[0] * 30 == pytest.approx(weights[1] * 10)


def test_given_weights_are_one_a_class() -> None:
    assert weigh_classes(None, [1, 2]) is None
    assert weigh_classes([1, 2.5], [1, 2]) == [1.0, 2.5]
    with pytest.raises(ConfigError, match=r"model\.class_weights: has 3 weights for 2 classes"):
        weigh_classes([1, 2, 3], [1, 2])
