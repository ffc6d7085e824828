"""What a classifier says after each token of the rows that a page lists first, which tints their words there."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from gatelab.runs.examples import read_examples, rewrite_examples
from gatelab.tasks.sequence.chosen_rows import MAX_TOKENS

NUM_ROWS = 10  # of each kind: what a page shows at once


@torch.no_grad()
def add_running_predictions(file: Path, module: Any, prepared: Any) -> None:
    """Give the first rows of each kind in examples.json, as far as they are short, running: the probability of the predicted class after
    each token, and spans: where the token stands in the text, [from, to)."""
    module.eval()
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer_file))
    examples = read_examples(file)
    for rows in examples.values():
        for row in rows[:NUM_ROWS]:
            encoded = tokenizer.encode(row["text"], add_special_tokens=False)
            ids = encoded.ids[: row["tokens"]]  # as many as the model reads
            if row["characters"] > len(row["text"]) or not 0 < len(ids) <= MAX_TOKENS:
                continue
            tokens = torch.tensor([ids], device=module.device).expand(len(ids), -1)
            predictions = module.predict(module(tokens, torch.arange(1, len(ids) + 1, device=module.device)))  # (T, K)
            of = prepared.classes.index(row["prediction"])
            row["running"] = [round(value, 4) for value in predictions[:, of].tolist()]
            row["spans"] = [list(span) for span in encoded.offsets[: len(ids)]]
    rewrite_examples(file, examples)
