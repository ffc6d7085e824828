"""Plain text files, cut into parts by place and read piece by piece: memory does not grow with their size."""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gatelab.bounded import regular
from gatelab.data.formats.encoding import known, undecodable
from gatelab.data.formats.records import MAX_UNPACKING
from gatelab.data.paths import expand_paths
from gatelab.errors import DataError

PARTS = ("train", "validation", "test")
PIECE = 2**20  # bytes read at once
LOOK = 2**16  # bytes in which a cut looks for a line end
MAX_WORD = 2**20  # characters without any white space, which are no word


class Span(NamedTuple):
    """The bytes of a file from begin to end."""

    file: Path
    begin: int
    end: int


def spans_of_parts(paths: Mapping[str, str | Sequence[str] | None], shares: Mapping[str, Any]) -> dict[str, list[Span]]:
    """The spans of each part. Those without paths of their own are cut from the end of train's files, taken as one text: shares of
    its bytes, validation before test, cut at line ends where there are some.

    Raises DataError for paths that name no file and for files without any byte.
    """
    spans = {part: whole_files(paths.get(part) or []) for part in PARTS}
    for part, found in spans.items():
        if found and not sum(span.end for span in found):
            key = "data.path" if part == "train" else f"data.{part}_path"
            raise DataError(f"{key}={found[0].file}: is empty. Give a file with text.")
    total = sum(span.end for span in spans["train"])
    end = total
    for part in ("test", "validation"):
        if not spans[part] and shares[part]:
            begin = cut_near(spans["train"], int(end - shares[part] * total))
            spans[part], end = between(spans["train"], begin, end), begin
    spans["train"] = between(spans["train"], 0, end)
    return spans


def whole_files(paths: str | Sequence[str]) -> list[Span]:
    files = expand_paths(paths, ending="txt") if paths else []
    for file in files:
        if file.is_dir():
            raise DataError(f"{file}: is a folder. Name the files in it, for example '{file}/*.txt'.")
    return [Span(file, 0, file.stat().st_size) for file in files]


def between(spans: Sequence[Span], begin: int, end: int) -> list[Span]:
    """The part of the text of all spans from byte begin to byte end of it."""
    found, start = [], 0
    for span in spans:
        size = span.end - span.begin
        low, high = max(begin - start, 0), min(end - start, size)
        if low < high:
            found.append(Span(span.file, span.begin + low, span.begin + high))
        start += size
    return found


def cut_near(spans: Sequence[Span], place: int) -> int:
    """The first byte at or after place that begins a line; without a line end nearby a word, or a UTF-8 character."""
    for span in between(spans, place, place + LOOK)[:1]:
        with open(span.file, "rb", opener=regular) as stream:
            stream.seek(span.begin)
            near = stream.read(span.end - span.begin)
        for mark in (b"\n", b" "):
            if (found := near.find(mark)) >= 0:
                return place + found + 1
        return place + next((number for number, byte in enumerate(near) if byte & 0xC0 != 0x80), 0)
    return place


def read_bytes(spans: Sequence[Span]) -> Iterator[bytes]:
    for span in spans:
        with open(span.file, "rb", opener=regular) as stream:
            stream.seek(span.begin)
            left = span.end - span.begin
            while left and (piece := stream.read(min(PIECE, left))):
                left -= len(piece)
                yield piece


def read_text(spans: Sequence[Span], encoding: str) -> Iterator[str]:
    """Pieces that end with white space, as far as there is some.

    Raises DataError for bytes that are not in the encoding, and for NUL.
    """
    waiting = ""
    for span in spans:
        decoder, begin = codecs.getincrementaldecoder(encoding)(), span.begin
        for piece in read_bytes([span]):
            if (place := piece.find(0)) >= 0:
                raise DataError(
                    f"{span.file}: byte {begin + place + 1} is NUL, so it is no plain text. Save it as UTF-8 text without NUL bytes; "
                    "tokenizer=bytes reads any file."
                )
            begin += len(piece)
            try:
                text = waiting + decoder.decode(piece, final=begin == span.end)
            except UnicodeDecodeError as error:
                with open(span.file, "rb", opener=regular) as opened:
                    raise undecodable(span.file, opened, encoding, error, MAX_UNPACKING) from None
            end = max(text.rfind("\n"), text.rfind(" ")) + 1
            if not end and len(text) > MAX_WORD:
                end = len(text)
            waiting = text[end:]
            if end:
                yield text[:end]
    if waiting:
        yield waiting


def checked_encoding(encoding: str | None, first: Path) -> str:
    """The given one, else UTF-8. Raises DataError for one that Python lacks or in which bytes cannot be cut at line ends."""
    used = known(encoding or "utf-8")
    with open(first, "rb", opener=regular) as stream:
        head = stream.read(4)
    wide = encoding is None and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if wide or "\n".encode(used) != b"\n":
        raise DataError(
            f"{first}: is in {'UTF-16' if encoding is None else encoding}, in which a text cannot be cut at its bytes. Convert it: "
            f"iconv -f {encoding or 'utf-16'} -t utf-8 {first.name}"
        )
    return used
