"""How the gates' weights begin, where a cell asks for more than ``nn.LSTM``'s uniform draws. H hidden."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatelab.recurrent.cell import Cell


@torch.no_grad()
def initialize_(cell: Cell, weight_hh: Tensor, biases: Sequence[Tensor]) -> None:
    """Overwrite what ``Cell`` says: weight_hh (G·H, H), the two biases (G·H,) if any; see Cell for the sources."""
    if cell.orthogonal:
        for block in weight_hh.chunk(len(cell.learned)):
            nn.init.orthogonal_(block)
    if not biases or (cell.forget_bias is None and cell.chrono is None):
        return
    bias_ih, bias_hh = biases
    hidden_size = weight_hh.shape[1]
    if cell.chrono is not None:
        forget = torch.empty_like(bias_ih[:hidden_size]).uniform_(1, cell.chrono - 1).log()
        wanted = {"forget": forget, "input": -forget}
    else:
        forget = torch.full_like(bias_ih[:hidden_size], cell.forget_bias or 0.0)
        wanted = {"forget": forget} | ({"input": -forget} if cell.coupled == "input" else {})
    for name, given, other in zip(cell.learned, bias_ih.split(hidden_size), bias_hh.split(hidden_size), strict=True):
        if name in wanted:
            given.copy_(wanted[name])
            other.zero_()
