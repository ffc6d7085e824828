from pathlib import Path

import pytest
from tokenizers import Tokenizer

from gatelab.data.tokenize import UNKNOWN_ID, encode_texts, fit_tokenizer, new_tokenizer


def words_of(text: str, **options: bool) -> list[str]:
    tokenizer = new_tokenizer(**options)
    fit_tokenizer(tokenizer, [text], vocab_size=None, min_count=1)
    return [tokenizer.id_to_token(token) for token in encode_texts(tokenizer, [text], None)[0]]


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


def test_normalisation_can_be_switched_off() -> None:
    assert words_of("Sooo @Bob", lowercase=False, mentions=False, elongations=False) == ["Sooo", "@", "Bob"]
    assert "<url>" not in words_of("http://a.b", urls=False)


def test_the_vocabulary_keeps_the_most_frequent_words_seen_often_enough() -> None:
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, ["a a a b b c c d"], vocab_size=4, min_count=2)
    assert set(tokenizer.get_vocab()) == {"<pad>", "<unk>", "a", "b"}
    assert encode_texts(tokenizer, ["d"], None) == [[UNKNOWN_ID]]


def test_a_saved_tokenizer_reads_back_and_encodes_the_same(tmp_path: Path) -> None:
    texts = ["The film was sooo good 👍🏽 https://a.b", "این فیلم نمی‌شود", "电影"]
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, texts, vocab_size=None, min_count=1)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert encode_texts(again, texts, None) == encode_texts(tokenizer, texts, None)


def test_texts_are_cut_to_max_length_and_never_empty() -> None:
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, ["a b c d"], vocab_size=None, min_count=1)
    cut, empty = encode_texts(tokenizer, ["a b c d", " \u200b "], 2)
    assert len(cut) == 2
    assert empty == [UNKNOWN_ID]
