"""The trained model as three files: model.safetensors, config.json, tokenizer.json. All that predict needs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from gatelab.config.targets import check_targets, is_inside
from gatelab.errors import RunError, UserError
from gatelab.files import atomic_write
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.model_checks import check_group, check_weights, first_line, read_config, read_tokenizer
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
    file, weights = folder / "config.json", folder / "model.safetensors"
    config = read_config(file)
    check_targets({group: config[group] for group in ("model", "encoder")}, allow_targets)
    for group in ("model", "encoder"):  # the embedding's size is right once the model's keys are
        given = {key: value for key, value in config[group].items() if value is not None}
        check_group(group, given, file, config["model"].get("embedding_size") if group == "encoder" else 1)
    tokenizer = read_tokenizer(folder / "tokenizer.json", config["vocab_size"])
    if is_inside(config["encoder"]["_target_"], ("gatelab",)):
        with torch.device("meta"):  # takes no memory, whatever sizes the config asks for
            check_weights(weights, build(config, file).state_dict())
    module = build(config, file)
    check_weights(weights, module.state_dict())
    num_outputs = len(config["classes"]) or 1
    if module.head.out_features != num_outputs:
        raise RunError(
            f"{file}: classes: names {num_outputs:,}, and the model has {module.head.out_features:,} outputs."
        )
    try:
        module.load_state_dict(load_file(weights))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise RunError(f"{weights}: does not hold the weights of this model: {error}") from None
    return module.eval(), tokenizer, config


def build(config: dict[str, Any], file: Path) -> SequenceModule:
    """The module of a config.json, with random weights."""
    arguments = config.get("arguments") or {"num_classes": len(config["classes"])}  # which older ones lack
    try:
        module = build_model(config["model"], config["encoder"], vocab_size=config["vocab_size"], **arguments)
    except UserError as error:
        raise RunError(f"{file}: {error}") from None
    except (RuntimeError, ArithmeticError, LookupError) as error:  # of torch, over sizes that it cannot make
        raise RunError(f"{file}: no model can be built of its settings: {first_line(error)}.") from None
    if not isinstance(module, SequenceModule):
        raise RunError(f"{file}: {type(module).__name__} does not predict from a text.")
    return module
