from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from gatelab.data.prepare import Prepared, Settings, prepare
from gatelab.data.prepare_evaluation import prepare_evaluation
from gatelab.data.read import TrainedOn
from gatelab.data.rows import Source
from gatelab.data.tokenize import UNKNOWN_ID
from gatelab.errors import DataError

RULES = {"lowercase": True, "urls": True, "mentions": True, "elongations": True}


@pytest.fixture
def trained(tmp_path: Path, write_csv: Callable[..., Path]) -> Prepared:
    rows = [(f"a {word} thing number {n}", label) for word, label in (("fine", "1"), ("bad", "0")) for n in range(20)]
    file = write_csv(rows, "trained.csv", header=("review", "mood"))
    settings = Settings(
        labels={1: "good", 0: "poor"}, tokenizer={"kind": "word", "vocab_size": None, "min_count": 1, **RULES}
    )
    return prepare(Source([file]), settings, tmp_path / "cache")


def evaluated(trained: Prepared, file: Path, folder: Path, **settings: object) -> Prepared:
    columns = trained.record["columns"]
    like = TrainedOn(columns["text"], columns["label"], columns["all"], True, trained.classes)
    folder.mkdir()
    asked = Settings(labels={1: "good", 0: "poor"}, tokenizer={"kind": "word"}, max_length=3, **settings)  # type: ignore[arg-type]
    return prepare_evaluation(file, asked, like, Tokenizer.from_file(str(trained.tokenizer_file)), folder)


def test_rows_have_the_numbers_of_the_training_and_labels_may_be_those_of_the_file_or_the_class_names(
    trained: Prepared, tmp_path: Path, write_csv: Callable[..., Path]
) -> None:
    rows = [("Fine thing", "1"), ("never bad", "poor"), ("a fine number of things", "0"), ("", "0"), ("fine", "?")]
    found = evaluated(trained, write_csv(rows, header=("review", "mood")), tmp_path / "new")
    ids = Tokenizer.from_file(str(trained.tokenizer_file)).get_vocab()
    expected = [[ids["fine"], ids["thing"]], [UNKNOWN_ID, ids["bad"]], [ids["a"], ids["fine"], ids["number"]]]
    assert [
        found.tokens[begin:end].tolist() for begin, end in zip(found.offsets, found.offsets[1:], strict=False)
    ] == expected
    assert [found.classes[label] for label in found.labels] == ["good", "poor", "poor"]
    assert found.lines.tolist() == [2, 3, 4]
    assert {part: len(rows) for part, rows in found.parts.items()} == {"train": 0, "validation": 0, "test": 3}
    assert found.record["label_counts"] == {"test": {"good": 1, "poor": 2}}
    assert (found.record["rejected"], found.record["dropped"]) == (1, {"test": {"?": 1}})


def test_columns_of_other_names_are_found_or_named(
    trained: Prepared, tmp_path: Path, write_csv: Callable[..., Path]
) -> None:
    rows = [(f"a fine thing of {n}", f"said by {n}", "1") for n in range(3)]
    file = write_csv(rows, header=("text", "who", "label"))
    assert evaluated(trained, file, tmp_path / "found").record["columns"]["text"] == "text"
    assert evaluated(trained, file, tmp_path / "named", text=["who"]).record["columns"]["text"] == "who"
    with pytest.raises(DataError, match=r"--text whom: .*table.csv has no such column. It has: text, who, label"):
        evaluated(trained, file, tmp_path / "wrong", text=["whom"])


def test_a_file_with_no_row_of_the_models_classes_is_refused_with_what_it_has(
    trained: Prepared, tmp_path: Path, write_csv: Callable[..., Path]
) -> None:
    file = write_csv([("a fine thing", "yes"), ("a bad thing", "no")], header=("review", "mood"))
    with pytest.raises(
        DataError, match=r"no row has one of the model's classes \(good, poor\) in column 'mood', which has: "
    ):
        evaluated(trained, file, tmp_path / "new")
