"""Files that are made to fill a machine or to hold it up, and what reads them. Each is small; MIB of them unpack to many."""

import bz2
import gzip
import io
import json
import lzma
import os
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # pyarrow's own sets more aside than a case may take
MIB = 2**20
START = b"text,label\nfine,1\nbad,0\n"
LETTERS, LINES, ROWS = b"a" * MIB, b"\n" * MIB, b"a fine film,1\n" * (MIB // 14)
SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
HEADER_ROW = b'<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c></row>'
STRINGS = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>'


def read_table(file: Path) -> None:
    from gatelab.data import read

    read.read_table(file)


def stream_table(file: Path) -> None:
    from gatelab.data.stream import RowStream

    with RowStream(file) as rows:
        for _ in rows:
            pass


def read_tokenizer(file: Path) -> None:
    from gatelab.data.tokenizer_file import read_tokenizer_file

    read_tokenizer_file(file).encode_batch(["a b c " * 1000] * 10)


def read_vectors(file: Path) -> None:
    from gatelab.data import vector_files

    words = file.with_name("words.txt")
    words.write_text("a\nb\n")
    files = [file, words] if file.suffix == ".safetensors" else [file]
    vector_files.read_vectors(files, lambda word: True, lambda word, vector: None)


def hash_file(file: Path) -> None:
    from gatelab.digest import sha256_of

    sha256_of(file)


def packed(file: Path, body: bytes, count: int) -> None:
    opened: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    with opened[file.suffix](file, "wb") as stream:
        stream.write(START)
        for _ in range(count):
            stream.write(body)


def zstandard(file: Path, body: bytes, count: int) -> None:
    import pyarrow

    with pyarrow.output_stream(str(file), compression="zstd") as stream:
        stream.write(START + body * count)


def zipped(file: Path, body: bytes, count: int, name: str = "a.csv", method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(file, "w", method) as archive, archive.open(name, "w") as member:
        for _ in range(count):
            member.write(body)


def many_members(file: Path) -> None:
    """A zip that says of its directory that it is long."""
    zipped(file, START, 1)
    content = bytearray(file.read_bytes())
    struct.pack_into("<L", content, content.rfind(b"PK\5\6") + 12, 2**28)
    file.write_bytes(content)


def workbook(file: Path, member: str, body: bytes, count: int = 1, start: bytes = b"", end: bytes = b"") -> None:
    """A workbook in which one member is start, body count times, and end."""
    import openpyxl

    plain = io.BytesIO()
    book = openpyxl.Workbook()
    book.worksheets[0].append(["text", "label"])
    book.save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            if entry.filename != member:
                archive.writestr(entry.filename, source.read(entry))
        with archive.open(member, "w") as stream:
            stream.write(start)
            for _ in range(count):
                stream.write(body)
            stream.write(end)


def sheet(file: Path, body: bytes, count: int = 1) -> None:
    workbook(file, "xl/worksheets/sheet1.xml", body, count, SHEET, b"</sheetData></worksheet>")


def shared_strings(file: Path, body: bytes, count: int) -> None:
    workbook(file, "xl/sharedStrings.xml", body, count, STRINGS, b"</t></si></sst>")


def parquet(file: Path, dictionary: bool) -> None:
    """Texts of 900,000 characters, each written once with a dictionary, else packed to next to nothing."""
    import pyarrow
    import pyarrow.parquet

    rows = 200_000 if dictionary else 20
    indices = pyarrow.array([0, 1] * (rows // 2), pyarrow.int32())
    texts = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["x" * 900_000, "y " * 450_000]))
    table = pyarrow.table({"text": texts if dictionary else texts.cast(pyarrow.string()), "label": indices})
    pyarrow.parquet.write_table(table, file, compression="zstd", use_dictionary=dictionary)


def arrow_of_nothing(file: Path) -> None:
    """Two thousand million records in two hundred bytes."""
    import pyarrow

    batch = pyarrow.record_batch({name: pyarrow.nulls(2**31 - 2) for name in ("text", "label")})
    with pyarrow.ipc.new_stream(str(file), batch.schema) as writer:
        writer.write_batch(batch)


def content(file: Path, body: bytes, count: int = 1, start: bytes = b"") -> None:
    with open(file, "wb") as stream:
        stream.write(start)
        for _ in range(count):
            stream.write(body)


def fifo(file: Path) -> None:
    os.mkfifo(file)


def unix_socket(file: Path) -> None:
    where = os.getcwd()
    os.chdir(file.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(file.name)
    os.chdir(where)


def device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def folder(file: Path) -> None:
    file.mkdir()


def tokenizer(file: Path, **changed: Any) -> None:
    """A tokenizer.json with other components."""
    model = {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "[UNK]": 2}, "unk_token": "[UNK]"}
    parts = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder"))
    whole: dict[str, Any] = {
        "version": "1.0",
        **parts,
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": model,
    }
    file.write_text(json.dumps(whole | changed))


def padding(file: Path) -> None:
    pad = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    tokenizer(file, padding={"strategy": {"Fixed": 10**8}, **pad})


def replacing(file: Path, text: str, times: int = 1) -> None:
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": text}
    tokenizer(file, normalizer={"type": "Sequence", "normalizers": [step] * times})


def prepending(file: Path) -> None:
    step = {"type": "Prepend", "prepend": "x" * 10_000}
    tokenizer(file, normalizer={"type": "Sequence", "normalizers": [step] * 90})


def cutting(file: Path) -> None:
    tokenizer(file, pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}] * 1000})


def large(file: Path) -> None:
    """More than any tokenizer has, without taking that room."""
    with open(file, "wb") as stream:
        stream.truncate(10**8)


def added_tokens(file: Path) -> None:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    tokenizer(file, added_tokens=[{"id": n, "content": f"w{n}", **flags} for n in range(30_000)])


def safetensors(file: Path, header: bytes, size: int | None = None) -> None:
    file.write_bytes(struct.pack("<Q", len(header) if size is None else size) + header)


def tensor(file: Path, shape: list[int], num_bytes: int) -> None:
    safetensors(file, json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, num_bytes]}}).encode())


def change(file: Path, key: str, value: Any) -> None:
    """Set a key such as model.pooling of a JSON; ... takes it out."""
    whole = json.loads(file.read_text())
    *path, last = key.split(".")
    group = whole
    for part in path:
        group = group[part]
    if value is ...:
        del group[last]
    else:
        group[last] = value
    file.write_text(json.dumps(whole))
