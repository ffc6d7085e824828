"""What every kind of file is read into: named columns, and records with a field for each."""

import io
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatelab.errors import DataError

HEAD = 1000  # records from which columns, header and delimiter are found
MAX_FIELD_CHARS = 1_000_000
HALF = re.compile("[\ud800-\udfff]")
MAX_RECORD_CHARS = 2**26  # of a line or of a JSON record: beyond it a file is refused, however much memory there is


@dataclass(frozen=True)
class Reject:
    """A rejected row: its file, the line on which it begins (its number where the file has no lines), and the reason."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class Reading:
    """How a file is to be read, where it is not left to be found. Keys as in conf/data.

    like: the columns of the first file of the data set, and whether it has a header.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    columns: Sequence[str] | None = None
    like: tuple[list[str], bool] | None = None


class Records(ABC):
    """The records of one open file; ``columns`` are known before the first is taken.

    Records that cannot be read go to ``rejects``; ``notes`` says what was found rather than given.
    """

    encoding = "UTF-8"
    header = True  # whether the file names its columns

    def __init__(self, file: Path, stream: io.TextIOWrapper | None = None) -> None:
        self.file, self.stream = file, stream
        self.columns: list[str] = []
        self.rejects: list[Reject] = []
        self.notes: list[str] = []
        self.num_records = 0

    @abstractmethod
    def records(self) -> Iterator[tuple[int, list[str]]]:
        """(line, fields) of each record, once: the line on which it begins, or its number, from 1, where the file has no lines."""

    def reject(self, line: int, reason: str) -> None:
        self.rejects.append(Reject(str(self.file), line, reason))

    def has_long_field(self, fields: list[str]) -> bool:
        return max(map(len, fields), default=0) > MAX_FIELD_CHARS


TOO_LONG = f"a field of more than {MAX_FIELD_CHARS:,} characters"


def refuse_twice(file: Path, columns: Sequence[str]) -> None:
    """Raise DataError where two columns have one name."""
    twice = [name for name, count in Counter(columns).items() if count > 1 and name]
    if twice:
        raise DataError(f"{file}: column '{twice[0]}' occurs twice in the header. Rename one.")


def as_text(value: Any) -> str:
    """A value that is no text, as it would be written; "" where there is none."""
    if isinstance(value, str):
        return well_formed(value)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def well_formed(text: str) -> str:
    """Without halves of surrogate pairs, which JSON may hold and no tokenizer takes: each becomes �."""
    return text if text.isascii() else HALF.sub("�", text)
