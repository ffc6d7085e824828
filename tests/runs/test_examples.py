import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.pages.run_tables import change_classes
from gatelab.reports.shown import tinted
from gatelab.runs.examples import MAX_CHARACTERS, MAX_ROWS, write_examples


def examples(tmp_path: Path, texts: list[str], labels: list[int], probabilities: NDArray[Any]) -> dict[str, Any]:
    prepared = SimpleNamespace(
        classes=["no", "yes"],
        record={"files": ["/data/a.csv"]},
        files=np.zeros(len(texts), dtype=int),
        lines=np.arange(len(texts)) + 2,
        offsets=np.arange(len(texts) + 1) * 3,
        labels=np.array(labels),
        texts=texts,
    )
    write_examples(tmp_path / "examples.json", prepared, np.arange(len(texts)), probabilities, probabilities.argmax(1))
    return json.loads((tmp_path / "examples.json").read_text(encoding="utf-8"))


def pairs(yes: list[float]) -> NDArray[Any]:
    return np.stack([1 - np.array(yes), np.array(yes)], axis=1)


def test_mistakes_come_most_confident_first_and_all_rows_least_certain_first(tmp_path: Path) -> None:
    found = examples(tmp_path, list("abcde"), [0, 0, 1, 1, 0], pairs([0.9, 0.2, 0.4, 0.55, 0.97]))
    assert [row["text"] for row in found["most confident errors"]] == ["e", "a", "c"]
    assert [row["text"] for row in found["least certain"]] == ["d", "c", "b", "a", "e"]
    first = found["most confident errors"][0]
    assert (first["file"], first["line"], first["tokens"], first["label"], first["prediction"]) == (
        "a.csv",
        6,
        3,
        "no",
        "yes",
    )
    assert first["probability"] == 0.97


def test_equal_texts_with_the_same_label_stand_once_with_their_number(tmp_path: Path) -> None:
    found = examples(tmp_path, ["a", "b", "a", "a"], [0, 0, 0, 1], pairs([0.9, 0.8, 0.9, 0.9]))
    assert [(row["text"], row["rows"]) for row in found["most confident errors"]] == [("a", 2), ("b", 1)]
    assert [(row["text"], row["label"], row["rows"]) for row in found["least certain"]] == [
        ("b", "no", 1), ("a", "no", 2), ("a", "yes", 1)
    ]  # fmt: skip


def test_there_are_a_hundred_of_each_at_most_and_long_texts_are_cut(tmp_path: Path) -> None:
    texts = [f"{number} " + "é" * 20_000 for number in range(130)]
    found = examples(tmp_path, texts, [0] * 130, pairs([0.9] * 130))
    for rows in found.values():
        assert len(rows) == MAX_ROWS == 100
        assert all(len(row["text"]) == MAX_CHARACTERS and row["characters"] > 20_000 for row in rows)


def test_a_text_that_utf_8_cannot_hold_is_kept(tmp_path: Path) -> None:
    found = examples(tmp_path, ["\ud83d", "b"], [0, 1], pairs([0.9, 0.8]))
    assert found["most confident errors"][0]["text"] == "\ud83d"


def test_a_text_is_tinted_at_its_spans_and_otherwise_as_it_is() -> None:
    shown = tinted("a <b> & c\u202e", [[0, 1], [2, 5], [4, 7], [8, 10], [9, 99]], ["o1", "o2", "o3", "", "o5"])
    assert shown == (
        '<bdi class="tints"><span class="o1">a</span> <span class="o2">&lt;b&gt;</span> &amp; c'
        '<span class="control">⟨U+202E⟩</span></bdi>'
    )


def test_only_changes_of_a_third_of_the_largest_and_more_are_tinted() -> None:
    assert change_classes([0.5, 0.9, 0.85, 0.61, 0.61]) == ["", "d10", "", "d2", ""]
    assert change_classes([]) == []
    assert change_classes([0.5, float("nan"), 0.5, 0.5]) == ["", "", "", ""]
