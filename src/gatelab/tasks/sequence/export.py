"""The trained model as three files: model.safetensors, config.json, tokenizer.json. All that predict needs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.model_checks import check_groups, read_config, read_tokenizer
from gatelab.tasks.sequence.saved_module import load_module, write_weights
from gatelab.tasks.sequence.sequence_module import SequenceModule


def save_model(
    folder: Path, module: SequenceModule, tokenizer_file: Path, *, model: dict[str, Any], encoder: dict[str, Any],
    classes: list[str], max_length: int | None, tokenizer: str = "word",
) -> None:  # fmt: skip
    """Write the model folder, each file atomically; config.json comes last, so a folder that has it is complete.

    classes: the names of the K outputs, none for numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, module)
    atomic_write(folder / "tokenizer.json", tokenizer_file.read_bytes())
    # A prediction asks for no other file.
    trained = {key: value for key, value in model.items() if "vectors" not in key}
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
    file = folder / "config.json"
    config = read_config(file)
    check_groups(config, file, allow_targets)
    tokenizer = read_tokenizer(folder / "tokenizer.json", config["vocab_size"])
    arguments = config.get("arguments") or {"num_classes": len(config["classes"])}  # which older ones lack
    module: SequenceModule = load_module(
        folder, config, SequenceModule, "does not predict from a text",
        lambda: build_model(config["model"], config["encoder"], vocab_size=config["vocab_size"], **arguments),
    )  # fmt: skip
    num_outputs = len(config["classes"]) or 1
    if module.head.out_features != num_outputs:
        raise RunError(
            f"{file}: classes: names {num_outputs:,}, and the model has {module.head.out_features:,} outputs."
        )
    return module, tokenizer, config
