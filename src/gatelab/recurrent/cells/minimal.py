"""GRU and LSTM without what keeps them from being computed over all steps at once: gates that see the input only.

Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201, in the form without logarithms.
"""

from typing import Any

from torch import Tensor, sigmoid

from gatelab.recurrent.cell import Cell, X


class MinGRU(Cell):
    """Feng et al. 2024, section 3. The update gate keeps where it is shut.

    z_t = σ(W_z x_t + b_z)
    h̃_t = W_h x_t + b_h
    h_t = (1 − z_t) ⊙ h_{t-1} + z_t ⊙ h̃_t
    """

    gates = {"update": X, "candidate": X}
    states = ("h",)
    keeps = {"update": -1}

    def update(self, a: Any, h: Tensor) -> Tensor:
        update_gate = sigmoid(a.update)
        candidate = a.candidate
        return (1 - update_gate) * h + update_gate * candidate


class MinLSTM(Cell):
    """Feng et al. 2024, section 3: the gates are normalised to a sum of 1.

    f_t = σ(W_f x_t + b_f)
    i_t = σ(W_i x_t + b_i)
    h̃_t = W_h x_t + b_h
    h_t = f_t / (f_t + i_t) ⊙ h_{t-1} + i_t / (f_t + i_t) ⊙ h̃_t
    """

    gates = {"forget": X, "input": X, "candidate": X}
    states = ("h",)

    def update(self, a: Any, h: Tensor) -> Tensor:
        f, i = sigmoid(a.forget), sigmoid(a.input)
        forget_gate = f / (f + i)
        input_gate = i / (f + i)
        candidate = a.candidate
        return forget_gate * h + input_gate * candidate
