"""The factors by which a step of the fused backward pass multiplies the gradients of its states; see fused.py.

H hidden; G what has weights, S the gates among them.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from gatelab.recurrent.cell import Cell
from gatelab.recurrent.equations import EPSILON

aten = torch.ops.aten


class Layout:
    """Where the gates stand in a row of G·H numbers, in the order of ``Cell.learned``."""

    def __init__(self, cell: Cell, hidden_size: int) -> None:
        names = cell.learned
        position = {name: slice(k * hidden_size, (k + 1) * hidden_size) for k, name in enumerate(names)}
        self.input, self.forget = position.get("input"), position.get("forget")
        self.candidate, self.output = position["candidate"], position.get("output")
        self.num_early = names.index("candidate")  # the gates computed before the cell state
        self.early = slice(0, self.num_early * hidden_size)
        self.before_output = slice(0, self.candidate.stop)


def learned_gates(rows: Tensor, at: Layout) -> Tensor:
    """The columns of the gates without the candidate: (n, G·H) → (n, S·H)."""
    return torch.cat([rows[:, columns] for columns in (at.early, at.output) if columns is not None], 1)


def fill_factors(
    A: Tensor, hidden_factor: Tensor, cell_factor: Tensor, peephole_factor: Tensor | None, gates: Tensor, c_before: Tensor,
    c: Tensor, P: Tensor | None, norm_cell: Tensor | None, keep_hidden: Tensor | None, at: Layout, cell: Cell
) -> Tensor | None:  # fmt: skip
    """Write the factors of many steps, rows (n, ·), into A, hidden_factor and peephole_factor; see the top of fused.py.

    Returns the factor of the cell state's gradient, or None where it is 1. Without layer normalisation of the cell the
    path through o's peephole is part of hidden_factor.
    """
    H = c.shape[1]
    i = None if at.input is None else gates[:, at.input]
    f = None if at.forget is None else gates[:, at.forget]
    o = None if at.output is None else gates[:, at.output]
    candidate = gates[:, at.candidate]

    normed = c if norm_cell is None else F.layer_norm(c, (H,), norm_cell[0], norm_cell[1], EPSILON)
    if cell.output_activation == "identity":
        squashed = normed
        hidden_factor.copy_(o) if o is not None else hidden_factor.fill_(1)
    else:
        scale = 1.0 if cell.output_activation == "tanh" else 0.5
        squashed = torch.tanh(normed if scale == 1 else normed * scale)
        grad = torch.ones_like(squashed) if o is None else o
        aten.tanh_backward.grad_input(grad, squashed, grad_input=hidden_factor)
        if scale != 1:
            hidden_factor.mul_(scale)
    if o is not None:
        A_o = A[:, at.output]
        aten.sigmoid_backward.grad_input(squashed, o, grad_input=A_o)
    if keep_hidden is not None:
        taken = 1 - keep_hidden
        hidden_factor.mul_(taken)
        if o is not None:
            A_o.mul_(taken)
    if P is not None and o is not None:
        P_output = P[at.early.stop :]
        if peephole_factor is None:
            hidden_factor.addcmul_(A_o, P_output)
        else:
            torch.mul(A_o, P_output, out=peephole_factor)
    elif peephole_factor is not None:
        peephole_factor.zero_()

    forget: Tensor | None = f
    lets_in: Tensor | None = i
    if cell.coupled == "input":
        assert i is not None
        aten.sigmoid_backward.grad_input(candidate - c_before, i, grad_input=A[:, at.input])
        forget = 1 - i
    elif cell.coupled == "forget":
        assert f is not None
        lets_in = 1 - f
        if cell.coupling_shift:
            lets_in = lets_in * math.exp(cell.coupling_shift)
            lets_in = lets_in / (f + lets_in)
            torch.mul(c_before * f, 1 - f, out=A[:, at.forget])
            A[:, at.forget].sub_(candidate * lets_in * (1 - lets_in))
        else:
            aten.sigmoid_backward.grad_input(c_before - candidate, f, grad_input=A[:, at.forget])
    else:
        if i is not None:
            aten.sigmoid_backward.grad_input(candidate, i, grad_input=A[:, at.input])
        if f is not None:
            aten.sigmoid_backward.grad_input(c_before, f, grad_input=A[:, at.forget])

    A_C = A[:, at.candidate]
    if cell.candidate_activation == "identity":
        A_C.copy_(lets_in) if lets_in is not None else A_C.fill_(1)
    else:
        grad = torch.ones_like(candidate) if lets_in is None else lets_in
        is_tanh = cell.candidate_activation == "tanh"
        aten.tanh_backward.grad_input(grad, candidate if is_tanh else candidate / 2, grad_input=A_C)

    if P is None or not at.num_early:
        return forget
    cell_factor.copy_(forget) if forget is not None else cell_factor.fill_(1)
    for gate in range(at.num_early):
        cell_factor.addcmul_(A[:, gate * H : (gate + 1) * H], P[gate * H : (gate + 1) * H])
    return cell_factor
