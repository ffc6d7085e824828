"""Run folders written by hand: the files that gatelab train leaves, without the training."""

import csv
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from typer.main import get_command

from gatelab.reports.analysis import intervals
from gatelab.runs.folder import RunFolder

CONFIG = {
    "data._target_": "gatelab.data.module.SentimentData",
    "data.path": "reviews.csv",
    "data.split.by": "group",
    "data.max_length": 128,
    "encoder._target_": "gatelab.recurrent.LSTMEncoder",
    "encoder.hidden_size": 128,
    "model._target_": "gatelab.tasks.classification.classifier.SequenceClassifier",
    "model.dropout": 0.2,
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 0.002,
    "tracker": {},
    "baseline": "linear",
    "output_dir": "outputs",
}

command_of = functools.cache(get_command)


def shorten_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that ask commands and pages a hundred times whether they answer: intervals are of few resamples, and the commands
    are put together once."""
    monkeypatch.setattr(intervals, "RESAMPLES", 12)
    monkeypatch.setattr(intervals, "MIN_RESAMPLES", 12)
    monkeypatch.setattr("typer.testing._get_command", command_of)


class Folders:
    """An empty output_dir, and a way to put runs into it."""

    def __init__(self, output_dir: Path) -> None:
        self.output_dir = output_dir
        self.num_written = 0

    def write(
        self,
        seed: int,
        accuracy: float | None = None,
        *,
        name: str = "sweep",
        status: str = "finished",
        identity: str | None = None,
        macro_f1: float | None = None,
        settings: dict[str, Any] | None = None,
        sha256: str = "a" * 64,
        **record: Any,
    ) -> RunFolder:
        """A run that started after those before it. record: further entries of run.json."""
        self.num_written += 1
        folder = RunFolder(self.output_dir / name / (identity or f"{self.num_written:010x}"))
        folder.path.mkdir(parents=True)
        values = {**CONFIG, "seed": seed, "data.seed": seed, "data.split.seed": seed, "name": name, **(settings or {})}
        config = OmegaConf.create()
        for key, value in values.items():
            OmegaConf.update(config, key, value)
        folder.config.write_text(OmegaConf.to_yaml(config), encoding="utf-8")
        run = {
            "status": status,
            "started": f"2026-01-01T{self.num_written // 3600:02}:{self.num_written // 60 % 60:02}:{self.num_written % 60:02}+00:00",
            "identity": folder.path.name,
            "name": name,
            "seed": seed,
            "data": {"sha256": {"train": [sha256]}, "files": [f"/data/{values['data.path']}"]},
            "git": {"commit": "c" * 40, "dirty": False},
            "versions": {"torch": "2.13.0+cpu"},
        }
        if accuracy is not None:
            run["metrics"] = {"accuracy": accuracy, "macro_f1": accuracy if macro_f1 is None else macro_f1}
            run["best_validation"] = {"macro_f1": accuracy}
        folder.record_file.write_text(json.dumps({**run, **record}), encoding="utf-8")
        return folder


def write_curves(folder: RunFolder, curves: Mapping[str, Sequence[float]], steps_per_epoch: int = 10) -> None:
    """metrics.csv with a value an epoch; a train loss is logged twice, a tenth above it and a tenth below."""
    with open(folder.metrics, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["epoch", "step", "name", "value"])
        for epoch in range(max(map(len, curves.values()))):
            last = (epoch + 1) * steps_per_epoch - 1
            for name, values in curves.items():
                if epoch < len(values) and name.startswith("train/"):
                    writer.writerow([epoch, last - 5, name, values[epoch] + 0.1])
                    writer.writerow([epoch, last, name, values[epoch] - 0.1])
                elif epoch < len(values):
                    writer.writerow([epoch, last, name, values[epoch]])


def write_rows(folder: RunFolder, rows: Mapping[int, tuple[str, str]], file: str = "reviews.csv") -> None:
    """predictions.csv of a line, label and prediction a row."""
    names = sorted({name for pair in rows.values() for name in pair})
    with open(folder.predictions, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "line", "tokens", "label", "prediction", *(f"probability:{name}" for name in names)])
        for line, (label, prediction) in rows.items():
            writer.writerow([file, line, 5, label, prediction, *(0.9 if name == prediction else 0.1 for name in names)])


def write_texts(folder: RunFolder, texts: Mapping[int, str], file: str = "reviews.csv") -> None:
    """examples.json with the text of some lines."""
    rows = [
        {"file": file, "line": line, "tokens": 3, "rows": 1, "characters": len(text), "text": text}
        for line, text in texts.items()
    ]
    folder.examples.write_text(json.dumps({"least certain": rows}), encoding="utf-8")


def gated(**settings: Any) -> dict[str, Any]:
    """The settings of a run with the gate-level encoder, some of them not the usual ones."""
    usual = {"peepholes": False, "layer_norm": False, "coupled": None}
    values = {"_target_": "gatelab.recurrent.GatedEncoder", **usual, **settings}
    return {f"encoder.{key}": value for key, value in values.items()}
