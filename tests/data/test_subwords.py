import json
from collections import Counter
from itertools import chain
from typing import Any

import pytest
from hostile_texts import TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gatelab.data.subwords import trained_model, word_tokens
from gatelab.data.tokenize import (
    PAD,
    SPECIAL,
    UNKNOWN,
    PieceCache,
    WordNumbers,
    fit_tokenizer,
    fitted_cache,
    new_tokenizer,
)

# The example of Sennrich et al. 2016, and a rare letter.
COUNTS = {"▁low": 5, "▁lower": 2, "▁newest": 6, "▁widest": 3, "▁ж": 1}


def fitted(texts: list[str], **options: Any) -> tuple[Any, list[list[int]]]:
    """A tokenizer for texts, and their tokens, each by way of the numbers of its words."""
    tokenizer = new_tokenizer(kind=options["kind"])
    words = WordNumbers(tokenizer)
    numbers, counted = PieceCache(words).encode(texts), list(chain.from_iterable(words(texts)))
    names = list(words.numbers)
    counts = Counter(names[number] for number in counted)
    fit_tokenizer(tokenizer, counts, **options)
    tokens = word_tokens(tokenizer, names, options["kind"])
    return tokenizer, [tokens.expand(row).tolist() for row in numbers]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=8), st.sampled_from(["bpe", "unigram"]), st.integers(3, 60), st.integers(1, 3))
def test_subwords_of_few_or_rare_characters_are_those_of_the_saved_tokenizer(
    texts: list[str], kind: str, vocab_size: int, min_count: int
) -> None:
    texts = [text.replace("\n", " ") for text in texts]
    tokenizer, tokens = fitted(texts, kind=kind, vocab_size=vocab_size, min_count=min_count)
    again = Tokenizer.from_str(tokenizer.to_str())
    assert tokens == [each.ids or [SPECIAL[UNKNOWN]] for each in again.encode_batch(texts, add_special_tokens=False)]
    assert tokens == [ids.tolist() for ids in fitted_cache(again).encode(texts)], "as predict does it"
    assert again.get_vocab_size() <= vocab_size
    assert {again.id_to_token(number): number for number in (0, 1)} == {PAD: 0, UNKNOWN: 1}


def trained(kind: str, counts: dict[str, int], vocab_size: int = 30, min_count: int = 2) -> dict[str, Any]:
    model = trained_model(kind, counts, vocab_size=vocab_size, min_count=min_count, special=list(SPECIAL))
    return json.loads(Tokenizer(model).to_str())["model"]


def test_the_first_merges_are_the_most_frequent_pairs() -> None:
    merges = trained("bpe", COUNTS)["merges"]
    assert merges[:2] == [["e", "s"], ["es", "t"]], "9 times each"
    assert {tuple(merge) for merge in merges[2:4]} <= {
        ("l", "o"),
        ("lo", "w"),
        ("▁", "low"),
        ("▁", "lo"),
        ("▁", "l"),
        ("o", "w"),
    }
    assert ["▁low", "er"] in trained("bpe", COUNTS, vocab_size=100)["merges"], "twice"
    assert ["▁low", "er"] not in trained("bpe", COUNTS, vocab_size=100, min_count=3)["merges"]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_same_counts_give_the_same_model_in_whatever_order(kind: str) -> None:
    words = {
        f"▁{a}{b}{c}": len(a) + ord(b) % 7 for a in ("re", "un", "out") for b in "aeiouy" for c in ("ding", "ts", "")
    }
    models = [trained(kind, dict(order), vocab_size=50) for order in (words.items(), reversed(words.items()))]
    assert models[0] == models[1]
    assert len(entries(models[0])) > 30


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_character_seen_too_rarely_is_unknown(kind: str) -> None:
    rare, frequent = (set(entries(trained(kind, COUNTS, min_count=count))) for count in (2, 1))
    assert frequent - rare >= {"ж"}
    _, tokens = fitted(["low low", "low ж"], kind=kind, vocab_size=30, min_count=2)
    assert tokens[1][-1] == SPECIAL[UNKNOWN]
    assert SPECIAL[UNKNOWN] not in tokens[0]


def entries(model: dict[str, Any]) -> list[str]:
    """The tokens of a model."""
    return list(model["vocab"]) if model["type"] == "BPE" else [token for token, _ in model["vocab"]]
