"""The LSTM with exponential gates."""

from typing import Any

from torch import Tensor, exp, relu, sigmoid, tanh
from torch.nn.functional import softplus

from gatelab.recurrent.cell import Cell


class SLSTM(Cell):
    """Beck et al. 2024 (xLSTM), arXiv:2405.04517, with one head and a sigmoid forget gate.

    m_t = max(log σ(f̃_t) + m_{t-1}, ĩ_t)            stabiliser
    i_t = exp(ĩ_t − m_t)                             input gate
    f_t = exp(log σ(f̃_t) + m_{t-1} − m_t)           forget gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ tanh(z̃_t)
    n_t = f_t ⊙ n_{t-1} + i_t                        normaliser
    h_t = σ(õ_t) ⊙ c_t / n_t

    h does not depend on m, which only keeps the exponentials in range: both gates lie in [0, 1]. Before the first step c and
    n are 0 and the paper's m is −∞, so that m_1 = ĩ_1 and n_1 = 1; here it is a finite number below any that occurs.
    """

    gates = ("input", "forget", "candidate", "output")
    states = ("c", "n", "m")
    initial = {"m": -1e4}

    def update(self, a: Any, c: Tensor, n: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        behind = m - softplus(-a.forget) - a.input
        excess = relu(behind)
        stabilizer = a.input + excess  # the larger of both; the derivative of maximum costs more
        input_gate = exp(-excess)
        forget_gate = exp(behind - excess)
        candidate = tanh(a.candidate)
        return forget_gate * c + input_gate * candidate, forget_gate * n + input_gate, stabilizer

    def readout(self, a: Any, c: Tensor, n: Tensor) -> Tensor:
        output_gate = sigmoid(a.output)
        return output_gate * (c / n)
