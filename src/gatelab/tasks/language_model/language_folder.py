"""The trained language model as three files: model.safetensors, config.json, tokenizer.json."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from pydantic import ConfigDict, with_config
from typing_extensions import NotRequired, TypedDict

from gatelab.bounded import MIB, read_text
from gatelab.config.build import build
from gatelab.errors import ConfigError, RunError
from gatelab.files import atomic_write
from gatelab.tasks.language_model.language_module import LanguageModel
from gatelab.tasks.language_model.text_tokenizer import TextTokenizer, read_text_tokenizer
from gatelab.tasks.sequence.model_checks import check_groups, read_checked
from gatelab.tasks.sequence.saved_module import load_module, write_weights

MAX_BYTES = 50 * MIB  # of tokenizer.json


@with_config(ConfigDict(extra="forbid", strict=True))
class LanguageArguments(TypedDict):
    vocab_size: Annotated[int, Ge(1), Le(2**31 - 1)]
    start_id: Annotated[int, Ge(0)]
    unknown_id: NotRequired[Annotated[int, Ge(0)] | None]


@with_config(ConfigDict(extra="allow", strict=True))
class LanguageConfig(TypedDict):
    """config.json. The keys of model and encoder are checked where they are built."""

    model: dict[str, Any]
    encoder: dict[str, Any]
    arguments: LanguageArguments


def build_language_model(model: dict[str, Any], encoder: dict[str, Any], **arguments: Any) -> LanguageModel:
    """The module around its encoder, with random weights. arguments: what its class takes as ``Passed``.

    Raises ConfigError for keys that do not fit, and for an encoder that sees what it is to predict or carries no state.
    """
    size = model.get("embedding_size") or encoder.get("hidden_size") or encoder.get("output_size")
    if encoder.get("bidirectional"):
        raise ConfigError(
            "encoder.bidirectional=true: reads the next tokens, which a language model is to predict. Leave it out."
        )
    if not isinstance(size, int):
        raise ConfigError("model.embedding_size is not set, and the encoder has no hidden_size that it could follow.")
    built = build("encoder", encoder, input_size=size)
    if torch.get_default_device().type != "meta":  # which holds no numbers to compare
        check_encoder(built, size)
    return build("model", {**model, "embedding_size": size}, encoder=built, **arguments)


@torch.no_grad()
def check_encoder(encoder: Any, input_size: int) -> None:
    """Raise ConfigError unless the states of two windows, the state carried, are those of one, and see no later step."""
    name = type(encoder).__name__
    was_training = encoder.training
    encoder.eval()
    x, lengths = torch.linspace(-1, 1, 4 * input_size).view(1, 4, input_size), torch.tensor([2])
    try:
        states, state = encoder(x[:, :2], lengths, None)
        if state is None:
            raise ConfigError(f"encoder: {name} returns no state to carry on, which a language model needs.")
        after, _ = encoder(x[:, 2:], lengths, tuple(state))
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"encoder: {name} cannot carry its state on: {str(error).rstrip('.')}.") from None
    at_once, _ = encoder(x, torch.tensor([4]), None)
    encoder.train(was_training)
    if not torch.allclose(at_once, torch.cat([states, after], 1), atol=1e-4):
        raise ConfigError(f"encoder: the states of {name} see later tokens, which a language model is to predict.")


def save_language_model(
    folder: Path, module: LanguageModel, tokenizer: TextTokenizer, *, model: dict[str, Any], encoder: dict[str, Any]
) -> None:
    """Write the model folder, each file atomically; config.json comes last, so a folder that has it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, module)
    atomic_write(folder / "tokenizer.json", tokenizer.to_json())
    config = {"model": model, "encoder": encoder, "arguments": module.arguments}
    atomic_write(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def load_language_model(folder: Path, allow_targets: Sequence[str] = ()) -> tuple[LanguageModel, TextTokenizer]:
    """The module in evaluation mode, and its tokenizer. Nothing in these files can make anything run.

    Raises RunError for a file that is not what its name says, ConfigError for a ``_target_`` that may not be built.
    """
    file = folder / "config.json"
    config = read_checked(file, LanguageConfig, "language model")
    arguments = config["arguments"]
    check_groups(config, file, allow_targets)
    for key in ("start_id", "unknown_id"):
        if (number := arguments.get(key)) is not None and number >= arguments["vocab_size"]:
            raise RunError(f"{file}: arguments.{key}: is {number:,}, beyond vocab_size {arguments['vocab_size']:,}.")
    module: LanguageModel = load_module(
        folder, config, LanguageModel, "is no language model",
        lambda: build_language_model(config["model"], config["encoder"], **arguments),
    )  # fmt: skip
    file = folder / "tokenizer.json"
    try:
        tokenizer = read_text_tokenizer(read_text(file, MAX_BYTES))
    except Exception as error:  # what the tokenizers library raises has no type of its own
        raise RunError(f"{file}: cannot be read as a tokenizer: {error}") from None
    if tokenizer.vocab_size != module.embedding.num_embeddings:
        raise RunError(f"{file}: has {tokenizer.vocab_size:,} tokens, the model {module.embedding.num_embeddings:,}.")
    return module, tokenizer
