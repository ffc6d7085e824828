"""What a trained language model makes of texts: how surprising each is. N texts, B of them read together."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.runs.metrics import title_of
from gatelab.screen import decimal
from gatelab.tasks.language_model.language_folder import load_language_model
from gatelab.tasks.language_model.sampling import continued
from gatelab.tasks.language_model.text_data import EVALUATED_WINDOW
from gatelab.tasks.language_model.text_gates import read_text_gates
from gatelab.tasks.language_model.text_tokenizer import Ids
from gatelab.tasks.sequence.text_batches import in_chunks, padded_batches

CHUNK = 2048  # texts sorted by length together
BATCH = 64


class TextLoss:
    """A trained language model with its tokenizer; on CUDA when there is one. Each text is read as if a line had ended before it."""

    columns = ("tokens", "unknown", "loss", "perplexity", "bits_per_character")
    titles = tuple(map(title_of, columns))

    def __init__(self, model_folder: Path, allow_targets: Sequence[str] = ()) -> None:
        self.module, self.tokenizer = load_language_model(model_folder, allow_targets)
        self.module.to("cuda" if torch.cuda.is_available() else "cpu")

    def stream(self, texts: Iterable[str]) -> Iterator[NDArray[Any]]:
        """The columns of each text as numbers, in the given order; holds one chunk at a time."""
        for chunk in in_chunks(texts, CHUNK):
            yield from self.predictions(chunk)

    def predictions(self, texts: list[str]) -> NDArray[Any]:
        """(N, 5): the columns; a text without tokens has no loss, NaN."""
        encoded = [self.tokenizer.encode(text) for text in texts]
        result = np.full((len(texts), len(self.columns)), np.nan)
        for row, (losses, ids) in enumerate(zip(self.losses_of(encoded), encoded, strict=True)):
            unknown = (ids == self.tokenizer.unknown_id).sum() if self.tokenizer.unknown_id is not None else 0
            result[row, :2] = len(losses), unknown
            if len(losses):
                loss = float(losses.mean())
                bits = loss * len(losses) / math.log(2) / len(texts[row])
                result[row, 2:] = loss, math.exp(min(loss, 700)), bits
        return result

    def token_losses(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """The loss of each token of each text in nats, float64."""
        return self.losses_of([self.tokenizer.encode(text) for text in texts])

    @torch.inference_mode()
    def losses_of(self, encoded: Sequence[Ids]) -> list[NDArray[Any]]:
        """The same of the ids of each text."""
        start_id = self.module.start_id
        read = [np.concatenate([[start_id], ids]) for ids in encoded]
        result: list[NDArray[Any]] = [np.empty(0)] * len(encoded)
        for rows, batch in padded_batches(read, BATCH, start_id):
            tokens, state, losses = batch.to(self.module.device), None, []
            for start in range(0, tokens.shape[1] - 1, EVALUATED_WINDOW):
                window = tokens[:, start : start + EVALUATED_WINDOW + 1]
                found, state = self.module.losses(window[:, :-1], window[:, 1:], state)
                losses.append(found)
            if losses:
                together = torch.cat(losses, 1).double().cpu().numpy()
                for number, row in enumerate(rows):
                    result[row] = together[number, : len(encoded[row])]
        return result

    def read_gates(self, text: str, *, attributions: bool = False) -> dict[str, NDArray[Any]]:
        """It has no attributions, since it decides anew after each token."""
        return read_text_gates(self.module, self.tokenizer, text)

    def continued(self, text: str, *, temperature: float, seed: int) -> Iterator[str]:
        """What it writes after the text, token by token, without end. Raises DataError for a text that it cannot read."""
        return continued(self.module, self.tokenizer, text, temperature=temperature, seed=seed)

    def row(self, values: NDArray[Any]) -> list[str]:
        """The columns of a text for a table."""
        return [str(int(values[0])), str(int(values[1])), *map(repr, values[2:].tolist())]

    def shown(self, values: NDArray[Any]) -> list[str]:
        """The columns of a text for the screen."""
        return [
            str(int(values[0])),
            str(int(values[1])),
            *("–" if math.isnan(value) else decimal(value) for value in values[2:].tolist()),
        ]
