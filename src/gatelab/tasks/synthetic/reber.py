"""The embedded Reber grammar (Hochreiter & Schmidhuber 1997, experiment 1; Cleeremans et al. 1989). N sequences, T time."""

from typing import Annotated, Any

import numpy as np

from gatelab.annotations import ArgumentsOf
from gatelab.data.batch import NO_LABEL
from gatelab.tasks.synthetic.sequences import Sequences
from gatelab.tasks.synthetic.set_scores import memoryless_sets
from gatelab.tasks.synthetic.synthetic_data import GeneratedData

SYMBOLS = "BTPSXVE"
# Of each state of the inner grammar the two symbols that may follow, and the states that they lead to. Then: 6 its E, 7 the T or P of the
# beginning, 8 the last E.
ARCS = {
    1: ("TP", (2, 3)),
    2: ("SX", (2, 4)),
    3: ("TV", (3, 5)),
    4: ("XS", (3, 6)),
    5: ("PV", (4, 6)),
    6: ("EE", (7, 7)),
}
OUTER, LAST = 7, 8
SHORTEST = 9  # B T B T X S E T E
TAIL = 3  # symbols after that which leads to state 6
NOTHING = -1


class Reber(GeneratedData):
    """B, T or P, a word of the Reber grammar, the same T or P again, E; after each symbol the set of those that may follow is asked for.

    length: the fewest symbols of a string; 9 is the grammar as it is. Before a longer string may end, the inner
    word takes the arcs that stay in it. A string is right where every set is, the second T or P among them.
    """

    answer = "set"
    num_symbols = num_outputs = len(SYMBOLS)

    def __init__(self, **sequences: Annotated[Any, ArgumentsOf(GeneratedData)]) -> None:
        super().__init__(**sequences)
        self.at_least(SHORTEST)

    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        outer = random.choice([number("T"), number("P")], num)
        steps: list[Any] = [number("B"), outer, number("B")]
        sets: list[Any] = [as_set("TP"), as_set("B"), as_set("TP")]
        states = np.ones(num, np.int64)
        while (states < LAST).any():
            arcs = random.integers(0, 2, num)
            if len(steps) + 1 + TAIL < length:
                arcs[(states == 4) | (states == 5)] = 0  # the second ones lead out
            symbols, following = np.full(num, NOTHING), np.full(num, LAST)
            for state, (emitted, ends) in ARCS.items():
                here = states == state
                symbols[here] = np.array([number(symbol) for symbol in emitted])[arcs[here]]
                following[here] = np.array(ends)[arcs[here]]
            steps.append(np.where(states == OUTER, outer, symbols))
            states = following
            sets.append(np.select([states == OUTER, states == LAST], [1 << outer, as_set("E")], LEGAL[states]))
        inputs = np.stack(np.broadcast_arrays(*steps), 1)
        targets = np.stack(np.broadcast_arrays(*sets), 1)
        there = inputs != NOTHING
        return Sequences(np.where(there, inputs, 0), there.sum(1), np.where(there, targets, NO_LABEL))

    def baseline(self, length: int) -> dict[str, float]:
        """The best answer from the current symbol alone, counted over the test sequences, since it has no simple form."""
        return memoryless_sets(self.evaluation_sequences("test", length, 0, self.sizes["test"]), self.num_symbols)


def number(symbol: str) -> int:
    return SYMBOLS.index(symbol)


def as_set(symbols: str) -> int:
    return sum(1 << number(symbol) for symbol in set(symbols))


# After the step that leads to each state.
LEGAL = np.array([0, *(as_set(symbols) for symbols, _ in ARCS.values()), 0, 0])
