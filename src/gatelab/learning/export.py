"""The trained model as three files: model.safetensors, config.json, tokenizer.json. All that predict needs."""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from gatelab.learning.build import build_model
from gatelab.learning.classifier import SequenceClassifier


def save_model(
    folder: Path, module: SequenceClassifier, tokenizer_file: Path, *, model: dict[str, Any], encoder: dict[str, Any],
    classes: list[str], max_length: int | None
) -> None:  # fmt: skip
    """Write the model folder; config.json is written last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    shutil.copyfile(tokenizer_file, folder / "tokenizer.json")
    config = {
        "classes": classes,
        "max_length": max_length,
        "vocab_size": module.embedding.num_embeddings,
        "model": {**model, "class_weights": None},
        "encoder": encoder,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load_model(folder: Path) -> tuple[SequenceClassifier, Any, dict[str, Any]]:
    """The module in evaluation mode, its tokenizer, and config.json."""
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    module = build_model(
        config["model"], config["encoder"], vocab_size=config["vocab_size"], num_classes=len(config["classes"])
    )
    module.load_state_dict(load_file(folder / "model.safetensors"))
    return module.eval(), Tokenizer.from_file(str(folder / "tokenizer.json")), config
