"""Interpolated n-grams with modified Kneser-Ney discounts (Chen & Goodman 1999), over arrays. N tokens, V vocabulary.

An n-gram is numbered by the number of its first n - 1 tokens and its last token, so that one sorted array of int64 an order is
the whole table. Counts of the lower orders are continuations: in how many different contexts an n-gram stands.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
GUESS = 0.5  # the discount where counts are too few to estimate one


class Order(NamedTuple):
    """The n-grams of one length. keys (M,) ascending: context * V + last token; counts (M,), of them discounts (M,) are taken.
    totals and left (contexts,): the sum of the counts after each context, and of the discounts."""

    keys: Numbers
    counts: Numbers
    discounts: NDArray[np.float64]
    totals: NDArray[Any]
    left: NDArray[Any]


class KneserNey:
    """Fitted on a stream (N,) of token ids, read as one text without breaks."""

    def __init__(self, stream: NDArray[Any], vocab_size: int, order: int = 5) -> None:
        self.vocab_size = vocab_size
        self.orders: list[Order] = []
        tokens = stream.astype(np.int64)
        ending = np.zeros(len(tokens) + 1, dtype=np.int64)  # the number of the (n-1)-gram that ends before each token
        num_contexts = 1
        found: list[tuple[Numbers, Numbers, Numbers, Numbers, int]] = []
        for length in range(1, order + 1):
            # Of the n-gram that ends at token t the first n - 1 tokens end at t - 1.
            combined = ending[:-1] * vocab_size + tokens[length - 1 :]
            keys, first, numbers, counts = np.unique(
                combined, return_index=True, return_inverse=True, return_counts=True
            )
            found.append((keys, first, numbers, counts, num_contexts))
            ending, num_contexts = numbers, len(keys)
        for length, (keys, _, numbers, counts, contexts) in enumerate(found, start=1):
            if length < order:  # each distinct longer n-gram continues that of its last tokens, one place further
                longer_first = found[length][1]
                counts = np.bincount(numbers[longer_first + 1], minlength=len(keys))
            self.orders.append(order_of(keys, counts, vocab_size, contexts))

    def probabilities(self, stream: NDArray[Any]) -> NDArray[np.float64]:
        """Of each token (N,) after those before it in the stream."""
        tokens = stream.astype(np.int64)
        # The (n-1)-gram before each token, -1 if never seen.
        context: NDArray[Any] = np.zeros(len(tokens), dtype=np.int64)
        p: NDArray[Any] = np.full(len(tokens), 1 / self.vocab_size)
        for order in self.orders:
            seen = context >= 0
            after = np.where(seen, context, 0)
            wanted = after * self.vocab_size + tokens
            place = np.searchsorted(order.keys, wanted).clip(max=len(order.keys) - 1)
            known = seen & (order.keys[place] == wanted)
            total = np.where(seen, order.totals[after], 0)
            some = total > 0
            mass = np.where(known, order.counts[place] - order.discounts[place], 0)
            p = np.where(some, (mass + order.left[after] * p) / np.where(some, total, 1), p)
            ending = np.where(known, place, -1)  # the n-gram that ends at each token
            context = np.concatenate([[-1], ending[:-1]])
        return p


def order_of(keys: Numbers, counts: Numbers, vocab_size: int, num_contexts: int) -> Order:
    discounts = discounts_of(counts)[np.minimum(counts, 3)]
    contexts = keys // vocab_size
    totals, left = (np.bincount(contexts, weights, num_contexts) for weights in (counts, discounts))
    return Order(keys, counts, discounts, totals, left)


def discounts_of(counts: Numbers) -> NDArray[np.float64]:
    """(4,): what is taken from counts of 0, 1, 2, and 3 or more."""
    n1, n2, n3, n4 = (int((counts == number).sum()) for number in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return np.array([0, GUESS, GUESS, GUESS])
    y = n1 / (n1 + 2 * n2)
    found = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return found if (found[1:] > 0).all() else np.array([0, GUESS, GUESS, GUESS])
