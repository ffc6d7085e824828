"""Files as text: the given encoding, that of the byte order mark, or UTF-8."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from gatelab.data.formats.compression import open_bytes
from gatelab.data.formats.records import MAX_RECORD_CHARS, MAX_UNPACKING
from gatelab.errors import DataError

BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

OF_NO_FILES = ("idna", "punycode", "undefined")  # but of the names of hosts


def find_encoding(file: Path, head: bytes, encoding: str | None) -> str:
    """The given encoding, else what the first bytes say, else UTF-8. Raises DataError for what is no text."""
    found = next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    if not encoding and not found and head.count(0) > len(head) // 10:
        raise DataError(
            f"{file}: is no table in UTF-8: {head.count(0)} of its first {len(head)} bytes are NUL. "
            "If it is UTF-16 without a byte order mark, give data.encoding=utf-16-le."
        )
    if found == "utf-8-sig" and (encoding or "utf-8").lower() in ("utf-8", "utf8"):
        return found
    return known(encoding or found or "utf-8")


def known(encoding: str) -> str:
    """The encoding. Raises DataError for one in which Python reads no files."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        if codecs.lookup(encoding).name not in OF_NO_FILES:
            return encoding
    except LookupError:
        pass
    raise DataError(f"data.encoding={encoding}: Python knows no such encoding. Common ones: utf-8, cp1252.")


@contextmanager
def open_text(
    file: Path, opened: IO[bytes], encoding: str, max_unpacking: float = MAX_UNPACKING
) -> Iterator[io.TextIOWrapper]:
    """An open file as text, decompressed. Raises DataError for what is not in the encoding, also while it is read."""
    try:
        with open_bytes(file, opened, max_unpacking) as stream:
            yield io.TextIOWrapper(stream, encoding=encoding, newline="")
    except UnicodeEncodeError:
        raise
    except UnicodeError as error:  # a UTF-16 without its mark is no UnicodeDecodeError
        raise undecodable(file, opened, encoding, error, max_unpacking) from None


def lines_of(file: Path, stream: io.TextIOWrapper) -> Iterator[str]:
    """The lines with their ends. Raises DataError for one that no table has."""
    for number, line in enumerate(iter(partial(stream.readline, MAX_RECORD_CHARS), ""), start=1):
        if len(line) == MAX_RECORD_CHARS:
            raise too_long_line(file, number)
        yield line


def too_long_line(file: Path, number: int) -> DataError:
    return DataError(f"{file}: line {number}: has more than {MAX_RECORD_CHARS:,} characters, which no table has.")


def undecodable(
    file: Path, opened: IO[bytes], encoding: str, error: UnicodeError, max_unpacking: float = MAX_UNPACKING
) -> DataError:
    """The line and position of the first undecodable byte, found in a second pass."""
    if b"\n".decode(encoding, "ignore") != "\n":  # UTF-16 and its like: line ends cannot be found in the bytes
        return DataError(
            f"{file}: is not valid {encoding} ({error}). Leave data.encoding= out, or name the file's own encoding with it."
        )
    where, problem = "", f"it is not valid {encoding} ({error})"
    with open_bytes(file, opened, max_unpacking) as stream:
        for number, line in enumerate(iter(partial(stream.readline, MAX_RECORD_CHARS), b""), start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as second:
                where = f" line {number}, byte {second.start + 1}:"
                problem = f"byte 0x{line[second.start]:02x} is not valid {encoding}"
                break
    other = "utf-8" if encoding.lower() in ("cp1252", "windows-1252") else "cp1252"
    hint = "If the file was written on Windows, try" if other == "cp1252" else "Leave it out, or try"
    return DataError(f"{file}:{where} {problem}. {hint} data.encoding={other}.")
