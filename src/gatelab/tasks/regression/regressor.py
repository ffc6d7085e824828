"""A number for each text. B batch."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.annotations import ArgumentsOf, Passed, Positive
from gatelab.data.batch import counted_rows
from gatelab.tasks.base import Task
from gatelab.tasks.regression.regression_scores import headline_metrics
from gatelab.tasks.regression.regression_symptoms import symptoms
from gatelab.tasks.sequence.sequence_module import SequenceModule

LOSSES: dict[str, Callable[..., Tensor]] = {"mse": F.mse_loss, "huber": F.huber_loss, "l1": F.l1_loss}


class SequenceRegressor(SequenceModule):
    """One output a row, the target standardised by target_mean and target_deviation, those of the training rows.

    loss: of the standardised target; huber is quadratic up to one deviation. Raises ValueError as SequenceModule does.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        target_mean: Passed[float],
        target_deviation: Passed[Positive],
        loss: Literal["mse", "huber", "l1"] = "mse",
        **reading: Annotated[Any, ArgumentsOf(SequenceModule, without=("num_outputs",))],
    ) -> None:
        super().__init__(encoder, num_outputs=1, **reading)
        self.target_mean, self.target_deviation = float(target_mean), float(target_deviation)
        self.compute_loss = LOSSES[loss]

    @classmethod
    def task(cls) -> Task:
        from gatelab.tasks.regression.regression_task import Regression

        return Regression()

    @property
    def arguments(self) -> dict[str, Any]:
        return {"target_mean": self.target_mean, "target_deviation": self.target_deviation}

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        outputs = outputs[:, 0].to(torch.promote_types(outputs.dtype, torch.float32))
        standardised = ((targets - self.target_mean) / self.target_deviation).to(outputs.dtype)
        wanted = torch.where(counted_rows(targets), standardised, outputs.detach())  # filling has no loss
        return self.compute_loss(outputs, wanted, reduction=reduction)

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return counted_rows(targets).sum().float().reshape(1)

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.double() * self.target_deviation + self.target_mean

    def headline(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        return headline_metrics(predictions[:, 0].cpu().numpy(), targets.cpu().numpy())

    def find_symptoms(self, metrics: dict[str, float], predictions: Tensor) -> list[str]:
        return symptoms(metrics)

    def answer(self, predictions: NDArray[Any], classes: list[str]) -> str:
        return f"{predictions[0]:.6g}"

    def direction(self, predictions: Tensor) -> Tensor:
        """The prediction, in the units of the file."""
        return self.head.weight[0] * self.target_deviation

    def toward(self, predictions: Tensor, classes: list[str]) -> tuple[str, str]:
        return "toward larger numbers", "toward smaller numbers"
