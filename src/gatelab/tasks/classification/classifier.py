"""A text classifier. B batch, D = H × directions, K classes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.annotations import ArgumentsOf, Fraction, NotNegative, Passed, Positive, Probability
from gatelab.data.batch import counted_rows
from gatelab.errors import ConfigError, did_you_mean
from gatelab.tasks.base import Task
from gatelab.tasks.classification.scores import confusion, f1_by_class, headline_metrics
from gatelab.tasks.classification.symptoms import symptoms
from gatelab.tasks.sequence.calibrated_module import CalibratedModule

MAX_KEPT_CLASSES = 7  # whose curves a chart can keep apart


class SequenceClassifier(CalibratedModule):
    """One class a row: softmax over K outputs, cross-entropy.

    label_counts (K,): the training rows of each class, for balanced class_weights; equal where None.
    class_names (K,): what the keys of class_weights may be.
    label_smoothing: the part of each target that is spread over all K classes (Szegedy et al. 2016).
    focal_gamma: each row's loss is multiplied by (1 - p)^gamma, p the probability of its class (Lin et al. 2017, eq. 4).
    temperature and threshold: see ``CalibratedModule``; the threshold is that of the second of two classes, None the most probable class.

    Raises ValueError as SequenceModule does, ConfigError unless there are K weights, for the name of no class, or for a threshold where
    K is not 2.
    """

    num_counts = 3
    training_only = ("class_weights", "label_smoothing", "focal_gamma")
    unfitted_threshold = None
    class_weights: Tensor | None

    def __init__(
        self,
        encoder: nn.Module,
        *,
        num_classes: Passed[int],
        label_counts: Passed[Sequence[int] | None] = None,
        class_names: Passed[Sequence[str] | None] = None,
        class_weights: Literal["balanced"] | list[Positive] | dict[str | int, Positive] | None = None,
        label_smoothing: Fraction | None = 0.0,
        focal_gamma: NotNegative | None = 0.0,
        threshold: Probability | Literal["fit"] | None = None,
        **reading: Annotated[Any, ArgumentsOf(CalibratedModule, without=("num_outputs", "threshold"))],
    ) -> None:
        if threshold is not None and num_classes != 2:
            raise ConfigError(f"model.threshold={threshold}: chooses between two classes, and there are {num_classes}.")
        super().__init__(encoder, num_outputs=num_classes, threshold=threshold, **reading)
        self.validation_f1: list[list[float]] = []  # a row a validation, a column a class
        weights = weigh_classes(class_weights, label_counts or [1] * num_classes, class_names or ())
        self.label_smoothing, self.focal_gamma = label_smoothing or 0.0, focal_gamma or 0.0
        self.register_buffer("class_weights", None if weights is None else torch.tensor(weights), False)

    @classmethod
    def task(cls) -> Task:
        from gatelab.tasks.classification.task import Classification

        return Classification()

    @property
    def arguments(self) -> dict[str, Any]:
        return {"num_classes": self.head.out_features}

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        weights = self.class_weights
        if weights is not None and outputs.dtype == torch.float64:
            weights = weights.double()
        smoothing = self.label_smoothing
        if not self.focal_gamma:
            return F.cross_entropy(outputs, targets, weights, reduction=reduction, label_smoothing=smoothing)
        losses = F.cross_entropy(outputs, targets, weights, reduction="none", label_smoothing=smoothing)  # (B,)
        probability = outputs.softmax(1).gather(1, targets.clamp(min=0)[:, None])[:, 0]
        total = (losses * (1 - probability) ** self.focal_gamma).sum()
        return total if reduction == "sum" else total / self.count(outputs, targets)[0]

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(3,): the weights of the rows that count, how many of them are correct, and how many there are."""
        counted = counted_rows(targets)
        rows = counted.sum().float()
        weight = rows if self.class_weights is None else (self.class_weights[targets.clamp(min=0)] * counted).sum()
        predicted = outputs.argmax(1) if self.threshold is None else self.choose(self.predict(outputs))
        return torch.stack([weight, (predicted == targets).sum(), rows])

    def epoch_means(self, sums: Tensor) -> dict[str, Tensor]:
        loss, weight, correct, rows = sums
        return {"train/loss": loss / weight, "train/accuracy": correct / rows}

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.double().softmax(1)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return -F.cross_entropy(outputs, targets)

    def choose(self, probabilities: Tensor) -> Tensor:
        """(B,): the predicted class of each row."""
        return probabilities.argmax(1) if self.threshold is None else (probabilities[:, 1] >= self.threshold).long()

    def headline(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        return headline_metrics(self.choose(predictions), targets, predictions.shape[1])

    def keep(self, predictions: Tensor, targets: Tensor) -> None:
        if (num_classes := predictions.shape[1]) <= MAX_KEPT_CLASSES:
            self.validation_f1.append(f1_by_class(confusion(self.choose(predictions), targets, num_classes)).tolist())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["validation_f1"] = self.validation_f1

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.validation_f1 = checkpoint.get("validation_f1", [])  # which older ones lack

    def find_symptoms(self, metrics: dict[str, float], predictions: Tensor) -> list[str]:
        return symptoms(metrics, self.choose(predictions).bincount(minlength=predictions.shape[1]).tolist())

    def answer(self, predictions: NDArray[Any], classes: list[str]) -> str:
        """The most probable class, or that of the threshold."""
        return classes[predictions.argmax() if self.threshold is None else int(predictions[1] >= self.threshold)]

    def direction(self, predictions: Tensor) -> Tensor:
        """The logit of the predicted class above the mean of the others."""
        winner = int(self.choose(predictions[None])[0])
        others = [k for k in range(len(predictions)) if k != winner]
        return self.head.weight[winner] - self.head.weight[others].mean(0)

    def toward(self, predictions: Tensor, classes: list[str]) -> tuple[str, str]:
        winner = int(self.choose(predictions[None])[0])
        other = classes[1 - winner] if len(classes) == 2 else "the others"
        return f"toward {classes[winner]}", f"toward {other}"


def weigh_classes(
    wanted: Literal["balanced"] | Sequence[float] | Mapping[Any, float] | None, counts: Sequence[int],
    names: Sequence[str] = (),
) -> list[float] | None:  # fmt: skip
    """model.class_weights as numbers: "balanced" gives every class the same total weight over the training rows, and 1 to one
    that has none there; by name, the others have 1."""
    if wanted is None:
        return None
    if isinstance(wanted, str):
        sizes = np.asarray(counts, dtype=float)
        return np.where(sizes > 0, sizes.sum() / (len(sizes) * sizes.clip(1)), 1.0).tolist()
    if isinstance(wanted, Mapping):
        given = {str(name): float(weight) for name, weight in wanted.items()}
        for name in given:
            if name not in names:
                raise ConfigError(
                    f"model.class_weights: {name} is no class.{did_you_mean(name, names)} There are: {', '.join(names)}."
                )
        return [given.get(name, 1.0) for name in names]
    if len(wanted) != len(counts):
        raise ConfigError(f"model.class_weights: has {len(wanted)} weights for {len(counts)} classes.")
    return [float(weight) for weight in wanted]
