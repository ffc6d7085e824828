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
from gatelab.recurrent.weights import Noise, Weights


class ScanEncoder(nn.Module):
    """The layers of a trained encoder, as in evaluation; the loop's body is traced once from the cell's equations. No gradients.

    Raises ValueError for a cell whose gates see those of the step before, which are no state of it.
    """

    def __init__(self, layers: Recurrent) -> None:
        super().__init__()
        if layers.cell.recurrent:
            raise ValueError(
                f"{type(layers.cell).__name__} sees gates of the step before, which are no state to carry on"
            )
        # torch.onnx cannot decompose a scan that may be differentiated.
        self.layers = layers.eval().requires_grad_(False)
        self.bidirectional = layers.bidirectional
        self.output_size = layers.hidden_size * len(layers.directions)
        self.steps = [
            {direction: trace_step(layers, layer, direction) for direction in layers.directions}
            for layer in range(layers.num_layers)
        ]

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, None]:
        """x (B, T, E), lengths (B,) → states (B, T, D), and None, since nothing goes on from here."""
        for layer, steps in enumerate(self.steps):
            outputs = []
            for direction, step in steps.items():
                walked = reverse_valid(x, lengths) if direction else x
                states = self._scan(step, walked, given(self.layers.weights(layer, direction)))
                outputs.append(reverse_valid(states, lengths) if direction else states)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        return x, None

    def _scan(self, step: Any, x: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """x (B, T, E) → hidden states (B, T, H)."""
        from torch._higher_order_ops.scan import scan  # torch 2.13 has no public name for it

        names, initial, size = self.layers.cell.state_names, self.layers.cell.initial, self.layers.hidden_size
        state = [x.new_full((1, size), initial.get(name, 0.0)).expand(x.shape[0], -1).clone() for name in names]

        def body(before: list[Tensor], x_t: Tensor) -> tuple[list[Tensor], Tensor]:
            after = step(x_t, *before, *weights)
            return list(after), after[names.index("h")].clone()  # a loop's output may be none of its states

        return scan(body, state, x.transpose(0, 1))[1].transpose(0, 1)


def given(weights: Weights) -> list[Tensor]:
    return [part for part in weights if part is not None]


@torch.no_grad()
def trace_step(layers: Recurrent, layer: int, direction: str) -> Any:
    """A function (x_t (B, E), the states before (B, H) each, the weights that there are) → the states after, traced for any B:
    equations that are read by the names in them run as Python only here."""
    from torch.fx.experimental.proxy_tensor import make_fx

    weights, names, H = layers.weights(layer, direction), layers.cell.state_names, layers.hidden_size
    fields = [field for field, part in zip(Weights._fields, weights, strict=True) if part is not None]

    def step(x_t: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        state = tensors[: len(names)]
        parts: Any = dict.fromkeys(Weights._fields) | dict(zip(fields, tensors[len(names) :], strict=True))
        mixed = [
            state[0].new_full((1, 1, H), part) if part else None
            for part in (layers.zoneout_hidden, layers.zoneout_cell)
        ]
        return trace_layer(x_t[:, None], state, Weights(**parts), layers.cell, None, Noise(None, *mixed))[1]

    tensors = given(weights)
    sizes = {size for part in tensors for size in part.shape}
    # Equal sizes would be taken for the same one.
    B = next(number for number in range(2, len(sizes) + 3) if number not in sizes)
    like = tensors[0]
    examples = [like.new_zeros(B, weights.W.shape[1]), *(like.new_zeros(B, H) for _ in names), *tensors]
    return make_fx(step, tracing_mode="symbolic")(*examples)
