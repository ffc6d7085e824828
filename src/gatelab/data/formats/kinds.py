"""The kind of a file, by its content, and its records."""

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from gatelab.bounded import again, regular
from gatelab.data.formats.arrow import ARROW_FILE, ARROW_STREAM, PARQUET, Arrow
from gatelab.data.formats.compression import open_bytes
from gatelab.data.formats.delimited import Delimited, find_dialect
from gatelab.data.formats.encoding import find_encoding, open_text
from gatelab.data.formats.json_records import json_kind
from gatelab.data.formats.labelled_lines import labelled_lines_kind
from gatelab.data.formats.records import Reading, Records
from gatelab.data.formats.refused import refuse_other_kinds
from gatelab.data.formats.text_folder import TextFolder
from gatelab.data.formats.workbook import Workbook, is_workbook
from gatelab.errors import DataError

HEAD_BYTES = 2**18


@contextmanager
def open_records(file: Path, reading: Reading) -> Iterator[Records]:
    """The records of a file or of a folder of texts. Raises DataError for what is no table, and for a damaged one."""
    if file.is_dir():
        yield TextFolder(file, reading.encoding)
        return
    with open(file, "rb", opener=regular) as raw, open_content(file, raw, reading) as records:
        yield records


@contextmanager
def open_content(file: Path, raw: IO[bytes], reading: Reading) -> Iterator[Records]:
    """The records of an open file: what is found in it is what is read."""
    if is_workbook(file, raw):
        with again(raw) as stream, closing(Workbook(file, stream, reading)) as workbook:
            yield workbook
        return
    with open_bytes(file, raw, reading.max_unpacking) as content:
        head = content.read(HEAD_BYTES)
    if not head:
        raise DataError(f"{file}: is empty.")
    if head.startswith((PARQUET, ARROW_FILE, ARROW_STREAM)):
        with again(raw) as stream:
            if stream.read(4) != head[:4]:
                raise DataError(f"{file}: is a Parquet or Arrow file that is packed. Unpack it and give the file.")
            stream.seek(0)
            yield without_use(Arrow(file, stream, head, reading.max_unpacking), reading)
        return
    refuse_other_kinds(str(file), head)
    encoding = find_encoding(file, head, reading.encoding)
    start = head.decode(encoding, "ignore").replace("\0", "�")
    kind = None if reading.delimiter else json_kind(file, start) or labelled_lines_kind(start)
    make: Callable[[io.TextIOWrapper], Records]
    if kind is None:
        dialect = find_dialect(file, raw, encoding, start, reading)
        make = partial(Delimited, file, head=start, dialect=dialect, reading=reading)
    else:
        make = partial(kind, file)
    with open_text(file, raw, encoding, reading.max_unpacking) as text:
        records = make(text) if kind is None else without_use(make(text), reading)
        records.encoding = encoding
        yield records


def without_use(records: Records, reading: Reading) -> Records:
    """With a note for the settings that say nothing about a kind of file that names its columns itself."""
    given = [f"data.{key}=" for key in ("header", "columns") if getattr(reading, key) is not None]
    if given:
        records.notes.append(f"{records.file.name} names its columns itself: {' and '.join(given)} changes nothing")
    return records
