"""What a config leaves open or does not use is filled in or left out: then one run has one config, and so one identity."""

from typing import Any

from gatelab.errors import ConfigError

EMBEDDING_SIZE = 128  # without pretrained vectors, whose dimension it is otherwise


WITH_KEYS = ("plateau", "step", "exponential", "one_cycle")  # schedules whose keys stand in a group of their name
# Left out at these values, which are their defaults:
OF_CLASSES = {"label_smoothing": 0.0, "focal_gamma": 0.0, "temperature": 1.0, "threshold": None}
OF_VECTORS = {"freeze_vectors": False, "vectors_vocab": "train"}


def settle(settings: dict[str, Any]) -> None:
    """Change a config in place: without a ``from`` that is null or what it does not ask, the keys of a schedule or tokenizer that it has not, and those of
    the loss, of calibration and of vectors where they change nothing.

    Raises ConfigError for model.freeze_vectors or vectors_vocab=all without vectors.
    """
    if settings.get("from", "") is None:
        del settings["from"]
    if settings.get("from_parts", "") is None:
        del settings["from_parts"]
    elif isinstance(parts := settings.get("from_parts"), list):
        settings["from_parts"] = sorted(set(map(str, parts)))  # their order is nothing
    if settings.get("from_partly") is False:
        del settings["from_partly"]
    optimizer, model = settings.get("optimizer"), settings.get("model")
    if isinstance(optimizer, dict):
        for schedule in WITH_KEYS:
            if optimizer.get("schedule") != schedule:
                optimizer.pop(schedule, None)
    if isinstance(model, dict):
        for key in [key for key, unused in OF_CLASSES.items() if key in model and model[key] == unused]:
            del model[key]
    data = settings.get("data")
    tokenizer = data.get("tokenizer") if isinstance(data, dict) else None
    if isinstance(tokenizer, dict) and tokenizer.get("kind") == "file":
        tokenizer.pop("min_count", None)  # which a data set may set for the tokenizers that have it
    if not isinstance(model, dict) or "vectors" not in model:
        return
    for key, unused in OF_VECTORS.items():
        if model.get(key) == unused:
            del model[key]
        elif model["vectors"] is None and key in model:
            raise ConfigError(f"model.{key}={model[key]}: there are no vectors. Give model.vectors=…")
    if model["vectors"] is None:
        del model["vectors"]
        if model.get("embedding_size", 0) is None:
            model["embedding_size"] = EMBEDDING_SIZE
