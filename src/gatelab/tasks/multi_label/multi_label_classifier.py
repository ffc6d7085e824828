"""Any number of labels for each text. B batch, K labels."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.annotations import ArgumentsOf, Passed, Positive, Probability
from gatelab.data.batch import counted_rows
from gatelab.errors import ConfigError
from gatelab.runs.label_predictions import joined
from gatelab.tasks.base import Task
from gatelab.tasks.multi_label.multi_label_scores import headline_metrics
from gatelab.tasks.multi_label.multi_label_symptoms import symptoms
from gatelab.tasks.sequence.calibrated_module import CalibratedModule


class MultiLabelClassifier(CalibratedModule):
    """A sigmoid for each of K labels, binary cross-entropy; a row is predicted to have those of at least the threshold.

    label_counts (K,): the training rows of each label, of num_rows, for balanced pos_weight; equal where None.

    temperature and threshold: see ``CalibratedModule``; one for all labels.

    Raises ValueError as SequenceModule does, ConfigError unless there are K weights.
    """

    training_only = ("pos_weight",)
    unfitted_threshold = 0.5
    threshold: float
    pos_weight: Tensor | None

    def __init__(
        self,
        encoder: nn.Module,
        *,
        num_labels: Passed[int],
        label_counts: Passed[Sequence[int] | None] = None,
        num_rows: Passed[int] = 2,
        threshold: Probability | Literal["fit"] = 0.5,
        pos_weight: Literal["balanced"] | list[Positive] | None = None,
        **reading: Annotated[Any, ArgumentsOf(CalibratedModule, without=("num_outputs", "threshold"))],
    ) -> None:
        super().__init__(encoder, num_outputs=num_labels, threshold=threshold, **reading)
        weights = weigh_positives(pos_weight, label_counts or [1] * num_labels, num_rows)
        self.register_buffer("pos_weight", None if weights is None else torch.tensor(weights), False)

    @classmethod
    def task(cls) -> Task:
        from gatelab.tasks.multi_label.multi_label_task import MultiLabel

        return MultiLabel()

    @property
    def arguments(self) -> dict[str, Any]:
        return {"num_labels": self.head.out_features}

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        wanted, counted = targets.clamp(min=0).to(outputs.dtype), counted_rows(targets)[:, None].to(outputs.dtype)
        weight = None if self.pos_weight is None else self.pos_weight.to(outputs.dtype)
        return F.binary_cross_entropy_with_logits(outputs, wanted, counted, pos_weight=weight, reduction=reduction)

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(1,): the entries of the rows that count."""
        return counted_rows(targets).sum().float().reshape(1) * targets.shape[1]

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.double().sigmoid()

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype))

    def headline(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        return headline_metrics(predictions, targets, self.threshold)

    def find_symptoms(self, metrics: dict[str, float], predictions: Tensor) -> list[str]:
        return symptoms(metrics, metrics["validation/micro_f1"])

    def answer(self, predictions: NDArray[Any], classes: list[str]) -> str:
        """The labels of at least the threshold, with | between them."""
        return joined(classes, predictions >= self.threshold)

    def direction(self, predictions: Tensor) -> Tensor:
        """The logit of the most probable label."""
        return self.head.weight[int(predictions.argmax())]

    def toward(self, predictions: Tensor, classes: list[str]) -> tuple[str, str]:
        label = classes[int(predictions.argmax())]
        return f"toward {label}", f"away from {label}"


def weigh_positives(
    wanted: Literal["balanced"] | Sequence[float] | None, counts: Sequence[int], num_rows: int
) -> list[float] | None:
    """model.pos_weight as numbers: "balanced" gives the rows with a label and those without it the same total weight."""
    if wanted is None:
        return None
    if wanted == "balanced":
        sizes = np.maximum(np.asarray(counts, dtype=float), 1)  # a label without a row weighs nothing at all
        return (np.maximum(num_rows - sizes, 1) / sizes).tolist()
    if len(wanted) != len(counts):
        raise ConfigError(f"model.pos_weight: has {len(wanted)} weights for {len(counts)} labels.")
    return [float(weight) for weight in wanted]
