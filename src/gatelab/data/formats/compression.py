"""Files as bytes, decompressed."""

import gzip
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gatelab.errors import DataError


@contextmanager
def open_bytes(file: Path) -> Iterator[IO[bytes]]:
    with open(file, "rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            with gzip.open(raw) as stream:
                yield stream  # type: ignore[misc]
        elif magic == b"PK\x03\x04":
            with zipfile.ZipFile(raw) as archive, archive.open(table_in_zip(file, archive)) as member:
                yield member
        else:
            yield raw


def table_in_zip(file: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    names = [entry.filename for entry in archive.infolist()]
    if "xl/workbook.xml" in names:
        raise DataError(f"{file}: is an Excel workbook. Save it as CSV (UTF-8) and give that file.")
    tables = [
        entry
        for entry in archive.infolist()
        if entry.filename.lower().endswith((".csv", ".tsv", ".txt"))
        and not entry.filename.startswith("__MACOSX/")
        and not Path(entry.filename).name.startswith(".")
    ]
    if len(tables) != 1:
        found = ", ".join(entry.filename for entry in tables) or "none"
        raise DataError(f"{file}: should hold one table (.csv, .tsv), and holds {found}. Unpack it and give the file.")
    if tables[0].flag_bits & 1:
        raise DataError(f"{file}: is encrypted. Unpack it and give the file.")
    return tables[0]
