import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_texts import TEXTS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, trainers

from gatelab.data import rows as module
from gatelab.data.prepare import Prepared, Settings, Source, prepare
from gatelab.data.tokenize import PAD, UNKNOWN, UNKNOWN_ID, fitted_cache, new_tokenizer

RULES = ("kind", "lowercase", "urls", "mentions", "elongations")


def prepare_rows(parts: list[list[str]], options: dict[str, Any], folder: Path) -> Prepared:
    """Texts of train, validation and test, each part with a row of either class more."""
    files = [folder / f"{number}.csv" for number in range(3)]
    for file, texts in zip(files, parts, strict=True):
        with open(file, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
            writer.writerows(
                [("text", "label"), ("fine film", "p"), ("dull film", "n"), *((text, "p") for text in texts)]
            )
    settings = Settings(text="text", label="label", delimiter=",", tokenizer=options)
    return prepare(Source(*([file] for file in files)), settings, folder / "cache")


def assert_as_row_by_row(prepared: Prepared, options: dict[str, Any]) -> None:
    """The vocabulary is the one that the library trains on the training rows, the tokens those that it then gives, row by row."""
    texts = list(prepared.texts)
    expected = new_tokenizer(**{key: value for key, value in options.items() if key in RULES})
    about: Any = {
        "vocab_size": options.get("vocab_size") or 2**31 - 1, "min_frequency": options.get("min_count", 1),
        "special_tokens": [PAD, UNKNOWN], "show_progress": False,
    }  # fmt: skip
    trainer: Any = trainers.WordLevelTrainer(**about)
    if options.get("kind") == "bpe":
        expected.model, trainer = models.BPE(unk_token=UNKNOWN, fuse_unk=True), trainers.BpeTrainer(**about)
    expected.train_from_iterator((texts[row] for row in prepared.parts["train"]), trainer)
    saved = prepared.tokenizer_file.with_name("expected.json")
    expected.save(str(saved))
    assert prepared.tokenizer_file.read_bytes() == saved.read_bytes()
    assert_tokens_are_those_of_the_saved_tokenizer(prepared)


def assert_tokens_are_those_of_the_saved_tokenizer(prepared: Prepared) -> None:
    texts = list(prepared.texts)
    again = Tokenizer.from_file(str(prepared.tokenizer_file))
    rows = [encoding.ids or [UNKNOWN_ID] for encoding in again.encode_batch(texts, add_special_tokens=False)]
    assert np.array_equal(np.diff(prepared.offsets), [len(row) for row in rows])
    assert np.array_equal(prepared.tokens, np.concatenate(rows))
    assert [ids.tolist() for ids in fitted_cache(again).encode(texts)] == rows, "as predict does it"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(TEXTS, max_size=4), min_size=3, max_size=3),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["word", "char"]), **{rule: st.booleans() for rule in RULES[1:]}},
        optional={"vocab_size": st.integers(3, 9), "min_count": st.integers(1, 2)},
    ),
    st.sampled_from([1, 2, 100]),
)
@example([["a http://a<pad>b <pad>", "<unk>c<unk>", "a\n<unk>"], ["pad > b"], ["<pad>"]], {}, 1)
def test_tokens_and_vocabulary_are_those_that_the_library_gives_row_by_row(
    parts: list[list[str]], options: dict[str, Any], chunk: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        assert_as_row_by_row(prepare_rows(parts, options, Path(folder)), options)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(TEXTS, max_size=4), min_size=3, max_size=3),
    st.fixed_dictionaries({rule: st.booleans() for rule in RULES[1:]}),
    st.sampled_from([1, 2, 100]),
)
@example([["a http://a<pad>b <pad>", "<unk>c<unk>", "a\n<unk>"], ["pad > b"], ["<pad>"]], {}, 1)
def test_merges_and_subwords_are_those_that_the_library_gives_row_by_row(
    parts: list[list[str]], options: dict[str, Any], chunk: int
) -> None:
    options |= {"kind": "bpe", "vocab_size": 1000}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        assert_as_row_by_row(prepare_rows(parts, options, Path(folder)), options)


@pytest.mark.parametrize(
    "name",
    [
        "gop_debate/Sentiment.csv.zip",
        "mr/movie_reviews.csv",
        "sst/sst_fine_train.csv",
        pytest.param("sentiment140/tweets_100k.csv", marks=pytest.mark.long),
    ],
)
def test_real_files_give_the_same_bytes_as_row_by_row(name: str, real_data: Path, tmp_path: Path) -> None:
    options = {"vocab_size": 20_000, "min_count": 2}
    assert_as_row_by_row(prepare(Source([real_data / name]), Settings(tokenizer=options), tmp_path), options)
