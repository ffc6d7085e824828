"""Windows of a stream of tokens, in order: a pure function of (seed, epoch, index). B columns, T steps of a window."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.data.epoch_loader import EpochLoader

LONGEST = 0.95  # the share of windows of the full length, the others are of half of it (Merity et al. 2018)
SPREAD = 5  # the standard deviation of their lengths, and the least length


class Window(NamedTuple):
    """tokens (B, T) and the token after each, targets (B, T). is_first: of the stream, so that no state is carried into it."""

    tokens: Tensor
    targets: Tensor
    is_first: bool

    @property
    def size(self) -> tuple[int, str]:
        return self.tokens.numel(), "tokens"


class StreamLoader(EpochLoader[Window]):
    """The stream (1 + N,) as num_columns contiguous columns side by side, read in windows of the same steps of each.

    A column is N // num_columns tokens long; the last N % num_columns are left out. With several ranks each takes every
    world_size-th column.
    variable: other lengths in every epoch, their number always the same.
    """

    def __init__(
        self, stream: NDArray[Any], *, num_columns: int, window: int, seed: int = 0, variable: bool = False,
        rank: int = 0, world_size: int = 1,
    ) -> None:  # fmt: skip
        self.stream, self.num_columns, self.window = stream, num_columns, window
        self.seed, self.variable = seed, variable
        self.columns = np.arange(num_columns)[rank::world_size]
        self.length = (len(stream) - 1) // num_columns

    def __len__(self) -> int:
        mean = self.window * (LONGEST + (1 - LONGEST) / 2) if self.variable else self.window
        return max(1, int(np.ceil(self.length / mean)))

    def batches_of(self, epoch: int) -> Callable[[int], Window]:
        ends = self.ends(epoch)
        return lambda index: self.window_between(int(ends[index]), int(ends[index + 1]))

    def window_between(self, begin: int, end: int) -> Window:
        starts = self.columns * self.length
        rows = np.stack([self.stream[start + begin : start + end + 1] for start in starts])  # (B, T + 1)
        ids = torch.from_numpy(rows.astype(np.int64))
        return Window(ids[:, :-1], ids[:, 1:], begin == 0)

    def ends(self, epoch: int) -> NDArray[np.int64]:
        """Where the windows of an epoch begin, and the last one ends."""
        if not self.variable:
            return np.minimum(np.arange(len(self) + 1) * self.window, self.length)
        random = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        means = np.where(random.random(len(self)) < LONGEST, self.window, self.window / 2)
        drawn = np.maximum(random.normal(means, SPREAD), SPREAD)
        return np.round(np.cumsum(np.concatenate([[0], drawn])) * (self.length / drawn.sum())).astype(np.int64)
