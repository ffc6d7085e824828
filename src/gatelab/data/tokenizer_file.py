"""A tokenizer.json of the ``tokenizers`` library from elsewhere: data, checked and renumbered."""

import json
from pathlib import Path
from typing import Any

from gatelab.data.tokenize import PAD, UNKNOWN
from gatelab.errors import DataError

MAX_BYTES = 100 * 2**20
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
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"{key}: is larger than {MAX_BYTES // 2**20} MiB, so it is no tokenizer.json.")
        text = file.read_text(encoding="utf-8")
        content, tokens = json.loads(text), Tokenizer.from_str(text).get_vocab()
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
