"""One step of a plain LSTM for one text, without the cost of a kernel's call: two products of a matrix and a vector a layer.

H hidden, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gatelab.recurrent import CellEncoder, LSTMEncoder

MAX_TABLE = 2**24  # numbers in the table of what the first layer makes of each token


class LSTMStep:
    """The layers of a model's encoder, from its embedding. Only where ``fits``."""

    @staticmethod
    def fits(encoder: Any) -> bool:
        """Whether the encoder is a plain LSTM on the CPU."""
        plain = isinstance(encoder, LSTMEncoder) or (isinstance(encoder, CellEncoder) and not encoder.recurrent.extras)
        return plain and next(encoder.parameters()).device.type == "cpu"

    def __init__(self, embedding: nn.Embedding, encoder: Any, state: Sequence[Tensor]) -> None:
        (self.W, self.U, self.bias), *others = layers_of(encoder)
        self.embedding = embedding.weight
        self.table: Tensor | None = None  # (V, 4H)
        if embedding.num_embeddings * len(self.U) <= MAX_TABLE:
            self.table = self.embedding @ self.W.T + self.bias
        self.others = [(torch.cat([W, U], 1), bias) for W, U, bias in others]
        self.h, self.c = ([*part[:, 0].unbind()] for part in state)  # (H,) a layer

    def __call__(self, token: int) -> Tensor:
        """The last layer's state (H,) after one more token."""
        before = torch.addmv(self.bias, self.W, self.embedding[token]) if self.table is None else self.table[token]
        x = self._update(0, torch.addmv(before, self.U, self.h[0]))
        for layer, (both, bias) in enumerate(self.others, start=1):
            x = self._update(layer, torch.addmv(bias, both, torch.cat([x, self.h[layer]])))
        return x

    def _update(self, layer: int, gates: Tensor) -> Tensor:
        i, f, candidate, o = gates.chunk(4)
        self.c[layer] = f.sigmoid() * self.c[layer] + i.sigmoid() * candidate.tanh()
        self.h[layer] = o.sigmoid() * self.c[layer].tanh()
        return self.h[layer]


def layers_of(encoder: Any) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of each layer W (4H, E), U (4H, H) and the sum of the biases (4H,)."""
    if isinstance(encoder, LSTMEncoder):
        weights = [tuple(layer.parameters()) for layer in encoder.forward_layers]
    else:
        weights = [encoder.recurrent.weights(number)[:4] for number in range(encoder.recurrent.num_layers)]
    return [(W, U, b_x + b_h) for W, U, b_x, b_h in weights]
