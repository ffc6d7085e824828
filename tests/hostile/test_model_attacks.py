"""A model folder whose files do not fit each other, or would fill memory, is refused when it is loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import foreign_files
import pytest
from attack import WORKS

pytestmark = pytest.mark.long

HERE = r"config\.json: "
VOCABULARY = {"<pad>": 0, "<unk>": 1, "a": 2, "b": 3}


def predict(folder: Path) -> None:
    from gatelab.tasks.sequence.prediction import Predictor

    predictor = Predictor(folder)
    for values in predictor.predictions(["a b", "something else", ""]):
        print(predictor.answer(values))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gatelab.commands.train import compose
    from gatelab.data.tokenize import fit_tokenizer, new_tokenizer
    from gatelab.tasks.sequence.build_model import build_model
    from gatelab.tasks.sequence.export import save_model
    from gatelab.training.run import resolve

    folder = tmp_path_factory.mktemp("trained")
    settings = resolve(compose(["encoder.hidden_size=4", "model.embedding_size=4"]))
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, {"a": 1, "b": 1}, vocab_size=None, min_count=1)
    assert tokenizer.get_vocab() == VOCABULARY
    tokenizer.save(str(folder / "tokenizer.json"))
    groups = {group: settings[group] for group in ("model", "encoder")}
    module = build_model(groups["model"], groups["encoder"], vocab_size=len(VOCABULARY), num_classes=2)
    save_model(folder / "model", module, folder / "tokenizer.json", **groups, classes=["bad", "good"], max_length=9)
    return folder / "model"


CONFIG, TOKENIZER = "config.json", "tokenizer.json"
CHANGES: list[tuple[str, str, Any, str]] = [
    (CONFIG, "max_length", 5, WORKS),
    (CONFIG, "max_length", None, WORKS),
    (CONFIG, "max_length", 0, HERE + "max_length"),
    (CONFIG, "max_length", -1, HERE + "max_length"),
    (CONFIG, "max_length", "9", HERE + "max_length"),
    (CONFIG, "max_length", 1.5, HERE + "max_length"),
    (CONFIG, "max_length", ..., HERE + "lacks max_length"),
    (CONFIG, "classes", ["bad"], HERE + r"arguments\.num_classes: is 2, and classes names"),
    (CONFIG, "classes", [], HERE + r"arguments\.num_classes: is 2, and classes names"),
    (CONFIG, "classes", ["bad", "good", "fine"], HERE + r"arguments\.num_classes: is 2, and classes names 3"),
    (CONFIG, "classes", [0, 1], r"config\.json: classes\.0: input should be a valid string"),
    (CONFIG, "classes", None, HERE + "classes"),
    (CONFIG, "classes", {"bad": 0}, HERE + "classes"),
    (CONFIG, "vocab_size", 3, "the id 3, and config.json beside it has vocab_size 3"),
    (CONFIG, "vocab_size", 5, r"embedding\.weight is of shape \(4, 4\) here, and of shape \(5, 4\)"),
    (CONFIG, "vocab_size", 10**9, r"embedding\.weight is of shape \(4, 4\) here, and of shape \(1000000000, 4\)"),
    (CONFIG, "vocab_size", 10**15, HERE + "vocab_size"),
    (CONFIG, "vocab_size", -4, HERE + "vocab_size"),
    (CONFIG, "vocab_size", True, HERE + "vocab_size"),
    (CONFIG, "vocab_size", None, HERE + "vocab_size"),
    (CONFIG, "tokenizer", "wordpiece", HERE + "tokenizer"),
    (CONFIG, "tokenizer", 7, HERE + "tokenizer"),
    (CONFIG, "tokenizer", "char", WORKS),
    (CONFIG, "arguments", {"num_classes": 10**9}, HERE + r"arguments\.num_classes: is 1000000000, and classes names 2"),
    (CONFIG, "arguments", {"num_classes": "two"}, HERE),
    (CONFIG, "arguments", {"num_classes": -2}, HERE),
    (CONFIG, "arguments", {"number": 2}, HERE),
    (CONFIG, "arguments", [2], HERE + "arguments"),
    (CONFIG, "model", None, HERE + "model"),
    (CONFIG, "model", {}, HERE + "lacks model._target_"),
    (CONFIG, "encoder", [], HERE + "encoder"),
    (CONFIG, "encoder._target_", None, r"encoder\._target_=None"),
    (CONFIG, "encoder._target_", "torch.nn.Linear", "encoder"),
    (CONFIG, "encoder._target_", 7, r"encoder\._target_=7"),
    (CONFIG, "model._target_", "gatelab.tasks.regression.regressor.SequenceRegressor", HERE),
    (CONFIG, "model.embedding_size", 10**9, "its weights need"),
    (CONFIG, "model.embedding_size", 0, HERE + r"model\.embedding_size=0"),
    (CONFIG, "model.embedding_size", 1e308, HERE + r"model\.embedding_size"),
    (CONFIG, "model.embedding_size", float("nan"), HERE + r"model\.embedding_size"),
    (CONFIG, "model.pooling", "attention of another kind", HERE + r"model\.pooling"),
    (CONFIG, "model.pooling", None, HERE + "model.*pooling must be one of"),
    (CONFIG, "model.pooling", ["last"], HERE + r"model\.pooling"),
    (CONFIG, "model.dropout", 2, HERE + r"model\.dropout=2"),
    (CONFIG, "model.dropout", "much", HERE + r"model\.dropout"),
    (CONFIG, "model.unknown", 1, HERE + r"model\.unknown: unknown key"),
    (CONFIG, "encoder.hidden_size", 10**6, HERE + "encoder: its weights need"),
    (CONFIG, "encoder.hidden_size", 10**12, HERE + "encoder"),
    (CONFIG, "encoder.hidden_size", 0, HERE + r"encoder\.hidden_size=0"),
    (CONFIG, "encoder.num_layers", 10**9, HERE + r"encoder\.num_layers"),
    (CONFIG, "encoder.num_layers", 2, "is missing here, and of shape"),
    (CONFIG, "encoder.bidirectional", True, "is missing here, and of shape"),
    (CONFIG, "encoder.bidirectional", "perhaps", HERE + r"encoder\.bidirectional"),
    (TOKENIZER, "model.vocab", {**VOCABULARY, "c": 4}, "gives 'c' the id 4, and config.json beside it has vocab_size 4"),
    (TOKENIZER, "model.vocab", {"<unk>": 1, "a": 2**32 - 1}, "gives 'a' the id 4,294,967,295"),
    (TOKENIZER, "model.vocab", {"<pad>": 0, "a": 2}, "is '<unk>', and no token of its vocabulary"),
    (TOKENIZER, "model.vocab", {}, "no token of its vocabulary"),
    (TOKENIZER, "model.vocab", {"a": -1}, "cannot be read as a tokenizer"),
    (TOKENIZER, "model.vocab", 7, "cannot be read as a tokenizer"),
    (TOKENIZER, "model.unk_token", None, "cannot be read as a tokenizer"),
    (TOKENIZER, "model.unk_token", "none", "is 'none', and no token of its vocabulary"),
    (TOKENIZER, "model", None, "it has no model"),
    (TOKENIZER, "model.type", "Magic", "cannot be read as a tokenizer"),
    (TOKENIZER, "normalizer", {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 10**6}, "1,000 characters of one"),
    (TOKENIZER, "normalizer", None, WORKS),
    (TOKENIZER, "pre_tokenizer", None, WORKS),
    (TOKENIZER, "truncation", {"max_length": 0, "strategy": "LongestFirst", "stride": 9, "direction": "Right"}, WORKS),
    (TOKENIZER, "padding", {"strategy": {"Fixed": 10**9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 9,
                            "pad_type_id": 0, "pad_token": "x"}, WORKS),
]  # fmt: skip


@pytest.mark.parametrize(("file", "key", "value", "says"), CHANGES, ids=lambda value: str(value)[:40])
def test_a_value_that_does_not_fit_is_named_with_its_file(
    file: str, key: str, value: Any, says: str, model: Path, attack: Callable[..., Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    foreign_files.change(folder / file, key, value)
    attack(says, predict, folder)


CONTENTS = [
    ("config.json", b"[]", HERE), ("config.json", b"null", HERE), ("config.json", b"\xff\xfe", HERE), ("config.json", b"", HERE),
    ("config.json", b'{"a":' * 10**6, HERE + ".*nested too deeply"), ("config.json", b" " * 2**25, HERE + ".*larger than 16 MiB"),
    ("tokenizer.json", b"", "tokenizer.json"), ("tokenizer.json", b"[" * 10**6, "tokenizer.json.*nested too deeply"),
    ("model.safetensors", b"", "model.safetensors"), ("model.safetensors", b"\xff" * 100, "model.safetensors.*its header has"),
    ("model.safetensors", b"\2\0\0\0\0\0\0\0{}", "is missing here, and of shape"), ("model.safetensors", b"PK\3\4", "model.safetensors"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "says"), CONTENTS, ids=lambda value: str(value)[:20])
def test_a_file_that_is_something_else_is_named(
    name: str, content: bytes, says: str, model: Path, attack: Callable[..., Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    (folder / name).write_bytes(content)
    attack(says, predict, folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "nothing"])
def test_a_file_that_is_none_is_named(
    name: str, kind: str, model: Path, attack: Callable[..., Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    (folder / name).unlink()
    if kind != "nothing":
        getattr(foreign_files, kind)(folder / name)
    attack(name.replace(".", r"\."), predict, folder)
