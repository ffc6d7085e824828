"""What a person sees while a run trains: one line that moves, or one line an epoch where there is no terminal."""

import math
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.data import extract_batch_size
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gatelab.runs.metrics import SELECTED, best_of, title_of
from gatelab.screen import clock, decimal
from gatelab.tasks.base import no_such_metric

REFRESH_SECONDS = 0.2
MIN_BAR = 6  # characters of the bar and the spaces around it


class ProgressLine(pl.Callback):
    """Epoch, rows or tokens per second, loss, the best of the selection metric so far, and the time left if it does not stop early;
    of an epoch that has ended, what the module logged as validation/NAME, and beside it train/NAME.

    job: its place in a multirun, such as "job 3/15". monitor: the selection metric, without validation/.
    """

    def __init__(self, console: Console, job: str = "", monitor: str = SELECTED) -> None:
        self.console = console
        self.job = job
        self.monitor = f"validation/{monitor}"
        self._bar: Progress | None = None
        self._next = 0.0
        self._start = self._epoch_start = self._last = 0.0
        self._rows = 0  # of this epoch, on this rank
        self._unit = "rows"
        self._before = 0  # batches of earlier starts
        self._best: float | None = None
        self._loss = math.nan
        self._validated = -1  # the last epoch with a validation
        self._titled = False  # what the columns of the epochs' lines are

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._start = self._epoch_start = self._last = time.monotonic()  # a resumed epoch does not begin
        self._before = trainer.fit_loop.total_batch_idx + 1
        self._best = best_before(trainer, self.monitor)
        if not self.console.is_terminal or self.console.quiet or not trainer.is_global_zero:
            return
        columns = (
            TextColumn("{task.description}epoch {task.fields[epoch]}/{task.fields[epochs]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}", markup=False),
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
        size, self._unit = size_of(batch)
        self._rows += size
        self._last = time.monotonic()
        if self._bar is None or self._last < self._next:
            return
        self._next = self._last + REFRESH_SECONDS
        self._loss = float(outputs["loss"])
        self._show(self._bar, trainer)

    def _show(self, bar: Progress, trainer: pl.Trainer) -> None:
        batches, total = trainer.fit_loop.total_batch_idx + 1, bar.tasks[0].total or 0
        left = (self._last - self._start) / max(1, batches - self._before) * (total - batches)
        bar.update(
            self._task,
            completed=batches,
            epoch=trainer.current_epoch + 1,
            numbers=self._numbers(trainer, clock(left)),
            refresh=True,
        )

    def _numbers(self, trainer: pl.Trainer, left: str) -> str:
        """Where the terminal is narrow without the speed, the loss and the best, in this order."""
        best = [] if self._best is None else [f"best {decimal(self._best, 3)}"]
        parts = [self._speed(trainer), f"loss {decimal(self._loss, 3)}", *best, f"{left} left"]
        before = f"{self.job}  epoch {trainer.max_epochs}/{trainer.max_epochs}"
        while len(parts) > 1 and len(before) + MIN_BAR + len("  ".join(parts)) > self.console.width:
            del parts[0]
        return "  ".join(parts)

    def _speed(self, trainer: pl.Trainer) -> str:
        """Of the training batches of this epoch, on all ranks."""
        size = self._rows * trainer.world_size
        return f"{size / max(1e-9, self._last - self._epoch_start):,.0f} {self._unit}/s"

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.sanity_checking:
            return
        if self.monitor not in values:
            known = [name.removeprefix("validation/") for name in values if name.startswith("validation/")]
            raise no_such_metric("monitor", self.monitor.removeprefix("validation/"), known)
        self._validated = trainer.current_epoch
        if not trainer.is_global_zero:
            return
        value = values[self.monitor]
        self._best = value if self._best is None else best_of(self.monitor, [self._best, value])
        seconds = time.monotonic() - self._epoch_start
        digits = 4 if self._bar is None else 3  # in 80 columns, beside the bar, which has the rest
        names = [name.removeprefix("validation/") for name in values if name.startswith("validation/")]
        train, validation = (
            {name: decimal(values[f"{part}/{name}"], digits) for name in names if f"{part}/{name}" in values}
            for part in ("train", "validation")
        )
        epoch = trainer.current_epoch + 1
        if self._bar is None:
            parts = [f"train {listed(train)}"] if train else []
            parts += [f"validation {listed(validation)}", f"{seconds:.1f} s", self._speed(trainer)]
            line = f"epoch {epoch:>3}  {'  '.join(parts)}"
        else:
            if not self._titled:
                self.console.print(" " * 10 + "train / validation", style="dim")
                self._titled = True
            pairs = {name: f"{train[name]} / {value}" if name in train else value for name, value in validation.items()}
            wanted = self.monitor.removeprefix("validation/")
            line = fitted_line(f"epoch {epoch:>2}", pairs, wanted, f"{seconds:.1f} s", self.console.width)
        self.console.print(line, highlight=False, style="dim", soft_wrap=True)
        for clause in getattr(module, "symptoms", ()):
            self.console.print(f"{' ' * 10}caution: {clause}", highlight=False, style="yellow", soft_wrap=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._validated < trainer.current_epoch and trainer.is_global_zero:
            seconds = time.monotonic() - self._epoch_start
            line = f"epoch {trainer.current_epoch + 1:>3}  not validated  {seconds:.1f} s  {self._speed(trainer)}"
            self.console.print(line, highlight=False, style="dim", soft_wrap=True)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.on_fit_end(trainer, module)


def best_before(trainer: pl.Trainer, monitor: str) -> float | None:
    """The best of the selection metric in the earlier starts of a resumed run."""
    for checkpoint in trainer.checkpoint_callbacks:
        score = getattr(checkpoint, "best_model_score", None)
        if getattr(checkpoint, "monitor", None) == monitor and score is not None:
            return float(score)
    return None


def size_of(batch: Any) -> tuple[int, str]:
    """What the batch says of its ``size``, a number and what is counted; else its rows, those of its labels or first tensor."""
    if isinstance(size := getattr(batch, "size", None), tuple):
        return size
    return len(batch.labels) if hasattr(batch, "labels") else extract_batch_size(batch), "rows"


def fitted_line(start: str, values: dict[str, str], wanted: str, end: str, width: int) -> str:
    """Without the last values, except the wanted one, as far as they would not fit into the width."""
    kept, others = dict(values), [name for name in values if name != wanted]
    while others and len(f"{start}  {listed(kept)}  {end}") > width:
        del kept[others.pop()]
    return f"{start}  {listed(kept)}  {end}"


def listed(values: dict[str, str]) -> str:
    return "  ".join(f"{title_of(name)} {value}" for name, value in values.items())
