"""What a problem generates, and what must be answered of it. N sequences, B of them in a batch, T time, F features."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.data.batch import NO_LABEL

Answer = Literal["number", "symbol", "set"]


class Sequences(NamedTuple):
    """inputs: reals (N, T, F) in float32, or symbols (N, T) in int64, padded on the right with 0; lengths (N,); targets (N, T): what
    the model must say after each step, a number in float32, a symbol, or a set of symbols with bit k for symbol k. NaN or NO_LABEL
    where nothing is asked."""

    inputs: NDArray[np.float32] | NDArray[np.int64]
    lengths: NDArray[np.int64]
    targets: NDArray[np.float32] | NDArray[np.int64]

    def take(self, rows: NDArray[np.int64] | slice) -> "Sequences":
        return Sequences(self.inputs[rows], self.lengths[rows], self.targets[rows])


class SequenceBatch(NamedTuple):
    """Sequences as tensors. length: the ``data.length`` that they were generated for."""

    inputs: Tensor
    lengths: Tensor
    targets: Tensor
    length: int

    @property
    def size(self) -> tuple[int, str]:
        return len(self.inputs), "sequences"


def as_batch(sequences: Sequences, length: int, rank: int = 0, world_size: int = 1) -> SequenceBatch:
    """Of several ranks every world_size-th sequence; one that counts for nothing where there is none."""
    mine = sequences.take(slice(rank, None, world_size))
    if not len(mine.lengths):
        filling = sequences.take(slice(1))
        mine = filling._replace(targets=np.full_like(filling.targets, no_answer(filling.targets)))
    inputs, lengths, targets = map(torch.from_numpy, mine)
    return SequenceBatch(inputs, lengths, targets, length)


def no_answer(targets: NDArray[np.float32] | NDArray[np.int64]) -> float | int:
    return np.nan if targets.dtype.kind == "f" else NO_LABEL


def asked(targets: Tensor) -> Tensor:
    """(B, T): after which steps an answer is asked for."""
    return ~targets.isnan() if targets.is_floating_point() else targets != NO_LABEL


def at_the_end(
    answers: NDArray[np.float32] | NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.float32] | NDArray[np.int64]:
    """Targets (N, T) of sequences with one answer (N,), asked after the last step."""
    targets = np.full((len(lengths), int(lengths.max(initial=1))), no_answer(answers), answers.dtype)
    targets[np.arange(len(lengths)), lengths - 1] = answers
    return targets


def valid_steps(lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N, T)"""
    return np.arange(lengths.max(initial=1)) < lengths[:, None]
