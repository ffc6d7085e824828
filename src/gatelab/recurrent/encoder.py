"""One interface for every encoder: ``encoder(x, lengths, state)`` maps embedded tokens to states.

B batch, T time, E embedding, H hidden, D = H × directions. An encoder of your own is any ``nn.Module`` whose first
constructor argument is ``input_size`` (E), with an attribute ``output_size`` (D) and

    forward(x (B, T, E), lengths (B,), state=None) -> (states (B, T, D), state)

Rows are padded on the right; what it returns past a row's end is never read. An encoder that reads in both directions
says so with an attribute ``bidirectional = True``: the first half of D is then read at a row's last step, the second
half at its first.

The state that comes out is that after each row's own end; given with the next piece of the rows, both pieces have the
states of one run. Here it is a sequence of tensors (layers × directions, B, H), in torch's order: h, and c of an LSTM.
They are computed when they are first looked at, so look before an optimizer's step: ``[part.detach() for part in state]``.
A bidirectional encoder cannot go on, and refuses one. An encoder that has no state returns None, and needs no third
argument where nothing gives it one.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from gatelab.annotations import ArgumentsOf, Count, Dropout, Layers
from gatelab.recurrent.cell import Cell
from gatelab.recurrent.cells import GRU, LSTM, RNN
from gatelab.recurrent.formula import formula
from gatelab.recurrent.layers import Recurrent, lstm_of
from gatelab.recurrent.native import Kernel, find_problem, row_ends, warn_of_other, without_onednn
from gatelab.recurrent.notation import Tree
from gatelab.recurrent.ragged import reverse_valid
from gatelab.recurrent.state import LateState, check_state, stack_states


class TorchEncoder(nn.Module):
    """A stack of torch's own recurrent layers, one module a layer and direction.

    Layers are single so that dropout between them is ``nn.Dropout`` (cuDNN's own does not repeat), and dense so that
    the fast kernels stay in use on ragged batches. In a dtype for which oneDNN has no kernel on this processor they run
    without it, after one warning. Raises ValueError for sizes below 1 and a dropout outside [0, 1).
    """

    layer_type: Callable[..., nn.Module]
    cell: Cell  # the same equations, opened
    kernel: Kernel
    state_names: tuple[str, ...] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: Count,
        *,
        num_layers: Layers = 1,
        bidirectional: bool = False,
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, not {num_layers}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {dropout}")
        self.hidden_size, self.bidirectional = hidden_size, bidirectional
        self.output_size = hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.forward_layers = nn.ModuleList(self._layer(size, hidden_size) for size in sizes)
        self.backward_layers = nn.ModuleList(self._layer(size, hidden_size) for size in sizes if bidirectional)
        self.dropout = nn.Dropout(dropout)

    def _layer(self, input_size: int, hidden_size: int) -> nn.Module:
        return self.layer_type(input_size, hidden_size, batch_first=True)

    def forward(
        self, x: Tensor, lengths: Tensor, state: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """x (B, T, E), lengths (B,), state: tensors (layers, B, H) → states (B, T, D), state. See above."""
        if state is not None:
            shape = (len(self.forward_layers), len(x), self.hidden_size)
            check_state(state, self.state_names, shape, self.bidirectional)
        finals: list[Sequence[Tensor]] = []  # one a layer and direction
        for index, layer in enumerate(self.forward_layers):
            if index:
                x = self.dropout(x)
            before = None if state is None else [part[index] for part in state]
            states, final = self._run(layer, x, lengths, before)  # (B, T, H)
            finals.append(final)
            if self.bidirectional:
                backward, final = self._run(self.backward_layers[index], reverse_valid(x, lengths), lengths, None)
                finals.append(final)
                states = torch.cat([states, reverse_valid(backward, lengths)], dim=2)  # (B, T, D)
            x = states
        return x, LateState(partial(stack_states, finals))

    def _run(
        self, layer: nn.Module, x: Tensor, lengths: Tensor, before: Sequence[Tensor] | None
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """One layer in one direction, from the state before, (B, H) each: states (B, T, H), and that after each row's end."""
        problem = find_problem(self.kernel, layer.get_parameter("weight_hh_l0"))
        hx = None if before is None else self._as_torch(before)
        if problem is None or x.device.type != "cpu":
            states, final = layer(x, hx)
        else:
            warn_of_other(problem, "torch's slower loop, without oneDNN,")
            with without_onednn():
                states, final = layer(x, hx)
        return states, LateState(partial(self._row_ends, layer, x, lengths, before, states, final))

    def formula(self) -> list[Tree]:
        """The equations of its cell, for the page of a run."""
        return formula(self.cell)

    @property
    def recurrent(self) -> Recurrent:
        """A copy of its layers, opened."""
        weights: dict[str, Tensor] = {}
        for direction, layers in (("", self.forward_layers), ("_reverse", self.backward_layers)):
            for index, layer in enumerate(layers):
                for name, value in layer.state_dict().items():
                    weights[f"{name.removesuffix('_l0')}_l{index}{direction}"] = value
        W = weights["weight_ih_l0"]
        stack = Recurrent(
            self.cell, W.shape[1], self.hidden_size, len(self.forward_layers), batch_first=True, dropout=self.dropout.p,
            bidirectional=self.bidirectional, device=W.device, dtype=W.dtype,
        )  # fmt: skip
        stack.load_state_dict(weights)
        return stack.train(self.training)

    def trace(self, x: Tensor, lengths: Tensor) -> dict[str, Any]:
        """Every named value by layer and direction; see ``Recurrent.trace``."""
        return self.recurrent.trace(x, lengths=lengths)

    def _as_torch(self, state: Sequence[Tensor]) -> Any:
        return state[0][None].contiguous()

    def _row_ends(
        self, layer: nn.Module, x: Tensor, lengths: Tensor, before: Sequence[Tensor] | None, states: Tensor, final: Any
    ) -> Sequence[Tensor]:
        """The state (B, H) after each row's last valid step. final: what torch's layer calls so, after the padding."""
        first = states.new_zeros(len(x), self.hidden_size) if before is None else before[0]
        every = torch.cat([first[:, None], states], dim=1)  # (B, 1 + T, H)
        return (every[torch.arange(len(x), device=x.device), lengths],)


class LSTMEncoder(TorchEncoder):
    """``nn.LSTM`` layers."""

    layer_type = nn.LSTM
    cell = LSTM()
    kernel = "lstm"
    state_names = ("h", "c")

    def _as_torch(self, state: Sequence[Tensor]) -> Any:
        return tuple(part[None].contiguous() for part in state)

    def _row_ends(
        self, layer: nn.Module, x: Tensor, lengths: Tensor, before: Sequence[Tensor] | None, states: Tensor, final: Any
    ) -> Sequence[Tensor]:
        zeros = layer.get_parameter("weight_hh_l0").new_zeros(len(x), self.hidden_size)
        h, c = (zeros, zeros) if before is None else before
        return row_ends(x, h, c, list(layer.parameters()), lengths, (final[0][0], final[1][0]))


class GRUEncoder(TorchEncoder):
    """``nn.GRU`` layers."""

    layer_type = nn.GRU
    cell = GRU()
    kernel = "gru"


class RNNEncoder(TorchEncoder):
    """``nn.RNN`` layers with tanh."""

    layer_type = nn.RNN
    cell = RNN()
    kernel = "rnn_tanh"


# Of the arguments of Recurrent, what an encoder gives or fixes itself.
GIVEN = ("cell", "input_size", "hidden_size", "bias", "batch_first", "bidirectional", "device", "dtype")


class CellEncoder(nn.Module):
    """Layers of any cell as an encoder; the arguments are those of ``gatelab.recurrent.Recurrent``."""

    layers_name = "layers"  # of the module with the weights, in a state_dict

    def __init__(
        self,
        input_size: int,
        hidden_size: Count,
        *,
        cell: Cell,
        bidirectional: bool = False,
        **settings: Annotated[Any, ArgumentsOf(Recurrent, without=GIVEN)],
    ) -> None:
        super().__init__()
        layers = Recurrent(cell, input_size, hidden_size, batch_first=True, bidirectional=bidirectional, **settings)
        self.add_module(self.layers_name, layers)
        self.bidirectional = bidirectional
        self.output_size = hidden_size * (2 if bidirectional else 1)

    @property
    def recurrent(self) -> Recurrent:
        return self.get_submodule(self.layers_name)  # type: ignore[return-value]

    def forward(
        self, x: Tensor, lengths: Tensor, state: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """x (B, T, E), lengths (B,), state: as ``Cell.state_names``, each (layers, B, H) → states (B, T, D), state. See above."""
        layers = self.recurrent
        if state is not None:
            if layers.cell.recurrent:
                seen = ", ".join(layers.cell.recurrent)
                raise ValueError(
                    f"{type(layers.cell).__name__} cannot continue from a state, which lacks {seen} of the step before"
                )
            shape = (layers.num_layers, len(x), layers.hidden_size)
            check_state(state, layers.cell.state_names, shape, self.bidirectional)
        return layers.states_and_final(x, state, lengths)

    def formula(self) -> list[Tree]:
        """The equations of its cell, for the page of a run."""
        return formula(self.recurrent.cell, layer_norm=self.recurrent.layer_norm)

    def trace(self, x: Tensor, lengths: Tensor) -> dict[str, Any]:
        """Every named value by layer and direction; see ``Recurrent.trace``."""
        return self.recurrent.trace(x, lengths=lengths)


class GatedEncoder(CellEncoder):
    """The gate-level LSTM as an encoder; its weights are those of ``nn.LSTM``, under ``lstm.``.

    The arguments are those of ``GatedLSTM``: of ``gatelab.recurrent.cells.LSTM`` and ``gatelab.recurrent.Recurrent``.
    """

    layers_name = "lstm"

    def __init__(
        self,
        input_size: int,
        hidden_size: Count,
        **settings: Annotated[Any, ArgumentsOf(LSTM), ArgumentsOf(CellEncoder, without=("cell",))],
    ) -> None:
        cell, others = lstm_of(settings)
        super().__init__(input_size, hidden_size, cell=cell, **others)
