"""The simple recurrent unit."""

from typing import Any

from torch import Tensor, sigmoid

from gatelab.recurrent.cell import Cell, X


class SRU(Cell):
    """Lei et al. 2018, arXiv:1709.02755: gates that see the input and their own unit's state only.

    f_t = σ(W_f x_t + v_f ⊙ c_{t-1} + b_f)
    c_t = f_t ⊙ c_{t-1} + (1 − f_t) ⊙ W x_t
    r_t = σ(W_r x_t + v_r ⊙ c_{t-1} + b_r)
    h_t = r_t ⊙ c_t + (1 − r_t) ⊙ W_h x_t

    The paper's highway is α x_t of a layer as wide as its input; here it is always projected. W and W_h have biases here,
    which are none in the paper.
    """

    gates = {"forget": X, "reset": X, "candidate": X, "highway": X}
    vectors = {"recurrent": ("forget", "reset")}
    symbols = {"recurrent": "v"}

    def update(self, a: Any, c: Tensor, p: Any) -> Tensor:
        forget_gate = sigmoid(a.forget + p.forget * c)
        reset_gate = sigmoid(a.reset + p.reset * c)  # noqa: F841 -- for readout
        candidate = a.candidate
        return forget_gate * c + (1 - forget_gate) * candidate

    def readout(self, a: Any, c: Tensor, reset_gate: Tensor) -> Tensor:
        return reset_gate * c + (1 - reset_gate) * a.highway
