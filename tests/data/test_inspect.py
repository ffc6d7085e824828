import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from gatelab.data import rows
from gatelab.data.inspect import inspect_table
from gatelab.data.prepare import Settings, Source, prepare


def lines_of(file: Path) -> dict[str, str]:
    """Those of the report by their first word."""
    parts: list[Any] = [part for part in inspect_table([str(file)]) if isinstance(part, str)]
    return {line.split()[0]: line for line in parts}


def test_duplicates_and_conflicts_are_those_counted_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    same = ["a good film,p", "a good film,n", "A good film!,p", "a bad film,n"]
    file.write_text("\n".join(["text,label", *same, *(f"film number {n},{'pn'[n % 2]}" for n in range(96))]))
    lines = lines_of(file)
    assert "1 duplicate of" in lines["exact"]
    assert "(99 distinct); 1 text with several labels" in lines["exact"]
    assert "cannot exceed 99.0%" in lines["exact"]
    assert "2 duplicates of" in lines["normalised"]
    assert "(98 distinct); 1 text with several labels" in lines["normalised"]
    assert "cannot exceed 99.0%" in lines["normalised"], "of three rows two have one label"


def test_a_table_that_training_refuses_is_shown_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    rows = [f"film number {n},{('pos', 'neg', 'so so')[n % 3]}" for n in range(90)]
    file.write_text("\n".join(["text,label", *rows, "the first,rare", "the second,odd", "The second!,odd"]))
    lines = lines_of(file)
    assert "93, usable 93" in lines["rows"]
    assert "1 duplicate of" in lines["normalised"]
    assert "class 'odd' has only 2 rows (1 different), class 'rare' has only 1 row (1 different), too few" in lines["refused"]  # fmt: skip
    assert "Drop them with 'data.labels=[neg,pos,\"so so\"]' or add rows." in lines["refused"]
    assert not {"group", "random"} & set(lines)
    prepare(Source([file]), Settings(labels=["neg", "pos", "so so"]), tmp_path / "cache")


def test_numbers_and_several_labels_are_shown_as_their_tasks_read_them(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    rows = [f"film number {n},{n / 4},{n % 2},{int(n % 5 == 0)}" for n in range(200)]
    file.write_text("\n".join(["text,stars,sad,funny", *rows, "no number,many,0,1"]))
    numbers = list(inspect_table([str(file)], targets="number", label="stars"))
    assert "rejected   'many' is no number: line 202" in numbers
    (quantiles,) = [part for part in numbers if not isinstance(part, str)]
    assert [column._cells[0] for column in quantiles.columns] == ["'stars'", "0", "12.25", "24.75", "37.25", "47.25", "49.25", "49.75"]  # fmt: skip
    labels = list(inspect_table([str(file)], targets="labels", label=["sad", "funny"]))
    table = next(part for part in labels if not isinstance(part, str))
    assert [column._cells for column in table.columns] == [["funny", "sad"], ["41", "100"], ["20.4%", "49.8%"]]
    assert not any("several labels" in str(part) for part in [*numbers, *labels])


@pytest.mark.parametrize(
    ("text", "noted"),
    [("หนังเรื่องนี้ สนุก", True), ("とてもよかった", True), ("这部电影很好看", False), ("a film กข", False)],
)
def test_texts_without_spaces_that_no_rule_cuts_are_noted_with_the_tokenizers_that_do(
    text: str, noted: bool, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    rows = [f"{text} {n},{'pn'[n % 2]}" for n in range(40)]
    file.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    assert ("tokenizer=bpe" in lines_of(file).get("note", "")) == noted
    for kind in ("word", "char"):
        notes = prepare(Source([file]), Settings(tokenizer={"kind": kind}), tmp_path / "cache").record["notes"]
        assert any("tokenizer=bpe" in note for note in notes) == (noted and kind == "word")


def test_a_table_larger_than_the_memory_it_takes_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK", 20)
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    for file, num_rows in ((small, 100), (large, 10_000)):
        texts = (f"{number} {'a long review ' * 70},{number % 2}" for number in range(num_rows))  # 1 kB each
        file.write_text("\n".join(["text,label", *texts]))
    lines_of(small)  # what is imported on the way counts for nothing
    tracemalloc.start()
    assert "10,000" in lines_of(large)["rows"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < large.stat().st_size / 2
