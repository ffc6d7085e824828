"""Text from a language model, token by token from a carried state. V vocabulary."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import DataError
from gatelab.tasks.language_model.lstm_step import LSTMStep
from gatelab.tasks.language_model.text_tokenizer import TextTokenizer


def continued(module: Any, tokenizer: TextTokenizer, text: str, *, temperature: float, seed: int) -> Iterator[str]:
    """What a language model writes after text, token by token, without end. Raises DataError for what its vocabulary lacks."""
    ids = tokenizer.encode(text).tolist()
    if tokenizer.unknown_id is not None and tokenizer.unknown_id in ids:
        parts = text if tokenizer.kind == "char" else text.split()
        unknown = next(part for part in parts if tokenizer.unknown_id in tokenizer.encode(part))
        raise DataError(
            f"the model's vocabulary has no '{unknown}'. Leave it out, or train with tokenizer=bytes or bpe."
        )
    drawn = sample_ids(
        module, [tokenizer.start_id, *ids], temperature=temperature, generator=torch.Generator().manual_seed(seed),
        unknown_id=tokenizer.unknown_id,
    )  # fmt: skip
    return tokenizer.decoded(drawn)


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
