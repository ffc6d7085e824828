"""The classes of a label column."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatelab.data.labels import key_of
from gatelab.data.prepare import Settings, Source, prepare
from gatelab.data.read import read_table
from gatelab.errors import DataError

WriteCsv = Callable[..., Path]


def rows(*labels: str) -> list[tuple[str, str]]:
    return [(f"text {number} of them", label) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    "spellings", [("1", "1.0", "01", "+1", " 1.00 "), ("-2.5", "-2.50", "-02.5"), ("0", "0.0", "-0"), ("Pos", "pos ")]
)
def test_spellings_of_a_label_have_one_key(spellings: tuple[str, ...]) -> None:
    assert len(set(map(key_of, spellings))) == 1


@pytest.mark.parametrize("pair", [("1", "-1"), ("1", "10"), ("1", "1.5"), ("1", "1e0"), ("1", "١"), ("nan", "null")])
def test_labels_that_are_not_the_same_keep_their_own_keys(pair: tuple[str, str]) -> None:
    assert key_of(pair[0]) != key_of(pair[1])


def test_numbers_are_one_class_however_they_are_written(write_csv: WriteCsv) -> None:
    file = write_csv(rows("1.0", "1.0", "1", "2", "2.0", "10"))
    table = read_table(file)
    assert table.label_counts == {"1": 3, "2": 2, "10": 1}
    assert table.notes == ["labels '1.0' were read as '1'", "labels '2.0' were read as '2'"]
    assert read_table(file, labels={1: "bad", 2.0: "good"}).label_counts == {"bad": 3, "good": 2}
    assert read_table(file, labels=["2", 1]).label_counts == {"2": 2, "1": 3}


@pytest.mark.parametrize("missing", ["NA", "null", "nan", "None"])
def test_a_label_that_may_stand_for_a_missing_one_is_noted(missing: str, write_csv: WriteCsv) -> None:
    file = write_csv(rows("pos", "neg", missing, missing))
    assert read_table(file).notes == [
        f"2 rows with the label '{missing}', which was read as a class like any other; 'data.labels=[neg,pos]' drops it"
    ]
    assert read_table(file, labels=["neg", "pos"]).notes == []


def test_a_mapping_from_names_to_values_is_refused_with_the_mapping_turned_round(write_csv: WriteCsv) -> None:
    with pytest.raises(DataError, match=r"data\.labels names 'bad'.*'data\.labels=\{0:bad,4:good\}'"):
        read_table(write_csv(rows("0", "4")), labels={"bad": 0, "good": 4})


def test_a_class_with_too_few_rows_is_refused_by_its_name(write_csv: WriteCsv, tmp_path: Path) -> None:
    file = write_csv(rows(*["pos", "neg"] * 20, "Neutral"))
    with pytest.raises(DataError, match=r"class 'Neutral' has only 1 row"):
        prepare(Source([file]), Settings(), tmp_path / "cache")


@pytest.mark.parametrize(
    ("labels", "classes"), [(None, ["meh", "neg", "pos"]), ({"pos": "good", "neg": "bad", "meh": "so so"}, ["good", "bad", "so so"])]
)  # fmt: skip
def test_a_test_file_that_lacks_a_class_is_used_and_says_so(
    labels: Any, classes: list[str], write_csv: WriteCsv, tmp_path: Path
) -> None:
    train, test = write_csv(rows(*["pos", "neg", "meh"] * 20)), write_csv(rows(*["neg", "pos", "POS"] * 3), "test.csv")
    prepared = prepare(Source([train], test=[test]), Settings(labels=labels), tmp_path / "cache")
    assert prepared.classes == classes
    name = classes[(labels and 2) or 0]
    assert prepared.record["label_counts"]["test"][name] == 0
    expected = ["neg", "pos", "POS"] * 3
    given = labels or {}
    assert [classes[label] for label in prepared.labels[prepared.parts["test"]]] == [
        given.get(label.lower(), label.lower()) for label in expected
    ]
    assert f"{test} has no row of the class '{name}'" in "".join(prepared.record["notes"])


def test_a_test_file_may_have_a_single_class(write_csv: WriteCsv) -> None:
    train = read_table(write_csv(rows("pos", "neg")))
    assert read_table(write_csv(rows("pos", "pos"), "test.csv"), trained=train).labels.tolist() == [1, 1]


def test_a_test_file_with_a_class_that_train_lacks_is_refused_by_its_name(write_csv: WriteCsv) -> None:
    train = read_table(write_csv(rows("pos", "neg")))
    test = write_csv(rows("pos", "meh"), "test.csv")
    with pytest.raises(
        DataError, match=r"test\.csv: has the label 'meh', which the training file lacks.*data\.labels="
    ):
        read_table(test, trained=train)
    assert read_table(test, trained=train, labels=["neg", "pos"]).dropped == {"meh": 1}
