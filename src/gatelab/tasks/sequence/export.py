"""The trained model as three files: model.safetensors, config.json, tokenizer.json. All that predict needs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from gatelab.config.identity import at_home
from gatelab.config.targets import check_targets
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.sequence_module import SequenceModule


def save_model(
    folder: Path, module: SequenceModule, tokenizer_file: Path, *, model: dict[str, Any], encoder: dict[str, Any],
    classes: list[str], max_length: int | None, tokenizer: str = "word",
) -> None:  # fmt: skip
    """Write the model folder, each file atomically; config.json comes last, so a folder that has it is complete.

    classes: the names of the K outputs, none for numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    atomic_write(folder / "model.safetensors", save(weights))
    atomic_write(folder / "tokenizer.json", tokenizer_file.read_bytes())
    trained = {
        key: value for key, value in model.items() if "vectors" not in key
    }  # a prediction asks for no other file
    fitted = {key: module.fitted[key] for key in module.fits}
    config = {
        "classes": classes,
        "max_length": max_length,
        "tokenizer": tokenizer,
        "vocab_size": module.embedding.num_embeddings,
        "model": {
            **trained,
            "embedding_size": module.embedding.embedding_dim,
            **dict.fromkeys(module.training_only),
            **fitted,
        },
        "encoder": encoder,
        "arguments": module.arguments,
    }
    atomic_write(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def load_model(folder: Path, allow_targets: Sequence[str] = ()) -> tuple[SequenceModule, Any, dict[str, Any]]:
    """The module in evaluation mode, its tokenizer, and config.json. Nothing in these files can make anything run.

    Raises RunError for a file that is not what its name says, ConfigError for a ``_target_`` that may not be built.
    """
    config = read_config(folder / "config.json")
    check_targets({group: config[group] for group in ("model", "encoder")}, allow_targets)
    arguments = config.get("arguments") or {"num_classes": len(config["classes"])}  # which older ones lack
    module = build_model(config["model"], config["encoder"], vocab_size=config["vocab_size"], **arguments)
    if not isinstance(module, SequenceModule):
        raise RunError(f"{folder / 'config.json'}: {type(module).__name__} does not predict from a text.")
    weights = folder / "model.safetensors"
    try:
        module.load_state_dict(load_file(weights))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise RunError(f"{weights}: does not hold the weights of this model: {error}") from None
    return module.eval(), read_tokenizer(folder / "tokenizer.json"), config


def read_config(file: Path) -> dict[str, Any]:
    try:
        config = at_home(json.loads(file.read_text(encoding="utf-8")))
        missing = {"classes", "max_length", "vocab_size", "model", "encoder"} - set(config)
    except (ValueError, TypeError, OSError) as error:
        raise RunError(f"{file}: cannot be read as JSON: {error}") from None
    if missing:
        raise RunError(f"{file}: lacks {', '.join(sorted(missing))}, so it is no model of gatelab.")
    return config


def read_tokenizer(file: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # what the library raises has no type of its own
        raise RunError(f"{file}: cannot be read as a tokenizer: {error}") from None
