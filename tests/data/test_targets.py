"""Numbers and labels of a row, from its cells."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gatelab.data.batch import NO_LABEL, BatchLoader, counted_rows
from gatelab.data.prepare import Settings, Source, prepare
from gatelab.data.read import read_table
from gatelab.data.row_targets import parse_number, strata_of
from gatelab.errors import DataError

Write = Callable[..., Path]


@pytest.mark.parametrize("text", ["3", " 3.5 ", "-1e3", "007"])
def test_a_number_is_read_as_python_does(text: str) -> None:
    assert parse_number(text) == float(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("n/a", "'n/a' is no number"),
        ("5 stars", "'5 stars' is no number"),
        ("1_000", "'1_000' is no number"),
        ("3,5", "'3,5' is no number"),
        ("nan", "'nan' is no finite number"),
        ("-inf", "'-inf' is no finite number"),
        (" ", "no number"),
    ],
)
def test_what_is_none_says_why(text: str, reason: str) -> None:
    assert parse_number(text) == reason


def test_rows_of_numbers_are_kept_in_order_and_the_others_rejected_by_line(write_csv: Write) -> None:
    rows = [("a film", "4.5"), ("b film", "many"), ("", "3"), ("c film", "-2"), ("d film", "")]
    table = read_table(write_csv(rows, header=("text", "rating")), targets="number")
    assert (table.texts, table.labels.tolist(), table.lines.tolist()) == (["a film", "c film"], [4.5, -2.0], [2, 5])
    found = [(reject.line, reject.reason) for reject in table.rejects]
    assert found == [(3, "'many' is no number"), (4, "no text"), (6, "no number")]
    assert table.classes == []


@pytest.mark.parametrize(
    ("header", "column"),
    [
        (("words", "votes", "stars"), "stars"),  # by its name
        (("words", "kind", "points"), "points"),  # the only one with numbers
    ],
)
def test_the_column_of_numbers_is_found(header: tuple[str, ...], column: str, write_csv: Write) -> None:
    other = [str(n) if header[1] == "votes" else "ab"[n % 2] for n in range(30)]
    rows = [(f"a long film of {n} hours", other[n], f"{n}.5") for n in range(30)]
    assert read_table(write_csv(rows, header=header), targets="number").label_column == column


def test_numbers_have_no_classes_and_must_differ(write_csv: Write) -> None:
    file = write_csv([(f"a film of {n} minutes", f"{n}.5") for n in range(250)], header=("text", "score"))
    with pytest.raises(DataError, match=r"250 different values; that is no label.*as numbers: model=regressor"):
        read_table(file)
    with pytest.raises(DataError, match=r"data\.labels: numbers to predict have no classes"):
        read_table(file, targets="number", labels=["1.5", "2.5"])
    with pytest.raises(DataError, match=r"data\.label=\['score', 'text'\]: names 2 columns.*model=multi_label"):
        read_table(file, label=["score", "text"])
    same = write_csv([(f"a film of {n} minutes", "3") for n in range(9)], header=("text", "score"))
    with pytest.raises(DataError, match=r"every number in column 'score' is 3, so there is nothing to predict"):
        read_table(same, targets="number")


LISTED = [("a", "joy|fear"), ("b", "Joy"), ("c", ""), ("d", " fear | joy |"), ("e", "anger"), ("f", "joy")]


@pytest.mark.parametrize("separator", ["|", ";", ",", " and "])
def test_labels_listed_in_a_column_are_separated_by_what_most_values_have(separator: str, write_csv: Write) -> None:
    rows = [(text, labels.replace("|", separator)) for text, labels in LISTED]
    given = separator if separator == " and " else None
    table = read_table(write_csv(rows), targets="labels", label_separator=given)
    assert table.classes == ["anger", "fear", "joy"]
    assert table.labels.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]]
    assert table.label_counts == {"anger": 1, "fear": 2, "joy": 4}
    assert "1 of 6 rows have none of the labels" in table.notes
    assert f"labels are separated by '{separator}'" in table.notes


def test_labels_are_chosen_ordered_and_renamed_and_no_row_is_dropped(write_csv: Write) -> None:
    file = write_csv(LISTED)
    table = read_table(file, targets="labels", labels=["joy", "fear"])
    assert (table.classes, len(table.labels)) == (["joy", "fear"], 6)
    assert table.dropped == {"anger": 1}
    table = read_table(file, targets="labels", labels={"joy": "good", "fear": "bad", "anger": "bad"})
    assert table.labels.tolist() == [[1, 1], [1, 0], [0, 0], [1, 1], [0, 1], [1, 0]]
    with pytest.raises(DataError, match=r"data\.labels names 'envy', which is not in column 'label'"):
        read_table(file, targets="labels", labels=["joy", "envy"])


def test_labels_of_several_columns_are_their_ones(write_csv: Write) -> None:
    rows = [("a", "1", "0.0"), ("b", "0", "true"), ("c", "-1", "-1"), ("d", "", "1"), ("e", "1", "1"), ("f", "0", "0")]
    file = write_csv(rows, header=("comment", "toxic", "insult"))
    table = read_table(file, text="comment", label=["toxic", "insult"], targets="labels")
    assert table.classes == ["insult", "toxic"]
    assert table.labels.tolist() == [[0, 1], [1, 0], [1, 1], [0, 0]]
    reason = "in a label's column is neither 0 nor 1"
    assert [(reject.line, reject.reason) for reject in table.rejects] == [(4, f"'-1' {reason}"), (5, f"'' {reason}")]
    with pytest.raises(DataError, match=r"data\.label=threat: no such column"):
        read_table(file, text="comment", label=["toxic", "threat"], targets="labels")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("a", "joy"), ("b", "fear")], r"no value with \| or ; or , between labels.*model=classifier"),
        ([("a", "joy;"), ("b", "joy;")], r"leaves fewer than two classes \(found: joy\)"),
        ([("a", "joy;fear|rage"), ("b", "joy;")], r"label 'fear\|rage' has a \| in it"),
    ],
)
def test_what_lists_no_labels_is_refused(rows: list[tuple[str, str]], problem: str, write_csv: Write) -> None:
    separator = ";" if ";" in rows[0][1] else None
    with pytest.raises(DataError, match=problem):
        read_table(write_csv(rows), targets="labels", label_separator=separator)


def prepared(tmp_path: Path, targets: Any, *files: Path) -> Any:
    return prepare(Source(*([file] for file in files)), Settings(targets=targets, label="label"), tmp_path / "cache")


def test_a_test_file_may_lack_labels_and_has_none_of_its_own(tmp_path: Path, write_csv: Write) -> None:
    train = write_csv([(f"text {n}", ("joy|fear", "anger", "joy")[n % 3]) for n in range(60)])
    test = write_csv([("one", "joy"), ("two", "fear|joy")], name="test.csv")
    data = prepared(tmp_path, "labels", train, train, test)
    assert data.classes == ["anger", "fear", "joy"]
    assert data.labels[data.parts["test"]].tolist() == [[0, 0, 1], [0, 1, 1]]
    assert data.record["label_counts"]["test"] == {"anger": 0, "fear": 1, "joy": 2}
    more = write_csv([("one", "joy|envy"), ("two", "fear|joy")], name="more.csv")
    with pytest.raises(DataError, match=r"more\.csv: has the label 'envy', which the training file lacks"):
        prepared(tmp_path, "labels", train, train, more)


@pytest.mark.parametrize("targets", ["number", "labels"])
def test_the_split_leaks_no_text_and_has_the_targets_of_each_kind_in_every_part(
    targets: Any, tmp_path: Path, write_csv: Write
) -> None:
    def cell(n: int) -> str:
        return f"{n % 7 + n % 11 / 10}" if targets == "number" else ("rare|a" if n % 12 == 0 else "ab"[n % 2] + "|")

    rows = [(f"Text number {n % 500}{'!' * (n // 500)}", cell(n)) for n in range(800)]  # the last 300 are said again
    data = prepared(tmp_path, targets, write_csv(rows))
    values = np.array([float(label) if targets == "number" else "rare" in label for _, label in rows])
    own = {part: {rows[line - 2][0].rstrip("!") for line in data.lines[found]} for part, found in data.parts.items()}
    assert sum(map(len, own.values())) == 500
    shares = {part: float(values[data.lines[found] - 2].mean()) for part, found in data.parts.items()}
    assert shares == pytest.approx(dict.fromkeys(shares, values.mean()), rel=0.3)
    if targets == "number":
        facts = data.record["numbers"]["test"]
        assert facts["mean"] == pytest.approx(shares["test"])
        assert data.labels.tolist() == values.tolist()


def test_strata_are_classes_bins_of_numbers_and_the_rarest_label() -> None:
    texts = np.arange(600)
    assert strata_of(np.array([0, 2, 1], dtype=np.int32), np.arange(3)).tolist() == [0, 2, 1]
    bins = strata_of(np.linspace(0, 1, 600) ** 3, texts)
    assert np.bincount(bins).tolist() == [60] * 10
    labels = np.zeros((600, 3), dtype=np.uint8)
    labels[:300, 0], labels[200:260, 1], labels[250:260, 2] = 1, 1, 1  # the last has too few rows for a stratum
    strata = strata_of(labels, texts)
    groups = [set(strata[a:b].tolist()) for a, b in ((0, 200), (200, 250), (260, 300), (300, 600))]
    assert all(len(group) == 1 for group in groups)
    assert groups[0] == groups[2]
    assert len(set.union(*groups)) == 3
    assert set(strata[250:260].tolist()) == groups[3]  # the largest
    assert strata_of(labels, np.zeros(600, dtype=np.int64)).max() == 0  # one text said 600 times


@pytest.mark.parametrize("targets", ["number", "labels"])
def test_a_batch_holds_the_targets_and_a_filling_row_does_not_count(
    targets: Any, tmp_path: Path, write_csv: Write
) -> None:
    cells = [f"{n}.25" if targets == "number" else ("a|b", "b")[n % 2] for n in range(60)]
    data = prepared(tmp_path, targets, write_csv([(f"text {n}", cell) for n, cell in enumerate(cells)]))
    loader = BatchLoader(data, np.array([3, 5]), batch_size=2, seed=1, shuffle=False)
    (batch,) = loader
    expected: Any = [3.25, 5.25] if targets == "number" else [[0, 1], [0, 1]]
    assert batch.labels.tolist() == expected
    assert batch.labels.dtype == (torch.float64 if targets == "number" else torch.int64)
    assert counted_rows(batch.labels).tolist() == [True, True]
    filling = loader.uncounted(np.array([3]))
    assert counted_rows(filling.labels).tolist() == [False]
    assert targets == "number" or (filling.labels == NO_LABEL).all()


def test_the_numbers_of_a_real_kind_of_file_agree_with_a_second_reading(write_csv: Write, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rows = [(f'said "{n}",\nand went', f"{value:.3f}") for n, value in enumerate(random.normal(size=200))]
    file = write_csv(rows, header=("text", "score"))
    with open(file, newline="", encoding="utf-8") as stream:
        again = [float(row["score"]) for row in csv.DictReader(stream)]
    assert read_table(file, targets="number").labels.tolist() == again
