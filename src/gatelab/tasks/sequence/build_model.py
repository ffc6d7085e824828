"""From config groups to a module that learns."""

from typing import Any

from gatelab.config.build import build
from gatelab.tasks.sequence.sequence_module import SequenceModule


def build_model(model: dict[str, Any], encoder: dict[str, Any], **arguments: Any) -> SequenceModule:
    """The module around its encoder, with random weights. arguments: what its class takes as ``Passed``.

    Raises ConfigError naming the group whose keys do not fit what its ``_target_`` takes.
    """
    vectors = arguments.get("word_vectors")
    embedding_size = model["embedding_size"] if vectors is None else vectors.shape[1]
    built_encoder = build("encoder", encoder, input_size=embedding_size)
    return build("model", model, encoder=built_encoder, **arguments)
