"""A tokenizer.json of the ``tokenizers`` library from elsewhere: data, checked and renumbered."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gatelab.bounded import MIB, parse_json, read_text
from gatelab.data.tokenize import PAD, UNKNOWN
from gatelab.errors import DataError

MAX_BYTES = 50 * MIB
MAX_TOKENS = 1_000_000
MAX_ADDED = 20_000  # the library adds them one by one
MAX_STEPS = 100  # of normalizing and cutting
MAX_GROWTH = 1_000  # characters that its steps together may make of one
# The names by which padding and unknown tokens go where the file does not say which they are.
PADDINGS, UNKNOWNS = (PAD, "[PAD]"), (UNKNOWN, "[UNK]")


def read_tokenizer_file(file: Path) -> Any:
    """The tokenizer with its padding token as 0 and its unknown token as 1, new ones where it has none; the others follow in their order.

    It does not pad, truncate, add special tokens or drop merges at random: batches pad, and data.max_length cuts.
    Raises DataError for a file that cannot be used.
    """
    from tokenizers import Tokenizer

    key = f"data.tokenizer.file={file}"
    try:
        content, text = load_content(file)
        tokens = Tokenizer.from_str(text).get_vocab()
        if len(set(tokens.values())) < len(tokens):
            raise DataError(f"{key}: gives one id to two tokens. Give each its own.")
        return Tokenizer.from_str(json.dumps(renumbered(content, tokens)))
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{key}: cannot be read ({error.strerror}). Name a tokenizer.json.") from None
    except Exception as error:  # what the library raises has no type of its own
        raise DataError(
            f"{key}: is not a tokenizer.json that the tokenizers library reads ({error}). Save one with Tokenizer.save."
        ) from None


def load_content(file: Path) -> tuple[dict[str, Any], str]:
    """The JSON of a tokenizer, and its text. Raises OSError or ValueError for one that is none, or would fill memory: the library
    bounds neither what it reads nor what it makes of a text."""
    text = read_text(file, MAX_BYTES)
    content = parse_json(text)
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise ValueError("it has no model")
    for name, entries, most in (
        ("tokens", content["model"].get("vocab") or (), MAX_TOKENS),
        ("added tokens", content.get("added_tokens") or (), MAX_ADDED),
    ):
        if len(entries) > most:
            raise ValueError(f"it has {len(entries):,} {name}, and at most {most:,} are read")
    steps = [*steps_of(content.get("normalizer")), *steps_of(content.get("pre_tokenizer")), content["model"]]
    if len(steps) > MAX_STEPS:
        raise ValueError(f"it has {len(steps):,} steps, and at most {MAX_STEPS} are taken")
    if math.prod(map(growth, steps)) > MAX_GROWTH:
        raise ValueError(f"it makes more than {MAX_GROWTH:,} characters of one")
    return content, text


def steps_of(component: Any) -> Iterator[dict[str, Any]]:
    """Those that a normalizer or pre-tokenizer consists of."""
    if isinstance(component, dict):
        yield component
        for key in ("normalizers", "pretokenizers"):
            for part in component.get(key) or ():
                yield from steps_of(part)


def growth(step: dict[str, Any]) -> int:
    """How many characters a step of a tokenizer makes of one, at most."""
    put_in = [
        step.get(key)
        for key in ("content", "prepend", "replacement", "continuing_subword_prefix", "end_of_word_suffix")
    ]
    # What a regular expression finds may be empty, and then the character stays.
    extra = 0 if isinstance(step.get("pattern"), dict) and "String" in step["pattern"] else 1
    return math.prod(max(1, len(text) + extra) for text in put_in if isinstance(text, str) and text)


def renumbered(content: dict[str, Any], tokens: dict[str, int]) -> dict[str, Any]:
    """content with other ids. tokens: the ids that it gives, added tokens among them."""
    model = content["model"]
    unigram = model["type"] == "Unigram"
    of_model = (
        model["vocab"][model["unk_id"]][0] if unigram and model.get("unk_id") is not None else model.get("unk_token")
    )
    padding = named(tokens, (content.get("padding") or {}).get("pad_token"), PADDINGS)
    unknown = of_model or named(tokens, None, UNKNOWNS)
    order = [
        padding,
        unknown,
        *(token for token in sorted(tokens, key=tokens.__getitem__) if token not in (padding, unknown)),
    ]
    ids = {token: number for number, token in enumerate(order)}
    if unigram:
        scores = dict(model["vocab"])
        changed = {"vocab": [[token, scores.get(token, 0.0)] for token in order], "unk_id": 1}
    else:
        changed = {"vocab": ids, "unk_token": unknown}
    if "dropout" in model:
        changed["dropout"] = None
    added = [{**token, "id": ids[token["content"]]} for token in content.get("added_tokens") or []]
    return {
        **content, "model": {**model, **changed}, "added_tokens": sorted(added, key=lambda token: token["id"]),
        "padding": None, "truncation": None, "post_processor": None,
    }  # fmt: skip


def named(tokens: dict[str, int], given: str | None, usual: tuple[str, ...]) -> str:
    """The token that is given or goes by a usual name, else a new one."""
    return given if given in tokens else next((token for token in usual if token in tokens), usual[0])
