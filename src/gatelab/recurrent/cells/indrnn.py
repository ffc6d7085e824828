"""The independently recurrent network."""

from typing import Any

from torch import Tensor, relu

from gatelab.recurrent.cell import Cell, GateWeights, X


class IndRNN(Cell):
    """Li et al. 2018, arXiv:1803.04831: h_t = relu(W x_t + u ⊙ h_{t-1} + b), one recurrent weight a unit.

    num_steps: the longest dependency in steps, T: u begins uniform in [0, 2^(1/T)], so that T steps grow nothing beyond twice
        its size. The paper also clips u to that range after each update, which nothing does here.

    Raises ValueError for num_steps below 1.
    """

    gates = {"hidden": X}
    states = ("h",)
    vectors = {"recurrent": ("hidden",)}
    symbols = {"recurrent": "u"}

    def __init__(self, num_steps: int = 32) -> None:
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, not {num_steps}")
        self.num_steps = num_steps

    def update(self, a: Any, h: Tensor, p: Any) -> Tensor:
        return relu(a.hidden + p.hidden * h)

    def initialize(self, weights: GateWeights) -> None:
        weights.vector["hidden"].uniform_(0, 2 ** (1 / self.num_steps))
