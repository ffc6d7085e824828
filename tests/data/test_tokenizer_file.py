"""Tokenizers made here by other ways than gatelab's, with padding, truncation, special tokens and ids of their own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from gatelab.data.prepare import Settings, Source, prepare
from gatelab.data.tokenize import fitted_cache
from gatelab.data.tokenizer_file import read_tokenizer_file
from gatelab.errors import DataError

TEXTS = ["The lowest newest widest film", "newer lower films, naïve  日本 [CLS] 👍🏽", "", "low low low\nlow ж" * 30]


def word_piece() -> Tokenizer:
    vocabulary = ["[CLS]", "[SEP]", "[PAD]", "the", "low", "##est", "new", "##er", "film", "##s", ",", "[UNK]"]
    tokenizer = Tokenizer(models.WordPiece({word: 3 * n for n, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 0))
    tokenizer.enable_padding(length=64, pad_id=6, pad_token="[PAD]")
    tokenizer.enable_truncation(3)
    return tokenizer


def byte_level() -> Tokenizer:
    """As that of GPT-2: neither a padding nor an unknown token, and one token that is added."""
    tokenizer = Tokenizer(models.BPE(dropout=0.5))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def unigram() -> Tokenizer:
    scores = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁low", -3.0),
        ("e", -4.0),
        ("est", -5.0),
        ("s", -4.5),
    ]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return tokenizer


@pytest.mark.parametrize(
    ("make", "padding", "unknown"),
    [(word_piece, "[PAD]", "[UNK]"), (byte_level, "<pad>", "<unk>"), (unigram, "<pad>", "<unk>")],
)
def test_its_tokens_stay_and_padding_and_unknown_come_first(
    make: Callable[[], Tokenizer], padding: str, unknown: str, tmp_path: Path
) -> None:
    original, file = make(), tmp_path / "tokenizer.json"
    original.save(str(file))
    original.no_padding()
    original.no_truncation()
    if hasattr(original.model, "dropout"):
        original.model.dropout = None
    read = read_tokenizer_file(file)
    tokens = list(dict(sorted(read.get_vocab().items(), key=lambda item: item[1])))
    assert [read.get_vocab()[token] for token in tokens] == list(range(len(tokens)))
    assert tokens[:2] == [padding, unknown]
    assert set(tokens) == {*original.get_vocab(), padding, unknown}
    others = sorted(original.get_vocab(), key=original.get_vocab().__getitem__)
    assert tokens[2:] == [token for token in others if token not in (padding, unknown)]
    for text, ids in zip(TEXTS, fitted_cache(read, "file").encode(TEXTS), strict=True):
        expected = original.encode(text, add_special_tokens=False).ids
        assert [tokens[token] for token in ids] == ([original.id_to_token(token) for token in expected] or [unknown])


def test_a_data_set_is_read_with_it_and_named_by_its_content(write_csv: Callable[..., Path], tmp_path: Path) -> None:
    rows = [(f"low lowest film {n}", "p" if n % 2 else "n") for n in range(40)]
    source = Source([write_csv(rows)])
    file = tmp_path / "some.json"
    word_piece().save(str(file))

    def prepared(path: Path) -> Any:
        return prepare(source, Settings(tokenizer={"kind": "file", "file": str(path)}), tmp_path / "cache")

    first = prepared(file)
    tokenizer = Tokenizer.from_file(str(first.tokenizer_file))
    for row, (text, _) in enumerate(rows):
        tokens = first.tokens[first.offsets[row] : first.offsets[row + 1]].tolist()
        assert tokens == tokenizer.encode(text, add_special_tokens=False).ids
    assert first.vocab_size == 12
    assert first.record["unknown_share"]["train"] == pytest.approx(1 / 5), "the number"
    moved = file.rename(tmp_path / "moved.json")
    assert prepared(moved).folder == first.folder
    unigram().save(str(moved))
    assert prepared(moved).folder != first.folder


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not json", r"is not a tokenizer\.json that the tokenizers library reads"),
        ('{"model": 3}', r"is not a tokenizer\.json"),
        ("[]", r"is not a tokenizer\.json"),
        ("two", r"gives one id to two tokens"),
        (None, r"cannot be read \(No such file or directory\)\. Name a tokenizer\.json"),
    ],
)
def test_what_is_no_tokenizer_is_refused_with_its_key(content: str | None, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    if content == "two":
        saved = json.loads(word_piece().to_str())
        saved["model"]["vocab"]["film"] = saved["model"]["vocab"]["new"]
        content = json.dumps(saved)
    if content is not None:
        file.write_text(content)
    with pytest.raises(DataError, match=rf"^data\.tokenizer\.file=.*: {sentence}"):
        read_tokenizer_file(file)


def test_a_file_too_large_to_be_one_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tokenizer.json"
    word_piece().save(str(file))
    monkeypatch.setattr("gatelab.data.tokenizer_file.MAX_BYTES", 100)
    with pytest.raises(DataError, match=r"is larger than"):
        read_tokenizer_file(file)
