"""The copy memory problem (Arjovsky, Shah & Bengio 2016, section 5.1; variable copy: Tallec & Ollivier 2018, section 4)."""

import math
from typing import Annotated, Any, Literal

import numpy as np

from gatelab.annotations import ArgumentsOf
from gatelab.tasks.synthetic.sequences import Sequences
from gatelab.tasks.synthetic.synthetic_data import GeneratedData

NUM_LETTERS, NUM_COPIED = 8, 10  # letters 0 to 7, of which ten stand at the beginning
BLANK, SIGNAL = 8, 9


class Copy(GeneratedData):
    """Ten letters out of eight, blanks, a signal, blanks: after the signal the letters are to be said in their order, before it blanks.

    length: steps from the last letter to the signal, T - 20. variant=fixed: all of them in every sequence. variant=variable: the signal
    comes after 1 to length steps, and what is left of the T steps after the copy is blank. A sequence is right where every step is.
    """

    answer = "symbol"
    num_symbols = NUM_LETTERS + 2
    num_outputs = NUM_LETTERS + 1  # the signal is never an answer

    def __init__(
        self,
        *,
        variant: Literal["fixed", "variable"] = "fixed",
        **sequences: Annotated[Any, ArgumentsOf(GeneratedData)],
    ) -> None:
        super().__init__(**sequences)
        self.variant = variant

    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        rows, num_steps = np.arange(num)[:, None], length + 2 * NUM_COPIED
        letters = random.integers(0, NUM_LETTERS, (num, NUM_COPIED))
        gaps = random.integers(1, length + 1, num) if self.variant == "variable" else np.full(num, length)
        signals = NUM_COPIED + gaps - 1
        inputs, targets = np.full((num, num_steps), BLANK), np.full((num, num_steps), BLANK)
        inputs[:, :NUM_COPIED] = letters
        inputs[rows[:, 0], signals] = SIGNAL
        targets[rows, signals[:, None] + 1 + np.arange(NUM_COPIED)] = letters
        return Sequences(inputs, np.full(num, num_steps), targets)

    def baseline(self, length: int) -> dict[str, float]:
        """Blanks until the signal, then letters at random."""
        num_steps = length + 2 * NUM_COPIED
        return {
            "loss": NUM_COPIED * math.log(NUM_LETTERS) / num_steps,
            "steps_right": (num_steps - NUM_COPIED + NUM_COPIED / NUM_LETTERS) / num_steps,
            "sequences_right": NUM_LETTERS**-NUM_COPIED,
        }
