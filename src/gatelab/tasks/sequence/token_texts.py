"""The tokens of a text as they stand in it."""

from typing import Any

from gatelab.data.tokenize import SPACE, UNKNOWN_ID

STAND_INS = ("<url>", "<user>")  # whose place in the text the tokenizer does not keep


def token_texts(encoded: Any, text: str, max_length: int | None = None) -> list[str]:
    """Of a text and what the tokenizer made of it, cut to max_length: words from the text, <url> and <user> for what these replace,
    characters and subwords as the model reads them (▁ for a space); the text where it has no token."""
    subwords = any(token.startswith(SPACE) for token in encoded.tokens)
    pieces = [
        token if (subwords or token in STAND_INS) and number != UNKNOWN_ID else text[begin:end]
        for token, number, (begin, end) in zip(encoded.tokens, encoded.ids, encoded.offsets, strict=True)
    ]
    return pieces[:max_length] or [text]
