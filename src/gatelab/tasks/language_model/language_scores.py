"""The metrics of a language model, from the negative log-probabilities of tokens."""

import math
from collections.abc import Mapping
from typing import NamedTuple


class TextSize(NamedTuple):
    """How long a text is, in three ways."""

    tokens: int
    characters: int
    bytes: int


def language_metrics(loss: float, size: TextSize) -> dict[str, float]:
    """loss: the mean over the tokens, in nats. perplexity is its exponential; bits_per_character and bits_per_byte, the loss of all
    tokens over the characters or bytes of their text, can be compared across tokenizers."""
    bits = loss / math.log(2) * size.tokens
    return {
        "perplexity": math.exp(loss) if loss < 700 else math.inf,
        "bits_per_character": bits / size.characters,
        "bits_per_byte": bits / size.bytes,
        "loss": loss,
    }


def sizes_of(record: Mapping[str, Mapping[str, int]]) -> dict[str, TextSize]:
    """The size of each part that has tokens, from the record of its data."""
    sizes = record["split_sizes"]
    return {
        part: TextSize(sizes[part], record["characters"][part], record["bytes"][part]) for part in sizes if sizes[part]
    }
