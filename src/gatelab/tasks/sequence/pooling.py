"""From the states of a row to one vector. B batch, T time, D = H × directions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

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


class AttentionPooling(nn.Module):
    """The sum of the valid steps' states, weighed by additive attention with a learned query: a_t = softmax_t(q · tanh(W h_t + b))
    (Yang et al. 2016, "Hierarchical Attention Networks for Document Classification", eq. 5-7)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)

    def forward(self, states: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
        """(B, T, D) → (B, D)."""
        valid = valid_mask(lengths, states.shape[1])[..., None]  # (B, T, 1)
        states = torch.where(valid, states, 0.0)
        return (self.weights(states, lengths)[..., None] * states).sum(1)

    def weights(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) from (B, T, D), finite also in the padding: 0 past a row's end, the others add up to 1."""
        scores = self.query(self.projection(states).tanh()).squeeze(2)  # (B, T)
        lowest = torch.finfo(scores.dtype).min  # finite, for a row without a step
        return torch.where(valid_mask(lengths, states.shape[1]), scores, lowest).softmax(1)


Pool = Callable[[Tensor, Tensor, bool], Tensor]
POOLINGS: dict[str, Pool] = {"last": pool_last, "mean": pool_mean, "max": pool_max}
ATTENTION = "attention"


def pooling_of(name: str, size: int) -> Pool:
    """The pooling of states with D = size. Raises ValueError for an unknown name."""
    if name == ATTENTION:
        return AttentionPooling(size)
    if name not in POOLINGS:
        raise ValueError(f"model.pooling must be one of {', '.join([*POOLINGS, ATTENTION])}, not {name}")
    return POOLINGS[name]
