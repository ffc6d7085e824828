"""Predict for texts with a trained model, a chunk at a time."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.data.tokenize import PAD_ID, fitted_cache
from gatelab.tasks.sequence.export import load_model
from gatelab.tasks.sequence.text_batches import in_chunks, padded_batches

CHUNK = 8192  # texts sorted by length together
BATCH = 256


class Predictor:
    """A trained model with its tokenizer; on CUDA when there is one. classes: the names of its K outputs, none for numbers."""

    def __init__(self, model_folder: Path, device: str | None = None, allow_targets: Sequence[str] = ()) -> None:
        self.module, self.tokenizer, config = load_model(model_folder, allow_targets)
        self.pieces = fitted_cache(self.tokenizer, config.get("tokenizer", "word"))
        self.classes: list[str] = config["classes"]
        self.max_length: int | None = config["max_length"]
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.module.to(self.device)

    def stream(self, texts: Iterable[str]) -> Iterator[NDArray[Any]]:
        """The predictions (K,), text by text in the given order; holds one chunk at a time."""
        for chunk in in_chunks(texts, CHUNK):
            yield from self.predictions(chunk)

    def predictions(self, texts: list[str]) -> NDArray[Any]:
        """(N, K) for N texts: the probability of each class or label, or a number."""
        result = np.empty((len(texts), self.module.head.out_features))
        for rows, predictions in self.batches(self.pieces.encode(texts, self.max_length)):
            result[rows] = predictions
        return result

    @torch.inference_mode()
    def batches(self, encoded: Sequence[NDArray[Any]]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Of the token ids of texts: the rows (B,) of each batch of like lengths, and their predictions (B, K)."""
        lengths = torch.tensor([len(ids) for ids in encoded])
        for rows, tokens in padded_batches(encoded, BATCH, PAD_ID):
            outputs = self.module(tokens.to(self.device), lengths[rows].to(self.device))
            yield rows, self.module.predict(outputs).cpu().numpy()

    def read_gates(self, text: str, *, attributions: bool = True) -> dict[str, NDArray[Any]]:
        from gatelab.tasks.sequence.trace import read_gates

        return read_gates(self, text, attributions=attributions)

    @property
    def columns(self) -> list[str]:
        """Of a table: the prediction, and the probability of each class or label."""
        return ["prediction", *(f"probability:{name}" for name in self.classes)]

    def row(self, predictions: NDArray[Any]) -> list[str]:
        """The columns of a text."""
        if not self.classes:
            return [repr(float(predictions[0]))]
        return [self.answer(predictions), *map(repr, predictions.tolist())]

    @property
    def titles(self) -> list[str]:
        """Of a table on a screen."""
        return ["prediction", *self.classes]

    def shown(self, predictions: NDArray[Any]) -> list[str]:
        return [self.answer(predictions), *(f"{value:.4f}" for value in predictions if self.classes)]

    def answer(self, predictions: NDArray[Any]) -> str:
        """The predictions (K,) of a text in words."""
        return self.module.answer(predictions, self.classes)
