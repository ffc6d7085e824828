"""What every backend computes a layer from. B batch, T time, E embedding, H hidden."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatelab.recurrent.plan import Layout


class Weights(NamedTuple):
    """One layer in one direction, rows in the order of the cell's gates: those that see x, those that see h."""

    W: Tensor  # (gates · H, E)
    U: Tensor  # (gates · H, H)
    bias_input: Tensor | None = None  # (gates · H,)
    bias_hidden: Tensor | None = None
    vectors: Tensor | None = None  # (number · H,) in the order of Cell.vector_names
    gates: Tensor | None = None  # (seeing · H, seen · H): Cell.recurrent_gates, Cell.recurrent
    norm_input: Tensor | None = None  # (rows of W,) gain
    norm_hidden: Tensor | None = None  # (rows of U,) gain
    norm_cell: Tensor | None = None  # (2, H): gain and bias
    U_inner: Tensor | None = None  # the rows of U of gates that see what ``Cell.inner`` returns, where they are apart


class Noise(NamedTuple):
    """The random part of one pass, drawn beforehand so that every backend can use the same."""

    hidden_mask: Tensor | None = None  # (B, H): scale of h_{t-1} in the recurrent term
    keep_hidden: Tensor | None = None  # (B, T, H): how much of h_{t-1} is in h_t
    keep_cell: Tensor | None = None  # (B, T, H): and of the other states


def in_columns(weights: Weights, layout: Layout, H: int) -> Weights:
    """The rows in the order of the columns. What h only reaches keeps its bias; else both biases are bias_input."""
    W, U, b, b_h = weights.W, weights.U, weights.bias_input, weights.bias_hidden
    norm_input, norm_hidden = weights.norm_input, weights.norm_hidden
    U_inner = b_inner = None
    if layout.input_order is not None:
        W, b, norm_input = (take_gates(part, layout.input_order, H) for part in (W, b, norm_input))
    if layout.inner:
        U_inner, b_inner = (take_gates(part, layout.inner_order, H) for part in (U, b_h))
    if layout.hidden_order is not None:
        U, b_h, norm_hidden = (take_gates(part, layout.hidden_order, H) for part in (U, b_h, norm_hidden))
    if b is not None and b_h is not None:
        inner, first, shared = (count * H for count in (len(layout.inner), layout.first_hidden, layout.num_shared))
        if not first and shared == len(b_h):
            b = b + b_h
        else:
            b = b + torch.cat([b[:0] if b_inner is None else b_inner, b.new_zeros(first - inner), b_h[:shared]])
        b_h = b_h[shared:] if layout.hidden_only else None
    return Weights(W, U, b, b_h, weights.vectors, weights.gates, norm_input, norm_hidden, weights.norm_cell, U_inner)


def take_gates(rows: Any, order: Any, H: int) -> Any:
    return rows if rows is None or order is None else rows.unflatten(0, (-1, H))[list(order)].flatten(0, 1)
