"""The temporal order problem (Hochreiter & Schmidhuber 1997, experiment 6). N sequences, T time."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.annotations import ArgumentsOf
from gatelab.tasks.synthetic.sequences import Sequences, at_the_end, valid_steps
from gatelab.tasks.synthetic.synthetic_data import GeneratedData

NUM_DISTRACTORS = 4  # symbols 0 to 3
X, Y, START, END = 4, 5, 6, 7
# Between which fractions of the length the relevant symbols stand; of T = 100: 10 to 20, 50 to 60 and so on.
PLACES = {"two": ((0.10, 0.20), (0.50, 0.60)), "three": ((0.10, 0.20), (0.33, 0.43), (0.66, 0.76))}


class TemporalOrder(GeneratedData):
    """Two (6a) or three (6b) symbols X or Y among distractors; asked at the end is which they were, in their order: 4 or 8 classes.

    T is drawn from length to 1.1 length (H&S: 100 to 110); the first symbol is a start, the last a trigger. H&S count a sequence as right
    where every output unit is within 0.3 of its target; here the likeliest class must be the right one.
    """

    answer = "symbol"
    num_symbols = 8

    def __init__(
        self, *, variant: Literal["two", "three"] = "two", **sequences: Annotated[Any, ArgumentsOf(GeneratedData)]
    ) -> None:
        super().__init__(**sequences)
        self.variant, self.num_outputs = variant, 2 ** len(PLACES[variant])
        self.at_least(10)

    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        rows, lengths = np.arange(num), random.integers(length, length + length // 10 + 1, num)
        inputs = random.integers(0, NUM_DISTRACTORS, (num, int(lengths.max())))
        inputs[~valid_steps(lengths)] = 0
        inputs[rows, 0], inputs[rows, lengths - 1] = START, END
        answers: NDArray[np.int64] = np.zeros(num, np.int64)
        for low, high in PLACES[self.variant]:
            places = random.integers(round(low * length), round(high * length) + 1, num)
            drawn = random.integers(0, 2, num)
            inputs[rows, places] = np.where(drawn, Y, X)
            answers = 2 * answers + drawn
        return Sequences(inputs, lengths, at_the_end(answers, lengths))

    def baseline(self, length: int) -> dict[str, float]:
        """Chance: the last symbol is always the trigger."""
        return {"loss": math.log(self.num_outputs), "sequences_right": 1 / self.num_outputs}
