"""Files with and without a header: neither loses its first row, and none has a row that is its header."""

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from gatelab.data.read import read_table
from gatelab.errors import DataError

WORDS = [
    "so",
    "there",
    "was",
    "no",
    "way",
    "for",
    "me",
    "to",
    "plug",
    "it",
    "in",
    "here",
    "unless",
    "I",
    "go",
    "by",
    "a",
    "converter",
    "good",
    "case",
    "excellent",
    "value",
]
DRAW = random.Random(3)


def sentence(least: int = 4, most: int = 20) -> str:
    return " ".join(DRAW.choices(WORDS, k=DRAW.randint(least, most))) + DRAW.choice([".", "!", " ..", "?"])


def chinese() -> str:
    return "".join(DRAW.choices("这部电影真的很好看我非常喜欢演员表现不错剧情无聊浪费时间", k=DRAW.randint(6, 30)))


def tweets(num_rows: int) -> list[list[str]]:
    """As in Sentiment140: polarity, id, date, query, user, text; sorted by polarity."""
    return [
        ["0" if row < num_rows // 2 else "4", str(1467810369 + 7 * row), f"Mon Apr 06 22:{row % 60:02}:45 PDT 2009",
         "NO_QUERY", f"user_{DRAW.choice(WORDS)}{row}", f"@switchfoot {sentence()}"]
        for row in range(num_rows)
    ]  # fmt: skip


def pairs(labels: list[str], num_rows: int, text: Any = sentence) -> list[list[str]]:
    return [[text(), DRAW.choice(labels)] for _ in range(num_rows)]


def turned(rows: list[list[str]]) -> list[list[str]]:
    return [row[::-1] for row in rows]


WITHOUT: dict[str, tuple[str, list[list[str]]]] = {
    "Sentiment140": (",", tweets(60)),
    "UCI sentences": ("\t", pairs(["0", "1"], 50)),
    "emotion": (";", pairs(["sadness", "joy", "love", "anger"], 50)),
    "PhraseBank": ("@", pairs(["neutral", "positive", "negative"], 50)),
    "SMS spam": ("\t", turned(pairs(["ham", "spam"], 50))),
    "Amazon": (",", [[DRAW.choice("12"), sentence(2, 6), sentence(20, 60)] for _ in range(50)]),
    "Chinese": (",", turned(pairs(["0", "1"], 40, chinese))),
    "few rows": (",", pairs(["pos", "neg"], 6)),
    "a short first text": (",", [["Great!", "pos"], *pairs(["pos", "neg"], 40)]),
    "labels y and n": (",", turned(pairs(["y", "n"], 40))),
    "a first row that comes again": (",", [["the film was good", "pos"], *pairs(["pos", "neg"], 30), ["the film was good", "pos"]]),
}  # fmt: skip
WITH: dict[str, tuple[str, list[list[str]]]] = {
    "usual names": (",", [["text", "label"], *pairs(["pos", "neg"], 30)]),
    "unknown names": (",", [["what", "mood"], *pairs(["pos", "neg"], 30)]),
    "names of several words": (",", [["what did you like most about it", "how was it"], *pairs(["good", "bad"], 30)]),
    "two rows": (",", [["words", "mood"], ["a good film", "pos"], ["a bad film", "neg"]]),
    "numbered columns and an index": (",", [["", "0", "1"], *([str(n), *row] for n, row in enumerate(pairs(["0", "1"], 30)))]),
    "numbered columns": (",", [["0", "1"], *pairs(["0", "1"], 30)]),
    "a header that is repeated": (",", [["words", "mood"], *pairs(["pos", "neg"], 30), ["words", "mood"], *pairs(["pos", "neg"], 9)]),
    "a usual header that is repeated": (",", [["text", "label"], *pairs(["pos", "neg"], 30), ["text", "label"], *pairs(["pos", "neg"], 9)]),
    "a class a column": (",", [["comment", "good", "bad"], *([sentence(), DRAW.choice("01"), DRAW.choice("01")] for _ in range(30))]),
    "a name that is a class": (",", [["pos", "text"], *turned(pairs(["pos", "neg"], 30))]),
    "tweets": (",", [["target", "ids", "date", "flag", "user", "text"], *tweets(40)]),
    "tweets under odd names": (",", [["a", "b", "c", "d", "e", "f"], *tweets(40)]),
    "Chinese": (",", [["评论", "情感"], *pairs(["好", "坏"], 30, chinese)]),
    "a name that is a usual text": (",", [["a film review in English", "label"], *pairs(["pos", "neg"], 30)]),
    "mostly one class": (",", [["words", "mood"], *pairs(["pos"], 30), *pairs(["neg"], 1)]),
    "no class twice": (",", [["words", "mood"], *([sentence(), label] for label in "abcdefgh")]),
}  # fmt: skip


def write(file: Path, delimiter: str, rows: list[list[str]]) -> Path:
    with open(file, "w", newline="", encoding="utf-8") as stream:
        if delimiter == "@":
            stream.writelines(f"{delimiter.join(row)}\n" for row in rows)
        else:
            csv.writer(stream, delimiter=delimiter).writerows(rows)
    return file


def named(rows: list[list[str]]) -> dict[str, Any]:
    """The columns of the longest field and of the one with fewest values, but several; as for a file that is read by hand."""
    lengths = [sum(map(len, column)) for column in zip(*rows, strict=True)]
    text = lengths.index(max(lengths))
    counts = [len(set(column)) for column in zip(*rows, strict=True)]
    label = min((count, i) for i, count in enumerate(counts) if count > 1 and i != text)[1]
    return {"text": text, "label": label}


@pytest.mark.parametrize("kind", WITHOUT)
def test_a_file_without_a_header_keeps_its_first_row_and_says_so(kind: str, tmp_path: Path) -> None:
    delimiter, rows = WITHOUT[kind]
    places = named(rows)
    table = read_table(
        write(tmp_path / "a.txt", delimiter, rows),
        text=f"column_{places['text'] + 1}", label=f"column_{places['label'] + 1}",
    )  # fmt: skip
    assert table.texts == [row[places["text"]] for row in rows]
    assert [table.classes[label] for label in table.labels] == [row[places["label"]] for row in rows]
    assert table.lines.tolist() == list(range(1, len(rows) + 1))
    (note,) = table.notes
    assert note.startswith("a.txt has no header: its first row is like the others")


@pytest.mark.parametrize("kind", WITH)
def test_a_file_with_a_header_has_no_row_of_it(kind: str, tmp_path: Path) -> None:
    delimiter, rows = WITH[kind]
    header, *body = rows
    body = [row for row in body if row != header]
    places = named(body)
    table = read_table(
        write(tmp_path / "a.csv", delimiter, rows), text=header[places["text"]], label=header[places["label"]],
        labels=sorted({row[places["label"]] for row in body}),
    )  # fmt: skip
    assert (table.columns, table.header, table.notes) == (header, True, [])
    assert [text for text, line in zip(table.texts, table.lines, strict=True) if line > 1] == [
        row[places["text"]] for row in body
    ]


@pytest.mark.parametrize("kind", ["UCI sentences", "emotion", "SMS spam", "PhraseBank", "Chinese"])
def test_text_and_label_of_a_file_without_a_header_are_found_by_content(kind: str, tmp_path: Path) -> None:
    delimiter, rows = WITHOUT[kind]
    table = read_table(write(tmp_path / "a.txt", delimiter, rows))
    places = {f"column_{i + 1}": name for name, i in named(rows).items()}
    assert (places[str(table.text_column)], places[str(table.label_column)]) == ("text", "label")


def test_columns_and_header_are_as_given(tmp_path: Path) -> None:
    rows = pairs(["pos", "neg"], 20)
    plain = write(tmp_path / "plain.csv", ",", rows)
    table = read_table(plain, columns=["review", "mood"])
    assert "data.columns=" not in table.notes[0], "which is given"
    assert (table.columns, table.text_column, table.label_column) == (["review", "mood"], "review", "mood")
    assert table.texts == [text for text, _ in rows]
    assert read_table(plain, header=True, text=rows[0][0], label=rows[0][1]).texts == [text for text, _ in rows[1:]]
    with_header = write(tmp_path / "with.csv", ",", [["what", "how"], *rows])
    assert read_table(with_header, columns=["review", "mood"]).texts == [text for text, _ in rows], "replaces the names"
    table = read_table(with_header, header=False, columns=["review", "mood"], labels=["pos", "neg", "how"])
    assert table.texts == ["what", *(text for text, _ in rows)]


@pytest.mark.parametrize("names", [["text"], ["text", "label", "more"]])
def test_names_for_another_number_of_columns_are_refused(names: list[str], tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", ",", pairs(["pos", "neg"], 9))
    with pytest.raises(DataError, match=rf"a\.csv: its rows have 2 fields, and data\.columns= names {len(names)}"):
        read_table(file, columns=names)


def test_a_second_file_is_read_as_the_first(tmp_path: Path) -> None:
    rows, more = turned(pairs(["pos", "neg"], 20)), [["pos", "a lone row"]]
    plain, lone = write(tmp_path / "a.csv", ",", rows), write(tmp_path / "b.csv", ",", more)
    assert read_table([plain, lone]).texts == [text for _, text in rows + more]
    train = read_table(plain)
    test = read_table(lone, trained=train)
    assert (test.texts, test.classes, test.columns) == (["a lone row"], ["neg", "pos"], ["column_1", "column_2"])
    with_header = write(tmp_path / "c.csv", ",", [["mood", "text"], *rows])
    same_names = write(tmp_path / "d.csv", ",", [["column_1", "column_2"], *more])
    assert read_table(same_names, trained=train).texts == ["a lone row"]
    assert read_table(plain, trained=read_table(with_header)).texts == [text for _, text in rows]
