"""From text files to streams of ids: every token once, parts by place, and a sentence for what cannot be read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatelab.errors import DataError
from gatelab.tasks.language_model.prepare_text import PreparedText
from gatelab.tasks.language_model.text_data import PlainText
from gatelab.tasks.language_model.text_tokenizer import EOS, read_text_tokenizer, words_of

RULES = {"lowercase": False, "urls": False, "mentions": False, "elongations": False}
TEXT = "To be, or not to be:\n\tthat is « the question » – 'ja'.\n" * 40


def data(tmp_path: Path, path: Any, kind: str = "char", **keys: Any) -> PlainText:
    tokenizer: Any = {"kind": kind, "vocab_size": keys.pop("vocab_size", None), "min_count": keys.pop("min_count", 1)}
    tokenizer |= {**RULES, **keys.pop("rules", {})}
    defaults: dict[str, Any] = {"split": {"validation": 0.1, "test": 0.2}, "batch_size": 2, "window": 4}
    given = defaults | {"num_sentences": 50, "text_seed": 0, "seed": 0, "cache_dir": str(tmp_path / "cache")} | keys
    return PlainText(path=path, tokenizer=tokenizer, **given)


def written(tmp_path: Path, content: str | bytes, name: str = "text.txt") -> str:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


def decoded(prepared: PreparedText, part: str) -> str:
    return prepared.tokenizer.decode(prepared.parts[part][1:].tolist())


@pytest.mark.parametrize("kind", ["char", "bytes", "bpe"])
def test_the_parts_are_the_text_in_its_order_cut_at_line_ends(kind: str, tmp_path: Path) -> None:
    files = [written(tmp_path, TEXT, "1.txt"), written(tmp_path, TEXT.upper(), "2.txt")]
    prepared = data(tmp_path, files, kind, vocab_size=400).prepared
    train, validation, test = (decoded(prepared, part) for part in ("train", "validation", "test"))
    assert train + validation + test == TEXT + TEXT.upper()
    assert train.endswith("\n")
    assert validation.endswith("\n")
    assert len(test) / len(2 * TEXT) == pytest.approx(0.2, abs=0.02)
    sizes = [prepared.record[unit]["test"] for unit in ("split_sizes", "characters", "bytes")]
    assert sizes == [len(prepared.parts["test"]) - 1, len(test), len(test.encode())]
    again = read_text_tokenizer(prepared.tokenizer.to_json())
    assert again.encode(test).tolist() == prepared.parts["test"][1:].tolist()


def test_words_are_those_between_spaces_with_the_ends_of_lines_and_a_published_vocabulary_stays(tmp_path: Path) -> None:
    text = " the <unk> sat \n the once-seen cat <eos>\n\n" * 3 + " unique \n"
    assert words_of(text)[:9] == ["the", "<unk>", "sat", EOS, "the", "once-seen", "cat", EOS, EOS]
    prepared = data(
        tmp_path, written(tmp_path, text), "word", min_count=2, vocab_size=3,
        validation_path=written(tmp_path, " the dog sat \n", "valid.txt"), test_path=written(tmp_path, "sat", "test.txt"),
    ).prepared  # fmt: skip
    assert set(prepared.tokenizer.tokens) == {"<unk>", "the", "sat", "once-seen", "cat", EOS, "unique"}
    assert prepared.tokenizer.tokens[0] == "<unk>"
    assert decoded(prepared, "validation") == "the <unk> sat \n"
    assert prepared.record["unknown_share"]["validation"] == 1 / 4
    assert prepared.tokenizer.tokens[prepared.parts["test"][0]] == EOS


def test_the_vocabulary_is_of_the_training_text_alone_the_most_frequent_first(tmp_path: Path) -> None:
    path, other = written(tmp_path, "aaabbbbcd" * 9), written(tmp_path, "aéb", "other.txt")
    prepared = data(tmp_path, path, vocab_size=4, validation_path=other, test_path=other).prepared
    assert prepared.tokenizer.tokens == ["<unk>", "b", "a", "c"]
    assert prepared.parts["validation"][1:].tolist() == [2, 0, 1]
    assert decoded(prepared, "validation") == "a\ufffdb"


def test_rules_change_the_text_before_it_is_cut(tmp_path: Path) -> None:
    path = written(tmp_path, "See HTTPS://X.ORG now\n" * 30)
    prepared = data(tmp_path, path, rules={"lowercase": True, "urls": True}).prepared
    assert decoded(prepared, "test").startswith("see  <url>  now\n")


def test_a_file_of_one_long_line_is_cut_at_spaces_and_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PIECE", 7), ("LOOK", 40), ("MAX_WORD", 20)):
        monkeypatch.setattr(f"gatelab.tasks.language_model.text_files.{name}", value)
    words = [f"wörd{number}" for number in range(200)]
    prepared = data(tmp_path, written(tmp_path, " ".join(words)), "bytes").prepared
    parts = [decoded(prepared, part) for part in ("train", "validation", "test")]
    assert "".join(parts) == " ".join(words)
    assert all(part.split()[0] in words for part in parts)
    same = data(tmp_path, written(tmp_path, "é" * 300, "no_space.txt")).prepared
    assert "".join(decoded(same, part) for part in ("train", "validation", "test")) == "é" * 300


def test_the_generated_text_is_there_without_a_path_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = data(tmp_path, None).prepared, data(tmp_path / "elsewhere", None).prepared
    assert first.record["sha256"] == second.record["sha256"]
    assert decoded(first, "train").count("\n") > 30


@pytest.mark.parametrize(
    ("content", "kind", "sentence"),
    [
        ("", "char", r"data.path=.*text.txt: is empty\. Give a file with text\."),
        ("a b\n", "char", r"text.txt: its training part has \d tokens, and one window of 4 in each of 2 columns needs 8\. Give a longer"),
        ("ab\0c\n" * 20, "char", r"text.txt: byte 3 is NUL, so it is no plain text.*tokenizer=bytes"),
        (b"caf\xe9 noir\n" * 20, "char", r"text.txt: line 1, byte 4: byte 0xe9 is not valid utf-8.*data.encoding=cp1252"),
        ("caf\xe9\n".encode("utf-16") * 20, "word", r"text.txt: is in UTF-16.* iconv -f utf-16 -t utf-8 text.txt"),
        (" ".join(map(str, range(100))), "word", r"'\d+' of the validation text is not in the vocabulary.* no <unk> .*min_count=2"),
        (f"{'ab' * 40_000}\n", "bpe", r"^data.path: 'abab.*' is a word of \d{2},\d{3} characters.* take tokenizer=char or bytes"),
        (" \n" * 99, "word", r""),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(content: Any, kind: str, sentence: str, tmp_path: Path) -> None:
    made = data(tmp_path, written(tmp_path, content), kind)
    if not sentence:  # lines without a word are line ends, and so tokens
        assert made.prepared.record["vocab_size"] == 2
        return
    with pytest.raises(DataError, match=f"^{sentence}" if sentence.startswith("data") else sentence):
        _ = made.prepared
    assert not list((tmp_path / "cache").glob("prepared/*/record.json")) or "longer" in sentence


def test_a_folder_is_refused_with_files_of_text_as_an_example(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder\. Name the files in it, for example '.*/\*\.txt'"):
        _ = data(tmp_path, str(tmp_path)).prepared


def test_another_encoding_is_given_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, ("café\n" * 40).encode("cp1252"))
    assert decoded(data(tmp_path, path, encoding="cp1252").prepared, "test").startswith("café\n")
    for other in ("klingon", "idna"):  # the names of hosts
        with pytest.raises(DataError, match=rf"data\.encoding={other}: Python knows no such encoding"):
            _ = data(tmp_path, path, encoding=other).prepared


def test_streams_are_small_integers_on_disk(tmp_path: Path) -> None:
    stream = data(tmp_path, written(tmp_path, TEXT)).prepared.parts["train"]
    assert isinstance(stream, np.memmap)
    assert stream.dtype == np.uint8
