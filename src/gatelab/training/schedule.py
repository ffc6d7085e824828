"""Learning-rate schedules: a factor on the base rate by the step, or a plateau of the selection metric."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import pytorch_lightning as pl
from torch.optim.lr_scheduler import ReduceLROnPlateau


def make_schedule(name: str, warmup: float, keys: Mapping[str, float] | None = None) -> Callable[..., float] | None:
    """A factor in [0, 1] from (step, number of steps, steps of an epoch); None where no step changes the rate.

    name: constant, plateau, linear or cosine, the latter two to 0 at the last step, step, exponential or one_cycle; warmup: the
    fraction of all steps in which the factor rises linearly from 0; keys: of the schedule, as in conf/optimizer/_schedule.yaml.
    """
    if name in ("constant", "plateau") and not warmup:
        return None
    keys = keys or {}
    if name == "one_cycle":
        return partial(one_cycle, rise=keys["rise"], start=keys["start"], end=keys["end"])
    return partial(factor, name, warmup, keys)


def factor(
    name: str, warmup: float, keys: Mapping[str, float], step: int, num_steps: int, steps_of_epoch: int = 1
) -> float:
    warmup_steps = warmup * num_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if name in ("step", "exponential"):
        return keys["factor"] ** (step // steps_of_epoch // keys.get("epochs", 1))
    progress = min(1.0, (step - warmup_steps) / max(1.0, num_steps - warmup_steps))
    if name == "linear":
        return 1 - progress
    return (1 + math.cos(math.pi * progress)) / 2 if name == "cosine" else 1.0


def one_cycle(step: int, num_steps: int, steps_of_epoch: int = 1, *, rise: float, start: float, end: float) -> float:
    """From start up to 1 and down to end, with halves of a cosine (Smith 2018, arXiv:1803.09820); the momentum stays."""
    top, last = max(0.0, rise * num_steps - 1), num_steps - 1  # the last step has end
    if step < top:
        return 1 + (start - 1) * (1 + math.cos(math.pi * step / top)) / 2
    progress = min(1.0, (step - top) / max(1.0, last - top))
    return end + (1 - end) * (1 + math.cos(math.pi * progress)) / 2


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
