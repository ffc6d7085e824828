"""What a person sees while a run trains: one line that moves, or one line an epoch where there is no terminal."""

import math
import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gatelab.screen import clock, decimal

REFRESH_SECONDS = 0.2


class ProgressLine(pl.Callback):
    """Epoch, rows per second, loss, best validation macro-F1 so far, and the time left (all epochs, had none to stop early).

    job: its place in a multirun, such as "job 3/15".
    """

    def __init__(self, console: Console, job: str = "") -> None:
        self.console = console
        self.job = job
        self._bar: Progress | None = None
        self._next = 0.0
        self._start = self._epoch_start = self._last = 0.0
        self._rows = 0  # of this epoch, on this rank
        self._before = 0  # batches of earlier starts
        self._best = -math.inf
        self._loss = math.nan
        self._titled = False  # what the columns of the epochs' lines are

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._start = self._epoch_start = self._last = time.monotonic()  # a resumed epoch does not begin
        self._before = trainer.fit_loop.total_batch_idx + 1
        self._best = best_before(trainer)
        if not self.console.is_terminal or self.console.quiet or not trainer.is_global_zero:
            return
        columns = (
            TextColumn("{task.description}epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
        )
        self._bar = Progress(*columns, console=self.console, auto_refresh=False, transient=True, expand=True)
        self._bar.start()
        self._task = self._bar.add_task(
            f"{self.job}  " if self.job else "", total=(trainer.max_epochs or 1) * trainer.num_training_batches,
            completed=self._before, epoch=trainer.current_epoch + 1, epochs=trainer.max_epochs, numbers="",
        )  # fmt: skip

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._epoch_start = time.monotonic()
        self._rows = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._rows += len(batch.labels)
        self._last = time.monotonic()
        if self._bar is None or self._last < self._next:
            return
        self._next = self._last + REFRESH_SECONDS
        self._loss = float(outputs["loss"])
        self._show(self._bar, trainer)

    def _show(self, bar: Progress, trainer: pl.Trainer) -> None:
        batches, total = trainer.fit_loop.total_batch_idx + 1, bar.tasks[0].total or 0
        best = "" if self._best == -math.inf else f"  best {self._best:.3f}"
        left = (self._last - self._start) / max(1, batches - self._before) * (total - batches)
        bar.update(
            self._task,
            completed=batches,
            epoch=trainer.current_epoch + 1,
            numbers=f"{self._rows_per_second(trainer)}  loss {decimal(self._loss, 3)}{best}  {clock(left)} left",
            refresh=True,
        )

    def _rows_per_second(self, trainer: pl.Trainer) -> str:
        """Of the training batches of this epoch, on all ranks."""
        rows = self._rows * trainer.world_size
        return f"{rows / max(1e-9, self._last - self._epoch_start):,.0f} rows/s"

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.sanity_checking or "validation/macro_f1" not in values or not trainer.is_global_zero:
            return
        self._best = max(self._best, values["validation/macro_f1"])
        seconds = time.monotonic() - self._epoch_start
        digits = 4 if self._bar is None else 3  # in 80 columns, beside the bar, which has the rest
        both = {
            name: [decimal(values.get(f"{part}/{name}", math.nan), digits) for part in ("train", "validation")]
            for name in ("loss", "accuracy")
        }
        macro_f1 = f"macro-F1 {decimal(values['validation/macro_f1'], digits)}"
        epoch = trainer.current_epoch + 1
        if self._bar is None:
            train, validation = (
                f"loss {loss}  accuracy {accuracy}" for loss, accuracy in zip(*both.values(), strict=True)
            )
            line = f"epoch {epoch:>3}  train {train}  validation {validation}  {macro_f1}  {seconds:.1f} s  {self._rows_per_second(trainer)}"
        else:
            if not self._titled:
                self.console.print(" " * 10 + "train / validation", style="dim")
                self._titled = True
            pairs = "  ".join(f"{name} {' / '.join(pair)}" for name, pair in both.items())
            line = f"epoch {epoch:>2}  {pairs}  {macro_f1}  {seconds:.1f} s"
        self.console.print(line, highlight=False, style="dim", soft_wrap=True)
        for clause in getattr(module, "symptoms", ()):
            self.console.print(f"{' ' * 10}caution: {clause}", highlight=False, style="yellow", soft_wrap=True)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.on_fit_end(trainer, module)


def best_before(trainer: pl.Trainer) -> float:
    """The best validation macro-F1 of the earlier starts of a run that goes on."""
    for checkpoint in trainer.checkpoint_callbacks:
        if getattr(checkpoint, "monitor", None) == "validation/macro_f1" and checkpoint.best_model_score is not None:
            return float(checkpoint.best_model_score)
    return -math.inf
