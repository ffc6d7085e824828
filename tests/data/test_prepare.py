import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from gatelab.data import prepare as steps
from gatelab.data.prepare import Settings, Source, prepare
from gatelab.data.tokenize import UNKNOWN_ID
from gatelab.errors import DataError

ROWS = [
    (f"the {adjective} film number {n}", label)
    for n in range(60)
    for adjective, label in (("good", "pos"), ("bad", "neg"))
]
Write = Callable[..., Path]


def test_each_row_keeps_its_tokens_its_label_and_its_line(write_csv: Write, tmp_path: Path) -> None:
    prepared = prepare(Source([write_csv(ROWS)]), Settings(), tmp_path / "cache")
    words = {token: word for word, token in json.loads(prepared.tokenizer_file.read_text())["model"]["vocab"].items()}
    for row, (text, label) in enumerate(ROWS):
        tokens = [words[token] for token in prepared.tokens[prepared.offsets[row] : prepared.offsets[row + 1]]]
        assert all(token in (word, "<unk>") for token, word in zip(tokens, text.split(), strict=True))
        assert prepared.classes[prepared.labels[row]] == label
        assert prepared.lines[row] == row + 2


def test_the_tokenizer_sees_the_training_rows_alone(write_csv: Write, tmp_path: Path) -> None:
    prepared = prepare(Source([write_csv(ROWS)]), Settings(), tmp_path / "cache")
    vocabulary = json.loads(prepared.tokenizer_file.read_text())["model"]["vocab"]
    seen = {word for row in prepared.parts["train"] for word in ROWS[row][0].split()}
    assert set(vocabulary) - {"<pad>", "<unk>"} == seen
    assert any(word not in vocabulary for row in prepared.parts["test"] for word in ROWS[row][0].split())


def test_a_length_that_no_text_has_cuts_none() -> None:
    lengths = np.array([1, 9], dtype=np.int32)
    assert [steps.cut_lengths(lengths, longest).tolist() for longest in (2, 2**62, None)] == [[1, 2], [1, 9], [1, 9]]


def test_a_second_start_reads_the_cache_and_a_changed_file_or_setting_does_not(
    write_csv: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds: list[int] = []
    build = steps.build

    def counted(*arguments: Any) -> None:
        builds.append(1)
        build(*arguments)

    monkeypatch.setattr(steps, "build", counted)
    file = write_csv(ROWS)
    first = prepare(Source([file]), Settings(), tmp_path / "cache")
    moved = file.rename(file.with_name("moved.csv"))
    again = prepare(Source([moved]), Settings(), tmp_path / "cache")
    assert len(builds) == 1
    assert again.folder == first.folder
    assert np.array_equal(again.tokens, first.tokens)
    prepare(Source([moved]), Settings(max_length=3), tmp_path / "cache")
    assert len(builds) == 2
    prepare(Source([write_csv(ROWS[:-2])]), Settings(), tmp_path / "cache")
    assert len(builds) == 3


def test_another_split_or_vocabulary_reads_and_tokenizes_nothing_again(
    write_csv: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, split = write_csv(ROWS), Settings().split
    first = prepare(Source([file]), Settings(), tmp_path / "cache")
    other = Settings(split={**split, "seed": 7}, tokenizer={"min_count": 3, "vocab_size": 9}, max_length=3)
    expected = prepare(Source([file]), other, tmp_path / "fresh cache")
    monkeypatch.setattr(steps, "read_rows", None)
    another = prepare(Source([file]), other, tmp_path / "cache")
    assert another.parts["test"].tolist() != first.parts["test"].tolist()
    for part, rows in expected.parts.items():
        assert np.array_equal(another.parts[part], rows)
    assert np.array_equal(another.tokens, expected.tokens)
    assert another.record == expected.record
    assert another.tokenizer_file.read_bytes() == expected.tokenizer_file.read_bytes()


@pytest.mark.parametrize("kind", ["word", "char", "bpe", "unigram"])
def test_the_record_has_the_unknown_tokens_and_lengths_of_each_tokenizer(
    kind: str, write_csv: Write, tmp_path: Path
) -> None:
    settings = Settings(tokenizer={"kind": kind, "vocab_size": 40, "min_count": 2}, max_length=7)
    prepared = prepare(Source([write_csv(ROWS)]), settings, tmp_path / "cache")
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer_file))
    full = [tokenizer.encode(text, add_special_tokens=False).ids for text, _ in ROWS]
    cut = [ids[:7] for ids in full]
    for part, rows in prepared.parts.items():
        tokens = [token for row in rows for token in cut[row]]
        assert prepared.record["unknown_share"][part] == tokens.count(UNKNOWN_ID) / len(tokens)
    lengths = sorted(len(ids) for ids in full)
    quantiles = prepared.record["lengths"]
    assert (quantiles["0"], quantiles["50"], quantiles["100"]) == (lengths[0], lengths[59], lengths[-1])
    assert prepared.record["cut_share"] == sum(length > 7 for length in lengths) / len(lengths)
    assert (kind == "word") == (lengths[-1] <= 7), "so there is something to cut, of all but words"
    assert prepared.record["num_tokens"] == sum(map(len, cut)) == len(prepared.tokens)


def test_rows_of_dropped_labels_leave_texts_and_tokens_of_the_others_in_place(write_csv: Write, tmp_path: Path) -> None:
    dropped = [(f"so so number {n}", "meh") for n in range(40)]
    mixed = [*dropped[:3], *ROWS[:50], *dropped[3:9], *ROWS[50:], *dropped[9:]]
    settings = Settings(labels=["pos", "neg"])
    prepared = prepare(Source([write_csv(mixed)]), settings, tmp_path / "cache")
    without = prepare(Source([write_csv([row for row in mixed if row[1] != "meh"])]), settings, tmp_path / "other")
    assert list(prepared.texts) == list(without.texts)
    assert np.array_equal(prepared.tokens, without.tokens)
    assert np.array_equal(prepared.labels, without.labels)
    assert prepared.record["dropped"] == {"train": {"meh": 40}}
    assert [mixed[line - 2][0] for line in prepared.lines] == list(prepared.texts)


def test_a_failed_preparation_leaves_nothing_in_the_cache(write_csv: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        prepare(Source([write_csv(ROWS[:2] * 2)]), Settings(), tmp_path / "cache")
    assert not list((tmp_path / "cache" / "prepared").iterdir())


def test_files_given_for_validation_and_test_are_those_parts(write_csv: Write, tmp_path: Path) -> None:
    train, validation, test = write_csv(ROWS, "a.csv"), write_csv(ROWS[:10], "b.csv"), write_csv(ROWS[10:30], "c.csv")
    prepared = prepare(Source([train], [validation], [test]), Settings(), tmp_path / "cache")
    assert prepared.record["split_sizes"] == {"train": 120, "validation": 10, "test": 20}
    assert [prepared.record["files"][prepared.files[row]] for row in prepared.parts["test"]] == [str(test)] * 20
    assert [prepared.texts[row] for row in prepared.parts["test"]] == [text for text, _ in ROWS[10:30]]
    assert prepared.record["leakage"]["exact"] == 20, "a test file that repeats training rows is counted"


def test_a_test_file_with_other_classes_is_refused(write_csv: Write, tmp_path: Path) -> None:
    other = write_csv([("fine", "pos"), ("so so", "meh")], "test.csv")
    with pytest.raises(DataError, match=r"data\.labels"):
        prepare(Source([write_csv(ROWS)], test=[other]), Settings(), tmp_path / "cache")


def test_what_is_not_wanted_is_an_empty_part_and_all_rows_are_trained_on(write_csv: Write, tmp_path: Path) -> None:
    split = {"by": "group", "validation": 0, "test": 0, "seed": 1}
    prepared = prepare(Source([write_csv(ROWS)]), Settings(split=split), tmp_path / "cache")
    assert prepared.record["split_sizes"] == {"train": len(ROWS), "validation": 0, "test": 0}
    assert prepared.parts["train"].tolist() == list(range(len(ROWS)))
    assert "no validation · no test" in steps.summary_lines(prepared.record)[2]


def named(parts: list[str]) -> Iterator[tuple[str, ...]]:
    return ((*row, part) for row, part in zip(ROWS, itertools.cycle(parts), strict=False))


@pytest.mark.parametrize("names", [["train", "train", "dev", "test"], ["Training", "TRAIN", " val", "tst"]], ids=str)
def test_a_column_names_the_part_of_each_row(names: list[str], write_csv: Write, tmp_path: Path) -> None:
    file = write_csv(named(names), header=("text", "label", "part"))
    settings = Settings(split={**Settings().split, "column": "part"})
    prepared = prepare(Source([file]), settings, tmp_path / "cache")
    for part, places in (("train", {0, 1}), ("validation", {2}), ("test", {3})):
        expected = [text for number, (text, _) in enumerate(ROWS) if number % 4 in places]
        assert [prepared.texts[row] for row in prepared.parts[part]] == expected


def test_a_validation_that_the_column_does_not_name_is_cut_from_the_training_rows(
    write_csv: Write, tmp_path: Path
) -> None:
    file = write_csv(named(["train", "train", "train", "test"]), header=("text", "label", "part"))
    prepared = prepare(Source([file]), Settings(split={**Settings().split, "column": "part"}), tmp_path / "cache")
    assert prepared.record["split_sizes"] == {"train": 81, "validation": 9, "test": 30}
    assert all(row % 4 == 3 for row in prepared.parts["test"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["train", "test", "unsup"],
            r"table\.csv: column 'part' says test \(40 rows\), train \(40 rows\), unsup \(40 rows\)\. .*dev",
        ),
        (["train", ""], r"says nothing \(60 rows\), train"),
        (["dev", "test"], r"no row to train on"),
    ],
)
def test_a_column_with_other_names_is_refused_with_what_it_says(
    names: list[str], message: str, write_csv: Write, tmp_path: Path
) -> None:
    file = write_csv(named(names), header=("text", "label", "part"))
    with pytest.raises(DataError, match=message):
        prepare(Source([file]), Settings(split={**Settings().split, "column": "part"}), tmp_path / "cache")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"column": "prat"}, r"data\.split\.column=prat: .* has no such column\. It has: text, label"),
        ({"column": "label"}, r"data\.test_path and data\.split\.column"),
        ({"folds": 5, "fold": 0}, r"data\.test_path and data\.split\.folds"),
    ],
)
def test_parts_that_are_named_twice_or_nowhere_are_refused(
    split: dict[str, Any], message: str, write_csv: Write, tmp_path: Path
) -> None:
    test = [] if "prat" in message else [write_csv(ROWS[:10], "test.csv")]
    with pytest.raises(DataError, match=message):
        prepare(Source([write_csv(ROWS)], test=test), Settings(split={**Settings().split, **split}), tmp_path / "cache")


@pytest.mark.parametrize(
    ("names", "later"),
    [
        (("a.csv",), ("b.csv",)),
        (("a.csv", "b.csv", "c.csv"), ("c.csv", "a.csv", "new.csv")),
        (("a.csv", "b.csv", "b.csv"), ("a.csv", "b.csv", "copy.csv")),  # two parts of one file, then of two
        (("a.csv", "b.csv", "copy.csv"), ("a.csv", "b.csv", "b.csv")),
    ],
    ids=str,
)
def test_files_are_named_as_they_are_called_now_and_not_as_when_they_were_first_read(
    names: tuple[str, ...], later: tuple[str, ...], tmp_path: Path
) -> None:
    # Of which one row each has no text.
    parts = [[*ROWS, ("", "pos")], [("", "neg"), *ROWS[:12]], [("", "neg"), *ROWS[:12]]]

    def prepared(folder: Path, called: tuple[str, ...]) -> steps.Prepared:
        folder.mkdir()
        for name, rows in zip(called, parts, strict=False):
            lines = "".join(f"{text},{label}\n" for text, label in rows)
            (folder / name).write_text(f"text,label\n{lines}", encoding="utf-8")
        return prepare(Source(*([folder / name] for name in called)), Settings(), tmp_path / "cache")

    first, second = prepared(tmp_path / "before", names), prepared(tmp_path / "after", later)
    assert second.folder == first.folder, "the content is the same, so it is not read again"
    for data, called in ((first, names), (second, later)):
        assert [Path(name).name for name in data.record["files"]] == list(dict.fromkeys(called))
        rows = {
            part: {Path(data.record["files"][data.files[row]]).name for row in data.parts[part]} for part in data.parts
        }
        if len(called) == 3:
            assert rows == {part: {name} for part, name in zip(("train", "validation", "test"), called, strict=True)}
        assert [Path(reject["file"]).name for reject in data.record["rejects"]] == list(called)
        assert all(Path(reject["file"]).exists() for reject in data.record["rejects"])
