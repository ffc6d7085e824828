"""The folder of a language model whose files do not fit each other, or would fill memory, is refused when it is loaded."""

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from attack import WORKS
from foreign_files import change

pytestmark = pytest.mark.long

HERE = r"config\.json: "


def generate(folder: Path) -> None:
    import torch

    from gatelab.tasks.language_model.language_folder import load_language_model
    from gatelab.tasks.language_model.sampling import sample_ids

    module, tokenizer = load_language_model(folder)
    generator = torch.Generator().manual_seed(1)
    drawn = sample_ids(
        module, [tokenizer.start_id, *tokenizer.encode("ab").tolist()], temperature=1.0, generator=generator
    )
    print("".join(tokenizer.decoded(islice(drawn, 5))))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gatelab.commands.train import compose
    from gatelab.tasks.language_model.language_folder import build_language_model, save_language_model
    from gatelab.tasks.language_model.text_tokenizer import CharacterTokenizer
    from gatelab.training.run import resolve

    folder = tmp_path_factory.mktemp("language")
    settings = resolve(compose(["model=language_model", "encoder.hidden_size=4"]))
    groups = {group: settings[group] for group in ("model", "encoder")}
    tokenizer = CharacterTokenizer(["<unk>", "a", "b", "\n"])
    module = build_language_model(**groups, vocab_size=4, start_id=tokenizer.start_id, unknown_id=0)
    save_language_model(folder, module, tokenizer, **groups)
    return folder


CONFIG, TOKENIZER = "config.json", "tokenizer.json"
CHANGES: list[tuple[str, str, Any, str]] = [
    (CONFIG, "arguments.unknown_id", None, WORKS),
    (CONFIG, "arguments.vocab_size", 5, r"embedding\.weight is of shape \(4, 4\) here, and of shape \(5, 4\)"),
    (CONFIG, "arguments.vocab_size", 10**9, r"of shape \(1000000000, 4\)"),
    (CONFIG, "arguments.vocab_size", 10**15, HERE + r"arguments\.vocab_size"),
    (CONFIG, "arguments.vocab_size", "4", HERE + r"arguments\.vocab_size"),
    (CONFIG, "arguments.vocab_size", 0, HERE + r"arguments\.vocab_size"),
    (CONFIG, "arguments.start_id", 4, HERE + r"arguments\.start_id: is 4, beyond vocab_size 4"),
    (CONFIG, "arguments.start_id", -1, HERE + r"arguments\.start_id"),
    (CONFIG, "arguments.start_id", ..., HERE + r"lacks arguments\.start_id"),
    (CONFIG, "arguments.unknown_id", 9, HERE + r"arguments\.unknown_id: is 9, beyond"),
    (CONFIG, "arguments.other", 1, HERE + r"arguments\.other"),
    (CONFIG, "arguments", None, HERE + "arguments"),
    (CONFIG, "model", [], HERE + "model"),
    (CONFIG, "model", {}, HERE + r"lacks model\._target_"),
    (CONFIG, "model._target_", "gatelab.tasks.regression.regressor.SequenceRegressor", HERE),
    (CONFIG, "model.embedding_size", 10**9, HERE),
    (CONFIG, "model.embedding_size", "much", HERE + r"model\.embedding_size"),
    (CONFIG, "model.tied", False, "output_layer.weight is missing here"),
    (CONFIG, "model.adaptive_softmax", [9], HERE),
    (CONFIG, "encoder.hidden_size", 10**6, HERE),
    (CONFIG, "encoder.hidden_size", 0, HERE + r"encoder\.hidden_size=0"),
    (CONFIG, "encoder.num_layers", 2, "is missing here, and of shape"),
    (CONFIG, "encoder.bidirectional", True, "bidirectional"),
    (TOKENIZER, "tokens", ["<unk>", "a"], "has 2 tokens, the model 4"),
    (TOKENIZER, "tokens", ["<unk>", "a", "b", "long"], "cannot be read as a tokenizer"),
    (TOKENIZER, "tokens", [0, 1, 2, 3], "cannot be read as a tokenizer"),
    (TOKENIZER, "tokens", {}, "cannot be read as a tokenizer"),
    (TOKENIZER, "kind", "magic", "cannot be read as a tokenizer"),
]


@pytest.mark.parametrize(("file", "key", "value", "says"), CHANGES, ids=lambda value: str(value)[:40])
def test_a_value_that_does_not_fit_is_named_with_its_file(
    file: str, key: str, value: Any, says: str, model: Path, attack: Callable[..., Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    change(folder / file, key, value)
    attack(says, generate, folder)
