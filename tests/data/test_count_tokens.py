from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatelab.commands.count_tokens import count_tokens
from gatelab.errors import ConfigError, DataError

ROWS = [(f"a {'bad' if n % 2 else 'good'} film number {n}", "n" if n % 2 else "p") for n in range(10, 90)]


def test_the_tokens_of_a_table_are_counted_as_training_does(write_csv: Callable[..., Path]) -> None:
    file = str(write_csv(ROWS))
    words, characters = list(count_tokens([file], "word")), list(count_tokens([file], "char", label="label"))
    assert words[0].startswith("word, vocabulary 7; unknown: train 20.00%, "), (
        "a, good, bad, film, number; each n is rare"
    )
    assert words[1] == "5 (0 %), 5 (25 %), 5 (50 %), 5 (75 %), 5 (95 %), 5 (99 %), 5 (100 %)"
    assert "char, vocabulary " in characters[0]
    assert characters[1].endswith("22 (99 %), 22 (100 %)"), "a space before each word, the first too"


@pytest.mark.parametrize(
    ("tokenizer", "table", "sentence"),
    [
        ("bp", {}, r"^tokenizer=bp: no such choice\. Did you mean bpe\?"),
        ("bpe", {"text": "nothing"}, r"no such column"),
    ],
)
def test_what_training_would_refuse_is_refused(
    tokenizer: str, table: dict[str, Any], sentence: str, write_csv: Callable[..., Path]
) -> None:
    with pytest.raises((ConfigError, DataError), match=sentence):
        list(count_tokens([str(write_csv(ROWS))], tokenizer, **table))
