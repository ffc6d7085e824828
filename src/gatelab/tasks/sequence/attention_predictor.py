"""What a model with attention pooling predicts for texts, with the weight of each of their tokens. K outputs."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gatelab.data.tokenize import UNKNOWN_ID
from gatelab.errors import RunError
from gatelab.tasks.sequence.pooling import AttentionPooling
from gatelab.tasks.sequence.prediction import CHUNK, Predictor
from gatelab.tasks.sequence.text_batches import in_chunks
from gatelab.tasks.sequence.token_texts import token_texts

Weights = list[tuple[str, float]]  # of each token that the model reads; they add up to 1


class AttentionPredictor:
    """Has what ``gatelab predict`` asks of a predictor. Raises RunError for one whose model has no attention pooling."""

    def __init__(self, predictor: Any) -> None:
        pool = getattr(predictor.module, "pool", None)
        if not isinstance(predictor, Predictor) or not isinstance(pool, AttentionPooling):
            raise RunError("the model has no attention weights. Train one with model.pooling=attention.")
        self._predictor, self._pool = predictor, pool

    def stream(self, texts: Iterable[str]) -> Iterator[tuple[NDArray[Any], Weights]]:
        """The predictions (K,) and the weights, text by text in the given order; holds one chunk at a time."""
        for chunk in in_chunks(texts, CHUNK):
            yield from zip(*self.read(chunk), strict=True)

    def read(self, texts: list[str]) -> tuple[NDArray[Any], list[Weights]]:
        """(N, K) predictions for N texts, and the weights of each."""
        predictor, pooled = self._predictor, list[Tensor]()
        encoded = predictor.tokenizer.encode_batch(texts, add_special_tokens=False)
        ids = [np.array(each.ids[: predictor.max_length] or [UNKNOWN_ID]) for each in encoded]
        predictions = np.empty((len(texts), predictor.module.head.out_features))
        attention: list[Weights] = [[]] * len(texts)
        hook = self._pool.register_forward_hook(lambda pool, given, _: pooled.append(pool.weights(*given[:2]).cpu()))
        try:
            for rows, values in predictor.batches(ids):
                predictions[rows] = values
                for row, padded in zip(rows, pooled.pop().numpy(), strict=True):
                    tokens = token_texts(encoded[row], texts[row], predictor.max_length)
                    attention[row] = list(zip(tokens, map(shortest, padded[: len(ids[row])]), strict=True))
        finally:
            hook.remove()
        return predictions, attention

    @property
    def columns(self) -> list[str]:
        return [*self._predictor.columns, "attention"]

    def row(self, read: tuple[NDArray[Any], Weights]) -> list[str]:
        """The last is JSON, a list of [token, weight]."""
        predictions, attention = read
        return [*self._predictor.row(predictions), json.dumps(attention, ensure_ascii=False)]

    @property
    def titles(self) -> list[str]:
        return [*self._predictor.titles, "attention"]

    def shown(self, read: tuple[NDArray[Any], Weights]) -> list[str]:
        predictions, attention = read
        return [*self._predictor.shown(predictions), " ".join(f"{token} {weight:.2f}" for token, weight in attention)]


def shortest(weight: np.floating[Any]) -> float:
    """The same number in as few digits as its precision has."""
    return float(str(weight))
