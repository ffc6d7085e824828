from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gatelab.commands.train import compose
from gatelab.data.subwords import SUBWORDS
from gatelab.data.tokenize import SPECIAL, fit_tokenizer, new_tokenizer
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.trace import read_gates
from gatelab.training.run import resolve

WORDS = {"▁good": 3, "▁film": 3, "▁<url>": 9, "▁fine": 2}


@pytest.mark.parametrize(
    ("kind", "words", "tokens"),
    [
        ("word", ["good", "film", "<url>"], ["Good", "film", "Ж", "<url>"]),
        ("bpe", WORDS, ["▁good", "▁film", "▁", "Ж", "▁<url>"]),
        ("char", [*"▁godfilm", "<url>"], [*"▁good▁film▁Ж▁", "<url>"]),
    ],
)
def test_tokens_are_shown_as_they_stand_in_the_text_and_subwords_with_their_spaces(
    kind: str, words: Any, tokens: list[str]
) -> None:
    tokenizer = new_tokenizer(kind=kind)
    counts = words if isinstance(words, dict) else dict.fromkeys(words, 1)
    fit_tokenizer(tokenizer, counts, kind=kind, vocab_size=200 if kind in SUBWORDS else None, min_count=1)
    settings = resolve(compose(["encoder.hidden_size=3", "model.embedding_size=2"]))
    torch.manual_seed(1)
    module = build_model(settings["model"], settings["encoder"], vocab_size=200, num_classes=2).eval()
    predictor: Any = SimpleNamespace(
        module=module, device="cpu", tokenizer=tokenizer, max_length=len(tokens), classes=["n", "p"]
    )
    gates = read_gates(predictor, "Good film Ж http://a.b")
    unknown = [SPECIAL["<unk>"] == number for number in tokenizer.encode("Good film Ж http://a.b").ids[: len(tokens)]]
    assert gates["tokens"].tolist() == tokens
    assert gates["unknown"].tolist() == unknown
