"""A small file of each kind, read as another library reads it."""

import bz2
import gzip
import json
import lzma
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from tables_read import refusal, rows_of

from gatelab.data.formats.records import MAX_FIELD_CHARS
from gatelab.data.read import Reject, read_table
from gatelab.data.stream import RowStream
from gatelab.digest import sha256_of

FRAME = pd.DataFrame(
    {
        "number": range(40),
        "text": [f'a "fine" film,\tnumber {row}; schön ☂{" and" * (row % 5)}' for row in range(40)],
        "label": ["pos", "neg"] * 20,
        "stars": [5.0, 1.5] * 20,
        "seen": [True, False] * 20,
    }
)
CSV = FRAME.to_csv(index=False).encode()


def arrow_file(stream: Any) -> None:
    with pa.ipc.new_file(stream, pa.Table.from_pandas(FRAME).schema) as writer:
        writer.write_table(pa.Table.from_pandas(FRAME), max_chunksize=7)


def arrow_stream(stream: Any) -> None:
    table = pa.table({**FRAME.to_dict("list"), "label": pa.array(FRAME["label"]).dictionary_encode()})
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "a.csv": lambda file: file.write_bytes(CSV),
    "a.csv.bz2": lambda file: file.write_bytes(bz2.compress(CSV)),
    "a.csv.xz": lambda file: file.write_bytes(lzma.compress(CSV)),
    "a.csv.zst": lambda file: write_zstandard(file, CSV),
    "a.tsv": lambda file: FRAME.to_csv(file, index=False, sep="\t"),
    "a.jsonl": lambda file: FRAME.to_json(file, orient="records", lines=True),
    "a.jsonl.gz": lambda file: FRAME.to_json(file, orient="records", lines=True),
    "a.json": lambda file: FRAME.to_json(file, orient="records", force_ascii=False),
    "pretty.json": lambda file: FRAME.to_json(file, orient="records", indent=2),
    "a.parquet": lambda file: FRAME.to_parquet(file, row_group_size=9),
    "a.feather": lambda file: FRAME.to_feather(file),
    "a.arrow": lambda file: arrow_file(str(file)),
    "stream.arrow": lambda file: arrow_stream(str(file)),
    "a.xlsx": lambda file: FRAME.to_excel(file, index=False),
    "no name": lambda file: FRAME.to_parquet(file),
}


def write_zstandard(file: Path, content: bytes) -> None:
    with pa.output_stream(str(file), compression="zstd") as stream:
        stream.write(content)


@pytest.mark.parametrize("name", WRITERS)
def test_a_table_has_the_same_rows_whatever_the_kind_of_its_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    WRITERS[name](file)
    table = read_table(file)
    assert table.texts == FRAME["text"].tolist()
    assert [table.classes[label] for label in table.labels] == FRAME["label"].tolist()
    assert (table.columns, table.num_rows, table.rejects, table.notes) == (list(FRAME), 40, [], [])
    first = {"a.parquet": 1, "no name": 1, "a.feather": 1, "a.arrow": 1, "stream.arrow": 1, "a.jsonl": 1, "a.jsonl.gz": 1, "a.json": 1}  # fmt: skip
    assert table.lines[0] == first.get(name, 2)
    stars = read_table(file, label="stars")
    assert [float(stars.classes[label]) for label in stars.labels] == FRAME["stars"].tolist()
    with RowStream(file) as rows:
        assert [text for _, text, _ in rows] == FRAME["text"].tolist()


# Lines that are no records


def test_each_line_of_json_that_is_no_object_is_rejected_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = [
        '{"text": "fine", "label": 1, "more": {"a": [1]}}', "", '{"text": "cut off', '["text", "label"]',
        "[" * 100_000, '{"label": 0, "text": "bad"}', '{"text": null, "label": 0}', '{"text": "no label"}',
        json.dumps({"text": "x" * (MAX_FIELD_CHARS + 1), "label": 0}), '{"text": "last", "label": 1, "late": 2}',
    ]  # fmt: skip
    file.write_text("\n".join(lines), encoding="utf-8")
    table = read_table(file)
    assert rows_of(table) == [("fine", "1"), ("bad", "0"), ("last", "1")]
    assert (table.lines.tolist(), table.columns) == ([1, 6, 10], ["text", "label", "late"])
    assert [(reject.line, reject.reason) for reject in table.rejects] == [
        (3, "not a JSON object"), (4, "not a JSON object"), (5, "not a JSON object"), (7, "no text"), (8, "no label"),
        (9, f"a field of more than {MAX_FIELD_CHARS:,} characters"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"text": "a", "label": 1},\n {"text": "b", "label": 0}', "line 2: the JSON array is not closed"),
        ('[{"text": "a", "label": 1},\n {"text": b}]', "line 2: is no JSON"),
        ('[{"text": "a", "label": 1}\n {"text": "b"}]', "line 2: is no JSON array: '{' instead of , or ]"),
        ('[{"text": "a", "label": 1}]\n\n[{"text": "b"}]', "line 3: is no JSON array: '[' after its end"),
        ('[\n{"text": ' + "[" * 200_000, "line 2: is nested too deeply"),
    ],
    ids=["not closed", "no JSON", "no comma", "two", "deep"],
)
def test_a_json_array_that_ends_or_breaks_off_is_refused_by_its_line(
    content: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.json"
    file.write_text(content, encoding="utf-8")
    assert refusal(file).startswith(f"{file}: {problem}")


def test_a_json_array_is_read_alike_wherever_its_chunks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    file.write_text(
        '[{"text": "fine", "label": 1},\n 12345, {"text":\n "bad \\u00e9", "label": 0} ]\n', encoding="utf-8"
    )
    for chunk in range(1, 40):
        monkeypatch.setattr("gatelab.data.formats.json_records.CHUNK", chunk)
        table = read_table(file)
        assert (rows_of(table), table.lines.tolist()) == ([("fine", "1"), ("bad é", "0")], [1, 2])
        assert table.rejects == [Reject(str(file), 2, "not a JSON object")]


@pytest.mark.parametrize("content", ['{\n "text": ["a", "b"]\n}', '["a", "b"]', "3"])
def test_json_that_is_no_table_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(content)
    assert refusal(file).startswith(f"{file}: holds neither an array of JSON objects nor one on each line")


def test_json_lines_are_known_by_their_name_where_the_first_are_damaged(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "cut\n' * 12 + '{"text": "fine", "label": 1}\n{"text": "bad", "label": 0}\n')
    table = read_table(file)
    assert (rows_of(table), len(table.rejects)) == ([("fine", "1"), ("bad", "0")], 12)


def test_arrow_whose_offsets_lead_astray_is_refused(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\xff\xff\xff\x7f\x02\0\0\0"), pa.py_buffer(b"ab")]
    )
    batch = pa.RecordBatch.from_arrays([bad, pa.array(["p", "n"])], names=["text", "label"])
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), batch.schema) as writer:
        writer.write_batch(batch)
    assert refusal(tmp_path / "a.arrow").startswith(f"{tmp_path / 'a.arrow'}: is damaged (")


def test_values_of_json_are_texts_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(
        '{"text": 1.50, "label": true}\n{"text": 123456789012345678901, "label": false}\n{"text": NaN, "label": true}\n'
    )
    assert rows_of(read_table(file)) == [("1.50", "true"), ("123456789012345678901", "false"), ("NaN", "true")]


def test_records_of_parquet_are_known_by_their_number(tmp_path: Path) -> None:
    table = {
        "text": ["fine", None, "bad"],
        "label": [1, 0, 0],
        "vector": [[1.0], [2.0], [3.0]],
        "image": [b"a", b"b", b"c"],
    }
    pa.parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert rows_of(read) == [("fine", "1"), ("bad", "0")]
    assert (read.lines.tolist(), read.columns) == ([1, 3], ["text", "label"])
    assert read.rejects == [Reject(str(tmp_path / "a.parquet"), 2, "no text")]


def test_a_workbook_is_read_from_its_first_sheet_with_cells_by_row(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("second").append(["text", "label"])
    sheet = book.worksheets[1]
    for row in (["fine", 1], [], ["bad", 0, "more"], [None, 1], ["last", 0, ""]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx")
    assert rows_of(table) == [("fine", "1"), ("last", "0")]
    assert table.lines.tolist() == [2, 6]
    assert [(reject.line, reject.reason) for reject in table.rejects] == [
        (4, "too many fields (3 instead of 2)"),
        (5, "no text"),
    ]
    assert table.notes == ["a.xlsx: of its 2 sheets 'second' was read"]


# Lines that begin with their label


def test_lines_of_fasttext_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text(
        '__label__pos a "fine, film\n\n__label__neg\tbad\n__label__a __label__b both\nno label\n__label__pos\n__label__neg dull\n'
    )
    table = read_table(file)
    assert rows_of(table) == [('a "fine, film', "pos"), ("bad", "neg"), ("dull", "neg")]
    assert [(reject.line, reject.reason) for reject in table.rejects] == [
        (4, "several labels"),
        (5, "no __label__ at its beginning"),
        (6, "no text"),
    ]


def test_lines_of_trec_have_a_coarse_and_a_fine_label(tmp_path: Path) -> None:
    file = tmp_path / "a.label"
    file.write_bytes(
        "DESC:manner How did serfdom develop ?\nENTY:food What is « crème » ?\nDESC:def What is an atom ?\n".encode(
            "latin-1"
        )
    )
    table = read_table(file, encoding="latin-1")
    assert rows_of(table) == [
        ("How did serfdom develop ?", "DESC"),
        ("What is « crème » ?", "ENTY"),
        ("What is an atom ?", "DESC"),
    ]
    assert read_table(file, encoding="latin-1", label="fine").classes == ["DESC:def", "DESC:manner", "ENTY:food"]


# Quotes in a TSV


@pytest.mark.parametrize(
    "lines",
    [
        ['a\t"never closed', 'b\tsays "so"', "a\tlast one"],
        ['a\t"closed" and more', "b\tplain text", "a\tlast one"],
        ['a\t6" tall', 'b\t"a "b" c"', "a\tlast one"],
    ],
)
def test_a_tsv_whose_quotes_enclose_no_fields_loses_no_row(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("\n".join(["label\ttext", *lines]))
    table = read_table(file)
    assert table.texts == [line.split("\t")[1] for line in lines]
    assert table.notes == ["a.tsv: its quotes are read as characters, since they enclose no fields"]


# Folders


def test_a_folder_of_texts_has_a_class_for_each_folder(tmp_path: Path) -> None:
    draw = random.Random(1)
    for part in ("train", "test"):
        for label in ("pos", "neg", "unsup"):
            (tmp_path / part / label).mkdir(parents=True)
            for number in range(9):
                text = f"the {label} film\nnumber {draw.random()} — schön"
                (tmp_path / part / label / f"{number}_{number}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "train" / "labeledBow.feat").write_text("1 0:9")
    (tmp_path / "train" / "pos" / "3_3.txt").write_bytes(b"caf\xe9")
    (tmp_path / "train" / "neg" / "4_4.txt").write_bytes(b" \n")
    table = read_table(tmp_path / "train", labels=["neg", "pos"])
    files = sorted((tmp_path / "train").rglob("*.txt"))
    good = [file for file in files if file.parent.name != "unsup" and file.name not in ("3_3.txt", "4_4.txt")]
    good += [tmp_path / "train" / "pos" / "4_4.txt", tmp_path / "train" / "neg" / "3_3.txt"]
    assert rows_of(table) == [(file.read_text(encoding="utf-8"), file.parent.name) for file in sorted(good)]
    assert [files[line - 1] for line in table.lines] == sorted(good)
    assert [(files[reject.line - 1].name, reject.reason) for reject in table.rejects] == [
        ("4_4.txt", "no text"),
        ("3_3.txt", "not valid utf-8"),
    ]
    assert table.dropped == {"unsup": 9}
    assert refusal(tmp_path) == (
        f"{tmp_path}: holds several folders of texts. Name one: {tmp_path / 'test'}, {tmp_path / 'train'}."
    )


def test_a_folder_of_texts_is_known_by_its_paths_and_contents(tmp_path: Path) -> None:
    def digest(**texts: str) -> str:
        for name, text in texts.items():
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name / "1.txt").write_text(text)
        return sha256_of(tmp_path / "data", tmp_path / "cache.json")

    first = digest(pos="fine", neg="bad film")
    assert digest() == first
    assert len({first, digest(pos="nice"), digest(pos="fine", neg="a film"), digest(more="a film")}) == 4
    (tmp_path / "data" / "more" / "1.txt").unlink()
    assert digest(neg="bad film") == first


# What is no table


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"GIF89a", "a GIF picture"),
        (b"SQLite format 3\0" + bytes(80), "an SQLite database. Export the table as CSV"),
        (b"\n<!DOCTYPE html><html><head>", "a web page"),
        (b"<?xml version='1.0'?><a/>", "an XML file"),
        (b"\x80\x04\x95" + bytes(30), "a Python pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or encrypted Office document"),
        (gzip.compress(bytes(257) + b"ustar\0" + bytes(600), mtime=0), "a tar archive"),
    ],
)
def test_what_is_no_table_is_refused_with_what_it_is(content: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    assert refusal(file).startswith(f"{file}: is no table but {what}")


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow", "a.xlsx", "a.csv.bz2", "a.csv.xz", "a.csv.zst"])
def test_a_file_that_was_cut_off_is_refused_as_damaged(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    WRITERS[name](file)
    file.write_bytes(file.read_bytes()[:-20])
    assert refusal(file).startswith(f"{file}: is damaged (")


@pytest.mark.parametrize("url", ["https://example.com/a.csv", "s3://bucket/a.csv", Path("https://example.com/a.csv")])
def test_a_url_is_told_that_it_is_one(url: Any) -> None:
    assert "is a URL, and gatelab reads files. Download it" in refusal(url)


@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx", "a.csv.zst"])
def test_a_kind_whose_library_is_not_there_names_the_extra(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / name
    WRITERS[name](file)
    for module in ("pyarrow", "openpyxl"):
        monkeypatch.setitem(sys.modules, module, None)
    assert refusal(file).endswith("pip install 'gatelab[formats]'")


def test_a_setting_that_says_nothing_about_a_kind_of_file_is_noted(tmp_path: Path) -> None:
    WRITERS["a.jsonl"](tmp_path / "a.jsonl")
    notes = read_table(tmp_path / "a.jsonl", header=True).notes
    assert notes == ["a.jsonl names its columns itself: data.header= changes nothing"]


def test_a_packed_file_may_unpack_to_as_many_times_its_size_as_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    content = b"text,label\n" + b"".join(b"fine " * 180_000 + b",%d\n" % (row % 2) for row in range(6))
    file.write_bytes(gzip.compress(content))
    ratio = len(content) / file.stat().st_size
    assert refusal(file).startswith(f"{file}: unpacks to more than 100 times its size")
    assert len(read_table(file, max_unpacking=ratio + 1).texts) == 6
