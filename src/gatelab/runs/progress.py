"""What a person sees while a run trains: one line that moves, or one line an epoch where there is no terminal."""

import math
import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

REFRESH_SECONDS = 0.2


class ProgressLine(pl.Callback):
    """Epoch, batches, loss, validation macro-F1 and the time left (all epochs, had none to stop early)."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Progress | None = None
        self._next = 0.0
        self._epoch_start = 0.0
        self._best = -math.inf
        self._loss = math.nan

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._epoch_start = time.monotonic()  # a resumed epoch does not begin
        if not self.console.is_terminal or not trainer.is_global_zero:
            return
        columns = (
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        self._bar = Progress(*columns, console=self.console, auto_refresh=False, transient=True)
        self._bar.start()
        total = (trainer.max_epochs or 1) * trainer.num_training_batches
        self._task = self._bar.add_task("", total=total, epoch=1, epochs=trainer.max_epochs, numbers="")

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._epoch_start = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        if self._bar is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + REFRESH_SECONDS
        self._loss = float(outputs["loss"])
        self._show(trainer)

    def _show(self, trainer: pl.Trainer) -> None:
        assert self._bar is not None
        best = "" if self._best == -math.inf else f"  macro-F1 {self._best:.3f}"
        self._bar.update(
            self._task,
            completed=trainer.fit_loop.total_batch_idx + 1,
            epoch=trainer.current_epoch + 1,
            numbers=f"loss {self._loss:.3f}{best}",
            refresh=True,
        )

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.sanity_checking or "validation/macro_f1" not in values or not trainer.is_global_zero:
            return
        self._best = max(self._best, values["validation/macro_f1"])
        seconds = time.monotonic() - self._epoch_start
        self.console.print(
            f"epoch {trainer.current_epoch + 1:>3}  train loss {values.get('train/loss', math.nan):.4f}  validation loss "
            f"{values['validation/loss']:.4f}  accuracy {values['validation/accuracy']:.4f}  macro-F1 "
            f"{values['validation/macro_f1']:.4f}  {seconds:.1f} s",
            highlight=False,
            style="dim",
        )

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.on_fit_end(trainer, module)
