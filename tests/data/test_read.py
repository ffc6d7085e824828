import codecs
import csv
import gzip
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tables_read import refusal, rows_of

from gatelab.data.formats.refused import READ
from gatelab.data.read import Reject, read_table

GOOD = "text,label\nfine film,pos\nbad film,neg\n"
WriteCsv = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes, str], Path]:
    """write(content, name): a file with exactly these bytes, or this text in UTF-8."""

    def write(content: str | bytes, name: str = "table.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def zipped(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# What a table becomes


def test_a_table_becomes_texts_labels_and_the_line_of_each_row(write: Any) -> None:
    file = write('id,text,label\n1,"two\nlines",pos\n2,"a ""quote"", a comma",neg\n\n3,last,pos\n')
    table = read_table(file)
    assert rows_of(table) == [("two\nlines", "pos"), ('a "quote", a comma', "neg"), ("last", "pos")]
    assert table.lines.tolist() == [2, 4, 6]
    assert (table.classes, table.label_counts) == (["neg", "pos"], {"neg": 1, "pos": 2})
    assert (table.columns, table.text_column, table.label_column) == (["id", "text", "label"], "text", "label")
    assert (table.num_rows, table.rejects, table.dropped, table.notes) == (3, [], {}, [])


@st.composite
def written_tables(draw: st.DrawFn) -> tuple[str, str, int, list[str]]:
    delimiter = draw(st.sampled_from(",\t;|"))
    # csv.writer quotes a lone \r of its own accord only where its line ends hold one
    line_end, quoting = draw(
        st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)])
    )
    characters = st.one_of(
        st.sampled_from(",;|\t\"\n\r 'é☂\u2028\x0b"), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    )
    return delimiter, line_end, quoting, draw(st.lists(st.text(characters, max_size=12), max_size=8))


@settings(max_examples=150, deadline=None)
@given(written_tables())
@example((";", "\r\n", csv.QUOTE_MINIMAL, ["x;\ry", "\n", "é\u2028\x0b\r\n\r"]))
def test_whatever_csv_writer_wrote_is_read_back_exactly_with_its_line_numbers(
    written: tuple[str, str, int, list[str]],
) -> None:
    delimiter, line_end, quoting, texts = written
    rows = [("one", "pos"), ("two", "neg"), *((text, "pos") for text in texts)]
    content, starts = "", []
    for row in [("text", "label"), *rows]:
        starts.append(1 + len(re.findall(r"\r\n|\r|\n", content)))
        record = io.StringIO()
        csv.writer(record, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerow(row)  # type: ignore[arg-type]
        content += record.getvalue()
    kept = [(row, line) for row, line in zip(rows, starts[1:], strict=True) if row[0].strip()]
    empty = [line for row, line in zip(rows, starts[1:], strict=True) if not row[0].strip()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.csv"
        file.write_bytes(content.encode())
        table = read_table(file)
    assert rows_of(table) == [row for row, _ in kept]
    assert table.lines.tolist() == [line for _, line in kept]
    assert table.rejects == [Reject(str(file), line, "no text") for line in empty]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("ends", [True, False])
def test_any_line_end_will_do_and_the_last_line_needs_none(write: Any, line_end: str, ends: bool) -> None:
    content = GOOD if ends else GOOD.removesuffix("\n")
    table = read_table(write(content.replace("\n", line_end).encode()))
    assert rows_of(table) == [("fine film", "pos"), ("bad film", "neg")]
    assert table.lines.tolist() == [2, 3]


@pytest.mark.parametrize(("delimiter", "name"), [("\t", "a.tsv"), ("\t", "a.csv"), (";", "a.csv"), ("|", "a.csv")])
def test_the_delimiter_is_found(write: Any, delimiter: str, name: str) -> None:
    file = write(f'text{delimiter}label\nfine, fine, film{delimiter}pos\n"bad; {delimiter} film"{delimiter}neg\n', name)
    assert read_table(file).texts == ["fine, fine, film", f"bad; {delimiter} film"]


def test_a_given_delimiter_is_taken(write: Any) -> None:
    assert read_table(write(GOOD.replace(",", "~")), delimiter="~").texts == ["fine film", "bad film"]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.gz"])
def test_gzip_is_read(write: Any, name: str) -> None:
    assert read_table(write(gzip.compress(GOOD.encode()), name)).texts == ["fine film", "bad film"]


def test_a_zip_from_a_mac_is_read_by_its_one_table(write: Any) -> None:
    content = zipped(**{"in/a.csv": GOOD, "__MACOSX/in/._a.csv": "\0\5", "in/.hidden.csv": "x", "notes.md": "x"})
    assert read_table(write(content, "a.zip")).texts == ["fine film", "bad film"]


def test_texts_that_look_like_missing_values_are_texts(write_csv: WriteCsv) -> None:
    texts = ["null", "NA", "nan", "None", "", "N/A", "0", "1e5", " kept as it is "]
    table = read_table(write_csv([(text, "pn"[index % 2]) for index, text in enumerate(texts)]))
    assert table.texts == [text for text in texts if text]


def test_labels_that_differ_in_case_or_surrounding_space_are_one_class_and_noted(write_csv: WriteCsv) -> None:
    table = read_table(
        write_csv([("a", "Pos"), ("b", "pos "), ("c", "Pos"), ("d", "neg"), ("e", " NEG"), ("f", "neg")])
    )
    assert table.classes == ["Pos", "neg"]
    assert table.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert table.notes == ["labels 'pos ' were read as 'Pos'", "labels ' NEG' were read as 'neg'"]


def test_the_class_name_has_no_surrounding_space(write_csv: WriteCsv) -> None:
    table = read_table(write_csv([("a", " pos"), ("b", " pos"), ("c", "pos"), ("d", " neg")]))
    assert table.classes == ["neg", "pos"]
    assert table.notes == ["labels ' pos' were read as 'pos'"]


def test_classes_that_are_numbers_stand_in_numerical_order(write_csv: WriteCsv) -> None:
    assert read_table(write_csv([("a", "10"), ("b", "9"), ("c", "-1")])).classes == ["-1", "9", "10"]


def test_without_labels_the_texts_alone_are_read(write: Any) -> None:
    table = read_table(write("text\nfine film\nbad film\n"), labelled=False)
    assert (table.texts, table.classes, table.label_column) == (["fine film", "bad film"], [], None)


# Encodings


@pytest.mark.parametrize("header", ["text,label", '"text","label"'])
@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_a_utf8_byte_order_mark_is_no_part_of_the_first_column(write: Any, header: str, encoding: str | None) -> None:
    content = codecs.BOM_UTF8 + GOOD.replace("text,label", header).encode()
    assert read_table(write(content), encoding=encoding).columns == ["text", "label"]


@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_utf16_with_a_byte_order_mark_is_read(write: Any, mark: bytes, encoding: str) -> None:
    table = read_table(write(mark + GOOD.replace("fine", "schön ☂ \u010a").encode(encoding)))
    assert table.texts == ["schön ☂ \u010a film", "bad film"]
    assert table.lines.tolist() == [2, 3]


def test_utf16_without_a_mark_is_refused_and_its_encoding_proposed(write: Any) -> None:
    file = write(GOOD.encode("utf-16-le"))
    assert re.search(rf"^{re.escape(str(file))}: .*NUL.*data\.encoding=utf-16-le", refusal(file))
    assert read_table(file, encoding="utf-16-le").texts == ["fine film", "bad film"]


def test_invalid_utf8_is_refused_by_line_and_byte_and_cp1252_reads_it(write: Any) -> None:
    file = write('text,label\n"two\nlines",pos\ncafé ,neg\n'.encode("cp1252"))
    assert refusal(file) == (
        f"{file}: line 4, byte 4: byte 0xe9 is not valid utf-8. "
        "If the file was written on Windows, try data.encoding=cp1252."
    )
    assert read_table(file, encoding="cp1252").texts == ["two\nlines", "café "]


def test_invalid_utf8_far_into_a_compressed_file_is_found_too(write: Any) -> None:
    content = "text,label\n" + "fine film,pos\nbad film,neg\n" * 50_000
    file = write(gzip.compress(content.encode() + b"caf\xe9,pos\n", 1), "a.csv.gz")
    assert f"{file}: line 100002, byte 4: byte 0xe9 is not valid utf-8" in refusal(file)


@pytest.mark.parametrize(
    ("encoding", "advice"), [("cp1252", "data.encoding=utf-8"), ("utf-16", "Leave data.encoding=")]
)
def test_a_given_encoding_that_is_not_the_files_is_refused(write: Any, encoding: str, advice: str) -> None:
    file = write("text,label\nbad \u0141 film,pos\nfine film,neg\n")  # 0xc5 0x81; cp1252 has no 0x81
    message = refusal(file, encoding=encoding)
    assert message.startswith(f"{file}:")
    assert f"not valid {encoding}" in message
    assert advice in message


@pytest.mark.parametrize("encoding", ["utf-88", "rot13", "idna", "punycode", "undefined"])
def test_an_unknown_encoding_is_refused_by_its_key(write: Any, encoding: str) -> None:
    message = refusal(write(GOOD), encoding=encoding)
    assert message.startswith(f"data.encoding={encoding}: ")
    assert "cp1252" in message


# Files that are no table


def test_a_file_that_is_not_there_is_refused_by_name_and_key(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere.csv")
    assert message.startswith(f"{tmp_path / 'nowhere.csv'}: no such file")
    assert "data.path" in message


def test_a_folder_is_refused_with_a_glob_to_use(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: is a folder. Name the files in it, for example '{tmp_path}/*.csv'."


def test_an_empty_list_of_files_is_refused_by_its_key() -> None:
    assert refusal([]).startswith("data.path is empty")


@pytest.mark.parametrize(
    "content", ["", "\n", "\r\n\r\n", gzip.compress(b"", mtime=0)], ids=["empty", "line", "lines", "gzip"]
)
def test_an_empty_file_is_refused(write: Any, content: str | bytes) -> None:
    file = write(content)
    assert refusal(file) == f"{file}: is empty."


@pytest.mark.parametrize("header", ["text,label", "words,mood", "text,mood"])
def test_a_header_alone_is_refused(write: Any, header: str) -> None:
    file = write(header + "\n")
    message = refusal(file)
    assert message.startswith(f"{file}: has a header ({header.replace(',', ', ')}) and no ")
    assert "rows under it" in message


@pytest.mark.parametrize(
    ("magic", "kind"), [(b"\x89PNG\r\n\x1a\n", "a PNG picture"), (b"%PDF-1.7", "a PDF document")], ids=["png", "pdf"]
)
def test_a_file_of_another_kind_is_refused_by_its_kind(write: Any, magic: bytes, kind: str) -> None:
    file = write(magic + bytes(64))
    assert refusal(file) == f"{file}: is no table but {kind}. {READ}."


def test_a_damaged_excel_workbook_is_refused(write: Any) -> None:
    file = write(zipped(**{"xl/workbook.xml": "<x/>", "[Content_Types].xml": "<x/>"}), "a.xlsx")
    assert re.fullmatch(rf"{re.escape(str(file))}: is damaged \(.+\)\. Fetch it again\.", refusal(file))


@pytest.mark.parametrize(
    ("members", "found"), [({"a.csv": GOOD, "b.tsv": GOOD}, "a.csv, b.tsv"), ({"readme.md": "x"}, "none")]
)
def test_a_zip_with_two_tables_or_none_is_refused(write: Any, members: dict[str, str], found: str) -> None:
    file = write(zipped(**members), "a.zip")
    assert refusal(file) == (
        f"{file}: should hold one table (.csv, .tsv), and holds {found}. Unpack it and give the file."
    )


def test_an_encrypted_zip_is_refused(write: Any) -> None:
    content = bytearray(zipped(**{"a.csv": GOOD}))
    content[6] |= 1  # the flag in the local header, and in the central directory
    content[content.index(b"PK\1\2") + 8] |= 1
    file = write(bytes(content), "a.zip")
    assert refusal(file) == f"{file}: is encrypted. Unpack it and give the file."


@pytest.mark.parametrize("keep", [12, 0.5, -6])
@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
def test_a_truncated_download_is_refused_as_damaged(write: Any, name: str, keep: float) -> None:
    table = "text,label\n" + "".join(f"film number {row * row},{'pn'[row % 2]}\n" for row in range(20_000))
    content = gzip.compress(table.encode()) if name.endswith(".gz") else zipped(**{"a.csv": table})
    file = write(content[: int(keep * len(content)) if keep == 0.5 else int(keep)], name)
    assert re.fullmatch(rf"{re.escape(str(file))}: is damaged \(.+\)\. Fetch it again\.", refusal(file))


def test_flipped_bits_in_a_compressed_file_are_refused_as_damaged(write: Any) -> None:
    content = bytearray(gzip.compress(GOOD.encode() * 1000))
    content[len(content) // 2 :] = bytes(255 - byte for byte in content[len(content) // 2 :])
    assert "is damaged" in refusal(write(bytes(content), "a.csv.gz"))


# Quotes and fields


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (GOOD + '"never closed,pos\n' + "more,neg\n" * 3, 4),
        (GOOD + '"closed\nhere",pos\n"never closed,pos\n' + "more,neg\n" * 30_000, 6),
        (GOOD + '"never closed,pos', 4),
        (GOOD + 'fine,"pos\n', 4),
        ('text,"label\nfine,pos\n', 1),
        ('\n"text,label\n' + "fine,pos\n" * 30_000, 2),
    ],
    ids=["in the middle", "after a record of two lines", "on the last line", "in the label", "header", "long header"],
)
def test_a_quote_that_is_never_closed_is_refused_by_its_line(write: Any, content: str, line: int) -> None:
    file = write(content)
    message = refusal(file)
    assert message.startswith(f"{file}: line {line}: a quote opens here and is never closed")
    assert '""' in message


def test_rows_with_too_many_or_too_few_fields_are_rejected_by_line(write: Any) -> None:
    file = write('text,label\n"three\n\nlines",pos\na,b,c\nfine,neg\n"x\ny"\n\nbad,neg\n')
    table = read_table(file)
    assert rows_of(table) == [("three\n\nlines", "pos"), ("fine", "neg"), ("bad", "neg")]
    assert table.lines.tolist() == [2, 6, 10]
    assert table.rejects == [
        Reject(str(file), 5, "too many fields (3 instead of 2)"),
        Reject(str(file), 7, "too few fields (1 instead of 2)"),
    ]
    assert table.num_rows == 5


def test_rows_with_a_nul_byte_are_rejected_by_line(write: Any) -> None:
    file = write('text,label\nfine,pos\n"b\0ad\nfilm",neg\nbad,neg\n')
    table = read_table(file)
    assert table.texts == ["fine", "bad"]
    assert table.rejects == [Reject(str(file), 3, "a NUL byte")]


def test_a_field_of_ten_megabytes_is_rejected_by_line_and_the_rest_is_read(write: Any) -> None:
    before = csv.field_size_limit()
    file = write(f"{GOOD}{'long ' * 2_000_000},pos\nlast,neg\n")
    table = read_table(file)
    assert table.texts == ["fine film", "bad film", "last"]
    assert table.rejects == [Reject(str(file), 4, "a field of more than 1,000,000 characters")]
    assert csv.field_size_limit() == before


def test_rows_without_text_or_label_are_rejected_by_line(write: Any) -> None:
    file = write(GOOD + ' ,pos\nfine, \n"",neg\n')
    assert read_table(file).rejects == [
        Reject(str(file), 4, "no text"),
        Reject(str(file), 5, "no label"),
        Reject(str(file), 6, "no text"),
    ]


def test_a_table_whose_texts_are_all_empty_is_refused(write: Any) -> None:
    file = write("text,label\n,pos\n ,neg\nx,y,z\n")
    assert refusal(file) == (
        f"{file}: none of its 3 rows can be used (no text: 2; too many fields (3 instead of 2): 1). "
        "The text was looked for in column 'text'; name another with data.text=."
    )


# Columns


def test_a_named_column_that_is_missing_is_refused_with_a_suggestion(write: Any) -> None:
    file = write("review_text,mood\nfine film,pos\nbad film,neg\n")
    assert refusal(file, text="reviewtext") == (
        f"{file}: data.text=reviewtext: no such column. Its columns: review_text, mood. Did you mean 'review_text'?"
    )
    assert refusal(file, label="zzz") == f"{file}: data.label=zzz: no such column. Its columns: review_text, mood."


def test_a_table_without_a_text_is_refused_with_its_columns(write: Any) -> None:
    message = refusal(write("id,mood\n1,pos\n2,neg\n3,pos\n"))
    assert "no column looks like a text" in message
    assert "Its columns: id, mood." in message
    assert "data.text=" in message


def test_a_table_with_several_columns_that_could_be_the_label_is_refused_with_them(write: Any) -> None:
    message = refusal(write("text,one,two\na,1,2\nb,2,1\nc,1,2\nd,2,1\n"))
    assert "several could be (one, two)" in message
    assert "data.label=" in message


def test_the_text_and_the_label_are_found_by_their_content(write: Any) -> None:
    rows = "".join(f"{row},a film of the year {row},{'pn'[row % 2]}\n" for row in range(30))
    table = read_table(write("number,what,mood\n" + rows))
    assert (table.text_column, table.label_column) == ("what", "mood")


def test_one_column_for_both_text_and_label_is_refused(write: Any) -> None:
    message = refusal(write(GOOD), text="text", label="text")
    assert "column 'text' was given as both text and label" in message


def test_a_column_that_stands_twice_in_the_header_is_refused(write: Any) -> None:
    file = write("text,label,text\na,pos,b\nc,neg,d\n")
    assert refusal(file) == f"{file}: column 'text' occurs twice in the header. Rename one."


def test_columns_without_a_name_may_stand_twice(write: Any) -> None:
    assert read_table(write(",,text,label\n1,2,fine,pos\n3,4,bad,neg\n")).texts == ["fine", "bad"]


# Labels


def test_a_single_class_is_refused_with_what_was_found(write: Any) -> None:
    file = write("text,label\nfine film,pos\nbad film,pos\n")
    message = refusal(file)
    assert message.startswith(f"{file}: column 'label' leaves fewer than two classes (found: pos)")
    assert "data.label=" in message
    assert "data.labels=" in message


def test_a_label_column_with_a_value_a_row_is_refused(write_csv: WriteCsv) -> None:
    message = refusal(write_csv([("film", str(row)) for row in range(201)]))
    assert "column 'label' has 201 different values" in message
    assert "data.label=" in message


RATED = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "1"), ("e", "mixed")]


def test_a_list_of_labels_orders_the_classes_and_drops_the_others(write_csv: WriteCsv) -> None:
    table = read_table(write_csv(RATED), labels=["Mixed", 1])
    assert table.classes == ["Mixed", "1"]
    assert rows_of(table) == [("a", "1"), ("d", "1"), ("e", "Mixed")]
    assert table.lines.tolist() == [2, 5, 6]
    assert table.dropped == {"2": 1, "3": 1}
    assert (table.num_rows, table.label_counts) == (5, {"Mixed": 1, "1": 2})


def test_a_mapping_of_labels_renames_merges_and_drops(write_csv: WriteCsv) -> None:
    table = read_table(write_csv(RATED), labels={3: "good", 2: "good", "1": "poor", "MIXED": None})
    assert table.classes == ["good", "poor"]
    assert rows_of(table) == [("a", "poor"), ("b", "good"), ("c", "good"), ("d", "poor")]
    assert table.dropped == {"mixed": 1}


def test_a_wanted_label_that_is_not_in_the_file_is_refused_with_those_that_are(write_csv: WriteCsv) -> None:
    file = write_csv(RATED)
    assert refusal(file, labels=[1, 7]) == (
        f"{file}: data.labels names '7', which is not in column 'label' (it has: 1, 2, 3, mixed)."
    )


# Several files


def test_a_glob_and_a_list_read_several_files_in_order(write: Any, tmp_path: Path) -> None:
    for name, content in (("b.csv", "label;text\nneg;four\n"), ("a.csv", GOOD), ("c.txt", "no table")):
        write(content, name)
    table = read_table(str(tmp_path / "*.csv"))
    assert rows_of(table) == [("fine film", "pos"), ("bad film", "neg"), ("four", "neg")]
    assert (table.lines.tolist(), table.files.tolist()) == ([2, 3, 2], [0, 0, 1])
    assert table.file_names == [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    assert read_table([tmp_path / "b.csv", tmp_path / "a.csv"]).texts == ["four", "fine film", "bad film"]


def test_a_glob_without_a_file_is_refused(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "*.csv")).startswith(f"{tmp_path}/*.csv: no such file")


def test_a_reject_names_the_file_that_it_stands_in(write: Any) -> None:
    first = write(GOOD + "a,b,c\n", "a.csv")
    second = write(GOOD + " ,pos\nfine,\na,b,c\n", "b.csv")
    table = read_table([first, second])
    assert table.rejects == [
        Reject(str(first), 4, "too many fields (3 instead of 2)"),
        Reject(str(second), 4, "no text"),
        Reject(str(second), 5, "no label"),
        Reject(str(second), 6, "too many fields (3 instead of 2)"),
    ]
    assert table.num_rows == 8


def test_a_second_file_that_lacks_a_column_is_refused_by_its_name(write: Any) -> None:
    first, second = write(GOOD, "a.csv"), write("text,mood\nfine,pos\n", "b.csv")
    assert refusal([first, second]) == (
        f"{second}: has no column 'label', which {first} has. Its columns: ['text', 'mood']."
    )


# Cost, and files of the world


def test_reading_imports_neither_torch_nor_pandas() -> None:
    code = "import sys, gatelab.data.read; sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_gop_debate_zip_has_its_published_counts(real_data: Path) -> None:
    table = read_table(real_data / "gop_debate" / "Sentiment.csv.zip")
    assert (table.num_rows, len(table.columns)) == (13_871, 21)
    assert (table.text_column, table.label_column) == ("text", "sentiment")
    assert table.label_counts == {"Negative": 8493, "Neutral": 3142, "Positive": 2236}
    assert (table.rejects, table.dropped) == ([], {})


def test_the_movie_reviews_are_the_same_in_both_encodings(real_data: Path) -> None:
    there = real_data / "mr"
    table = read_table(there / "movie_reviews_cp1252.csv", encoding="cp1252")
    assert table.texts == read_table(there / "movie_reviews.csv").texts
    assert len(table.texts) == 10_662
    assert "data.encoding=cp1252" in refusal(there / "movie_reviews_cp1252.csv")
