"""The adding problem (Hochreiter & Schmidhuber 1997, experiment 4; Le, Jaitly & Hinton 2015). N sequences, T time."""

from typing import Annotated, Any, Literal

import numpy as np

from gatelab.annotations import ArgumentsOf
from gatelab.tasks.synthetic.sequences import Sequences, at_the_end, valid_steps
from gatelab.tasks.synthetic.synthetic_data import GeneratedData

TOLERANCE = 0.04  # of H&S: a sequence is right where the absolute error at its end is below it
FIRST_PAIRS = 10  # of H&S: the first marked pair is one of them


class Adding(GeneratedData):
    """At each step a real number and a marker; asked at the end is the sum of the two numbers that are marked.

    variant=le: numbers in [0, 1], T = length, one marker of 1 in each half, else 0; the target is the sum. Its variance, the error of
    always saying 1, is 1/6 (Le et al. print 0.1767).
    variant=hochreiter: numbers in [-1, 1], T drawn from length to 1.1 length. Marked with 1 are one of the first ten pairs and another of the
    first length/2 - 1 that are left; the first and the last pair have the marker -1, and the first counts as 0 where it is drawn. The target
    is 0.5 + (X1 + X2) / 4. H&S call a run successful when the last 2,000 sequences were right and the mean error was below 0.01.
    """

    answer = "number"
    num_features = 2
    num_outputs = 1
    tolerance = TOLERANCE

    def __init__(
        self, *, variant: Literal["le", "hochreiter"] = "le", **sequences: Annotated[Any, ArgumentsOf(GeneratedData)]
    ) -> None:
        super().__init__(**sequences)
        self.variant = variant
        self.at_least(2 * FIRST_PAIRS if variant == "hochreiter" else 2)

    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        return (generate_le if self.variant == "le" else generate_hochreiter)(random, num, length)

    def baseline(self, length: int) -> dict[str, float]:
        """Of always saying the mean."""
        if self.variant == "le":
            # Of the triangular density of a sum of two numbers, within TOLERANCE of its top.
            wide = TOLERANCE * (2 - TOLERANCE)
            return {"mse": 1 / 6, "sequences_right": wide}
        return {"mse": hochreiter_variance(length)}


def generate_le(random: np.random.Generator, num: int, length: int) -> Sequences:
    half, rows = length // 2, np.arange(num)
    marked = random.integers(0, half, num), random.integers(half, length, num)
    numbers = random.random((num, length), np.float32)
    markers = np.zeros((num, length), np.float32)
    for place in marked:
        markers[rows, place] = 1
    lengths = np.full(num, length)
    return Sequences(np.stack([numbers, markers], 2), lengths, at_the_end((numbers * markers).sum(1), lengths))


def generate_hochreiter(random: np.random.Generator, num: int, length: int) -> Sequences:
    lengths, rows = random.integers(length, length + length // 10 + 1, num), np.arange(num)
    numbers = random.uniform(-1, 1, (num, int(lengths.max()))).astype(np.float32)
    numbers[~valid_steps(lengths)] = 0
    markers = np.zeros_like(numbers)
    first = random.integers(0, FIRST_PAIRS, num)
    second = random.integers(0, length // 2 - 1, num)  # of the pairs that are left
    second += second >= first
    markers[rows, 0], markers[rows, lengths - 1] = -1, -1
    answers = np.full(num, 0.5, np.float32)
    for place in (first, second):
        answers += np.where(place == 0, 0, numbers[rows, place]) / np.float32(4)
        markers[rows, place] = np.where(place == 0, -1, 1)
    return Sequences(np.stack([numbers, markers], 2), lengths, at_the_end(answers, lengths))


def hochreiter_variance(length: int) -> float:
    """(Var X1 + Var X2) / 16, each 1/3 unless the first pair, which counts as 0, is drawn."""
    first = 1 / FIRST_PAIRS
    second = (1 - first) / (length // 2 - 1)
    return (2 - first - second) / 3 / 16
