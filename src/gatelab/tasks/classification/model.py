"""From config groups to a module that learns."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gatelab.config.build import build
from gatelab.errors import ConfigError
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.training.schedule import make_schedule


def build_model(
    model: dict[str, Any],
    encoder: dict[str, Any],
    *,
    vocab_size: int,
    num_classes: int,
    optimizer: dict[str, Any] | None = None,
    class_weights: list[float] | None = None,
    mixed_precision: bool = False,
) -> SequenceClassifier:
    """The classifier around its encoder, with random weights. Without optimizer it can only predict.

    mixed_precision: Lightning then clips gradients itself and refuses an optimizer with a fused kernel.

    Raises ConfigError naming the group whose keys do not fit what its ``_target_`` takes.
    """
    training: dict[str, Any] = {}
    if optimizer is not None:
        options = dict(optimizer)
        training["schedule"] = make_schedule(options.pop("schedule"), options.pop("warmup"))
        if options["_target_"].startswith("torch.optim.Adam"):
            options.setdefault("fused", not mixed_precision)  # one kernel for all parameters, on the CPU too
        training["optimizer"] = partial(build, "optimizer", options)
    built_encoder = build("encoder", encoder, input_size=model["embedding_size"])
    return build(
        "model",
        {**model, "class_weights": class_weights},
        encoder=built_encoder,
        vocab_size=vocab_size,
        num_classes=num_classes,
        **training,
    )


def weigh_classes(wanted: str | Sequence[float] | None, counts: Sequence[int]) -> list[float] | None:
    """model.class_weights as numbers: "balanced" gives every class the same total weight over the training rows."""
    if wanted is None:
        return None
    if wanted == "balanced":
        sizes = np.asarray(counts, dtype=float)
        return (sizes.sum() / (len(sizes) * sizes)).tolist()
    if len(wanted) != len(counts):
        raise ConfigError(f"model.class_weights: has {len(wanted)} weights for {len(counts)} classes.")
    return [float(weight) for weight in wanted]
