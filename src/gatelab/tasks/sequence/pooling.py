"""From the states of a row to one vector. B batch, T time, D = H × directions."""

from collections.abc import Callable

import torch
from torch import Tensor

from gatelab.recurrent import valid_mask


def pool_last(states: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The state after each direction's last valid step: (B, T, D) → (B, D)."""
    last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
    pooled = states.gather(1, last).squeeze(1)  # (B, D)
    if not bidirectional:
        return pooled
    half = states.shape[2] // 2
    return torch.cat([pooled[:, :half], states[:, 0, half:]], dim=1)


def pool_mean(states: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The mean over the valid steps: (B, T, D) → (B, D)."""
    valid = valid_mask(lengths, states.shape[1])[..., None]  # (B, T, 1)
    return torch.where(valid, states, 0.0).sum(1) / lengths.clamp(min=1)[:, None]


def pool_max(states: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The largest value of each unit over the valid steps: (B, T, D) → (B, D)."""
    valid = valid_mask(lengths, states.shape[1])[..., None]  # (B, T, 1)
    return torch.where(valid, states, float("-inf")).amax(1)


POOLINGS: dict[str, Callable[[Tensor, Tensor, bool], Tensor]] = {"last": pool_last, "mean": pool_mean, "max": pool_max}
