"""One interface for every encoder: ``encoder(x, lengths)`` maps embedded tokens to states.

B batch, T time, E embedding, H hidden, D = H × directions. An encoder of your own is any ``nn.Module`` whose first
constructor argument is ``input_size`` (E), with an attribute ``output_size`` (D) and

    forward(x (B, T, E), lengths (B,)) -> states (B, T, D)

Rows are padded on the right; what it returns past a row's end is never read. An encoder that reads in both directions
says so with an attribute ``bidirectional = True``: the first half of D is then read at a row's last step, the second
half at its first.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gatelab.recurrent.equations import Step
from gatelab.recurrent.gated import Backend, GatedLSTM
from gatelab.recurrent.native import Kernel, find_problem, warn_of_other, without_onednn
from gatelab.recurrent.ragged import reverse_valid


class TorchEncoder(nn.Module):
    """A stack of torch's own recurrent layers, one module a layer and direction.

    Layers are single so that dropout between them is ``nn.Dropout`` (cuDNN's own does not repeat), and dense so that
    the fast kernels stay in use on ragged batches. In a dtype for which oneDNN has no kernel on this processor they run
    without it, after one warning. Raises ValueError for sizes below 1 and a dropout outside [0, 1).
    """

    layer_type: Callable[..., nn.Module]
    kernel: Kernel

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, not {num_layers}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {dropout}")
        self.bidirectional = bidirectional
        self.output_size = hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.forward_layers = nn.ModuleList(self._layer(size, hidden_size) for size in sizes)
        self.backward_layers = nn.ModuleList(self._layer(size, hidden_size) for size in sizes if bidirectional)
        self.dropout = nn.Dropout(dropout)

    def _layer(self, input_size: int, hidden_size: int) -> nn.Module:
        return self.layer_type(input_size, hidden_size, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (B, T, E), lengths (B,) → states (B, T, D)."""
        for index, layer in enumerate(self.forward_layers):
            if index:
                x = self.dropout(x)
            states = self._run(layer, x)  # (B, T, H)
            if self.bidirectional:
                backward = self._run(self.backward_layers[index], reverse_valid(x, lengths))
                states = torch.cat([states, reverse_valid(backward, lengths)], dim=2)  # (B, T, D)
            x = states
        return x

    def _run(self, layer: nn.Module, x: Tensor) -> Tensor:
        problem = find_problem(self.kernel, layer.get_parameter("weight_hh_l0"))
        if problem is None or x.device.type != "cpu":
            return layer(x)[0]
        warn_of_other(problem, "torch's slower loop, without oneDNN,")
        with without_onednn():
            return layer(x)[0]


class LSTMEncoder(TorchEncoder):
    """``nn.LSTM`` layers."""

    layer_type = nn.LSTM
    kernel = "lstm"

    def trace(self, x: Tensor, lengths: Tensor) -> dict[str, Step]:
        """Every gate by layer and direction; see ``GatedLSTM.trace``."""
        weights: dict[str, Tensor] = {}
        for direction, layers in (("", self.forward_layers), ("_reverse", self.backward_layers)):
            for index, layer in enumerate(layers):
                for name, value in layer.state_dict().items():
                    weights[f"{name.removesuffix('_l0')}_l{index}{direction}"] = value
        W, U = weights["weight_ih_l0"], weights["weight_hh_l0"]
        stack = GatedLSTM(
            W.shape[1], U.shape[1], len(self.forward_layers), batch_first=True, dropout=self.dropout.p,
            bidirectional=self.bidirectional, device=W.device, dtype=W.dtype,
        )  # fmt: skip
        stack.load_state_dict(weights)
        return stack.train(self.training).trace(x, lengths=lengths)


class GRUEncoder(TorchEncoder):
    """``nn.GRU`` layers."""

    layer_type = nn.GRU
    kernel = "gru"


class RNNEncoder(TorchEncoder):
    """``nn.RNN`` layers with tanh."""

    layer_type = nn.RNN
    kernel = "rnn_tanh"


class GatedEncoder(nn.Module):
    """The gate-level LSTM as an encoder; its weights are those of ``nn.LSTM``, under ``lstm.``.

    backend and the fields of ``gatelab.recurrent.Cell`` as in ``GatedLSTM``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        backend: Backend = "auto",
        **cell: Any,
    ) -> None:
        super().__init__()
        self.bidirectional = bidirectional
        self.output_size = hidden_size * (2 if bidirectional else 1)
        self.lstm = GatedLSTM(
            input_size,
            hidden_size,
            num_layers=num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout,
            backend=backend,
            **cell,
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (B, T, E), lengths (B,) → states (B, T, D)."""
        return self.lstm.states(x, lengths)

    def trace(self, x: Tensor, lengths: Tensor) -> dict[str, Step]:
        """Every gate by layer and direction; see ``GatedLSTM.trace``."""
        return self.lstm.trace(x, lengths=lengths)
