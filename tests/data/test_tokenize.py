from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from gatelab.data import tokenize as module
from gatelab.data.tokenize import UNKNOWN_ID, PieceCache, WordNumbers, fit_tokenizer, fitted_cache, new_tokenizer


def counts_of(tokenizer: Any, texts: list[str]) -> Counter[str]:
    words = WordNumbers(tokenizer)
    numbers = list(chain.from_iterable(words(texts)))
    names = list(words.numbers)
    return Counter(names[number] for number in numbers)


def encode(tokenizer: Any, texts: list[str], max_length: int | None = None) -> list[list[int]]:
    return [ids.tolist() for ids in fitted_cache(tokenizer).encode(texts, max_length)]


def words_of(text: str, **options: Any) -> list[str]:
    tokenizer = new_tokenizer(**options)
    fit_tokenizer(tokenizer, counts_of(tokenizer, [text]), vocab_size=None, min_count=1)
    return [tokenizer.id_to_token(token) for token in encode(tokenizer, [text])[0]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's GOOD, isn't it?", ["it's", "good", ",", "isn't", "it", "?"]),
        ("see https://t.co/a?b=1 and www.x.org", ["see", "<url>", "and", "<url>"]),
        ("@Bob_7: hi", ["<user>", ":", "hi"]),
        ("me@home.org", ["me", "@", "home", ".", "org"]),
        ("sooooo good!!!!!", ["soo", "good", "!", "!"]),
        ("این فیلم خوب نمی‌شود", ["این", "فیلم", "خوب", "نمی‌شود"]),
        ("这部电影 good", ["这", "部", "电", "影", "good"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("👍🏽 👨‍👩‍👧", ["👍🏽", "👨‍👩‍👧"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("x\u0331y", ["x\u0331y"]),
    ],
)
def test_words_of_any_script_survive_whole(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_characters_keep_the_spaces_between_words_and_what_stands_for_a_url() -> None:
    text = "Hi,  @Bob\n日本 e\u0301👍🏽"
    assert words_of(text, kind="char") == ["▁", "h", "i", ",", "▁", "<user>", "▁", "日", "本", "▁", "é", "👍", "🏽"]
    with_case = words_of("Hi @B", kind="char", lowercase=False, mentions=False)
    assert with_case == ["▁", "H", "i", "▁", "@", "B"]


def test_normalisation_can_be_switched_off() -> None:
    assert words_of("Sooo @Bob", lowercase=False, mentions=False, elongations=False) == ["Sooo", "@", "Bob"]
    assert "<url>" not in words_of("http://a.b", urls=False)


def test_the_vocabulary_keeps_the_most_frequent_words_seen_often_enough() -> None:
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, {"d": 1, "c": 2, "b": 2, "a": 3}, vocab_size=4, min_count=2)
    assert set(tokenizer.get_vocab()) == {"<pad>", "<unk>", "a", "b"}
    assert encode(tokenizer, ["d"]) == [[UNKNOWN_ID]]


def test_a_saved_tokenizer_reads_back_and_encodes_the_same(tmp_path: Path) -> None:
    texts = ["The film was sooo good 👍🏽 https://a.b", "این فیلم نمی‌شود", "电影"]
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, counts_of(tokenizer, texts), vocab_size=None, min_count=1)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert encode(again, texts) == encode(tokenizer, texts)


def test_texts_are_cut_to_max_length_and_never_empty() -> None:
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, dict.fromkeys("abcd", 1), vocab_size=None, min_count=1)
    cut, empty = encode(tokenizer, ["a b c d", " \u200b "], 2)
    assert len(cut) == 2
    assert empty == [UNKNOWN_ID]


def test_a_text_that_cannot_be_tokenized_spoils_no_other() -> None:
    def lengths(pieces: Sequence[str]) -> list[list[int]]:
        return [[len(piece.encode())] for piece in pieces]

    cache = PieceCache(lengths)
    with pytest.raises(UnicodeEncodeError):
        cache.encode(["four \ud800"])
    assert [ids.tolist() for ids in cache.encode(["one three"])] == [
        PieceCache(lengths).encode(["one three"])[0].tolist()
    ]


def test_a_piece_is_tokenized_once_until_the_cache_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def lengths(pieces: Sequence[str]) -> list[list[int]]:
        seen.extend(filter(None, pieces))
        return [[len(piece)] if piece else [] for piece in pieces]

    cache = PieceCache(lengths)
    first, second = cache.encode(["one three", "three one one"])
    assert (first.tolist(), second.tolist(), sorted(seen)) == ([3, 5], [5, 3, 3], ["one", "three"])
    cache.encode(["one three"])
    assert len(seen) == 2
    monkeypatch.setattr(module, "MAX_PIECES", 1)
    assert [ids.tolist() for ids in cache.encode(["one three <unk>"])] == [[3, 5, UNKNOWN_ID]]
    assert len(seen) == 4
