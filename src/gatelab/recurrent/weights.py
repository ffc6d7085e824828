"""What every backend computes a layer from. B batch, T time, E embedding, H hidden."""

from typing import NamedTuple

from torch import Tensor


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
