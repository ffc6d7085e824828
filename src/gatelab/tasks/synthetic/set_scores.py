"""Sets of symbols as answers: bit k of a number says whether symbol k is in it. K symbols."""

import math

import numpy as np
import torch
from torch import Tensor

from gatelab.tasks.synthetic.sequences import Sequences, valid_steps


def members(sets: Tensor, num_symbols: int) -> Tensor:
    """(...) → (..., K): whether each symbol is in the set."""
    return (sets[..., None] >> torch.arange(num_symbols, device=sets.device)) & 1 == 1


def binary_entropy(p: float) -> float:
    """Of an event with probability p, in nats."""
    return 0.0 if p in (0, 1) else -p * math.log(p) - (1 - p) * math.log(1 - p)


def memoryless_sets(sequences: Sequences, num_symbols: int) -> dict[str, float]:
    """The metrics of the best answer from the current symbol alone: the most frequent set after each, and its frequencies for the loss."""
    valid = valid_steps(sequences.lengths)
    symbols, sets = sequences.inputs[valid], sequences.targets[valid]
    right, loss, answers = 0, 0.0, np.zeros(num_symbols, np.int64)
    for symbol in np.unique(symbols):
        after = sets[symbols == symbol]
        distinct, counts = np.unique(after, return_counts=True)
        right += int(counts.max())
        answers[symbol] = distinct[counts.argmax()]
        loss += sum(len(after) * binary_entropy(float((after >> k & 1).mean())) for k in range(num_symbols))
    words = (answers[sequences.inputs] == sequences.targets) | ~valid
    return {
        "loss": loss / (len(sets) * num_symbols),
        "steps_right": right / len(sets),
        "sequences_right": float(words.all(1).mean()),
    }
