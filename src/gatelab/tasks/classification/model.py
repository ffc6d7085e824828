"""From config groups to a module that learns."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from gatelab.config.build import build
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.training.schedule import make_schedule


def build_model(
    model: dict[str, Any],
    encoder: dict[str, Any],
    *,
    vocab_size: int,
    num_classes: int,
    optimizer: dict[str, Any] | None = None,
    label_counts: Sequence[int] | None = None,
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
        model,
        encoder=built_encoder,
        vocab_size=vocab_size,
        num_classes=num_classes,
        label_counts=label_counts,
        **training,
    )
