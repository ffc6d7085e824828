"""Times a training epoch on the GOP debate tweets: gatelab, its own module in a bare loop, PyTorch as written by hand, Keras.

    python benchmarks/epoch.py                              # [--rounds 5] [--threads 2]
    python benchmarks/epoch.py --keras keras/bin/python     # with the environment of requirements-keras.txt

The settings are those of experiments/gop_debate.yaml. An epoch is its training batches, without validation, test and
checkpoints; gatelab's has its logging and its moving progress line, Keras' has no output. Every round times one epoch
of each, after one epoch that warms up; the medians are compared. The file stands in $GATELAB_DATA/gop_debate, by
default in shared/data beside the checkout. Goals: at most 0.8 of PyTorch by hand, a third of Keras, 1.05 of the bare loop.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import gatelab.training.fit
from gatelab.commands.train import compose
from gatelab.config.build import build
from gatelab.config.schema import check_config
from gatelab.data.batch import BatchLoader
from gatelab.data.prepare import Prepared
from gatelab.runs.folder import RunFolder
from gatelab.tasks.sequence.build_model import build_model
from gatelab.trackers.tracking import Trackers
from gatelab.training.checkpoint import StopRequest
from gatelab.training.fit import start_loggers, tracker_makers
from gatelab.training.optimization import attach_optimizer
from gatelab.training.run import resolve
from gatelab.training.trainer import build_trainer

DATA = Path(os.environ.get("GATELAB_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data")
VOCAB_SIZE, MAX_LENGTH, CLIP = 2000, 28, 1.0
GOALS = {"PyTorch by hand": 0.8, "Keras": 1 / 3, "bare loop": 1.05}


class TrainingTime(pl.Callback):
    """From the first training epoch's start to the end of its last batch, before validation begins."""

    seconds = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.seconds = time.perf_counter() - self._start


def settings_of(folder: str, tracker: str) -> dict[str, Any]:
    settings = resolve(
        compose(
            [
                "experiments=gop_debate",
                "trainer=cpu",
                f"tracker={tracker}",
                f"data.path={DATA / 'gop_debate' / 'Sentiment.csv.zip'}",
                f"data.cache_dir={folder}",
                "trainer.max_epochs=1",
                "trainer.limit_val_batches=1",
            ]
        )
    )
    settings["trainer"]["gradient_clip_val"] = CLIP
    return settings


def new_module(settings: dict[str, Any], data: Prepared) -> Any:
    pl.seed_everything(settings["seed"], verbose=False)
    config = check_config(settings)
    module = build_model(config.model, config.encoder, vocab_size=data.vocab_size, num_classes=len(data.classes))
    attach_optimizer(config, module)
    return module


def gatelab_epoch(settings: dict[str, Any]) -> float:
    data = build("data", settings["data"])
    module, timer = new_module(settings, data.prepared), TrainingTime()
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(path)
        with Trackers(tracker_makers(settings["tracker"]), settings, folder) as trackers:
            trainer = build_trainer(
                check_config(settings), folder, StopRequest(), start_loggers(folder, None, trackers)
            )
            trainer.callbacks.append(timer)
            trainer.fit(module, datamodule=data)
    return timer.seconds


def bare_epoch(settings: dict[str, Any], data: Prepared) -> float:
    """gatelab's module, batches and optimizer, without Lightning."""
    module = new_module(settings, data).train()
    optimizer: Any = module.configure_optimizers()
    loader = BatchLoader(
        data, data.parts["train"], batch_size=settings["data"]["batch_size"], seed=settings["seed"], shuffle=True
    )
    torch.use_deterministic_algorithms(True)
    start = time.perf_counter()
    for batch in loader:
        optimizer.zero_grad()
        F.cross_entropy(module(batch.tokens, batch.lengths), batch.labels).backward()
        nn.utils.clip_grad_norm_(module.parameters(), CLIP)
        optimizer.step()
    return time.perf_counter() - start


class HandWritten(nn.Module):
    """The same layers, on rows padded on the left to one length."""

    def __init__(self, embedding_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCAB_SIZE, embedding_size, padding_idx=0)
        self.dropout = nn.Dropout1d(dropout)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) → logits (B, K)."""
        x = self.dropout(self.embedding(tokens).transpose(1, 2)).transpose(1, 2)  # (B, T, E)
        return self.head(self.lstm(x)[1][0][-1])


def hand_written_epoch(settings: dict[str, Any], tokens: Tensor, labels: Tensor) -> float:
    model = HandWritten(
        settings["model"]["embedding_size"], settings["encoder"]["hidden_size"], settings["model"]["embedding_dropout"]
    )
    optimizer = torch.optim.Adam(model.parameters())
    loader = DataLoader(TensorDataset(tokens, labels), batch_size=settings["data"]["batch_size"], shuffle=True)
    torch.use_deterministic_algorithms(False)
    start = time.perf_counter()
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
    return time.perf_counter() - start


@contextmanager
def keras_epochs(
    python: str, tokens: Tensor, labels: Tensor, *, epochs: int, batch_size: int
) -> Iterator[Callable[[], float]]:
    """A function that lets Keras, waiting in a process of its own, train one more epoch and gives its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.npz")
        np.savez(file, tokens=tokens.numpy().astype(np.int32), labels=labels.numpy().astype(np.int32))
        script = Path(__file__).with_name("keras_epoch.py")
        command = [python, str(script), str(file), *map(str, (torch.get_num_threads(), epochs, batch_size))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            stdin, stdout = process.stdin, process.stdout
            print(json.loads(stdout.readline()))

            def epoch() -> float:
                stdin.write("\n")
                stdin.flush()
                return json.loads(stdout.readline())

            try:
                yield epoch
            finally:
                process.kill()


def padded_rows(data: Prepared) -> tuple[Tensor, Tensor]:
    """The training rows as tokens (N, T), padded on the left, and labels (N,)."""
    rows = data.parts["train"]
    tokens = np.zeros((len(rows), MAX_LENGTH), dtype=np.int64)
    for number, row in enumerate(rows):
        ids = data.tokens[data.offsets[row] : data.offsets[row + 1]]
        tokens[number, MAX_LENGTH - len(ids) :] = ids
    return torch.from_numpy(tokens), torch.from_numpy(data.labels[rows].astype(np.int64))


def quieten() -> None:
    """The progress line moves, but unseen; and what gatelab.training.run sets once is set."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 -- as gatelab.training.run sets it
    gatelab.training.fit.console = Console(file=open(os.devnull, "w", encoding="utf-8"), force_terminal=True, width=100)  # noqa: SIM115


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--keras", metavar="PYTHON", help="the interpreter of an environment with Keras")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    quieten()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(folder, "none")
        data = build("data", settings["data"]).prepared
        assert data.vocab_size == VOCAB_SIZE
        tokens, labels = padded_rows(data)
        print(
            f"{len(labels):,} training rows, {data.offsets[-1] / (len(data.offsets) - 1):.1f} tokens a row, "
            f"{torch.get_num_threads()} threads, torch {torch.__version__}"
        )
        batch_size = settings["data"]["batch_size"]
        timed: dict[str, Callable[[], float]] = {
            "gatelab": lambda: gatelab_epoch(settings),
            "bare loop": lambda: bare_epoch(settings, data),
            "PyTorch by hand": lambda: hand_written_epoch(settings, tokens, labels),
        }
        epochs = arguments.rounds + 1
        keras = (
            keras_epochs(arguments.keras, tokens, labels, epochs=epochs, batch_size=batch_size)
            if arguments.keras
            else nullcontext()
        )
        with keras as keras_epoch:
            if keras_epoch:
                timed["Keras"] = keras_epoch
            seconds: dict[str, list[float]] = {name: [] for name in timed}
            for number in range(epochs):
                values = {name: epoch() for name, epoch in timed.items()}
                line = ", ".join(f"{name} {value:.2f} s" for name, value in values.items())
                print(f"round {number}: {line}" if number else f"warm-up: {line}", flush=True)
                if number:
                    for name, value in values.items():
                        seconds[name].append(value)
    show(seconds)


def show(seconds: dict[str, list[float]]) -> None:
    ours = statistics.median(seconds["gatelab"])
    print(f"{'':<16} {'median':>8} {'least':>8}   gatelab is")
    for name, values in seconds.items():
        median = statistics.median(values)
        line = f"{name:<16} {median:>6.3f} s {min(values):>6.3f} s"
        if name in GOALS:
            line += f"   {ours / median:.3f} of it, goal {GOALS[name]:.3f}"
        elif name != "gatelab":
            line += f"   {ours / median:.3f} of it"
        print(line)


if __name__ == "__main__":
    main()
