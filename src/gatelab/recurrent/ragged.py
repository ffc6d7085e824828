"""Right-padded batches without packing.

Padding on the right cannot touch the states before it, so a forward layer runs on the padded batch as it is. A backward
layer runs on the valid part of each row reversed by index. B batch, T time, F features.
"""

from typing import Any

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


class StepOrder:
    """The valid steps of a right-padded batch, step by step, rows sorted by falling length.

    N valid steps; at step t the first ``sizes[t]`` sorted rows go on. A buffer of states has B + N rows: the initial ones,
    then those of every step. ``reverse`` walks each row from its last valid step to its first. Without lengths every step
    is valid and nothing is moved.
    """

    def __init__(
        self, num_rows: int, num_steps: int, lengths: Tensor | None, device: torch.device, reverse: bool
    ) -> None:
        self.num_rows, self.num_steps, self.reverse = num_rows, num_steps, reverse
        self.dense = lengths is None
        if lengths is None:
            self.sizes = [num_rows] * num_steps if num_rows else []
        else:
            lengths = lengths.to(device)
            sorted_lengths, self.by_length = lengths.sort(descending=True, stable=True)
            self.to_given = self.by_length.argsort()
            valid = valid_mask(sorted_lengths, num_steps).T  # (T, B)
            self.sizes = [size for size in valid.sum(1).tolist() if size]
            step, self.row = valid.nonzero().unbind(1)  # (N,)
            starts = torch.tensor([0, *self.sizes], device=device).cumsum(0)
            before = torch.cat([starts.new_zeros(1), starts[:-1] + num_rows])  # of step t − 1 in a buffer of states
            self.before_index = before[step] + self.row
            self.last = before[sorted_lengths] + torch.arange(num_rows, device=device)
            position = sorted_lengths[self.row] - 1 - step if reverse else step
            self.source = self.by_length[self.row] * num_steps + position  # (N,) in B·T
            self.noise_source = self.by_length[self.row] * num_steps + step
            self.target = torch.full((num_rows * num_steps,), -1, device=device)
            self.target[self.source] = torch.arange(len(step), device=device)
        self.offsets = [0]
        for size in self.sizes:
            self.offsets.append(self.offsets[-1] + size)

    def sort_steps(self, x: Tensor) -> Tensor:
        """x (B, T, F) → (N, F)."""
        if self.dense:
            by_step = x.transpose(0, 1)
            return (by_step.flip(0) if self.reverse else by_step).reshape(-1, x.shape[2])
        return take_rows(x.reshape(-1, x.shape[2]), self.source, self.target)

    def unsort_steps(self, states: Tensor) -> Tensor:
        """states (N, H) → (B, T, H), zero past a row's end."""
        if self.dense:
            by_step = states.view(self.num_steps, self.num_rows, states.shape[1])
            return (by_step.flip(0) if self.reverse else by_step).transpose(0, 1)
        return take_rows(states, self.target, self.source).view(self.num_rows, self.num_steps, states.shape[1])

    def sort_noise(self, noise: Tensor) -> Tensor:
        """noise (B, T, H), in the order in which steps are walked → (N, H)."""
        if self.dense:
            return noise.transpose(0, 1).reshape(-1, noise.shape[2])
        return noise.reshape(-1, noise.shape[2]).index_select(0, self.noise_source)

    def sort_rows(self, state: Tensor) -> Tensor:
        """(B, H), longest row first."""
        return state if self.dense else state[self.by_length]

    def unsort_rows(self, state: Tensor) -> Tensor:
        return state if self.dense else state[self.to_given]

    def repeat_rows(self, state: Tensor) -> Tensor:
        """A sorted (B, H) at every valid step: (N, H)."""
        return state.repeat(self.num_steps, 1) if self.dense else state.index_select(0, self.row)

    def before(self, buffer: Tensor, rows: slice) -> Tensor:
        """The states (·, H) that the given steps start from, out of a buffer (B + N, H)."""
        return buffer[rows] if self.dense else buffer.index_select(0, self.before_index[rows])

    def final(self, buffer: Tensor) -> Tensor:
        """The state (B, H) after each sorted row's last step, out of a buffer (B + N, H)."""
        return buffer[buffer.shape[0] - self.num_rows :].clone() if self.dense else buffer.index_select(0, self.last)

    def add_final_(self, buffer: Tensor, state: Tensor) -> None:
        """Add (B, H) where ``final`` reads."""
        if self.dense:
            buffer[buffer.shape[0] - self.num_rows :] += state
        else:
            buffer.index_add_(0, self.last, state)


def take_rows(x: Tensor, index: Tensor, inverse: Tensor) -> Tensor:
    """Row index[k] of x as row k, zeros where it is −1; ``inverse`` is the same map the other way, for the gradient."""
    return _TakeRows.apply(x, index, inverse)


class _TakeRows(torch.autograd.Function):
    """Each row goes to one place at most, so the gradient is a selection too; index_select's own adds row by row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(index, inverse)
        return _select(x, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        index, inverse = ctx.saved_tensors
        return _TakeRows.apply(gradient.contiguous(), inverse, index), None, None


def _select(x: Tensor, index: Tensor) -> Tensor:
    if not len(x):
        return x.new_zeros(len(index), x.shape[1])
    return x.index_select(0, index.clamp(min=0)).masked_fill_((index < 0)[:, None], 0)
