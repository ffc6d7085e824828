import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatelab.data.errors import DataError
from gatelab.data.read import MAX_FIELD_CHARS, read_table

Write = Callable[..., Path]
GOOD = "text,label\na good film,pos\na bad film,neg\n"


def put(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"table\.csv: is empty"),
        ("\n\n", r"table\.csv: is empty"),
        ("text,label\n", r"header \(text, label\) and no rows"),
        ("a,b\n1,2\n3,4\n", r"no column looks like a text.*a, b.*data\.text="),
        ("text,label\ngood film,pos\nbad film,pos\n", r"fewer than two classes \(found: pos\).*data\.label="),
        ("text,label\n,pos\n  ,neg\n", r"none of its 2 rows can be used \(no text: 2\)"),
        ('text,label\na good film,pos\n"a bad film,neg\nand more,pos\n', r"line 3: a quote opens here and is never closed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), r"is no table but a PNG picture"),
        (b"%PDF-1.7 ...", r"is no table but a PDF document"),
        (GOOD.encode("utf-16-le"), r"are NUL.*data\.encoding=utf-16-le"),
        (GOOD.replace("bad", "b\xe4d").encode("cp1252"), r"line 3, byte 4: byte 0xe4 is not valid utf-8.*data\.encoding=cp1252"),
        ("text,text\na,b\n", r"column 'text' stands twice"),
        ("a,kind,colour\nsome words of text,x,1\nother words of text,y,2\n", r"which column is the label\?.*several could be \(kind, colour\)"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why_and_what_to_do(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(put(tmp_path, content))


def test_a_file_that_is_not_there_is_named_and_a_folder_is_told_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"is a folder.*\*\.csv"):
        read_table(tmp_path)


def test_a_named_column_that_is_missing_is_answered_with_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.text=txt: no such column.*Did you mean 'text'\?"):
        read_table(put(tmp_path, GOOD), text="txt")
    with pytest.raises(DataError, match=r"data\.label=labels: no such column"):
        read_table(put(tmp_path, GOOD), label="labels")
    with pytest.raises(DataError, match="both text and label"):
        read_table(put(tmp_path, GOOD), text="label", label="label")


def test_rows_of_the_wrong_form_are_rejected_by_line(tmp_path: Path) -> None:
    content = 'text,label\n"two\nlines",pos\nfew\nmany,pos,more\n,pos\nno label,\n\nb\0d,neg\ngood,neg\n'
    table = read_table(put(tmp_path, content))
    assert table.texts == ["two\nlines", "good"]
    assert table.lines == [2, 10]
    assert [(reject.line, reject.reason) for reject in table.rejects] == [
        (4, "too few fields (1 instead of 2)"),
        (5, "too many fields (3 instead of 2)"),
        (6, "no text"),
        (7, "no label"),
        (9, "a NUL byte"),
    ]
    assert table.num_rows == 7


def test_a_field_of_ten_megabytes_is_rejected_by_line(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, GOOD + "x" * 10_000_000 + ",pos\nlast,neg\n"))
    assert [(reject.line, reject.reason) for reject in table.rejects] == [
        (4, f"a field of more than {MAX_FIELD_CHARS:,} characters")
    ]
    assert table.texts[-1] == "last"


def test_texts_that_look_like_missing_values_stay_texts(write_csv: Write) -> None:
    words = ["null", "NA", "nan", "None", "N/A", "0"]
    assert read_table(write_csv([(word, "ab"[index % 2]) for index, word in enumerate(words)])).texts == words


def test_labels_that_differ_in_case_or_space_are_one_class_and_said_to_be(write_csv: Write) -> None:
    table = read_table(write_csv([("a", "Pos"), ("b", "pos "), ("c", "Pos"), ("d", "neg")]))
    assert table.classes == ["Pos", "neg"]
    assert table.label_counts == {"Pos": 3, "neg": 1}
    assert table.notes == ["labels 'pos' were taken as 'Pos'"]


def test_labels_select_order_and_drop(write_csv: Write) -> None:
    file = write_csv([("a", "Neutral"), ("b", "Positive"), ("c", "Negative"), ("d", "Positive")])
    table = read_table(file, labels=["Positive", "negative"])
    assert table.classes == ["Positive", "negative"]
    assert (table.texts, table.labels, table.lines) == (["b", "c", "d"], [0, 1, 0], [3, 4, 5])
    assert table.dropped == {"Neutral": 1}


def test_labels_rename_and_merge(write_csv: Write) -> None:
    file = write_csv([("a", "0"), ("b", "1"), ("c", "2"), ("d", "4"), ("e", "10")])
    assert read_table(file).classes == ["0", "1", "2", "4", "10"]
    table = read_table(file, labels={0: "bad", 1: "bad", 2: None, "4": "good"})
    assert (table.classes, table.labels) == (["bad", "good"], [0, 0, 1])
    assert table.dropped == {"2": 1, "10": 1}
    with pytest.raises(
        DataError, match=r"data\.labels names '7', which does not stand in column 'label' \(it has: 0, 1"
    ):
        read_table(file, labels=[0, 7])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    table = read_table(put(tmp_path, GOOD.replace("good", "größe").encode(encoding)))
    assert table.texts[0] == "a größe film"
    assert table.columns == ["text", "label"]


def test_another_encoding_can_be_given(tmp_path: Path) -> None:
    file = put(tmp_path, GOOD.replace("good", "größe").encode("cp1252"))
    assert read_table(file, encoding="cp1252").texts[0] == "a größe film"
    with pytest.raises(DataError, match=r"data\.encoding=klingon: Python knows no such encoding"):
        read_table(file, encoding="klingon")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    content = f"text{delimiter}label\nwell, good{delimiter}pos\nnot so{delimiter}neg\n".replace(
        "well, good", '"well, good"'
    )
    assert read_table(put(tmp_path, content)).texts == ["well, good", "not so"]


def test_windows_line_ends_and_a_last_line_without_one_are_fine(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, GOOD.rstrip().replace("\n", "\r\n")))
    assert (table.texts, table.lines) == (["a good film", "a bad film"], [2, 3])


def test_compressed_tables_are_read_and_the_companions_of_a_mac_ignored(tmp_path: Path) -> None:
    assert read_table(put(tmp_path, gzip.compress(GOOD.encode()), "t.csv.gz")).texts[0] == "a good film"
    archive = tmp_path / "t.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("folder/t.csv", GOOD)
        stream.writestr("__MACOSX/folder/._t.csv", b"\0\1")
    assert read_table(archive).texts[0] == "a good film"
    with zipfile.ZipFile(archive, "a") as stream:
        stream.writestr("other.csv", GOOD)
    with pytest.raises(DataError, match=r"should hold one table.*holds folder/t\.csv, other\.csv"):
        read_table(archive)


def test_damaged_and_foreign_archives_are_named(tmp_path: Path) -> None:
    whole = gzip.compress((GOOD * 5000).encode())
    with pytest.raises(DataError, match="is damaged"):
        read_table(put(tmp_path, whole[: len(whole) // 2], "t.csv.gz"))
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as stream:
        stream.writestr("xl/workbook.xml", "")
    with pytest.raises(DataError, match="Excel workbook"):
        read_table(tmp_path / "book.xlsx")


def test_several_files_are_one_table_and_each_row_knows_its_file(write_csv: Write, tmp_path: Path) -> None:
    one = write_csv([("a", "x"), ("b", "y")], "1.csv")
    two = write_csv([("c", "x"), ("", "y")], "2.csv", header=("text", "label"))
    for path in ([one, two], str(tmp_path / "*.csv")):
        table = read_table(path)
        assert (table.texts, table.files, table.lines) == (["a", "b", "c"], [0, 0, 1], [2, 3, 2])
        assert table.file_names == [str(one), str(two)]
        assert [(reject.file, reject.line) for reject in table.rejects] == [(str(two), 3)]
    write_csv([("a", "x")], "3.csv", header=("text", "mood"))
    with pytest.raises(DataError, match=r"3\.csv: has no column 'label', which .*1\.csv has"):
        read_table(str(tmp_path / "*.csv"))


def test_columns_are_found_by_content_where_the_names_say_nothing(write_csv: Write) -> None:
    rows = [(str(n), f"words of a longer text {n}", "ab"[n % 2]) for n in range(30)]
    table = read_table(write_csv(rows, header=("key", "what was said", "mood")))
    assert (table.text_column, table.label_column) == ("what was said", "mood")


FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), max_size=20)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(FIELDS, st.sampled_from(["a", "b"])), min_size=2, max_size=20))
def test_what_the_csv_module_writes_is_read_back_with_its_lines(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [("first", "a"), ("second", "b"), *rows]
    buffer, lines = io.StringIO(), []
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["text", "label"])
    for row in rows:
        lines.append(buffer.getvalue().count("\n") + 1)
        writer.writerow(row)
    file = tmp_path_factory.mktemp("written") / "table.csv"
    file.write_bytes(buffer.getvalue().encode())
    table = read_table(file, text="text", label="label", delimiter=",")
    usable = [(text, line) for (text, _), line in zip(rows, lines, strict=True) if text.strip()]
    assert list(zip(table.texts, table.lines, strict=True)) == usable
    assert [reject.line for reject in table.rejects] == [
        line for (text, _), line in zip(rows, lines, strict=True) if not text.strip()
    ]


def test_the_notebooks_file_has_its_rows_columns_and_labels(real_data: Path) -> None:
    table = read_table(real_data / "gop_debate" / "Sentiment.csv.zip")
    assert (table.num_rows, len(table.columns)) == (13_871, 21)
    assert (table.text_column, table.label_column) == ("text", "sentiment")
    assert table.label_counts == {"Negative": 8493, "Neutral": 3142, "Positive": 2236}


def test_the_same_reviews_in_two_encodings_are_the_same_texts(real_data: Path) -> None:
    assert (
        read_table(real_data / "mr" / "movie_reviews_cp1252.csv", encoding="cp1252").texts
        == read_table(real_data / "mr" / "movie_reviews.csv").texts
    )
