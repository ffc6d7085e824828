"""Which columns are text and label, by name and content."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gatelab.data.columns import find_columns
from gatelab.data.prepare import Settings, Source, prepare
from gatelab.data.read import SEPARATOR, read_table
from gatelab.data.stream import RowStream
from gatelab.data.tokenize import new_tokenizer
from gatelab.errors import DataError

WriteCsv = Callable[..., Path]
DRAW = random.Random(5)
WORDS = "wall street bears claw back into the black as oil prices soar and stocks end up near year lows again".split()  # noqa: SIM905


def sentence(words: int) -> str:
    return " ".join(DRAW.choices(WORDS, k=words))


def columns(**made: Callable[[int], str]) -> tuple[list[str], list[list[str]]]:
    return list(made), [[make(row) for make in made.values()] for row in range(100)]


def label(_: int) -> str:
    return DRAW.choice(["pos", "neg"])


FOUND = {
    "Chinese reviews": (columns(id=str, what=lambda _: "".join(DRAW.choices("这部电影很好看", k=20)), how=label), ("what", "how")),
    "Thai reviews": (columns(what=lambda _: "".join(DRAW.choices("หนังเรื่องนี้สนุกมาก", k=30)), how=label), ("what", "how")),
    "dates beside texts": (columns(when=lambda n: f"Mon Apr 06 22:{n % 60:02} PDT {n}", what=lambda _: sentence(9), how=label), ("what", "how")),
    "a title beside a text": (columns(title=lambda _: sentence(5), text=lambda _: sentence(30), how=label), ("text", "how")),
    "votes": (columns(votes=lambda n: str(n % 7), what=lambda _: sentence(9), how=label), ("what", "how")),
    "a score that counts": (columns(score=lambda n: str(n * n % 97), what=lambda _: sentence(9), how=label), ("what", "how")),
    "an index": (columns(y=str, what=lambda _: sentence(9), how=label), ("what", "how")),
    "a class index": (columns(**{"Class Index": lambda n: str(n % 4), "what": lambda _: sentence(9)}), ("what", "Class Index")),
    "stars": (columns(helpful=lambda n: str(n % 3), stars=lambda n: str(n % 5), review=lambda _: sentence(9)), ("review", "stars")),
    "one class in the first rows": (columns(n=str, what=lambda _: sentence(9), how=lambda _: "pos"), ("what", "how")),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOUND)
def test_text_and_label_are_found_beside_what_is_neither(kind: str) -> None:
    (header, rows), expected = FOUND[kind]
    texts, found = find_columns(Path("a.csv"), header, rows, None, None)
    assert ((*texts, found)) == expected


@pytest.mark.parametrize("names", [("title", "description"), ("Class Title", "what is in it")])
def test_two_columns_that_could_be_the_text_are_named(names: tuple[str, str]) -> None:
    header, rows = columns(**{names[0]: lambda _: sentence(6), names[1]: lambda _: sentence(30), "how": label})
    with pytest.raises(DataError, match=f"Several could be: {names[0]}, {names[1]}") as caught:
        find_columns(Path("a.csv"), header, rows, None, None)
    joined = ",".join(name if " " not in name else f'"{name}"' for name in names)
    assert f"join them: 'data.text=[{joined}]'" in str(caught.value)


def test_a_number_of_votes_alone_is_no_label() -> None:
    header, rows = columns(score=lambda n: str(n * n % 97), what=lambda _: sentence(9))
    with pytest.raises(DataError, match=r"'score' has numbers that count something.*Name it: data\.label="):
        find_columns(Path("a.csv"), header, rows, None, None)
    assert find_columns(Path("a.csv"), header, rows, None, "score") == (["what"], "score"), "unless it is given"


def test_columns_that_count_are_no_label_even_where_no_other_could_be(write_csv: WriteCsv) -> None:
    file = write_csv([(sentence(9), n % 4, n) for n in range(40)], header=("text", "votes", "id"))
    with pytest.raises(DataError, match=r"none looks like one.*'votes' and 'id' have numbers that count something"):
        read_table(file)
    assert read_table(file, label="votes").classes == ["0", "1", "2", "3"]


def test_a_column_named_like_a_label_that_counts_is_passed_over_with_a_note(write_csv: WriteCsv) -> None:
    rows = [(n * n % 97, sentence(9), label(n), n) for n in range(60)]
    file = write_csv(rows, header=("score", "text", "mood", "id"))
    table = read_table(file)
    assert (table.label_column, [note.split(" was")[0] for note in table.notes]) == ("mood", ["'score'"])
    assert read_table(file, label="mood").notes == []


def test_columns_of_0_and_1_are_offered_as_several_labels(write_csv: WriteCsv) -> None:
    rows = [(sentence(9), n % 2, n // 2 % 2, "abc"[n % 3]) for n in range(40)]
    file = write_csv(rows, header=("text", "toxic", "very rude", "where"))
    with pytest.raises(DataError) as caught:
        read_table(file)
    offered = """data.label=toxic, or predict each of several: model=multi_label 'data.label=[toxic,"very rude"]'"""
    assert str(caught.value).endswith(offered)
    assert read_table(file, label=["toxic", "very rude"], targets="labels").label_counts == {
        "toxic": 20,
        "very rude": 20,
    }


def test_columns_to_choose_from_come_with_why_they_have_no_names(write_csv: WriteCsv) -> None:
    rows = [(sentence(9), DRAW.choice(["pos", "neg"]), DRAW.choice(["en", "de"])) for _ in range(40)]
    with pytest.raises(
        DataError, match=r"several could be \(column_2, column_3\).*data\.label=column_2.*has no header"
    ):
        read_table(write_csv(rows[1:], header=rows[0]))


def test_several_text_columns_are_joined_by_a_token_of_its_own(write_csv: WriteCsv, tmp_path: Path) -> None:
    rows = [(f"Title {n}", f"a text, number {n}", "pn"[n % 2]) for n in range(40)]
    rows += [("", "no title", "p"), ("no text", " ", "n"), (" ", "", "p")]
    file = write_csv(rows, header=("title", "description", "label"))
    table = read_table(file, text=["title", "description"])
    assert table.texts == [f"{title} ␟ {text.strip()}" for title, text, _ in rows[:-1]]
    assert (table.text_column, [reject.reason for reject in table.rejects]) == (["title", "description"], ["no text"])
    words = [word for word, _ in new_tokenizer().pre_tokenizer.pre_tokenize_str(table.texts[0])]
    assert words == ["Title", "0", SEPARATOR.strip(), "a", "text", ",", "number", "0"]
    prepared = prepare(Source([file]), Settings(text=["title", "description"]), tmp_path / "cache")
    assert prepared.record["columns"]["text"] == ["title", "description"]
    assert list(prepared.texts) == table.texts
    with RowStream(file) as stream:
        stream.choose_texts(["title", "description"])
        assert [text for _, text, _ in stream] == table.texts


def test_a_text_column_that_is_missing_among_several_is_refused(write_csv: WriteCsv) -> None:
    file = write_csv([("a", "b")], header=("title", "label"))
    with pytest.raises(DataError, match=r"data\.text=description: no such column"):
        read_table(file, text=["title", "description"])
