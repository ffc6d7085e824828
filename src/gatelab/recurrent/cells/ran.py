"""The recurrent additive network."""

from typing import Any, Literal

import torch
from torch import Tensor, sigmoid

from gatelab.recurrent.cell import BOTH, Cell, GateWeights, X


class RAN(Cell):
    """Lee et al. 2017, arXiv:1705.07393: a state is a weighted sum of the inputs, and the gates are the weights.

    c̃_t = W_c x_t
    i_t = σ(W_i x_t + U_i h_{t-1} + b_i)
    f_t = σ(W_f x_t + U_f h_{t-1} + b_f)
    c_t = i_t ⊙ c̃_t + f_t ⊙ c_{t-1}
    h_t = g(c_t)

    output_activation: g, tanh or identity. c̃ has a bias here, which is none in the paper and begins at 0.

    Raises ValueError for another output_activation.
    """

    gates = {"candidate": X, "input": BOTH, "forget": BOTH}

    def __init__(self, output_activation: Literal["tanh", "identity"] = "tanh") -> None:
        if output_activation not in ("tanh", "identity"):
            raise ValueError(f"output_activation must be one of tanh, identity, not {output_activation}")
        self.output_activation = output_activation

    def initialize(self, weights: GateWeights) -> None:
        if "candidate" in weights.bias:
            weights.bias["candidate"].zero_()

    def update(self, a: Any, c: Tensor) -> Tensor:
        candidate = a.candidate
        input_gate = sigmoid(a.input)
        forget_gate = sigmoid(a.forget)
        return input_gate * candidate + forget_gate * c

    def readout(self, c: Tensor) -> Tensor:
        return torch.tanh(c) if self.output_activation == "tanh" else c
