"""Pretrained vectors of a vocabulary: how words are found, counted and completed, and which words they let in."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatelab.data.module import SentimentData
from gatelab.data.prepare import Prepared, summary_lines
from gatelab.data.pretrained import find_vectors
from gatelab.data.vectors import Matcher, VectorFiles, WordVectors
from gatelab.errors import ConfigError, DataError

Write = Callable[..., Path]
SPECIAL = ["<pad>", "<unk>"]
NONE, FOLDED, EXACT = 0, 1, 2


def vector_file(folder: Path, vectors: dict[str, list[float]], name: str = "v.txt") -> VectorFiles:
    text = "".join(f"{word} {' '.join(map(str, values))}\n" for word, values in vectors.items())
    (folder / name).write_text(text, encoding="utf-8")
    return VectorFiles((folder / name,))


def find(folder: Path, lines: list[tuple[str, float]], words: list[str]) -> WordVectors:
    (folder / "v.txt").write_text("".join(f"{word} {value} 1\n" for word, value in lines), encoding="utf-8")
    return find_vectors(VectorFiles((folder / "v.txt",)), [*SPECIAL, *words], folder / "cache")


def test_a_word_is_found_exactly_else_by_case_folding_and_of_several_lines_the_first_counts(tmp_path: Path) -> None:
    lines = [
        ("THE", 1.0),
        ("The", 2.0),
        ("the", 3.0),
        ("the", 4.0),
        ("paris", 5.0),
        ("STRASSE", 6.0),
        ("<unk>", 7.0),
        ("<pad>", 8.0),
    ]
    words = ["the", "tHe", "Paris", "straße", "nothing"]
    found = find(tmp_path, lines, words)
    assert found.values[:, 0].tolist() == [0, 0, 3, 1, 5, 6, 0]
    assert found.matches.tolist() == [NONE, NONE, EXACT, FOLDED, FOLDED, FOLDED, NONE]


def test_words_without_a_vector_are_drawn_with_the_mean_and_variance_of_those_found(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    known = generator.normal([3, -1], [0.1, 2], (400, 2)).astype(np.float32)
    values = np.concatenate([np.zeros((2, 2), np.float32), known, np.zeros((4000, 2), np.float32)])
    vectors = WordVectors(values, np.array([0] * 2 + [2] * 400 + [0] * 4000, dtype=np.uint8), [])
    complete = vectors.complete(seed=1)
    assert not complete[0].any()
    assert np.array_equal(complete[2:402], known)
    drawn = complete[402:]
    assert drawn.mean(0) == pytest.approx([known[:, 0].mean(), known[:, 1].mean()], abs=0.1)
    assert drawn.std(0) == pytest.approx([np.std(known[:, 0]), np.std(known[:, 1])], rel=0.05)
    assert complete[1].any()
    assert np.array_equal(complete, vectors.complete(seed=1))
    assert not np.array_equal(drawn, vectors.complete(seed=2)[402:])


# 30 rows of each label; "dull" and "LOUD" stand in some test rows alone, "rare" once in a training row.
TRAIN = [(f"a Good film n{n % 3}", "pos") for n in range(30)] + [(f"a bad film n{n % 3}", "neg") for n in range(30)]
TEST = [("a good dull film", "pos"), ("a bad LOUD unheard film", "neg")]
VECTORS = {
    "a": [1.0, 0.0],
    "good": [0.0, 1.0],
    "film": [2.0, 2.0],
    "dull": [4.0, 4.0],
    "loud": [5.0, 4.0],
    "rare": [5.0, 5.0],
    "else": [9.0, 9.0],
}


@pytest.fixture
def prepared_with(write_csv: Write, tmp_path: Path) -> Callable[..., Prepared]:
    paths = [
        write_csv([*TRAIN, ("a rare film", "pos")], "train.csv"),
        write_csv(TEST, "dev.csv"),
        write_csv(TEST, "test.csv"),
    ]
    train, validation, test = map(str, paths)
    split: Any = {"by": "group", "validation": 0.1, "test": 0.2, "seed": 1}

    def make(files: VectorFiles | None, **more: Any) -> Prepared:
        rules = {
            "lowercase": False,
            "urls": True,
            "mentions": True,
            "elongations": True,
            "vocab_size": None,
            "min_count": 2,
        }
        tokenizer: Any = {**rules, **more}
        data = SentimentData(
            path=train, validation_path=validation, test_path=test, batch_size=8, eval_batch_size=8, seed=1, split=split,
            cache_dir=str(tmp_path / "cache"), max_length=None, tokenizer=tokenizer,
        )  # fmt: skip
        data.vectors = files
        return data.prepared

    return make


def vocabulary(prepared: Prepared) -> dict[str, int]:
    return json.loads(prepared.tokenizer_file.read_text())["model"]["vocab"]


def test_types_and_tokens_that_have_a_vector_are_counted(
    prepared_with: Callable[..., Prepared], tmp_path: Path
) -> None:
    prepared = prepared_with(vector_file(tmp_path, VECTORS))
    found = prepared.record["vectors"]
    how = {"a": "exact", "film": "exact", "Good": "case_folding"}  # of the words of the training rows, counted by hand
    words = Counter(how.get(word, "none") for word in ("a", "Good", "bad", "film", "n0", "n1", "n2"))
    assert found["types"] == dict(words)
    for part, rows in (("train", [*TRAIN, ("a rare film", "")]), ("test", TEST)):
        tokens = Counter(how.get(word, "none") for text, _ in rows for word in text.split())
        assert found["tokens"][part] == {"exact": 0, "case_folding": 0, "none": 0} | dict(tokens)
    (line,) = [line for line in summary_lines(prepared.record) if line.startswith("vectors")]
    assert (
        "v.txt, 2 numbers a word: 3 of 7 words found (1 of them by case folding), 62.6% of the train tokens, 44.4% of the test"
        in line
    )


def test_words_of_validation_and_test_rows_stay_outside_unless_asked_for(
    prepared_with: Callable[..., Prepared], tmp_path: Path
) -> None:
    files = vector_file(tmp_path, VECTORS)
    without, train = vocabulary(prepared_with(None)), vocabulary(prepared_with(files))
    assert train == without
    prepared = prepared_with(VectorFiles(files.paths, "all"))
    both = vocabulary(prepared)
    assert set(both) - set(train) == {"rare", "good", "dull", "LOUD"}
    assert {word: both[word] for word in train} == train
    assert prepared.record["vectors"]["vocab"] == "all"
    assert any("vectors_vocab=all" in note and "test rows too" in note for note in prepared.record["notes"])
    assert not any("vectors_vocab" in note for note in prepared_with(files).record["notes"])
    assert prepared.vectors is not None
    assert prepared.vectors.values[both["LOUD"]].tolist() == VECTORS["loud"]
    row = prepared.parts["test"][0]
    tokens = prepared.tokens[prepared.offsets[row] : prepared.offsets[row + 1]]
    assert tokens.tolist() == [both[word] for word in ("a", "good", "dull", "film")]


def test_a_file_is_read_once_for_a_vocabulary_wherever_it_lies(
    prepared_with: Callable[..., Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read = Matcher.read

    def counted(self: Any, paths: Any, folder: Path) -> None:
        reads.extend(paths)
        read(self, paths, folder)

    monkeypatch.setattr(Matcher, "read", counted)
    files = vector_file(tmp_path, VECTORS)
    prepared_with(files)
    moved = files.paths[0].rename(tmp_path / "moved.txt")
    prepared_with(VectorFiles((moved,)))
    assert len(reads) == 1
    prepared_with(VectorFiles((moved,)), min_count=1)
    assert len(reads) == 2
    prepared_with(vector_file(tmp_path, {**VECTORS, "a": [1.0, 0.5]}))
    assert len(reads) == 3


def test_another_dimension_and_a_file_of_another_language_are_refused(
    prepared_with: Callable[..., Prepared], tmp_path: Path
) -> None:
    files = vector_file(tmp_path, VECTORS)
    with pytest.raises(ConfigError, match=r"embedding_size=3: the vectors of v\.txt have 2 numbers"):
        prepared_with(VectorFiles(files.paths, dimension=3))
    prepared_with(VectorFiles(files.paths, dimension=2))
    with pytest.raises(DataError, match=r"w\.txt: has a vector for none of 7 words"):
        prepared_with(vector_file(tmp_path, {"le": [1.0, 2.0], "la": [3.0, 4.0]}, "w.txt"))
