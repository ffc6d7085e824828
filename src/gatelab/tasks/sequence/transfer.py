"""Weights of another run's embedding and encoder, to begin with. V vocabulary, E embedding."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from gatelab.bounded import open_safetensors
from gatelab.config.identity import flatten
from gatelab.data.tokenize import SPECIAL
from gatelab.errors import ConfigError, RunError
from gatelab.recurrent.notation import text
from gatelab.runs.cell_equations import read_equations
from gatelab.runs.folder import RunFolder
from gatelab.tasks.sequence.model_checks import read_config, read_tokenizer, reason
from gatelab.tasks.sequence.sequence_module import SequenceModule

Taken = dict[str, dict[str, int]]


def transfer(
    module: SequenceModule,
    encoder: dict[str, Any],
    tokenizer: tuple[str, Path],
    parent: RunFolder,
    parts: Sequence[str],
    partly: bool,
) -> Taken:
    """Put the weights of parts, embedding or encoder, of another run into the module. encoder: the config's group;
    tokenizer: its kind and file. Returns by part how many were taken, "of" how many: rows of the embedding (V, E), weights of the encoder.

    Of the embedding these are the rows of the tokens that both vocabularies have; the others keep their values. Of the encoder all
    or, with partly, those with a name and shape of the other's.

    Raises ConfigError where sizes, cells or kinds of tokenizer differ, or nothing fits, RunError for a damaged folder.
    """
    model = parent.model
    file = model / "model.safetensors"
    try:
        with open_safetensors(file) as tensors:
            weights = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 -- no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{file}: does not hold the weights of a model: {reason(error)}.") from None
    taken: Taken = {}
    config, (kind, tokenizer_file) = read_config(model / "config.json"), tokenizer
    if "embedding" in parts:
        if (other := config.get("tokenizer", "word")) != kind:
            raise ConfigError(
                f"from_parts=[embedding]: the tokens are those of tokenizer={kind}, and of {other} in that run."
            )
        vocabularies = [read_tokenizer(place).get_vocab() for place in (model / "tokenizer.json", tokenizer_file)]
        taken["embedding"] = take_rows(module, weights, *vocabularies)
    if "encoder" in parts:
        check_same_cell(
            module, encoder, config["encoder"], [equation["text"] for equation in read_equations(parent.equations)]
        )
        taken["encoder"] = take_encoder(module, weights, partly)
    return taken


@torch.no_grad()
def take_rows(
    module: SequenceModule, weights: dict[str, Tensor], theirs: dict[str, int], ours: dict[str, int]
) -> dict[str, int]:
    """By token: theirs and ours are the rows of each."""
    rows, before = module.embedding.weight, weights.get("embedding.weight")
    if before is None or before.ndim != 2 or before.shape[1] != rows.shape[1]:
        size = "no embedding" if before is None or before.ndim != 2 else f"vectors of {before.shape[1]} numbers"
        raise ConfigError(
            f"from_parts=[embedding]: that run has {size}, and this one of {rows.shape[1]}. Give model.embedding_size the same value."
        )
    shared = sorted(token for token in theirs.keys() & ours.keys() if theirs[token] < len(before))
    if not set(shared) - SPECIAL.keys():
        raise ConfigError("from_parts=[embedding]: the two vocabularies have no token in common.")
    rows[[ours[token] for token in shared]] = before[[theirs[token] for token in shared]].to(rows)
    return {"taken": len(shared), "of": len(rows)}


def check_same_cell(
    module: SequenceModule, ours: dict[str, Any], theirs: dict[str, Any], equations: Sequence[str]
) -> None:
    """Raise ConfigError for another class of encoder or cell, or other equations, those of the other run being given as far as it has
    some: weights of one name and shape would not mean the same."""
    now, then = flatten(ours), flatten(theirs)
    for key in sorted(key for key in now | then if key.endswith("_target_")):
        if now.get(key) != then.get(key):
            raise ConfigError(f"from_parts=[encoder]: encoder.{key}={now.get(key)}, and that run has {then.get(key)}.")
    if not equations or not hasattr(module.encoder, "formula"):
        return
    own = [text(tree) for tree in module.encoder.formula()]  # type: ignore[operator]
    for here, there in zip_longest(own, equations, fillvalue="nothing"):
        if here != there:
            raise ConfigError(f"from_parts=[encoder]: the cells differ: {here} here, and {there} in that run.")


def take_encoder(module: SequenceModule, weights: dict[str, Tensor], partly: bool) -> dict[str, int]:
    theirs = {name.removeprefix("encoder."): value for name, value in weights.items() if name.startswith("encoder.")}
    ours = module.encoder.state_dict()
    fitting = {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape}
    others = [name for name in sorted(ours | theirs) if name not in fitting]
    if others and not partly:
        raise ConfigError(
            f"from_parts=[encoder]: {others[0]} {shape_of(ours, others[0])} here and {shape_of(theirs, others[0])} in that run. Give the "
            "encoder the same settings, or from_partly=true to take the weights that fit."
        )
    if not fitting:
        raise ConfigError("from_parts=[encoder]: no weight of that run has a name and shape of this one's.")
    module.encoder.load_state_dict(fitting, strict=False)
    count = {name: value.numel() for name, value in ours.items()}
    return {"taken": sum(count[name] for name in fitting), "of": sum(count.values())}


def shape_of(weights: dict[str, Tensor], name: str) -> str:
    return f"is {' × '.join(map(str, weights[name].shape))}" if name in weights else "is not there"
