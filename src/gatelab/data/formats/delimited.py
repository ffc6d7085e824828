"""The records of a file whose fields are separated by a delimiter: CSV, TSV and their like."""

import csv
import io
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Literal, NamedTuple

from gatelab.data.formats.encoding import lines_of, open_text, too_long_line
from gatelab.data.formats.header import find_header
from gatelab.data.formats.records import HEAD, MAX_FIELD_CHARS, MAX_RECORD_CHARS, TOO_LONG, Reading, Records
from gatelab.errors import DataError

SNIFFED = 2**16  # characters
DELIMITERS = ",\t;|"
RARE_DELIMITER = "@"  # of the Financial PhraseBank, "a sentence .@neutral"
RARE_LINE = re.compile(r"[^@]+@(\w+)\s*")


class Dialect(NamedTuple):
    delimiter: str
    quoting: Literal[0, 3]  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE


class Delimited(Records):
    """head: the first characters of the file, from which the header is found."""

    def __init__(self, file: Path, stream: io.TextIOWrapper, head: str, dialect: Dialect, reading: Reading) -> None:
        super().__init__(file, stream)
        delimiter, quoting = dialect
        if quoting == csv.QUOTE_NONE:
            self.notes.append(f"{file.name}: its quotes are read as characters, since they enclose no fields")
        self._has_nul = False
        self._at_end = False
        self._line, self._num_chars = 1, 0  # of the record that is being read
        self._reader = csv.reader(self._lines(stream), delimiter=delimiter, quoting=quoting)
        with raised_field_limit():
            reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, quoting=quoting)
            rows = list(itertools.islice(filter(None, reader), HEAD))
        if not rows:
            raise DataError(f"{self.file}: is empty.")
        header = find_header(file, rows[0], rows[1:-1] or rows[1:], reading)
        self.columns, self.header = header.names, header.is_there
        self.notes += header.notes

    def _lines(self, stream: io.TextIOWrapper) -> Iterator[str]:
        for line in iter(partial(stream.readline, MAX_RECORD_CHARS), ""):
            self._num_chars += len(line)
            if "\0" in line:
                self._has_nul = True
                line = line.replace("\0", "�")
            if len(line) == MAX_RECORD_CHARS:
                raise too_long_line(self.file, self._reader.line_num + 1)
            if self._num_chars > MAX_RECORD_CHARS:
                raise DataError(
                    f"{self.file}: line {self._line}: a quote opens here and is not closed within {MAX_RECORD_CHARS:,} characters. "
                    'Close it, or write a quote inside a text as "".'
                )
            yield line
        self._at_end = True

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Those under the header, if there is one."""
        is_header, width = self.header, len(self.columns)
        with raised_field_limit():
            last_line = self._reader.line_num
            for fields in self._reader:
                line, last_line = last_line + 1, self._reader.line_num
                self._line, self._num_chars = last_line + 1, 0
                if self._at_end:
                    self._refuse_open_quote(line)
                if fields and is_header:
                    is_header = False
                elif fields:
                    self.num_records += 1
                    if len(fields) == width and not self._has_nul and max(map(len, fields)) <= MAX_FIELD_CHARS:
                        yield line, fields
                    else:
                        self.reject(line, self._problem(fields))
                self._has_nul = False

    def _problem(self, fields: list[str]) -> str:
        if self._has_nul:
            return "a NUL byte"
        if len(fields) != len(self.columns):
            few = "too few" if len(fields) < len(self.columns) else "too many"
            return f"{few} fields ({len(fields)} instead of {len(self.columns)})"
        return TOO_LONG

    def _refuse_open_quote(self, line: int) -> None:
        """A record continues past its line only inside quotes, so one that reaches the end of the file lacks a quote."""
        raise DataError(
            f"{self.file}: line {line}: a quote opens here and is never closed, so the rest of the file would be "
            'one field. Close it, or write a quote inside a text as "".'
        )


def find_dialect(file: Path, opened: IO[bytes], encoding: str, head: str, reading: Reading) -> Dialect:
    """head: the first characters. Raises DataError for a data.delimiter that is none."""
    if reading.delimiter is not None and (len(reading.delimiter) != 1 or reading.delimiter in '\r\n"'):
        raise DataError(f"data.delimiter={reading.delimiter}: takes one character, no line end and no quote.")
    delimiter = reading.delimiter or sniff_delimiter(file, head[:SNIFFED])
    if delimiter not in ("\t", RARE_DELIMITER):
        return Dialect(delimiter, csv.QUOTE_MINIMAL)
    with open_text(file, opened, encoding, reading.max_unpacking) as stream:
        return Dialect(delimiter, csv.QUOTE_MINIMAL if quotes_are_meant(file, stream, delimiter) else csv.QUOTE_NONE)


def sniff_delimiter(file: Path, head: str) -> str:
    """The delimiter that separates the first rows most evenly into more than one field; a comma if none does."""
    if file.name.lower().split(".")[-1] == "tsv" or ".tsv." in file.name.lower():
        return "\t"
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        score = evenness(head, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return RARE_DELIMITER if best_score < 1 and is_rarely_delimited(head) else best


def evenness(head: str, delimiter: str) -> float:
    """The fraction of rows that have as many fields as the first, if that has several."""
    with raised_field_limit():
        widths = [len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row]
    return sum(width == widths[0] for width in widths) / len(widths) if widths and widths[0] > 1 else 0.0


def is_rarely_delimited(head: str) -> bool:
    """Whether nearly every line ends in @ and a word, and these words come again."""
    lines = head.splitlines()
    labels = [found[1] for line in lines if (found := RARE_LINE.fullmatch(line))]
    return len(labels) > 0.9 * len(lines) and len(set(labels)) < len(labels) / 2


def quotes_are_meant(file: Path, stream: io.TextIOWrapper, delimiter: str) -> bool:
    """Whether every quote of a file encloses a field or stands doubled in one that is enclosed. Many a TSV knows no quotes."""
    field = rf'(?:[^"{delimiter}\r\n]*|"(?:[^"]|"")*")'
    well_formed = re.compile(rf"{field}(?:{delimiter}{field})*[\r\n]*")
    pending: list[str] = []
    num_chars, is_open = 0, False
    for line in lines_of(file, stream):
        quotes = line.count('"')
        if is_open or quotes:
            pending.append(line)
            num_chars += len(line)
            is_open ^= quotes % 2 == 1
            if num_chars > MAX_RECORD_CHARS:
                return False
            if not is_open:
                if not well_formed.fullmatch("".join(pending)):
                    return False
                pending.clear()
                num_chars = 0
    return not is_open


@contextmanager
def raised_field_limit() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
