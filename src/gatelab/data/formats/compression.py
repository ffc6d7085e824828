"""Files as bytes, decompressed: .gz, .bz2, .xz, .zst, and a .zip with one table in it."""

import bz2
import gzip
import importlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gatelab.data.progress_bar import follow
from gatelab.errors import DataError

ZIP = b"PK\x03\x04"
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
ZSTANDARD = b"\x28\xb5\x2f\xfd"
TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")


@contextmanager
def open_bytes(file: Path) -> Iterator[IO[bytes]]:
    """The content of a file. Raises DataError for a damaged one, also while it is read."""
    try:
        with open(file, "rb") as raw:
            follow(file, raw)
            start = raw.read(6)
            raw.seek(0)
            unpack: Any = next((opened for magic, opened in COMPRESSED.items() if start.startswith(magic)), None)
            if unpack is not None:
                with unpack(raw) as stream:
                    yield stream
            elif start.startswith(ZSTANDARD):
                with zstandard_stream(file, raw) as stream:
                    yield stream
            elif start.startswith(ZIP):
                with zipfile.ZipFile(raw) as archive, archive.open(table_in_zip(file, archive)) as member:
                    yield member
            else:
                yield raw
    except (gzip.BadGzipFile, EOFError, zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError) as error:
        raise damaged(file, error) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise damaged(file, error) from None  # of bz2 and pyarrow


def damaged(file: Path, error: Exception) -> DataError:
    return DataError(f"{file}: is damaged ({error}). Fetch it again.")


def zstandard_stream(file: Path, raw: IO[bytes]) -> Any:
    pyarrow = optional(file, "pyarrow", "is packed by Zstandard")
    return io.BufferedReader(pyarrow.input_stream(raw, compression="zstd"))


def optional(file: Path, module: str, what: str) -> Any:
    """A library that only some kinds of file need. what: a clause on the file."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError(f"{file}: {what}, which {module.split('.')[0]} reads: pip install 'gatelab[formats]'") from None


def table_in_zip(file: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    names = [entry.filename for entry in archive.infolist()]
    if "word/document.xml" in names or "mimetype" in names:
        raise DataError(f"{file}: is no table but an office document. Save its table as .xlsx or CSV and give that.")
    tables = [
        entry
        for entry in archive.infolist()
        if entry.filename.lower().endswith(TABLES)
        and not entry.filename.startswith("__MACOSX/")
        and not Path(entry.filename).name.startswith(".")
    ]
    if len(tables) != 1:
        found = ", ".join(entry.filename for entry in tables) or "none"
        raise DataError(f"{file}: should hold one table (.csv, .tsv), and holds {found}. Unpack it and give the file.")
    if tables[0].flag_bits & 1:
        raise DataError(f"{file}: is encrypted. Unpack it and give the file.")
    return tables[0]
