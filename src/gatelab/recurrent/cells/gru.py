"""The gated recurrent unit, as torch has it and as it was published."""

from typing import Any

from torch import Tensor, sigmoid, tanh

from gatelab.recurrent.cell import APART, BOTH, INNER, Cell


class GRU(Cell):
    """``nn.GRU``, whose weights load: the reset gate acts on the recurrent product, bias included.

    r_t = σ(W_r x_t + U_r h_{t-1} + b_r)
    z_t = σ(W_z x_t + U_z h_{t-1} + b_z)
    h̃_t = tanh(W x_t + b + r_t ⊙ (U h_{t-1} + b_h))
    h_t = (1 − z_t) ⊙ h̃_t + z_t ⊙ h_{t-1}
    """

    gates = {"reset": BOTH, "update": BOTH, "candidate": APART}
    states = ("h",)
    keeps = {"update": 1}

    def update(self, a: Any, h: Tensor) -> Tensor:
        reset_gate = sigmoid(a.reset)
        update_gate = sigmoid(a.update)
        candidate = tanh(a.candidate.x + reset_gate * a.candidate.h)
        return (1 - update_gate) * candidate + update_gate * h


class GRU2014(Cell):
    """Cho et al. 2014, arXiv:1406.1078: the reset gate acts on the state before the recurrent product.

    r_t = σ(W_r x_t + U_r h_{t-1} + b_r)
    z_t = σ(W_z x_t + U_z h_{t-1} + b_z)
    h̃_t = tanh(W x_t + U (r_t ⊙ h_{t-1}) + b)
    h_t = z_t ⊙ h_{t-1} + (1 − z_t) ⊙ h̃_t
    """

    gates = {"reset": BOTH, "update": BOTH, "candidate": INNER}
    states = ("h",)
    keeps = {"update": 1}

    def inner(self, a: Any, h: Tensor) -> Tensor:
        reset_gate = sigmoid(a.reset)
        return reset_gate * h

    def update(self, a: Any, h: Tensor) -> Tensor:
        update_gate = sigmoid(a.update)
        candidate = tanh(a.candidate)
        return update_gate * h + (1 - update_gate) * candidate
