"""Right-padded batches without packing.

Padding on the right cannot touch the states before it, so a forward layer runs on the padded batch as it is. A backward
layer runs on the valid part of each row reversed by index. B batch, T time, F features.
"""

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, num_steps: int) -> Tensor:
    """True where a step belongs to its row: (B, T) from lengths (B,)."""
    return torch.arange(num_steps, device=lengths.device) < lengths[:, None]  # (B, T)


def reverse_valid(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse the first ``lengths[b]`` steps of each row of x (B, T, F) and leave the padding in place.

    Without lengths every step is valid. Applying it twice gives x again.
    """
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])  # (B, T)
    mirrored = lengths[:, None] - 1 - steps
    index = torch.where(mirrored >= 0, mirrored, steps)  # (B, T)
    return x.gather(1, index[..., None].expand_as(x))
