"""The plain recurrent network, whose one gate is its hidden state."""

from typing import Any, Literal

from torch import Tensor, nn, relu, tanh

from gatelab.recurrent.cell import Cell, GateWeights

NONLINEARITIES = {"tanh": tanh, "relu": relu}


class RNN(Cell):
    """``nn.RNN``, whose weights load: h_t = tanh(W x_t + U h_{t-1} + b) (Elman 1990), or relu.

    identity: U begins as the identity, W normal with standard deviation 0.001 and b at 0 (Le, Jaitly & Hinton 2015,
        arXiv:1504.00941, who take relu).

    Raises ValueError for another nonlinearity.
    """

    gates = ("hidden",)
    states = ("h",)

    def __init__(self, nonlinearity: Literal["tanh", "relu"] = "tanh", identity: bool = False) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity must be one of {', '.join(NONLINEARITIES)}, not {nonlinearity}")
        self.nonlinearity, self.identity = nonlinearity, identity

    def update(self, a: Any) -> Tensor:
        return NONLINEARITIES[self.nonlinearity](a.hidden)

    def initialize(self, weights: GateWeights) -> None:
        if self.identity:
            nn.init.eye_(weights.recurrent["hidden"])
            nn.init.normal_(weights.input["hidden"], std=0.001)
            for biases in (weights.bias, weights.bias_hidden):
                for bias in biases.values():
                    bias.zero_()
