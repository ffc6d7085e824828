"""Batches as a pure function of (seed, epoch, index): similar lengths together, right-padded to the longest."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.data.epoch_loader import EpochLoader
from gatelab.data.prepare import Prepared
from gatelab.data.tokenize import PAD_ID

NO_LABEL = -100  # what torch's losses ignore
BATCHES_PER_POOL = 50  # rows are sorted by length within pools of this many batches


class Batch(NamedTuple):
    """tokens (B, T) right-padded with 0, lengths (B,), labels, rows (B,): indices into the prepared data.

    labels are classes (B,), numbers (B,) in float64, or for each label whether the row has it (B, K). NO_LABEL, of numbers NaN, marks
    a row that only fills the batch of a rank and counts in no metric.
    """

    tokens: Tensor
    lengths: Tensor
    labels: Tensor
    rows: Tensor


def rows_within(rows: NDArray[np.int64], batch_size: int, limit: float, seed: int) -> NDArray[np.int64]:
    """Those of ascending rows that are evaluated within a limit as of Lightning: a number of batches, or a float, the fraction
    of all batches. Where it does not let all through they are drawn at random, the same in every epoch."""
    num_batches = -(-len(rows) // batch_size)
    kept = batches_within(num_batches, limit)
    if kept == num_batches:
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[: kept * batch_size])


def batches_within(num_batches: int, limit: float) -> int:
    """How many are evaluated within a limit as of Lightning."""
    return min(limit, num_batches) if isinstance(limit, int) else int(limit * num_batches)


def rows_by_class(labels: NDArray[Any]) -> list[NDArray[np.int64]]:
    """The indices of each class that is there. labels (N,)."""
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def draw_equally(classes: Sequence[NDArray[np.int64]], num_rows: int, random: np.random.Generator) -> NDArray[np.int64]:
    """num_rows of the rows of all classes, of each as many (one more of some, drawn at random), and of the rows of a class none more than
    once more than another."""
    shares = np.full(len(classes), num_rows // len(classes))
    shares[random.permutation(len(classes))[: num_rows % len(classes)]] += 1
    drawn = []
    for rows, share in zip(classes, shares.tolist(), strict=True):
        rounds, rest = divmod(share, len(rows))
        drawn += [rows] * rounds + [random.permutation(rows)[:rest]]
    return np.concatenate(drawn)


def counted_rows(labels: Tensor) -> Tensor:
    """(B,): which rows are more than filling."""
    filling = labels.isnan() if labels.is_floating_point() else labels == NO_LABEL
    return ~filling if filling.ndim == 1 else ~filling.any(1)


class BatchLoader(EpochLoader[Batch]):
    """The batches of one epoch of rows. shuffle=False orders by length, first the rows of ``rows_within(…, limit, …)``. balanced: an epoch has as many rows of each class, and as many in all as there are, drawn
    anew in each; those of the smaller classes several times.
    With several ranks each takes every world_size-th row of every batch, so that a step does not depend on their number;
    batch_size counts the rows of all ranks.
    """

    def __init__(
        self,
        data: Prepared,
        rows: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        balanced: bool = False,
        limit: float = 1.0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.data, self.rows, self.batch_size, self.seed, self.shuffle = data, rows, batch_size, seed, shuffle
        self.limit, self.rank, self.world_size = limit, rank, world_size
        self.lengths = np.diff(data.offsets)[rows]
        self.classes = rows_by_class(data.labels[rows]) if balanced else []

    def __len__(self) -> int:
        return max(1, -(-len(self.rows) // self.batch_size))

    def batches_of(self, epoch: int) -> Callable[[int], Batch]:
        order, starts = self.plan(epoch)

        def make(index: int) -> Batch:
            rows = order[starts[index] : starts[index + 1]]
            mine = rows[self.rank :: self.world_size]
            return self.collate(mine) if len(mine) or self.world_size == 1 else self.uncounted(rows[:1])

        return make

    def plan(self, epoch: int) -> tuple[NDArray[np.int64], list[int]]:
        """The rows of an epoch in order, and the start of each batch (and the end of the last)."""
        starts = [index * self.batch_size for index in range(len(self))] + [len(self.rows)]
        if not self.shuffle:
            first = np.isin(self.rows, rows_within(self.rows, self.batch_size, self.limit, self.seed))
            return self.rows[np.lexsort((self.lengths, ~first))], starts
        random = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        order = random.permutation(
            draw_equally(self.classes, len(self.rows), random) if self.classes else len(self.rows)
        )
        pool = self.batch_size * BATCHES_PER_POOL
        order = order[np.lexsort((self.lengths[order], np.arange(len(order)) // pool))]
        # Batches are shuffled; the last one, which may be smaller, stays last.
        batches = random.permutation(len(self) - 1)
        last = order[starts[-2] :]
        shuffled = order[: starts[-2]].reshape(-1, self.batch_size)[batches].reshape(-1)
        return self.rows[np.concatenate([shuffled, last])], starts

    def uncounted(self, rows: NDArray[np.int64]) -> Batch:
        """For ranks without a row in a batch with fewer rows than ranks: rows that do not count."""
        batch = self.collate(rows)
        filling = torch.nan if batch.labels.is_floating_point() else NO_LABEL
        return batch._replace(labels=torch.full_like(batch.labels, filling))

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        """The rows as tensors, by one indexed read."""
        begins = self.data.offsets[rows]
        lengths = self.data.offsets[rows + 1] - begins
        steps = np.arange(lengths.max(initial=1))
        valid = steps < lengths[:, None]  # (B, T)
        position = np.where(valid, begins[:, None] + steps, 0)
        tokens = np.where(valid, self.data.tokens[position], PAD_ID)  # (B, T)
        labels = self.data.labels[rows]
        return Batch(
            torch.from_numpy(tokens.astype(np.int64)),
            torch.from_numpy(lengths),
            torch.from_numpy(labels if labels.dtype.kind == "f" else labels.astype(np.int64)),
            torch.from_numpy(rows),
        )
