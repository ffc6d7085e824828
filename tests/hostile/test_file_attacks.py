"""A file of somebody else's fills no machine and holds it up nowhere."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from attack import WORKS
from foreign_files import (
    HEADER_ROW,
    LETTERS,
    LINES,
    MIB,
    ROWS,
    START,
    added_tokens,
    arrow_of_nothing,
    content,
    cutting,
    device,
    fifo,
    folder,
    hash_file,
    large,
    many_members,
    packed,
    padding,
    parquet,
    prepending,
    read_table,
    read_tokenizer,
    read_vectors,
    replacing,
    safetensors,
    shared_strings,
    sheet,
    stream_table,
    tensor,
    unix_socket,
    zipped,
    zstandard,
)

pytestmark = pytest.mark.long

BOMB = "unpacks to more than 100 times its size"
LONG = "has more than 16,777,216 characters"
READ = {
    "table": read_table,
    "stream": stream_table,
    "tokenizer": read_tokenizer,
    "vectors": read_vectors,
    "hash": hash_file,
}
# name of the file, what reads it, what is said, how it is made and of what
CASES: list[tuple[str, str, str, Callable[..., None], tuple[Any, ...]]] = [
    ("one field.csv.gz", "table", BOMB, packed, (LETTERS, 20)),
    ("rows.csv.gz", "table", BOMB, packed, (ROWS, 6)),
    ("rows.csv.gz", "stream", BOMB, packed, (ROWS, 6)),
    ("empty lines.csv.gz", "table", BOMB, packed, (LINES, 8)),
    ("quotes.csv.gz", "table", "as more than 250,000 records before it", packed, (b'"' + b"a\n" * (MIB // 2), 20)),
    ("rows.csv.bz2", "table", BOMB, packed, (ROWS, 5)),
    ("rows.csv.xz", "table", BOMB, packed, (ROWS, 6)),
    ("rows.csv.zst", "table", BOMB, zstandard, (ROWS, 8)),
    ("one field.csv.zst", "stream", BOMB, zstandard, (LETTERS, 20)),
    ("rows.zip", "table", BOMB, zipped, (ROWS, 20)),
    ("bzip2.zip", "table", "is not packed by deflate", zipped, (LETTERS, 20, "a.csv", 12)),
    ("lzma.zip", "table", "is not packed by deflate", zipped, (LETTERS, 20, "a.csv", 14)),
    ("members.zip", "table", "lists 268,435,456 bytes of members", many_members, ()),
    ("members.zip", "vectors", "lists 268,435,456 bytes of members", many_members, ()),
    ("members.xlsx", "stream", "lists 268,435,456 bytes of members", many_members, ()),
    ("one line.csv", "table", LONG, content, (LETTERS, 20, START)),
    ("open quote.csv", "table", "line 4: a quote opens here and is not closed within", content, (b"a b\n" * (MIB // 4), 20, START + b'"')),
    ("columns.csv", "table", "has 262,1.. columns, and a table has at most 10,000", content, (b"," * MIB, 1, b"text,label")),
    ("one line.jsonl", "table", LONG, content, (LETTERS, 20, b'{"text": "fine", "label": 1}\n{"text": "')),
    ("keys.jsonl", "table", "has 300,000 columns", content, (b"{" + b",".join(b'"%d":1' % n for n in range(300_000)) + b"}\n",)),
    ("deep.jsonl", "table", "fewer than two classes", content, (b'{"a":' * 10**6, 1, b'{"text": "fine", "label": 1}\n')),
    ("deep.json", "table", "is nested too deeply", content, (b'[{"text":' + b"[" * 10**6,)),
    ("endless.json", "table", "is no JSON", content, (LETTERS, 20, b'[{"text": "')),
    ("no objects.json", "table", "not a JSON object, as more than 250,000 records before it", content, (b"1," * MIB, 1, b'[{"text": "a"},')),
    ("texts.xlsx", "table", BOMB, shared_strings, (LETTERS, 20)),
    ("cell.xlsx", "table", BOMB, sheet, (LETTERS, 20)),
    ("deep.xlsx", "table", BOMB, sheet, (b"<a>" * MIB,)),
    ("empty rows.xlsx", "table", BOMB, sheet, (b"<row/>" * MIB,)),
    ("far row.xlsx", "table", "no usable rows under it", sheet, (HEADER_ROW + b'<row r="999999999999"><c r="A3"/></row>',)),
    ("far cell.xlsx", "table", "row 1 has 16,384 cells", sheet, (b'<row r="1"><c r="XFD1"><v>1</v></c></row>',)),
    ("dictionary.parquet", "table", BOMB, parquet, (True,)),
    ("packed.parquet", "table", BOMB, parquet, (False,)),
    ("nothing.arrow", "table", "no text, as more than 250,000 records before it", arrow_of_nothing, ()),
    *((f"{kind}.{suffix}", reader, says, make, ())
      for kind, make, says in (("fifo", fifo, "FIFO"), ("device", device, "device"), ("socket", unix_socket, "socket"), ("folder", folder, "folder"))
      for reader, suffix in (("table", "csv"), ("tokenizer", "json"), ("vectors", "txt"), ("hash", "csv"))
      if (kind, reader) != ("folder", "hash")),
    ("fifo.safetensors", "vectors", "FIFO", fifo, ()),
    ("padding.json", "tokenizer", WORKS, padding, ()),
    ("growing.json", "tokenizer", "more than 1,000 characters of one", replacing, ("b " * 500_000,)),
    ("growing step by step.json", "tokenizer", "more than 1,000 characters of one", replacing, ("a" * 20, 6)),
    ("beginning.json", "tokenizer", "more than 1,000 characters of one", prepending, ()),
    ("steps.json", "tokenizer", "it has 1,002 steps", cutting, ()),
    ("large.json", "tokenizer", "is larger than 50 MiB", large, ()),
    ("added tokens.json", "tokenizer", "it has 30,000 added tokens", added_tokens, ()),
    ("deep tokenizer.json", "tokenizer", "nested too deeply", content, (b'{"model":' + b"[" * 10**6,)),
    ("dimension.vec", "vectors", "announces 1 vectors of 999,999,999 numbers", content, (b"1 999999999\na 1\n",)),
    ("count.vec", "vectors", "is cut off", content, (b"999999999999 50000\na " + b"\0" * 100,)),
    ("one line.vec", "vectors", "0 numbers after its word", content, (LETTERS, 8, b"a 1 2 3\n")),
    ("vectors.vec.gz", "vectors", BOMB, packed, (b"a 1 2 3\n" * (MIB // 8), 6)),
    ("vectors.zip", "vectors", BOMB, zipped, (b"a 1 2 3\n" * (MIB // 8), 8, "a.vec")),
    ("header.safetensors", "vectors", "its header has 4,611,686,018,427,387,904 bytes", safetensors, (b"{}", 2**62)),
    ("tensors.safetensors", "vectors", "its header has 2,097,152 bytes", safetensors, (b" " * 2 * MIB,)),
    ("deep.safetensors", "vectors", "cannot be read as safetensors", safetensors, (b'{"a":' + b"[" * 10**6,)),
    ("beyond.safetensors", "vectors", "cannot be read as safetensors", tensor, ([2**40, 2], 2**43)),
    ("overflow.safetensors", "vectors", "cannot be read as safetensors", tensor, ([2**63, 2], 0)),
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and limits on memory")
@pytest.mark.parametrize(
    ("name", "reader", "says", "make", "of"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_file_of_somebody_else_s_fills_no_machine(
    name: str,
    reader: str,
    says: str,
    make: Callable[..., None],
    of: tuple[Any, ...],
    attack: Callable[..., Any],
    tmp_path: Any,
) -> None:
    make(tmp_path / name, *of)
    attack(says, READ[reader], tmp_path / name)
