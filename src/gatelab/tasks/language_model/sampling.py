"""Text from a language model, token by token from a carried state. V vocabulary."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gatelab.tasks.language_model.lstm_step import LSTMStep


@torch.inference_mode()
def sample_ids(
    module: Any, ids: Sequence[int], *, temperature: float, generator: torch.Generator, unknown_id: int | None = None
) -> Iterator[int]:
    """Tokens that follow ids (at least one), without end. temperature divides the logits: below 1 the likely ones are likelier,
    0 takes the likeliest. unknown_id is never drawn."""
    states, state = module(torch.tensor([ids], device=module.device))
    states = states[0, -1:]  # (1, D)
    step: Callable[[int], Tensor] = partial(one_step, module, [tuple(state)])
    if LSTMStep.fits(module.encoder):
        step = LSTMStep(module.embedding, module.encoder, tuple(state))
    while True:
        scores = module.output_layer.log_probabilities(states.view(1, -1))[0].cpu()  # (V,)
        if unknown_id is not None:
            scores[unknown_id] = -torch.inf
        token = draw(scores, temperature, generator)
        yield token
        states = step(token)


def one_step(module: Any, carried: list[Any], token: int) -> Tensor:
    """The state after one more token; carried holds that of the encoder."""
    states, state = module(torch.tensor([[token]], device=module.device), carried[0])
    carried[0] = tuple(state)
    return states[0, -1]


def draw(scores: Tensor, temperature: float, generator: torch.Generator) -> int:
    """The token of log-probabilities (V,): one uniform number a draw, looked up in the cumulative distribution."""
    if not temperature:
        return int(scores.argmax())
    cumulated = torch.softmax(scores.double() / temperature, 0).cumsum(0)
    place = torch.rand(1, dtype=torch.float64, generator=generator) * cumulated[-1]
    return min(int(torch.searchsorted(cumulated, place, right=True)), len(scores) - 1)
