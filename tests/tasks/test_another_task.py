"""A task that gatelab does not know, regression on a generated table, trained by what this file alone says."""

import hashlib
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from commands import gatelab
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import save_file
from stopped_runs import assert_same_bytes, stopped_and_resumed
from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.commands.train import compose
from gatelab.config.build import build
from gatelab.config.schema import Config
from gatelab.data.batch import Batch, BatchLoader
from gatelab.errors import ConfigError
from gatelab.recurrent import GRUEncoder
from gatelab.reports.terminal.result import result_table
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_points
from gatelab.screen import Screen
from gatelab.tasks.base import Baselines, Task
from gatelab.training.run import train

VOCAB_SIZE = 20


class Table(NamedTuple):
    """N rows of token ids, laid end to end as in gatelab.data.prepare.Prepared; targets (N,): the mean id of each row."""

    tokens: NDArray[np.int64]
    offsets: NDArray[np.int64]
    targets: NDArray[np.float32]
    parts: dict[str, NDArray[np.int64]]
    record: dict[str, Any]


class TableData(pl.LightningDataModule):
    def __init__(self, num_rows: int, seed: int) -> None:
        super().__init__()
        self.seed = seed
        random = np.random.default_rng(seed)
        lengths = random.integers(1, 9, num_rows)
        rows = [random.integers(1, VOCAB_SIZE, length) for length in lengths]
        tokens = np.concatenate(rows)
        targets = np.array([row.mean() / VOCAB_SIZE for row in rows], dtype=np.float32)
        cuts = [num_rows * 6 // 10, num_rows * 8 // 10]
        parts = dict(zip(("train", "validation", "test"), np.split(np.arange(num_rows), cuts), strict=True))
        record = {"sha256": {"table": [hashlib.sha256(tokens.tobytes()).hexdigest()]}, "rows": num_rows}
        self.prepared = Table(tokens, np.concatenate([[0], lengths.cumsum()]), targets, parts, record)

    def summary(self) -> list[str]:
        return [f"data    {self.prepared.record['rows']} generated rows"]

    def train_dataloader(self) -> BatchLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> BatchLoader:
        return self._loader("validation", shuffle=False)

    def test_dataloader(self) -> BatchLoader:
        return self._loader("test", shuffle=False)

    def _loader(self, part: str, *, shuffle: bool) -> BatchLoader:
        table: Any = self.prepared
        return TableLoader(table, table.parts[part], batch_size=16, seed=self.seed, shuffle=shuffle)


class TableLoader(BatchLoader):
    """Its labels (B,) are real numbers."""

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        table: Any = self.data
        ends = table.offsets[rows + 1]
        pieces = [
            torch.from_numpy(table.tokens[begin:end]) for begin, end in zip(table.offsets[rows], ends, strict=True)
        ]
        tokens = nn.utils.rnn.pad_sequence(pieces, batch_first=True)
        lengths, targets = torch.tensor([len(piece) for piece in pieces]), torch.from_numpy(table.targets[rows])
        return Batch(tokens, lengths, targets, torch.from_numpy(rows))


class Regressor(pl.LightningModule):
    """embed → encode → the state after the last token → one real number."""

    @classmethod
    def task(cls) -> Task:
        return Regression()

    def __init__(self, encoder: GRUEncoder, embedding_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCAB_SIZE, embedding_size)
        self.encoder = encoder
        self.head = nn.Linear(encoder.output_size, 1)
        self._evaluated: list[tuple[Tensor, Tensor]] = []

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        _, state = self.encoder(self.embedding(tokens), lengths)
        return self.head(state[0][-1])[:, 0]  # (B,) from the last layer's (B, H)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = F.mse_loss(self(batch.tokens, batch.lengths), batch.labels)
        self.log("train/loss_step", loss)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        self._evaluated.append((self(batch.tokens, batch.lengths), batch.labels))

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        self.on_test_epoch_end()
        values = mse_and_r2(*self.results)
        self.log_dict({f"validation/{name}": torch.tensor(value).double() for name, value in values.items()})

    def on_test_epoch_end(self) -> None:
        predictions, targets = (torch.cat(parts) for parts in zip(*self._evaluated, strict=True))
        self._evaluated.clear()
        self.results = predictions, targets


class Regression(Task):
    monitor = "mse"

    def build_module(self, config: Config, data: Any) -> pl.LightningModule:
        encoder = build("encoder", config.encoder, input_size=config.model["embedding_size"])
        return build("model", config.model, encoder=encoder)

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        train, test = (torch.from_numpy(data.prepared.targets[data.prepared.parts[part]]) for part in ("train", "test"))
        return Baselines({"mean": mse_and_r2(train.mean().expand(len(test)), test)})

    def test_metrics(self, module: Any, data: Any) -> dict[str, Any]:
        return mse_and_r2(*module.results)

    def write_results(self, folder: RunFolder, config: Config, module: Any, data: Any, baselines: Baselines) -> None:
        folder.model.mkdir(exist_ok=True)
        save_file(module.state_dict(), folder.model / "model.safetensors")


def mse_and_r2(predictions: Tensor, targets: Tensor) -> dict[str, float]:
    mse = F.mse_loss(predictions.double(), targets.double()).item()
    return {"mse": mse, "r2": 1 - mse / targets.double().var(correction=0).item()}


def config(output_dir: Path) -> DictConfig:
    composed = compose(
        ["encoder=gru", "encoder.hidden_size=8", "trainer=cpu", "trainer.max_epochs=15", "trainer.log_every_n_steps=2",
         "optimizer.lr=0.02", "callbacks=none", "tracker=none", "report=false", "checkpoint_minutes=0", f"output_dir={output_dir}"]
    )  # fmt: skip
    OmegaConf.set_struct(composed, False)
    composed.data = {"_target_": f"{__name__}.TableData", "num_rows": 500, "seed": composed.seed}
    composed.model = {"_target_": f"{__name__}.Regressor", "embedding_size": 8}
    composed.allow_targets = [__name__]
    return composed


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder, trained = train(config(tmp_path_factory.mktemp("regression") / "outputs"))
    assert trained
    return folder


def test_it_is_trained_and_recorded_with_its_own_metrics_and_baseline(finished: RunFolder) -> None:
    record = finished.record
    assert record.status == "finished"
    model, mean = (record.numbers(baseline) for baseline in (None, "mean"))
    model = {name: value for name, value in model.items() if "/" not in name}
    assert set(model) == set(mean) == {"mse", "r2"}
    assert model["r2"] > 0.6 > 0.01 > mean["r2"]
    points = read_points(finished.metrics, finished.metrics.stat().st_size)
    validations = [point.values["validation/mse"] for point in points if "validation/mse" in point.values]
    assert record.best_validation["mse"] == min(validations)
    assert record.best_validation["epoch"] == validations.index(min(validations))
    assert points[-1].values == {"test/mse": model["mse"], "test/r2": model["r2"]}
    assert (finished.model / "model.safetensors").exists()


def test_the_weights_tested_are_those_of_the_epoch_with_the_smallest_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the second of three epochs is the smallest."""
    validated = iter([0.3, 0.1, 0.2])
    monkeypatch.setattr(Regressor, "on_validation_epoch_end", lambda self: self.log("validation/mse", next(validated)))
    monkeypatch.setattr(Regressor, "on_validation_epoch_start", lambda self: self._evaluated.clear())
    monkeypatch.setattr(Regressor, "on_test_epoch_start", lambda self: self._evaluated.clear())
    shortened = config(tmp_path)
    shortened.trainer.max_epochs = 3
    folder, _ = train(shortened)
    assert folder.record.best_validation["epoch"] == 1
    assert torch.load(folder.best, weights_only=True)["epoch"] == 1


def test_a_finished_one_is_not_run_again(finished: RunFolder) -> None:
    before = finished.record_file.read_bytes()
    folder, trained = train(config(finished.path.parents[1]))
    assert (folder.path, trained) == (finished.path, False)
    assert finished.record_file.read_bytes() == before


def test_an_interrupted_one_goes_on_and_ends_in_the_same_bytes(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = 30  # before the twelfth of the second epoch's 19
    resumed = stopped_and_resumed(Regressor, step, config(tmp_path), config(tmp_path), monkeypatch)
    assert resumed.record.metrics == finished.record.metrics
    assert_same_bytes(resumed, finished)


def test_its_run_is_listed_by_its_own_metrics_and_has_a_page(finished: RunFolder) -> None:
    cwd, values = finished.path.parents[2], finished.record.numbers()
    listed = gatelab("runs", cwd=cwd)
    (line,) = [line for line in listed.splitlines() if finished.path.name in line]
    assert "finished" in line
    assert f"{values['mse']:.4f}" in line
    gatelab("report", finished.path.name, cwd=cwd)
    page = finished.report.read_text(encoding="utf-8")
    assert re.search(rf"<h1>\S+ {values['mse']:.4f} MSE[ ,]", page)
    assert "the mean baseline" in page
    for absent in ("Confusion matrix", "macro-F1", "by class"):
        assert absent not in page
    compared = gatelab("compare", finished.path.parent.name, "--metric", "mse,r2", cwd=cwd)
    assert f"{values['r2']:.4f}" in compared


def test_what_stands_on_the_screen_at_its_end(finished: RunFolder) -> None:
    console = Screen(width=80, record=True, file=io.StringIO())
    console.print(result_table(finished))
    assert "MSE" in console.export_text()


@pytest.mark.parametrize("monitor", ["r2", "loss"])
def test_a_monitor_of_the_config_chooses_the_epoch_or_is_said_not_to_be_there(monitor: str, tmp_path: Path) -> None:
    chosen = config(tmp_path)
    chosen.monitor = monitor
    if monitor == "loss":
        with pytest.raises(
            ConfigError, match=r"monitor=loss: the validation has no such metric\..* There are: mse, r2\."
        ):
            train(chosen)
        return
    folder, _ = train(chosen)
    points = read_points(folder.metrics, folder.metrics.stat().st_size)
    measured = [point.values["validation/r2"] for point in points if "validation/r2" in point.values]
    assert folder.record.best_validation["epoch"] == measured.index(max(measured))
    assert folder.record.monitor == "r2"
