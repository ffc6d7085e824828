"""Parity and modular counting (Deletang et al. 2023; Beck et al. 2024): trained on short sequences, tested on long ones."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from gatelab.annotations import ArgumentsOf
from gatelab.data.batch import NO_LABEL
from gatelab.tasks.synthetic.sequences import Sequences, at_the_end, valid_steps
from gatelab.tasks.synthetic.synthetic_data import GeneratedData


class Parity(GeneratedData):
    """Digits from 0 to modulus - 1; the answer is their sum modulo modulus: with 2 the parity of bits.

    Training and validation have lengths from 1 to length (Deletang et al.: 1 to 40, tested up to 500), each test one length. ask=end: the answer
    is asked at the end, as in both papers; ask=each_step: after each step, of the sum so far.
    """

    answer = "symbol"

    def __init__(
        self,
        *,
        modulus: Annotated[int, Ge(2), Le(100)] = 2,
        ask: Literal["end", "each_step"] = "end",
        **sequences: Annotated[Any, ArgumentsOf(GeneratedData)],
    ) -> None:
        super().__init__(**sequences)
        self.modulus, self.ask = modulus, ask
        self.num_symbols = self.num_outputs = modulus

    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        return self._of_lengths(random, np.full(num, length))

    def generate_training(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        return self._of_lengths(random, random.integers(1, length + 1, num))

    def _of_lengths(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> Sequences:
        inputs = random.integers(0, self.modulus, (len(lengths), int(lengths.max())))
        inputs[~valid_steps(lengths)] = 0
        sums = inputs.cumsum(1) % self.modulus
        if self.ask == "end":
            return Sequences(inputs, lengths, at_the_end(sums[np.arange(len(lengths)), lengths - 1], lengths))
        return Sequences(inputs, lengths, np.where(valid_steps(lengths), sums, NO_LABEL))

    def baseline(self, length: int) -> dict[str, float]:
        """Chance; of a sequence of one digit, and after the first, the answer is the digit itself."""
        chance = 1 / self.modulus
        if self.ask == "end":
            is_chance = length > 1
            return {"loss": is_chance * math.log(self.modulus), "sequences_right": chance if is_chance else 1.0}
        return {
            "loss": (length - 1) / length * math.log(self.modulus),
            "steps_right": (1 + (length - 1) * chance) / length,
            "sequences_right": chance ** (length - 1),
        }
