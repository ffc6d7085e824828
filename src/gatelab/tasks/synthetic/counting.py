"""aⁿbⁿ and aⁿbⁿcⁿ (Gers & Schmidhuber 2001; Weiss, Goldberg & Yahav 2018): what may come next. N sequences, T time, K symbols."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.annotations import ArgumentsOf
from gatelab.data.batch import NO_LABEL
from gatelab.tasks.synthetic.sequences import Sequences, valid_steps
from gatelab.tasks.synthetic.set_scores import binary_entropy
from gatelab.tasks.synthetic.synthetic_data import GeneratedData

START, A = 0, 1  # then b, c; the end has the number after the last letter


class Counting(GeneratedData):
    """A start symbol and a word; after each symbol the set of those that may follow is asked for: a or b after an a, later only the right one.

    length is n: training and validation have words with 1 to length letters of each kind (Gers & Schmidhuber: 1 to 10 and more), each test
    exactly n. A word is right where every set is, as they count it; the longest n that is right is their generalisation.
    """

    answer = "set"

    def __init__(
        self, *, variant: Literal["anbn", "anbncn"] = "anbn", **sequences: Annotated[Any, ArgumentsOf(GeneratedData)]
    ) -> None:
        super().__init__(**sequences)
        self.variant, self.num_letters = variant, {"anbn": 2, "anbncn": 3}[variant]
        self.num_symbols = self.num_outputs = self.num_letters + 2

    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        return self._words(np.full(num, length))

    def generate_training(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        return self._words(random.integers(1, length + 1, num))

    def _words(self, counts: NDArray[np.int64]) -> Sequences:
        """counts (N,): n of each word."""
        lengths = 1 + self.num_letters * counts
        steps = np.arange(lengths.max())  # (T,)
        letters = -(-steps // counts[:, None])  # (N, T): 0 at the start, then 1, 2, … for each n steps
        is_last = steps % counts[:, None] == 0
        following = np.where(is_last, letters + 1, letters)
        targets = 1 << following
        targets[(letters == A)] = (1 << A) | (1 << (A + 1))
        valid = valid_steps(lengths)
        return Sequences(np.where(valid, letters, 0), lengths, np.where(valid, targets, NO_LABEL))

    def baseline(self, length: int) -> dict[str, float]:
        """What follows each symbol most often: after a b another one, which is wrong once in a word."""
        num_steps, counted = 1 + self.num_letters * length, self.num_letters - 1
        wrong = counted if length > 1 else 0
        loss = counted * length * 2 * binary_entropy(1 / length)
        return {
            "loss": loss / (num_steps * self.num_outputs),
            "steps_right": (num_steps - wrong) / num_steps,
            "sequences_right": float(not wrong),
        }
