"""Checkpoints from which a run resumes as if it had never been stopped, and how it is stopped.

A checkpoint is taken between two batches or after an epoch. With Lightning's own state it holds the loader's epoch and
index, every random generator's state, whether training was to stop, and how far metrics.csv had been written.
"""

import io
import math
import os
import random
import signal
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from pytorch_lightning.plugins.io import CheckpointIO
from torch import Tensor

from gatelab.bounded import regular
from gatelab.errors import Interrupted, RunError
from gatelab.files import atomic_write
from gatelab.runs.folder import RunFolder, not_written

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A scheduler is about to take the machine away, and will start the job again.
REQUEUE = getattr(signal, "SIGUSR2", None)
BEST = "gatelab.best"
LOOK_EVERY = 16  # batches: how often several processes agree on whether to save


class Resume(Checkpoint):
    """Writes last.ckpt every so many minutes and epochs; puts back what Lightning does not."""

    def __init__(self, folder: RunFolder, *, minutes: float, epochs: int, stop: "StopRequest") -> None:
        self.folder, self.minutes, self.epochs, self.stop = folder, minutes, epochs, stop
        self._loaded: dict[str, Any] | None = None
        self.has_begun = False  # to train: all is put back
        self._next_batch: int | None = None  # where a checkpoint is being taken before a batch
        self._saved_at = time.monotonic()

    def on_test_start(self, *_: Any) -> None:
        self.stop.listen()

    def on_predict_start(self, *_: Any) -> None:
        self.stop.listen()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.stop.listen()
        if self._loaded is not None:
            states = self._loaded["random"]  # one a process
            set_random_state(states[trainer.global_rank % len(states)])
            if self._loaded["loader"]:  # Lightning's own is lost where the schedule asks for the number of steps
                loader: Any = trainer.train_dataloader
                loader.load_state_dict(self._loaded["loader"])
            self._loaded = None
        self.has_begun = True

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int) -> None:
        """Before a batch all of the one before is written, its lines in metrics.csv too."""
        if index == 0 or index % trainer.accumulate_grad_batches:
            return  # the epoch's end was saved, or gradients are under way that no checkpoint holds
        if trainer.world_size > 1 and index % LOOK_EVERY:
            return
        due = time.monotonic() - self._saved_at >= 60 * self.minutes
        if self._agree(trainer, due or self.stop.signal is not None):
            self._next_batch = index
            self._save(trainer)
            self._next_batch = None
            self.stop.obey()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        ending = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        due = ending or (trainer.current_epoch + 1) % self.epochs == 0
        if self._agree(trainer, due or self.stop.signal is not None):
            self._save(trainer)
            self.stop.obey()

    def on_test_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.world_size == 1:  # where there are several, the short test is finished first
            self.stop.obey()

    def _agree(self, trainer: pl.Trainer, due: bool) -> bool:
        """What the first process finds, for all: whether a checkpoint is due, and the signal that asks for it."""
        if trainer.world_size == 1:
            return due
        due, self.stop.signal = trainer.strategy.broadcast((due, self.stop.signal))
        return due

    def on_before_backward(self, trainer: pl.Trainer, module: pl.LightningModule, loss: Tensor) -> None:
        """Stops before a loss that is no number can touch the weights. On a GPU a look waits for it: now and then."""
        loss = getattr(module, "global_loss", loss)  # of several processes: the same in all
        if loss.device.type != "cpu" and trainer.fit_loop.epoch_loop.batch_idx % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        if not math.isfinite(value := loss.item()):
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            raise RunError(
                f"the loss is {value} at step {trainer.global_step} (epoch {trainer.current_epoch + 1}, batch "
                f"{trainer.fit_loop.epoch_loop.batch_idx + 1}, learning rate {rate:.3g}). {self.folder.checkpoints} holds "
                "the state before it. A smaller optimizer.lr or trainer.gradient_clip_val, or optimizer.warmup, may help."
            )

    def _save(self, trainer: pl.Trainer) -> None:
        try:
            trainer.save_checkpoint(self.folder.last)
        except OSError as error:
            error.filename = str(self.folder.last)
            raise not_written(error, "The checkpoint before it is kept") from error
        self._saved_at = time.monotonic()

    def on_save_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        metrics = self.folder.metrics
        if metrics.exists():
            with open(metrics, "rb") as stream:
                os.fsync(stream.fileno())
        loader: Any = trainer.train_dataloader
        checkpoint["gatelab"] = saved = {
            "loader": loader.state_dict() if hasattr(loader, "load_state_dict") else None,
            "random": every_random_state(trainer.world_size),
            "should_stop": bool(trainer.should_stop),
            "metrics_size": metrics.stat().st_size if metrics.exists() else 0,
        }
        if self._next_batch is not None:  # Lightning has counted the batch that is about to begin
            loop = checkpoint["loops"]["fit_loop"]
            progress = loop["epoch_loop.batch_progress"]
            for part in ("total", "current"):
                progress[part]["ready"] -= 1
            progress["is_last_batch"] = False
            if saved["loader"]:
                saved["loader"] = {"epoch": trainer.current_epoch, "index": self._next_batch}

    def on_load_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn != "fit":
            return
        self._loaded = checkpoint["gatelab"]
        trainer.should_stop = self._loaded["should_stop"]
        if trainer.is_global_zero and self.folder.metrics.exists():
            os.truncate(self.folder.metrics, self._loaded["metrics_size"])


class BestCheckpoint(ModelCheckpoint):
    """best.ckpt. Its state has a key of its own, so that a run may have another ModelCheckpoint of the same monitor."""

    @property
    def state_key(self) -> str:
        return BEST


def best_state(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint holds of best.ckpt; empty where it holds nothing."""
    states = checkpoint.get("callbacks", {})
    for key, state in list(states.items()):
        if BEST not in states and Path(state.get("dirpath", "")).name == "checkpoints":
            states[BEST] = states.pop(key)  # of a run that began when it had Lightning's key
    return states.get(BEST, {})


class AtomicCheckpoints(CheckpointIO):
    """Checkpoints replaced atomically, the one before last.ckpt kept as previous.ckpt, loaded as plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        previous = file.with_name("previous.ckpt") if file.name == "last.ckpt" else None
        atomic_write(file, buffer.getvalue(), previous)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        checkpoint = load_verified(Path(path), map_location or "cpu")
        if before := best_state(checkpoint).get("dirpath"):  # Lightning forgets the best where the folder has moved
            checkpoint["callbacks"] = moved(checkpoint["callbacks"], before, os.path.realpath(Path(path).parent))
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Lightning asks for it where path begins with the folder of checkpoints; a checkpoint may say so of any file."""
        if ".." not in Path(path).parts:
            Path(path).unlink(missing_ok=True)


def moved(value: Any, old: str, new: str) -> Any:
    """value, nested as it may be, with paths in the folder old replaced by those in new."""
    if isinstance(value, dict):
        return {moved(key, old, new): moved(item, old, new) for key, item in value.items()}
    return value.replace(old, new, 1) if isinstance(value, str) and value.startswith(old) else value


def load_verified(file: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint of plain values, after every part of it has been checked by its checksum.

    Raises RunError where one does not fit, and what torch raises where the file is no checkpoint.
    """
    with open(file, "rb", opener=regular) as stream:
        with zipfile.ZipFile(stream) as archive:  # as torch writes it
            damaged = archive.testzip()
        if damaged:
            raise RunError(f"{file}: {damaged} does not fit its checksum")
        stream.seek(0)
        return torch.load(stream, map_location=map_location, weights_only=True)


class StopRequest:
    """Which signal has asked the run to stop, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def obey(self) -> None:
        if self.signal is None:
            return
        if self.signal == REQUEUE:
            self._before[self.signal](self.signal, None)  # the scheduler's, which ends the process
        raise Interrupted(self.signal)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGTERM and SIGINT are noted, to be obeyed between two batches; a second one ends the process at once.

        So is the signal of a scheduler that will start the job again, where one has set a handler for it.
        """
        numbers = [*SIGNALS, REQUEUE] if REQUEUE and callable(signal.getsignal(REQUEUE)) else SIGNALS
        self._before = {number: signal.getsignal(number) for number in numbers}
        self.listen()
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in self._before.items():
                    signal.signal(number, handler)

    def listen(self) -> None:
        """Again from within fit and test, since Lightning puts a handler of its own over ours."""
        if threading.current_thread() is threading.main_thread():  # in another thread signals are not ours
            for number in self._before:
                signal.signal(number, self._note)

    def _note(self, number: int, _: Any) -> None:
        if self.signal is not None and REQUEUE not in (self.signal, number):
            os._exit(128 + number)
        if self.signal != REQUEUE:
            self.signal = number


def every_random_state(world_size: int) -> list[dict[str, Any]]:
    """That of each process, in the order of their ranks."""
    if world_size == 1:
        return [random_state()]
    states: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(states, random_state())
    return states


def random_state() -> dict[str, Any]:
    """Of Python, NumPy, torch and every CUDA device, as plain values."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    version, internal, gauss_next = random.getstate()
    return {
        "python": [version, list(internal), gauss_next],
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
