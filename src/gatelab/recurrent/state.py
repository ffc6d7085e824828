"""What an encoder needs to go on where each row ended. B batch, T time, H hidden."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


class LateState(Sequence[Tensor]):
    """The tensors of a state, computed when one is first looked at, from the weights of that moment.

    Most callers never look, and what torch's LSTM kernel leaves of a ragged row is the cell state after its padding.
    """

    def __init__(self, compute: Callable[[], Sequence[Tensor]]) -> None:
        self._compute = compute

    @cached_property
    def _tensors(self) -> Sequence[Tensor]:
        return self._compute()

    def __getitem__(self, index: Any) -> Any:
        return self._tensors[index]

    def __len__(self) -> int:
        return len(self._tensors)


def stack_states(states: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """One state a layer and direction, its tensors (B, H) each → tensors (layers × directions, B, H)."""
    return tuple(torch.stack(parts) for parts in zip(*states, strict=True))


def check_state(
    state: Sequence[Tensor], names: Sequence[str], shape: tuple[int, int, int], bidirectional: bool
) -> None:
    """Raises ValueError where state is not one tensor a name, each of this shape, or there are two directions."""
    if bidirectional:
        raise ValueError("a bidirectional encoder cannot go on from a state: it has read each row from its end")
    if not isinstance(state, Sequence) or [tuple(part.shape) for part in state] != [shape] * len(names):
        raise ValueError(f"the state must be ({', '.join(names)},), each {shape} (layers, batch, hidden)")
