"""Brackets: Dyck-1 and Dyck-2, what may come next (Gers & Schmidhuber 2001; Suzgun et al. 2019). N sequences, T time."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.annotations import ArgumentsOf
from gatelab.errors import ConfigError
from gatelab.tasks.synthetic.sequences import Sequences
from gatelab.tasks.synthetic.synthetic_data import GeneratedData


class Dyck(GeneratedData):
    """Balanced words of length brackets of one or two kinds, all words of that length equally likely; after each bracket the set of those
    that may follow is asked for: any opening one, and the one that closes the innermost open bracket, if there is one.

    A word is right where every set is, as in Suzgun et al. Symbols: the opening brackets, then the closing ones.
    """

    answer = "set"

    def __init__(self, *, kinds: Literal[1, 2] = 1, **sequences: Annotated[Any, ArgumentsOf(GeneratedData)]) -> None:
        super().__init__(**sequences)
        self.kinds, self.num_symbols, self.num_outputs = kinds, 2 * kinds, 2 * kinds
        for length in self.test_lengths:
            if length % 2:
                raise ConfigError(f"data.length={length}: a word of brackets that all close has an even length.")

    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        opens = dyck_paths(random, num, length // 2)
        kinds = random.integers(0, self.kinds, (num, length))
        inputs, targets = np.empty((num, length), np.int64), np.full((num, length), 2**self.kinds - 1)
        rows, depths = np.arange(num), np.zeros(num, np.int64)
        innermost = np.zeros((num, length // 2 + 1), np.int64)  # the kind of the open bracket at each depth
        for step in range(length):
            is_open = opens[:, step]
            innermost[rows[is_open], depths[is_open] + 1] = kinds[is_open, step]
            inputs[:, step] = np.where(is_open, kinds[:, step], self.kinds + innermost[rows, depths])
            depths += np.where(is_open, 1, -1)
            targets[:, step] += np.where(depths > 0, 1 << (self.kinds + innermost[rows, depths]), 0)
        return Sequences(inputs, np.full(num, length), targets)

    def baseline(self, length: int) -> dict[str, float]:
        """After an opening bracket everything is known; after a closing one the most frequent of what the open ones may be. A balanced word of
        m pairs comes back to depth 0 on average 3 m / (m + 2) times."""
        m = length / 2
        at_zero = 3 * m / (m + 2)
        return {"steps_right": (m + max(at_zero, (m - at_zero) / self.kinds)) / length}


def dyck_paths(random: np.random.Generator, num: int, m: int) -> NDArray[np.bool_]:
    """(num, 2 m): where brackets open, uniform over all balanced words: m openings and m + 1 closings in a random order have one rotation that
    goes below 0 only at its end (the cycle lemma)."""
    steps = random.permuted(np.tile(np.repeat([1, -1], [m, m + 1]), (num, 1)), axis=1)
    lowest = steps.cumsum(1).argmin(1)  # the first time: the rotation begins behind it
    turned = (lowest[:, None] + 1 + np.arange(2 * m)) % (2 * m + 1)
    return np.take_along_axis(steps, turned, 1) == 1
