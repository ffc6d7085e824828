"""Text from a language model, token by token from a carried state."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


@torch.inference_mode()
def sample_ids(
    module: Any, ids: Sequence[int], *, temperature: float, generator: torch.Generator, unknown_id: int | None = None
) -> Iterator[int]:
    """Tokens that follow ids (at least one), without end. temperature divides the logits: below 1 the likely ones are likelier,
    0 takes the likeliest. unknown_id is never drawn."""
    tokens = torch.tensor([ids], device=module.device)  # (1, T)
    state: Any = None
    while True:
        states, state = module(tokens, state)
        scores = module.output_layer.log_probabilities(states[:, -1])[0].cpu()  # (V,)
        if unknown_id is not None:
            scores[unknown_id] = -torch.inf
        token = draw(scores, temperature, generator)
        yield token
        tokens = torch.tensor([[token]], device=module.device)


def draw(scores: Tensor, temperature: float, generator: torch.Generator) -> int:
    """The token of log-probabilities (V,): one uniform number a draw, looked up in the cumulative distribution."""
    if not temperature:
        return int(scores.argmax())
    cumulated = torch.softmax(scores.double() / temperature, 0).cumsum(0)
    place = torch.rand(1, dtype=torch.float64, generator=generator) * cumulated[-1]
    return min(int(torch.searchsorted(cumulated, place, right=True)), len(scores) - 1)
