"""Learning-rate schedules: a factor on the base rate by the step, or a plateau of the selection metric."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pytorch_lightning as pl
from torch.optim.lr_scheduler import ReduceLROnPlateau


def make_schedule(name: str, warmup: float) -> Callable[[int, int], float] | None:
    """A factor in [0, 1] from (step, number of steps); None where no step changes the rate.

    name: constant, plateau, linear or cosine, the latter two to 0 at the last step; warmup: the fraction of all steps in
    which the factor rises linearly from 0.
    """
    return None if name in ("constant", "plateau") and not warmup else partial(factor, name, warmup)


def factor(name: str, warmup: float, step: int, num_steps: int) -> float:
    warmup_steps = warmup * num_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = min(1.0, (step - warmup_steps) / max(1.0, num_steps - warmup_steps))
    if name == "linear":
        return 1 - progress
    return (1 + math.cos(math.pi * progress)) / 2 if name == "cosine" else 1.0


class Plateau(pl.Callback):
    """Multiplies the learning rate by factor when monitor has not improved in more than patience validations in a row.

    A callback, since Lightning would step such a schedule only after the checkpoint of an epoch's end is written, and a run
    that resumes from it would lack that step.
    """

    def __init__(self, *, monitor: str, mode: Literal["min", "max"], factor: float, patience: int) -> None:
        self.monitor, self.options = monitor, {"mode": mode, "factor": factor, "patience": patience}
        self._scheduler: ReduceLROnPlateau | None = None
        self._loaded: dict[str, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._scheduler = ReduceLROnPlateau(trainer.optimizers[0], **self.options)  # type: ignore[arg-type]
        self._scheduler.load_state_dict(self._loaded)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._scheduler is not None:
            self._scheduler.step(trainer.strategy.broadcast(float(trainer.callback_metrics[self.monitor])))

    def state_dict(self) -> dict[str, Any]:
        return {} if self._scheduler is None else self._scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loaded = state
