"""The minimal gated unit."""

from typing import Any

from torch import Tensor, sigmoid, tanh

from gatelab.recurrent.cell import BOTH, INNER, Cell


class MGU(Cell):
    """Zhou et al. 2016, arXiv:1603.09420: the forget gate is reset and update gate in one, and keeps where it is shut.

    f_t = σ(W_f x_t + U_f h_{t-1} + b_f)
    h̃_t = tanh(W x_t + U (f_t ⊙ h_{t-1}) + b)
    h_t = (1 − f_t) ⊙ h_{t-1} + f_t ⊙ h̃_t
    """

    gates = {"forget": BOTH, "candidate": INNER}
    states = ("h",)
    keeps = {"forget": -1}

    def inner(self, a: Any, h: Tensor) -> Tensor:
        return sigmoid(a.forget) * h

    def update(self, a: Any, h: Tensor) -> Tensor:
        forget_gate = sigmoid(a.forget)
        candidate = tanh(a.candidate)
        return (1 - forget_gate) * h + forget_gate * candidate
