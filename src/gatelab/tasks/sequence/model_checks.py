"""Whether the three files of a model folder fit each other, told before a model is built of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from torch import Tensor
from typing_extensions import NotRequired, TypedDict

from gatelab.annotations import Count
from gatelab.config.schema import problems_of_built
from gatelab.config.targets import check_targets
from gatelab.data.tokenizer_file import load_content
from gatelab.errors import RunError
from gatelab.tasks.model_folder import read_model_config

GROUPS = ("model", "encoder")
COUNTS_OF_CLASSES = ("num_classes", "num_labels")  # arguments of the tasks


@with_config(ConfigDict(extra="allow", strict=True))
class ModelConfig(TypedDict):
    """config.json of a model folder. The keys of model and encoder are checked where they are built."""

    classes: list[str]
    max_length: Count | None
    vocab_size: Annotated[int, Ge(2), Le(2**31 - 1)]
    model: dict[str, Any]
    encoder: dict[str, Any]
    tokenizer: NotRequired[Literal["word", "char", "bpe", "unigram", "file"]]
    arguments: NotRequired[dict[str, Any] | None]


def read_config(file: Path) -> dict[str, Any]:
    """config.json of a model of single texts. Raises RunError that names its first key that is missing or of another type."""
    config = read_checked(file, ModelConfig, "model of single texts, such as a classifier")
    for key, number in (config.get("arguments") or {}).items():
        if key in COUNTS_OF_CLASSES and number != len(config["classes"]):
            raise RunError(f"{file}: arguments.{key}: is {number}, and classes names {len(config['classes']):,}.")
    return config


def read_checked(file: Path, kind: Any, named: str) -> dict[str, Any]:
    """A config.json of a kind, a TypedDict that has model and encoder."""
    try:
        config = read_model_config(file)
        TypeAdapter(kind).validate_python(config)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"])) or "the whole"
        if problem["type"] == "missing":
            raise RunError(f"{file}: lacks {key}, so it is no {named}.") from None
        what = problem["msg"][0].lower() + problem["msg"][1:]
        raise RunError(f"{file}: {key}: {what}, so it is no model of gatelab.") from None
    except RunError:
        raise
    except (ValueError, TypeError, OSError) as error:
        raise RunError(f"{file}: cannot be read as JSON: {reason(error)}.") from None
    groups = [group for group in GROUPS if "_target_" not in config[group]]
    if groups:
        raise RunError(f"{file}: lacks {groups[0]}._target_, so it is no model of gatelab.")
    return config


def check_groups(config: dict[str, Any], file: Path, allow_targets: Sequence[str]) -> None:
    """Raise ConfigError for a class in model or encoder that may not be built, RunError for a key that is not of its class, or has a value
    that it does not take."""
    check_targets({group: config[group] for group in GROUPS}, allow_targets)
    for group in GROUPS:  # the embedding's size is right once the model's keys are
        given = {key: value for key, value in config[group].items() if value is not None}
        if problems := problems_of_built(group, given, config["model"].get("embedding_size") or 1):
            raise RunError(f"{file}: {problems[0]}")


def check_weights(file: Path, tensors: Any, expected: Mapping[str, Tensor]) -> None:
    """Raise RunError where the tensors of the open file are not those of a module, by name and shape; expected may take no memory."""
    found = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118 -- no mapping
    wanted = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    for name in (*wanted, *found):
        if found.get(name) != wanted.get(name):
            here, there = (named(shapes.get(name)) for shapes in (found, wanted))
            raise RunError(
                f"{file}: does not hold the weights of this model: {name} is {here} here, and {there} in config.json beside it."
            )


def read_tokenizer(file: Path, vocab_size: int | None = None) -> Any:
    """The tokenizer, which neither pads nor cuts. Raises RunError for one that would fill memory, whose ids are beyond the
    vocabulary, or that has no id for what it does not know."""
    from tokenizers import Tokenizer

    try:
        content, _ = load_content(file)
        tokenizer = Tokenizer.from_str(json.dumps({**content, "padding": None, "truncation": None}))
        tokens = tokenizer.get_vocab()
    except OSError as error:
        raise RunError(f"{file}: cannot be read as a tokenizer: {reason(error)}.") from None
    except Exception as error:  # what the library raises has no type of its own
        raise RunError(f"{file}: cannot be read as a tokenizer: {error}.") from None
    largest = max(tokens, key=tokens.__getitem__, default="")
    if vocab_size is not None and tokens and tokens[largest] >= vocab_size:
        raise RunError(
            f"{file}: gives '{largest[:50]}' the id {tokens[largest]:,}, and config.json beside it has vocab_size {vocab_size:,}."
        )
    model = content["model"]
    unknown = model.get("unk_token")
    if unknown not in model.get("vocab", ()) if model.get("type") != "Unigram" else model.get("unk_id") is None:
        raise RunError(
            f"{file}: model.unk_token is {unknown!r}, and no token of its vocabulary. A text may hold unknown words."
        )
    return tokenizer


def named(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"of shape {shape}"


def reason(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error).rstrip(".")


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
