"""An encoder as one loop over time that torch.export, and from it the ONNX exporter, keeps for rows of any number and length.

B batch, T time, E embedding, H hidden, D = H × directions.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gatelab.recurrent.equations import trace_layer
from gatelab.recurrent.layers import Recurrent
from gatelab.recurrent.ragged import reverse_valid
from gatelab.recurrent.state import stack_states
from gatelab.recurrent.weights import Noise, Weights


class ScanEncoder(nn.Module):
    """The layers of a trained encoder, as in evaluation; the loop's body is traced once from the cell's equations. No gradients."""

    def __init__(self, layers: Recurrent) -> None:
        super().__init__()
        # torch.onnx cannot decompose a scan that may be differentiated.
        self.layers = layers.eval().requires_grad_(False)
        self.bidirectional = layers.bidirectional
        self.output_size = layers.hidden_size * len(layers.directions)
        self.steps = [
            {direction: trace_step(layers, layer, direction) for direction in layers.directions}
            for layer in range(layers.num_layers)
        ]

    def forward(
        self, x: Tensor, lengths: Tensor, state: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Sequence[Tensor] | None]:
        """x (B, T, E), lengths (B,) → states (B, T, D), and the state after the last step where one is given, as the encoder takes it.
        All rows are full then."""
        finals = []
        for layer, steps in enumerate(self.steps):
            outputs = []
            before = initial_row(self.layers, x) if state is None else [part[layer] for part in state]
            for direction, step in steps.items():
                walked = reverse_valid(x, lengths) if direction else x
                states, final = self._scan(step, walked, before, given(self.layers.weights(layer, direction)))
                outputs.append(reverse_valid(states, lengths) if direction else states)
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        return x, None if state is None else stack_states(finals)

    def _scan(
        self, step: Any, x: Tensor, before: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """x (B, T, E) → hidden states (B, T, H), and what a step takes over after the last."""
        from torch._higher_order_ops.scan import scan  # torch 2.13 has no public name for it

        place = self.layers.cell.state_names.index("h")
        first = [row.expand(x.shape[0], -1).clone() for row in before]

        def body(before: list[Tensor], x_t: Tensor) -> tuple[list[Tensor], Tensor]:
            after = step(x_t, *before, *weights)
            return list(after), after[place].clone()  # a loop's output may be none of its states

        final, states = scan(body, first, x.transpose(0, 1))
        return states.transpose(0, 1), final


def given(weights: Weights) -> list[Tensor]:
    return [part for part in weights if part is not None]


def initial_row(layers: Recurrent, like: Tensor) -> list[Tensor]:
    """What a step takes over from the one before, for one row at its first step: the states (1, H) each, and where gates see those of
    the step before, these (1, ·)."""
    cell, H = layers.cell, layers.hidden_size
    states = [like.new_full((1, H), cell.initial.get(name, 0.0)) for name in cell.state_names]
    return states + ([like.new_zeros(1, H * len(cell.recurrent))] if cell.recurrent else [])


@torch.no_grad()
def trace_step(layers: Recurrent, layer: int, direction: str) -> Any:
    """A function (x_t (B, E), what initial_row has, the weights that there are) → what initial_row has after the step, traced for any
    B: equations that are read by the names in them run as Python only here."""
    from torch.fx.experimental.proxy_tensor import make_fx

    weights, cell, H = layers.weights(layer, direction), layers.cell, layers.hidden_size
    before, num_states = initial_row(layers, weights.U), len(cell.state_names)
    fields = [field for field, part in zip(Weights._fields, weights, strict=True) if part is not None]

    def step(x_t: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        state, seen_gates = tensors[:num_states], tensors[num_states] if cell.recurrent else None
        parts: Any = dict.fromkeys(Weights._fields) | dict(zip(fields, tensors[len(before) :], strict=True))
        mixed = [
            state[0].new_full((1, 1, H), part) if part else None
            for part in (layers.zoneout_hidden, layers.zoneout_cell)
        ]
        values, after = trace_layer(
            x_t[:, None], state, Weights(**parts), cell, None, Noise(None, *mixed), bool(cell.recurrent), seen_gates
        )
        gates = [values[name][:, 0] for name in cell.recurrent]
        return (*after, torch.cat(gates, 1)) if gates else after

    tensors = given(weights)
    sizes = {size for part in tensors for size in part.shape}
    # Equal sizes would be taken for the same one.
    B = next(number for number in range(2, len(sizes) + 3) if number not in sizes)
    like = tensors[0]
    examples = [like.new_zeros(B, weights.W.shape[1]), *(row.expand(B, -1).clone() for row in before), *tensors]
    return make_fx(step, tracing_mode="symbolic")(*examples)
