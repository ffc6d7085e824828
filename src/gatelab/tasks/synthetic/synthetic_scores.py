"""How well sequences are answered: sums over them, from which every metric follows. A answers that are asked for, K outputs."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gatelab.tasks.synthetic.sequences import Answer, asked
from gatelab.tasks.synthetic.set_scores import members

NUM_SUMS = 5  # losses, answers, right answers, sequences, sequences with every answer right


def losses_of(answer: Answer, outputs: Tensor, wanted: Tensor) -> Tensor:
    """outputs (A, K), wanted (A,) → (A,): squared error, cross-entropy, or the mean of K binary cross-entropies."""
    if answer == "number":
        return (outputs[:, 0] - wanted) ** 2
    if answer == "symbol":
        return F.cross_entropy(outputs, wanted, reduction="none")
    sets = members(wanted, outputs.shape[1]).to(outputs.dtype)
    return F.binary_cross_entropy_with_logits(outputs, sets, reduction="none").mean(1)


def is_right(answer: Answer, outputs: Tensor, wanted: Tensor, tolerance: float) -> Tensor:
    """(A,)"""
    if answer == "number":
        return (outputs[:, 0] - wanted).abs() < tolerance
    if answer == "symbol":
        return outputs.argmax(1) == wanted
    return ((outputs > 0) == members(wanted, outputs.shape[1])).all(1)


def sums_of(answer: Answer, outputs: Tensor, targets: Tensor, tolerance: float) -> Tensor:
    """(NUM_SUMS,) in float64. outputs (A, K) are those of the steps of targets (B, T) that are asked."""
    where = asked(targets)
    outputs, wanted = outputs.double(), targets[where]
    losses, right = losses_of(answer, outputs, wanted), is_right(answer, outputs, wanted, tolerance)
    wrong = torch.zeros_like(where).masked_scatter_(where, ~right).any(1)  # (B,)
    counted = where.any(1)
    sums = [losses.sum(), where.sum(), right.sum(), counted.sum(), (counted & ~wrong).sum()]
    return torch.stack([value.double() for value in sums])


def metrics_of(sums: Tensor) -> dict[str, float]:
    """loss, sequences_right, and steps_right where more than one answer is asked of a sequence."""
    loss, answers, right, sequences, all_right = sums.tolist()
    found = {"loss": loss / answers, "sequences_right": all_right / sequences}
    return found | ({"steps_right": right / answers} if answers > sequences else {})


def test_metrics_of(answer: Answer, sums: Tensor) -> dict[str, float]:
    """The same; the loss of numbers by its name."""
    found = metrics_of(sums)
    return {"mse" if key == "loss" and answer == "number" else key: value for key, value in found.items()}
