"""The cross-entropy of many tokens over a large vocabulary, in the memory of its logits. N tokens, V vocabulary."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 2**18  # numbers computed at once, which stay in a core's cache


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss (N,) of targets (N,) in nats, as torch's ``cross_entropy`` with ``reduction="none"``; logits (N, V) are overwritten.

    torch's takes three more matrices of this size, and on the CPU fresh memory costs as much as the arithmetic.
    """
    return CrossEntropy.apply(logits, targets)


class CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        chosen = logits.gather(1, targets[:, None])[:, 0]
        peaks, sums = [], []
        for rows in logits.split(max(1, BLOCK // logits.shape[1])):
            peak = rows.amax(1, keepdim=True)
            sums.append(rows.sub_(peak).exp_().sum(1))
            peaks.append(peak[:, 0])
        total = torch.cat(sums)
        ctx.save_for_backward(logits, total, targets)
        return total.log() + (torch.cat(peaks) - chosen)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_losses: Tensor) -> tuple[Tensor, None]:
        """d_losses (N,) → softmax minus one-hot, (N, V), in the same memory; a second time is an error of torch."""
        d_logits, total, targets = ctx.saved_tensors
        d_logits.mul_((d_losses / total)[:, None])
        return d_logits.scatter_add_(1, targets[:, None], -d_losses[:, None]), None
