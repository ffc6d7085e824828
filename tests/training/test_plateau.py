"""schedule=plateau: a smaller learning rate when the selection metric stands still, with exact resume."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from gatelab.commands.train import compose
from gatelab.runs.folder import RunFolder
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.training.run import train

LR, FACTOR = 0.02, 0.5
SETTINGS = [
    "data.num_rows=300", "data.batch_size=32", "trainer=cpu", "trainer.max_epochs=6", "trainer.log_every_n_steps=2", "tracker=none",
    "encoder.hidden_size=8", "model.embedding_size=8", "baseline=none", "report=false", "callbacks=none", f"optimizer.lr={LR}",
    "optimizer.schedule=plateau", "optimizer.plateau.patience=0", f"optimizer.plateau.factor={FACTOR}",
]  # fmt: skip
STEPS = 7  # of an epoch: 210 training rows


def run(output_dir: Path, cache_dir: Path, *more: str) -> RunFolder:
    return train(compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={output_dir}", *more]))[0]


def last_rate(folder: RunFolder) -> float:
    return torch.load(folder.last, weights_only=True)["optimizer_states"][0]["param_groups"][0]["lr"]


@pytest.mark.parametrize(
    ("more", "validated", "reductions"),
    [
        (["monitor=loss"], [0.5, 0.4, 0.6, 0.3, 0.2, 0.1], 1),  # one is no improvement, a smaller loss is one
        (["monitor=accuracy"], [0.5, 0.4, 0.6, 0.3, 0.2, 0.1], 4),
        (["monitor=accuracy", "optimizer.plateau.patience=2"], [0.5, 0.4, 0.3, 0.2, 0.2, 0.2], 1),
        (["monitor=accuracy", "optimizer.plateau.patience=2"], [0.5, 0.4, 0.3, 0.6, 0.5, 0.4], 0),
        ([], [0.5, 0.6, 0.6, 0.7, 0.8, 0.9], 1),  # the task's own
    ],
)
def test_the_rate_falls_when_the_selection_metric_has_not_improved(
    more: list[str], validated: list[float], reductions: int,
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    values = iter(validated)

    def log(self: pl.LightningModule) -> None:
        value = torch.tensor(next(values), dtype=torch.float64)
        self.log_dict({f"validation/{name}": value for name in ("loss", "accuracy", "macro_f1")})

    monkeypatch.setattr(SequenceClassifier, "on_validation_epoch_end", log)
    assert last_rate(run(tmp_path, cache_dir, *more)) == pytest.approx(LR * FACTOR**reductions)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> RunFolder:
    folder = run(tmp_path_factory.mktemp("uninterrupted"), cache_dir)
    assert last_rate(folder) < LR
    return folder


@pytest.mark.parametrize(
    "step", [*range(STEPS - 1, 6 * STEPS - 1, STEPS), 2 * STEPS + 3]
)  # ends of epochs, and inside one
def test_a_run_that_is_interrupted_and_resumed_ends_in_the_same_bytes(
    step: int, uninterrupted: RunFolder, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training_step = SequenceClassifier.training_step

    def stopped(self: SequenceClassifier, batch: Any, index: int) -> Any:
        if self.trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return training_step(self, batch, index)

    monkeypatch.setattr(SequenceClassifier, "training_step", stopped)
    with pytest.raises(SystemExit):
        run(tmp_path, cache_dir)
    monkeypatch.undo()
    resumed = run(tmp_path, cache_dir)
    assert len(resumed.record.resumed) == 1
    assert last_rate(resumed) == last_rate(uninterrupted)
    for name in ("metrics.csv", "predictions.csv", "model/model.safetensors"):
        assert (resumed.path / name).read_bytes() == (uninterrupted.path / name).read_bytes(), name
