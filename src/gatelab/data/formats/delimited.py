"""The records of a file whose fields are parted by a delimiter."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gatelab.errors import DataError

MAX_FIELD_CHARS = 1_000_000
DELIMITERS = ",\t;|"


@dataclass(frozen=True)
class Reject:
    """A rejected row: its file, the line on which it begins, and the reason."""

    file: str
    line: int
    reason: str


class RecordReader:
    """Records of a CSV with their first lines; malformed ones go to ``rejects``."""

    def __init__(self, file: Path, stream: io.TextIOWrapper, delimiter: str) -> None:
        self.file, self.delimiter = file, delimiter
        self.rejects: list[Reject] = []
        self.num_records = 0
        self._has_nul = False
        self._at_end = False
        self._reader = csv.reader(self._lines(stream), delimiter=delimiter)
        self._num_columns = 0

    def _lines(self, stream: io.TextIOWrapper) -> Iterator[str]:
        for line in stream:
            if "\0" in line:
                self._has_nul = True
                line = line.replace("\0", "�")
            yield line
        self._at_end = True

    def header(self) -> list[str]:
        line, fields = 1, None
        with raised_field_limit():
            for fields in self._reader:
                if fields:
                    break
                line = self._reader.line_num + 1
        if not fields:
            raise DataError(f"{self.file}: is empty.")
        self._refuse_open_quote(line)
        self._has_nul = False
        self._num_columns = len(fields)
        names = [name.strip().lstrip("﻿") for name in fields]
        twice = [name for name, count in Counter(names).items() if count > 1 and name]
        if twice:
            raise DataError(f"{self.file}: column '{twice[0]}' occurs twice in the header. Rename one.")
        return names

    def records(self) -> Iterator[tuple[int, list[str]]]:
        with raised_field_limit():
            last_line = self._reader.line_num
            for fields in self._reader:
                line, last_line = last_line + 1, self._reader.line_num
                self._refuse_open_quote(line)
                if fields:
                    self.num_records += 1
                    problem = self._problem(fields)
                    if problem:
                        self.rejects.append(Reject(str(self.file), line, problem))
                    else:
                        yield line, fields
                self._has_nul = False

    def _problem(self, fields: list[str]) -> str | None:
        if self._has_nul:
            return "a NUL byte"
        if len(fields) != self._num_columns:
            few = "too few" if len(fields) < self._num_columns else "too many"
            return f"{few} fields ({len(fields)} instead of {self._num_columns})"
        if max(map(len, fields)) > MAX_FIELD_CHARS:
            return f"a field of more than {MAX_FIELD_CHARS:,} characters"
        return None

    def _refuse_open_quote(self, line: int) -> None:
        """A record continues past its line only inside quotes, so one that reaches the end of the file lacks a quote."""
        if self._at_end:
            raise DataError(
                f"{self.file}: line {line}: a quote opens here and is never closed, so the rest of the file would be "
                'one field. Close it, or write a quote inside a text as "".'
            )


def sniff_delimiter(file: Path, stream: io.TextIOWrapper) -> str:
    """The delimiter that splits the first rows most evenly into more than one field; a comma if none does."""
    if file.name.lower().endswith((".tsv", ".tsv.gz")):
        return "\t"
    head = stream.read(65536).replace("\0", "")
    stream.seek(0)
    best, best_score = ",", 0.0
    with raised_field_limit():
        for delimiter in DELIMITERS:
            widths = [len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row]
            if widths and widths[0] > 1:
                score = sum(width == widths[0] for width in widths) / len(widths)
                if score > best_score:
                    best, best_score = delimiter, score
    return best


@contextmanager
def raised_field_limit() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
