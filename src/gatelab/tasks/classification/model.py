"""From config groups to a module that learns."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gatelab.config.build import build
from gatelab.tasks.classification.classifier import SequenceClassifier


def build_model(
    model: dict[str, Any],
    encoder: dict[str, Any],
    *,
    vocab_size: int,
    num_classes: int,
    label_counts: Sequence[int] | None = None,
    word_vectors: Tensor | None = None,
) -> SequenceClassifier:
    """The classifier around its encoder, with random weights, and with word_vectors (V, E) as its embedding where given.

    Raises ConfigError naming the group whose keys do not fit what its ``_target_`` takes.
    """
    embedding_size = model["embedding_size"] if word_vectors is None else word_vectors.shape[1]
    built_encoder = build("encoder", encoder, input_size=embedding_size)
    return build(
        "model",
        model,
        encoder=built_encoder,
        vocab_size=vocab_size,
        num_classes=num_classes,
        label_counts=label_counts,
        **({} if word_vectors is None else {"word_vectors": word_vectors}),
    )
