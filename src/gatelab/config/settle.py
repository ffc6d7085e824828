"""What a config leaves open or does not use is filled in or left out: then one run has one config, and so one identity."""

from typing import Any

from gatelab.errors import ConfigError

EMBEDDING_SIZE = 128  # without pretrained vectors, whose dimension it is otherwise


def settle(settings: dict[str, Any]) -> None:
    """Change a config in place: without the keys of a schedule or of vectors that it has not.

    Raises ConfigError for model.freeze_vectors or vectors_vocab=all without vectors.
    """
    optimizer, model = settings.get("optimizer"), settings.get("model")
    if isinstance(optimizer, dict) and optimizer.get("schedule") != "plateau":
        optimizer.pop("plateau", None)
    if isinstance(model, dict) and model.get("vectors", "") is None:
        for key, unused in (("freeze_vectors", False), ("vectors_vocab", "train")):
            if (value := model.pop(key, unused)) != unused:
                raise ConfigError(f"model.{key}={value}: there are no vectors. Give model.vectors=…")
        del model["vectors"]
        if model.get("embedding_size", 0) is None:
            model["embedding_size"] = EMBEDDING_SIZE
