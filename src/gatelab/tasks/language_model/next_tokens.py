"""A trained language model as one graph for other programs: a window of tokens and the carried state to what comes next.

B rows, T tokens of a window, V vocabulary, H hidden.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gatelab.errors import RunError
from gatelab.recurrent.scan import ScanEncoder
from gatelab.tasks.language_model.language_module import LanguageModel
from gatelab.tasks.language_model.text_tokenizer import TextTokenizer
from gatelab.tasks.sequence.exported import Graph


class NextTokens(nn.Module):
    """tokens (B, T) and the state, each part (layers, B, H) → log-probabilities (B, T, V) of the token after each, and the state after
    the last."""

    def __init__(self, module: LanguageModel) -> None:
        super().__init__()
        layers = getattr(module.encoder, "recurrent", None)
        if layers is None:
            raise RunError(
                f"{type(module.encoder).__name__} is no encoder of gatelab, so the form of its state is not known, and it cannot be exported."
            )
        module.encoder = ScanEncoder(layers)
        self.module = module.eval().requires_grad_(False)

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        states, after = self.module(tokens, state)  # (B, T, D)
        scores = self.module.output_layer.log_probabilities(states.flatten(0, 1))
        return scores.view(*tokens.shape, -1), *after


def next_tokens_graph(module: LanguageModel, tokenizer: TextTokenizer) -> Graph:
    """Its example is the second of two windows. Raises RunError for an encoder whose state has another form."""
    encoder, graph = module.encoder, NextTokens(module)
    layers: Any = module.encoder.layers
    names = layers.cell.state_names
    first = {name: layers.cell.initial.get(name, 0.0) for name in names}

    @torch.no_grad()
    def example(num_rows: int, num_steps: int) -> tuple[Tensor, ...]:
        random = torch.Generator().manual_seed(0)
        shape = (2, num_rows, num_steps)
        before, tokens = torch.randint(0, module.embedding.num_embeddings, shape, generator=random)
        _, state = encoder(module.embedding(before), torch.full((num_rows,), num_steps))
        return tokens, *state

    return Graph(
        graph, ["tokens", *(f"state_{name}" for name in names)], ["log_probabilities", *(f"next_state_{name}" for name in names)],
        example, ({0: "rows", 1: "tokens"}, ({1: "rows"},) * len(names)),
        {
            "tokenizer": tokenizer.kind, "start_id": module.start_id, "unknown_id": module.unknown_id,
            "state_shape": [layers.num_layers, "rows", layers.hidden_size], "first_state": first,
        },
        f"a text begins with token {module.start_id} and a state of {', '.join(f'{name} {value:g}' for name, value in first.items())}",
    )  # fmt: skip
