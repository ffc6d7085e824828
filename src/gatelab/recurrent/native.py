"""The plain LSTM by torch's own kernel: oneDNN on the CPU, cuDNN on CUDA. B batch, T time, E embedding, H hidden."""

import torch
from torch import Tensor

from gatelab.recurrent.equations import State


def run_layer(x: Tensor, h: Tensor, c: Tensor, parameters: list[Tensor], training: bool) -> tuple[Tensor, State]:
    """One layer over a dense x (B, T, E) from h and c (B, H): states (B, T, H) and the final (h, c).

    parameters: W (4H, E), U (4H, H) and, where there are biases, b_ih and b_hh (4H,), as ``nn.LSTM`` has them.
    """
    if not x.shape[1]:
        return x.new_zeros(x.shape[0], 0, h.shape[1]), (h, c)
    states, h_n, c_n = torch._VF.lstm(
        x, (h[None], c[None]), parameters, len(parameters) == 4, 1, 0.0, training, False, True
    )
    return states, (h_n[0], c_n[0])
