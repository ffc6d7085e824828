"""The LSTM gate by gate, in pure PyTorch. B batch, T time, E embedding, H hidden, D = H × directions.

The cell of Hochreiter & Schmidhuber (1997) with the forget gate of Gers, Schmidhuber & Cummins (2000). Parameters have
the names, shapes and gate order (input, forget, candidate, output) of ``nn.LSTM``: a state_dict of either loads into
the other.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gatelab.recurrent.ragged import reverse_valid, valid_mask

State = tuple[Tensor, Tensor]


class GateWeights(NamedTuple):
    """The weights of one gate: W (H, E) on the input, U (H, H) on the hidden state, b (H,)."""

    W: Tensor
    U: Tensor
    b: Tensor

    def __call__(self, x_t: Tensor, h: Tensor) -> Tensor:
        """W · [h_{t-1}, x_t] + b for x_t (B, E) and h (B, H): (B, H)."""
        return x_t @ self.W.T + h @ self.U.T + self.b


def lstm_step(x_t: Tensor, h: Tensor, c: Tensor, gates: tuple[GateWeights, ...]) -> State:
    """One step of the LSTM, (h_{t-1}, C_{t-1}) → (h_t, C_t): x_t (B, E), h and c (B, H)."""
    W_i, W_f, W_C, W_o = gates
    f = torch.sigmoid(W_f(x_t, h))  # forget gate
    i = torch.sigmoid(W_i(x_t, h))  # input gate
    candidate = torch.tanh(W_C(x_t, h))  # candidate
    c = f * c + i * candidate  # cell state
    o = torch.sigmoid(W_o(x_t, h))  # output gate
    h = o * torch.tanh(c)  # hidden state
    return h, c


class GatedLSTM(nn.Module):
    """A gate-level LSTM with the arguments, weights and results of ``nn.LSTM``, and ragged batches without packing.

    dropout acts on the outputs of every layer but the last, in training.

    Raises ValueError for sizes below 1 and a dropout outside [0, 1).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, not {size}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {dropout}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout = nn.Dropout(dropout)
        self.directions = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            layer_input = input_size if layer == 0 else hidden_size * len(self.directions)
            for direction in self.directions:
                self._register(f"_l{layer}{direction}", layer_input)
        self.reset_parameters()

    def _register(self, suffix: str, layer_input: int) -> None:
        gates = 4 * self.hidden_size
        self.register_parameter(f"weight_ih{suffix}", nn.Parameter(torch.empty(gates, layer_input)))
        self.register_parameter(f"weight_hh{suffix}", nn.Parameter(torch.empty(gates, self.hidden_size)))
        if self.bias:
            self.register_parameter(f"bias_ih{suffix}", nn.Parameter(torch.empty(gates)))
            self.register_parameter(f"bias_hh{suffix}", nn.Parameter(torch.empty(gates)))

    def reset_parameters(self) -> None:
        """Uniform in ±1/√H, as ``nn.LSTM`` does, and from the same draws for the same seed."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def gates(self, layer: int, direction: str = "") -> tuple[GateWeights, ...]:
        """Input gate, forget gate, candidate and output gate of one layer and direction ("" or "_reverse")."""
        suffix = f"_l{layer}{direction}"
        W, U = getattr(self, f"weight_ih{suffix}"), getattr(self, f"weight_hh{suffix}")
        if self.bias:
            b = getattr(self, f"bias_ih{suffix}") + getattr(self, f"bias_hh{suffix}")
        else:
            b = W.new_zeros(W.shape[0])
        return tuple(map(GateWeights, W.chunk(4), U.chunk(4), b.chunk(4)))

    def forward(self, input: Tensor, hx: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Run the layers over input (T, B, E), or (B, T, E) with ``batch_first``.

        hx: initial (h_0, c_0), each (layers × directions, B, H); zeros without it. lengths (B,): the valid steps of each
        row, padding on the right; all of them without it.

        Returns (output, (h_n, c_n)): the last layer's hidden states, (T, B, D) or (B, T, D), zero past a row's end, and
        the state after each row's last valid step, each (layers × directions, B, H). The same as a packed ``nn.LSTM``.
        """
        if input.dim() != 3:
            raise ValueError(f"the input has three dimensions (batch, time, features in some order), not {input.dim()}")
        x = input if self.batch_first else input.transpose(0, 1)  # (B, T, E)
        if hx is None:
            zeros = x.new_zeros(self.num_layers * len(self.directions), x.shape[0], self.hidden_size)
            hx = (zeros, zeros)
        finals: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in self.directions:
                h_0, c_0 = (state[len(finals)] for state in hx)
                gates = self.gates(layer, direction)
                if direction:
                    states, final = run_layer(reverse_valid(x, lengths), h_0, c_0, gates, lengths)
                    states = reverse_valid(states, lengths)
                else:
                    states, final = run_layer(x, h_0, c_0, gates, lengths)
                outputs.append(states)
                finals.append(final)
            x = torch.cat(outputs, dim=2)  # (B, T, D)
            if layer < self.num_layers - 1:
                x = self.dropout(x)
        h_n, c_n = (torch.stack(state) for state in zip(*finals, strict=True))
        return (x if self.batch_first else x.transpose(0, 1)), (h_n, c_n)

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, bidirectional={self.bidirectional}"
        )


def run_layer(
    x: Tensor, h: Tensor, c: Tensor, gates: tuple[GateWeights, ...], lengths: Tensor | None
) -> tuple[Tensor, State]:
    """One layer in one direction over x (B, T, E) from h and c (B, H): states (B, T, H) and the final (h, c)."""
    states = []
    if lengths is None:
        for x_t in x.unbind(1):
            h, c = lstm_step(x_t, h, c, gates)
            states.append(h)
    else:
        valid = valid_mask(lengths, x.shape[1])[..., None]  # (B, T, 1)
        for x_t, goes_on in zip(x.unbind(1), valid.unbind(1), strict=True):
            h_t, c_t = lstm_step(x_t, h, c, gates)
            states.append(torch.where(goes_on, h_t, 0.0))
            h, c = torch.where(goes_on, h_t, h), torch.where(goes_on, c_t, c)
    if not states:
        return x.new_zeros(x.shape[0], 0, h.shape[1]), (h, c)
    return torch.stack(states, dim=1), (h, c)  # (B, T, H)
