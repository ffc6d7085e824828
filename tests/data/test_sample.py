"""The generated sample: what it holds, and that order alone tells the label."""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from gatelab.data.sample import BLAME, MANNERS, PATTERNS, PRAISE, write_sample
from gatelab.data.split import group_key

ODD_ROWS = 1001


def rows_of(path: Path, **options: int) -> list[tuple[str, str]]:
    write_sample(path, **options)
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        assert next(reader) == ["text", "label"]
        return [(text, label) for text, label in reader]


def phrases_in(text: str, phrases: tuple[str, ...]) -> list[str]:
    return [phrase for phrase in phrases for _ in re.findall(rf"\b{phrase}\b", text)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    return rows_of(tmp_path_factory.mktemp("sample") / "sample.csv")


def test_the_classes_are_equally_large_and_an_odd_row_is_negative(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    assert Counter(label for _, label in rows) == {"negative": 2000, "positive": 2000}
    odd = rows_of(tmp_path / "odd.csv", num_rows=ODD_ROWS)
    assert Counter(label for _, label in odd) == {"negative": 501, "positive": 500}


def test_no_two_texts_are_equal_whatever_their_case_and_punctuation(tmp_path: Path) -> None:
    # Of so many rows some are drawn twice; without filler nothing else could tell them apart.
    many = rows_of(tmp_path / "many.csv", num_rows=100_000, gap=0)
    assert len({group_key(text) for text, _ in many}) == len(many) == 100_000


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sample(tmp_path / name, num_rows=100, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]  # nothing temporary stays behind


def test_every_review_holds_one_praising_and_one_blaming_phrase(rows: list[tuple[str, str]]) -> None:
    for text, _ in rows:
        assert len(phrases_in(text, PRAISE)) == len(phrases_in(text, BLAME)) == 1, text


def test_each_phrase_is_as_frequent_in_one_class_as_in_the_other(rows: list[tuple[str, str]]) -> None:
    counts = Counter((phrase, label) for text, label in rows for phrase in phrases_in(text, PRAISE + BLAME))
    for phrase in PRAISE + BLAME:
        # 4000 rows, 8 phrases of a kind: 250 a class, and the difference of two such counts has a deviation of 22.
        assert abs(counts[phrase, "positive"] - counts[phrase, "negative"]) < 4 * 22, phrase
        assert counts[phrase, "positive"] > 150


@pytest.mark.parametrize(
    ("cue", "decisive"),
    [
        (r", (but|and yet) the", 1),
        (r"; (all the same,|still,) the", 1),
        (r"^[^.]*\. (Although|Even though) ", 1),
        (r"^[^.]*\. The [^.]*, (although|even though) ", 0),
        (r"^[^.]*\. It is not true ", 1),
        (r"^[^.]*\. I had expected ", 1),
        (r"^[^.]*\. I found [^.]*, where I had expected ", 0),
        (r"^[^.]*\. Instead of ", 1),
        (r"^[^.]*\. I found [^.]*, instead of ", 0),
    ],
)
def test_the_label_is_what_the_connective_says(rows: list[tuple[str, str]], cue: str, decisive: int) -> None:
    matching = [(text, label) for text, label in rows if re.search(cue, text)]
    assert len(matching) > 100
    for text, label in matching:
        phrases = sorted(phrases_in(text, PRAISE + BLAME), key=lambda phrase: re.search(rf"\b{phrase}\b", text).start())  # type: ignore[union-attr]
        assert label == ("positive" if phrases[decisive] in PRAISE else "negative"), text


def test_the_phrases_of_a_review_are_followed_by_the_same_words_in_every_role(rows: list[tuple[str, str]]) -> None:
    followed = re.compile(rf"\b({'|'.join(PRAISE + BLAME)}) ({'|'.join(MANNERS)})\b")
    assert all(len(followed.findall(text)) == 2 for text, _ in rows)
    assert all("{first}" in pattern.sentence and "{second}" in pattern.sentence for pattern in PATTERNS)


@pytest.mark.parametrize("gap", [0, 1, 2, 3, 5, 6, 7, 20, 61])
def test_the_gap_is_the_number_of_words_after_the_second_clause(tmp_path: Path, gap: int) -> None:
    bare = rows_of(tmp_path / "bare.csv", num_rows=200, gap=0)
    longer = rows_of(tmp_path / "longer.csv", num_rows=200, gap=gap)
    for (text, label), (long_text, long_label) in zip(bare, longer, strict=True):
        assert long_text.startswith(text)
        assert long_label == label
        assert len(long_text[len(text) :].split()) == gap


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_rows": 19}, r"data\.num_rows=19: must be from 20 to 1000000"),
        ({"num_rows": 1_000_001}, r"data\.num_rows=1000001: must be from 20 to 1000000"),
        ({"gap": -1}, r"data\.gap=-1: must be from 0 to 1000"),
        ({"gap": 1001}, r"data\.gap=1001: must be from 0 to 1000"),
    ],
)
def test_an_impossible_value_is_named_with_its_range_and_writes_nothing(
    tmp_path: Path, options: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_sample(tmp_path / "sample.csv", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("gap", [0, 4, 20])
def test_words_and_pairs_of_words_do_not_tell_the_label(tmp_path: Path, gap: int) -> None:
    texts, labels = zip(*rows_of(tmp_path / "sample.csv", gap=gap), strict=True)
    order = np.random.default_rng(0).permutation(len(texts))
    train, test = order[:2800], order[3200:]
    for ngrams in ((1, 1), (1, 2)):
        vectorizer = TfidfVectorizer(ngram_range=ngrams)
        features = vectorizer.fit_transform([texts[row] for row in train])
        model = LogisticRegression(max_iter=1000).fit(features, [labels[row] for row in train])
        accuracy = model.score(vectorizer.transform([texts[row] for row in test]), [labels[row] for row in test])
        assert accuracy < 0.62
