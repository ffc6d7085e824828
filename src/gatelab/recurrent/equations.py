"""The LSTM and its variants as in a textbook, one step at a time: the oracle of every other backend.

B batch, T time, E embedding, H hidden; G what has weights (gates and candidate), S the gates among them.
Equations and names of the variants: Greff et al. 2017, "LSTM: A Search Space Odyssey", section II and appendix.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, sigmoid
from torch.nn import functional as F

from gatelab.recurrent.cell import Cell
from gatelab.recurrent.ragged import valid_mask

State = tuple[Tensor, Tensor]
EPSILON = 1e-5  # of layer normalisation

Function = Callable[[Tensor], Tensor]
CANDIDATE: dict[str, Function] = {
    "tanh": torch.tanh,
    "identity": lambda a: a,
    "tanh_1997": lambda a: 2 * torch.tanh(a / 2),
}
OUTPUT: dict[str, Function] = {"tanh": torch.tanh, "identity": lambda c: c, "tanh_1997": lambda c: torch.tanh(c / 2)}


class Weights(NamedTuple):
    """One layer in one direction, the gates' rows stacked in the order of ``Cell.learned``."""

    W: Tensor  # (G·H, E)
    U: Tensor  # (G·H, H)
    b: Tensor | None  # (G·H,)
    peepholes: Tensor | None = None  # (S·H,)
    gates: Tensor | None = None  # (S·H, S·H): row of the gate that sees, column of the gate seen
    norm_input: Tensor | None = None  # (G·H,) gain; the biases of both terms are b
    norm_hidden: Tensor | None = None  # (G·H,) gain
    norm_cell: Tensor | None = None  # (2, H): gain and bias


class Noise(NamedTuple):
    """The random part of one pass, drawn beforehand so that every backend can use the same."""

    hidden_mask: Tensor | None = None  # (B, H): scale of h_{t-1} in the recurrent term
    keep_hidden: Tensor | None = None  # (B, T, H): share of h_{t-1} in h_t
    keep_cell: Tensor | None = None  # (B, T, H)


class Step(NamedTuple):
    """What a step computes; of a whole layer in a trace. Each (B, H), or (B, T, H) in a trace."""

    input_gate: Tensor
    forget_gate: Tensor
    candidate: Tensor
    cell: Tensor
    output_gate: Tensor
    hidden: Tensor


def lstm_step(x_t: Tensor, h: Tensor, c: Tensor, weights: Weights, cell: Cell, opened: Tensor | None = None) -> Step:
    """One step from h_{t-1} and C_{t-1}: x_t (B, E), h and c (B, H), opened (B, S·H) the gates of the step before."""
    a = preactivations(x_t, h, weights, cell, opened)
    p = peepholes(weights, cell, c)
    one = torch.ones_like(c)

    i = sigmoid(a["input"] + p["input"] * c) if "input" in a else one  # input gate
    f = sigmoid(a["forget"] + p["forget"] * c) if "forget" in a else one  # forget gate
    if cell.coupled == "input":
        f = 1 - i
    if cell.coupled == "forget":
        i = 1 - sigmoid(a["forget"] + p["forget"] * c - cell.coupling_shift)
    candidate = CANDIDATE[cell.candidate_activation](a["candidate"])  # candidate
    c = f * c + i * candidate  # cell state
    o = sigmoid(a["output"] + p["output"] * c) if "output" in a else one  # output gate
    h = o * OUTPUT[cell.output_activation](normalize(c, weights.norm_cell))  # hidden state
    return Step(i, f, candidate, c, o, h)


def preactivations(x_t: Tensor, h: Tensor, weights: Weights, cell: Cell, opened: Tensor | None) -> Mapping[str, Tensor]:
    """W x_t + U h_{t-1} + b of every gate by name, each (B, H)."""
    input_term, hidden_term = x_t @ weights.W.T, h @ weights.U.T  # (B, G·H)
    if weights.gates is not None and opened is not None:
        seen = dict(zip(cell.learned_gates, (opened @ weights.gates.T).split(h.shape[1], 1), strict=True))
        hidden_term = hidden_term + torch.cat([seen.get(name, torch.zeros_like(h)) for name in cell.learned], 1)
    if weights.norm_input is not None and weights.norm_hidden is not None:
        input_term = F.layer_norm(input_term, input_term.shape[1:], weights.norm_input, None, EPSILON)
        hidden_term = F.layer_norm(hidden_term, hidden_term.shape[1:], weights.norm_hidden, None, EPSILON)
    total = input_term + hidden_term + (0 if weights.b is None else weights.b)
    return dict(zip(cell.learned, total.split(h.shape[1], 1), strict=True))


def peepholes(weights: Weights, cell: Cell, c: Tensor) -> Mapping[str, Tensor]:
    """The peephole weights (H,) of every gate by name; zeros without peepholes."""
    if weights.peepholes is None:
        return dict.fromkeys(cell.learned, c.new_zeros(c.shape[1]))
    return dict(zip(cell.learned_gates, weights.peepholes.split(c.shape[1]), strict=True))


def normalize(c: Tensor, gain_and_bias: Tensor | None) -> Tensor:
    if gain_and_bias is None:
        return c
    gain, bias = gain_and_bias
    return F.layer_norm(c, c.shape[1:], gain, bias, EPSILON)


def trace_layer(
    x: Tensor, h: Tensor, c: Tensor, weights: Weights, cell: Cell, lengths: Tensor | None, noise: Noise
) -> tuple[Step, State]:
    """One layer in one direction over x (B, T, E) from h and c (B, H).

    Returns every gate, candidate and state as (B, T, H), the states as they are carried on (after zoneout) and zero past
    a row's end, and (h, c) after each row's last valid step.
    """
    opened = None if weights.gates is None else h.new_zeros(h.shape[0], weights.gates.shape[0])
    valid = None if lengths is None else valid_mask(lengths, x.shape[1])[..., None]  # (B, T, 1)
    steps: list[Step] = []
    for t in range(x.shape[1]):
        seen = h if noise.hidden_mask is None else h * noise.hidden_mask
        step = lstm_step(x[:, t], seen, c, weights, cell, opened)
        h_t, c_t = step.hidden, step.cell
        if noise.keep_hidden is not None:
            h_t = noise.keep_hidden[:, t] * h + (1 - noise.keep_hidden[:, t]) * h_t
        if noise.keep_cell is not None:
            c_t = noise.keep_cell[:, t] * c + (1 - noise.keep_cell[:, t]) * c_t
        step = step._replace(hidden=h_t, cell=c_t)
        if valid is not None:
            step = Step(*(torch.where(valid[:, t], part, 0.0) for part in step))
            h_t, c_t = torch.where(valid[:, t], h_t, h), torch.where(valid[:, t], c_t, c)
        h, c = h_t, c_t
        steps.append(step)
        if opened is not None:
            opened = torch.cat([getattr(step, f"{name}_gate") for name in cell.learned_gates], 1)
    if not steps:
        return Step(*[x.new_zeros(x.shape[0], 0, h.shape[1])] * len(Step._fields)), (h, c)
    return Step(*(torch.stack(parts, 1) for parts in zip(*steps, strict=True))), (h, c)
