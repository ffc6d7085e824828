"""Texts that a model reads together: a stream in chunks, and the ids of a chunk in batches of like length. B batch, T tokens of the longest."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def in_chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(texts)
    while chunk := list(islice(left, size)):
        yield chunk


def padded_batches(
    encoded: Sequence[NDArray[Any]], batch_size: int, padding: int
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Of ids of texts the rows (B,) of each batch, those of the shortest texts first, and their ids (B, T), padded on the right."""
    order = np.argsort([len(ids) for ids in encoded], kind="stable")
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        tokens = np.full((len(rows), len(encoded[rows[-1]])), padding, dtype=np.int64)
        for number, row in enumerate(rows):
            tokens[number, : len(encoded[row])] = encoded[row]
        yield rows, torch.from_numpy(tokens)
