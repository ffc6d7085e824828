"""NT-ASGD: averaged SGD whose averaging begins by itself (Merity et al. 2018, arXiv:1708.02182, algorithm 1)."""

from typing import Annotated, Any

import pytorch_lightning as pl
from annotated_types import Ge
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class NonMonotonicAveraging(WeightAveraging):
    """Averages the weights of every step since the first validation that was worse than the best of those more than patience
    validations before it. What is validated, tested and kept are the averaged weights, until then those of the last step.

    monitor: a metric; mode: which way is better, "min" or "max".
    """

    def __init__(self, monitor: str, mode: str, patience: Annotated[int, Ge(1)] = 5) -> None:
        super().__init__(avg_fn=self.average)
        self.monitor, self.mode, self.patience = monitor, mode, patience
        self.validated: list[float] = []
        self.begun_after: int | None = None  # steps

    def average(self, averaged: Tensor, current: Tensor, num_steps: Tensor) -> Tensor:
        """What ``averaged`` becomes with the weights of one more step after num_steps."""
        if self.begun_after is None:
            return current
        return averaged + (current - averaged) / (num_steps - self.begun_after + 1)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.begun_after is not None or trainer.sanity_checking:
            return
        value = float(trainer.strategy.broadcast(float(trainer.callback_metrics[self.monitor])))
        value = value if self.mode == "min" else -value
        earlier = self.validated[: -self.patience]
        if earlier and value > min(earlier):
            assert self._average_model is not None
            self.begun_after = int(self._average_model.n_averaged)
        self.validated.append(value)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "validated": self.validated, "begun_after": self.begun_after}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.validated, self.begun_after = list(state_dict["validated"]), state_dict["begun_after"]
