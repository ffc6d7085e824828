"""Files as text: the given encoding, that of the byte order mark, or UTF-8."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatelab.data.formats.compression import open_bytes
from gatelab.errors import DataError

NO_TABLE = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"GIF8": "a GIF picture",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x7fELF": "a program",
    b"SQLite format": "an SQLite database",
}
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@contextmanager
def open_table(file: Path, encoding: str | None) -> Iterator[tuple[io.TextIOWrapper, str]]:
    """Open a table as text, decompressed, in the given encoding, that of its byte order mark, or UTF-8."""
    try:
        with open_bytes(file) as stream:
            used = find_encoding(file, stream.read(4096), encoding)
            stream.seek(0)
            try:
                text = io.TextIOWrapper(stream, encoding=used, newline="")
            except LookupError:
                raise DataError(
                    f"data.encoding={used}: Python knows no such encoding. Common ones: utf-8, cp1252."
                ) from None
            yield text, used
    except UnicodeEncodeError:
        raise
    except UnicodeError as error:  # a UTF-16 without its mark is no UnicodeDecodeError
        raise undecodable(file, used, error) from None
    except (gzip.BadGzipFile, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: is damaged ({error}). Fetch it again.") from None


def find_encoding(file: Path, head: bytes, encoding: str | None) -> str:
    """The given encoding, else what the first bytes say, else UTF-8. Raises DataError for what is no text."""
    if not head:
        raise DataError(f"{file}: is empty.")
    for magic, what in NO_TABLE.items():
        if head.startswith(magic):
            raise DataError(f"{file}: is no table but {what}. gatelab reads .csv, .tsv, .csv.gz and .zip.")
    found = next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    if not encoding and not found and head.count(0) > len(head) // 10:
        raise DataError(
            f"{file}: is no table in UTF-8: {head.count(0)} of its first {len(head)} bytes are NUL. "
            "If it is UTF-16 without a byte order mark, give data.encoding=utf-16-le."
        )
    if found == "utf-8-sig" and (encoding or "utf-8").lower() in ("utf-8", "utf8"):
        return found
    return encoding or found or "utf-8"


def undecodable(file: Path, encoding: str, error: UnicodeError) -> DataError:
    """The line and position of the first undecodable byte, found in a second pass."""
    if b"\n".decode(encoding, "ignore") != "\n":  # UTF-16 and its like: line ends cannot be found in the bytes
        return DataError(
            f"{file}: is not valid {encoding} ({error}). Leave data.encoding= out, or name the file's own encoding with it."
        )
    where, problem = "", f"it is not valid {encoding} ({error})"
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as second:
                where = f" line {number}, byte {second.start + 1}:"
                problem = f"byte 0x{line[second.start]:02x} is not valid {encoding}"
                break
    other = "utf-8" if encoding.lower() in ("cp1252", "windows-1252") else "cp1252"
    hint = "If the file was written on Windows, try" if other == "cp1252" else "Leave it out, or try"
    return DataError(f"{file}:{where} {problem}. {hint} data.encoding={other}.")
