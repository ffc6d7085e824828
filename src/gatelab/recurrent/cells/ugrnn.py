"""The update gate recurrent network."""

from typing import Any

from torch import Tensor, sigmoid, tanh

from gatelab.recurrent.cell import Cell


class UGRNN(Cell):
    """Collins et al. 2017, arXiv:1611.09913, with tanh: a plain RNN with one gate that keeps the state.

    c_t = tanh(W_c x_t + U_c h_{t-1} + b_c)
    g_t = σ(W_g x_t + U_g h_{t-1} + b_g)
    h_t = g_t ⊙ h_{t-1} + (1 − g_t) ⊙ c_t
    """

    gates = ("candidate", "update")
    states = ("h",)
    keeps = {"update": 1}

    def update(self, a: Any, h: Tensor) -> Tensor:
        candidate = tanh(a.candidate)
        update_gate = sigmoid(a.update)
        return update_gate * h + (1 - update_gate) * candidate
