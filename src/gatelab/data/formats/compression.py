"""Files as bytes, decompressed: .gz, .bz2, .xz, .zst, and a .zip with one table in it.

What unpacks to many times its size is refused while it is unpacked, before it fills memory or disk.
"""

import bz2
import gzip
import importlib
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gatelab.bounded import MIB, again
from gatelab.data.formats.records import MAX_UNPACKING
from gatelab.data.progress_bar import follow
from gatelab.errors import DataError

ZIP = b"PK\x03\x04"
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
ZSTANDARD = b"\x28\xb5\x2f\xfd"
TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
ALWAYS_ALLOWED = 4 * MIB  # bytes, however little they are packed in
MAX_DIRECTORY = MIB  # bytes of what lists the members of a zip, some ten thousand of them
ZIP_END = 65_557  # bytes, the longest end of a zip: the record with the directory's size, and a comment


@contextmanager
def open_bytes(file: Path, opened: IO[bytes], max_unpacking: float = MAX_UNPACKING) -> Iterator[IO[bytes]]:
    """The content of an open file, from its start. Raises DataError for a damaged one, and for one that unpacks to more than
    max_unpacking times its size, also while it is read."""
    try:
        with again(opened) as raw:
            follow(file, raw)
            start = raw.read(6)
            raw.seek(0)
            unpack: Any = next((opened for magic, opened in COMPRESSED.items() if start.startswith(magic)), None)
            if unpack is not None:
                with unpack(raw) as stream:
                    yield bounded(file, stream, raw.tell, max_unpacking)
            elif start.startswith(ZSTANDARD):
                with zstandard_stream(file, raw) as stream:
                    yield bounded(file, stream, raw.tell, max_unpacking)
            elif start.startswith(ZIP):
                with open_zip(file, raw) as archive:
                    table = table_in_zip(file, archive)
                    packed = min(table.compress_size, os.fstat(raw.fileno()).st_size)
                    refuse_bomb(file, table.file_size, packed, max_unpacking)
                    with archive.open(table) as member:
                        yield bounded(file, member, lambda: packed, max_unpacking)
            else:
                yield raw
    except (gzip.BadGzipFile, EOFError, zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError) as error:
        raise damaged(file, error) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise damaged(file, error) from None  # of bz2 and pyarrow


class Unpacked(io.RawIOBase):
    """What a decompressor gives, counted against the bytes that it has taken: packed()."""

    def __init__(self, file: Path, stream: Any, packed: Callable[[], int], max_unpacking: float) -> None:
        self._file, self._stream, self._packed, self._max_unpacking = file, stream, packed, max_unpacking
        self._num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._stream.readinto(buffer)
        self._num_bytes += count
        refuse_bomb(self._file, self._num_bytes, self._packed(), self._max_unpacking)
        return count


def bounded(file: Path, stream: Any, packed: Callable[[], int], max_unpacking: float = MAX_UNPACKING) -> IO[bytes]:
    return io.BufferedReader(Unpacked(file, stream, packed, max_unpacking), 2**16)


def refuse_bomb(
    file: Path, unpacked: int, packed: int, max_unpacking: float = MAX_UNPACKING, allowed: int = ALWAYS_ALLOWED
) -> None:
    """Raise DataError where so many unpacked bytes come from so few; allowed: bytes, however little they are packed in."""
    if unpacked > allowed and unpacked > max_unpacking * packed:
        raise DataError(
            f"{file}: unpacks to more than {max_unpacking:g} times its size, as files do that are made to fill a machine. If you trust it, "
            "unpack it and give what is in it; for the table of a run data.max_unpacking= allows more."
        )


def open_zip(file: Path, raw: IO[bytes]) -> zipfile.ZipFile:
    """Raises DataError where the list of its members, which zipfile holds in memory, is too long."""
    size = raw.seek(0, io.SEEK_END)
    raw.seek(max(0, size - ZIP_END))
    end = raw.read()
    for signature, kind, offset in ((b"PK\5\6", "<L", 12), (b"PK\6\6", "<Q", 40)):
        at = end.rfind(signature)
        if 0 <= at <= len(end) - offset - struct.calcsize(kind):
            (num_bytes,) = struct.unpack_from(kind, end, at + offset)
            if num_bytes > MAX_DIRECTORY and num_bytes != 2**32 - 1:  # which says that the other record has it
                raise DataError(f"{file}: lists {num_bytes:,} bytes of members. Unpack it and give the file.")
    raw.seek(0)
    return zipfile.ZipFile(raw)


def damaged(file: Path, error: Exception) -> DataError:
    return DataError(f"{file}: is damaged ({error}). Fetch it again.")


def zstandard_stream(file: Path, raw: IO[bytes]) -> Any:
    pyarrow = optional(file, "pyarrow", "is packed by Zstandard")
    return pyarrow.input_stream(raw, compression="zstd")


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
        found = ", ".join(entry.filename for entry in tables[:8]) or "none"
        raise DataError(f"{file}: should hold one table (.csv, .tsv), and holds {found}. Unpack it and give the file.")
    (table,) = tables
    if table.flag_bits & 1:
        raise DataError(f"{file}: is encrypted. Unpack it and give the file.")
    if table.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile inflates the other methods without a limit on memory
        raise DataError(f"{file}: '{table.filename}' is not packed by deflate. Unpack it and give the file.")
    return table
