"""What every kind of file is read into: named columns, and records with a field for each."""

import io
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gatelab.errors import DataError

T = TypeVar("T", bound=tuple[int, Any])
HEAD = 1000  # records from which columns, header and delimiter are found
MAX_HEAD_CHARS = 2**24  # of these together: a file of long texts has fewer
MAX_FIELD_CHARS = 1_000_000
HALF = re.compile("[\ud800-\udfff]")
MAX_RECORD_CHARS = 2**24  # of a line or a record: beyond it a file is refused, however much memory there is
MAX_COLUMNS = 10_000
MAX_REJECTS = 250_000  # where they are more than half of the records: each is held in memory
MAX_UNPACKING = 100.0  # how many times its size a file may unpack to, where nothing else is given


@dataclass(frozen=True, slots=True)
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
    max_unpacking: float = MAX_UNPACKING


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
        if len(self.rejects) > MAX_REJECTS and 2 * len(self.rejects) > self.num_records:
            raise DataError(
                f"{self.file}: line {line}: {reason}, as more than {MAX_REJECTS:,} records before it, which is most of them. "
                "Mend the file, or take these out."
            )

    def has_long_field(self, fields: list[str]) -> bool:
        return max(map(len, fields), default=0) > MAX_FIELD_CHARS


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def head_of(records: Iterator[T]) -> list[T]:
    """The first of the records, HEAD of them or fewer where they are long."""
    head, num_chars = list[T](), 0
    for record in records:
        head.append(record)
        fields = record[1].values() if isinstance(record[1], dict) else record[1]
        num_chars += sum(map(len, filter(is_text, fields))) if isinstance(fields, Iterable) else 0
        if len(head) == HEAD or num_chars > MAX_HEAD_CHARS:
            break
    return head


TOO_LONG = f"a field of more than {MAX_FIELD_CHARS:,} characters"


def refuse_columns(file: Path, columns: Sequence[str]) -> None:
    """Raise DataError where there are too many columns, or two of one name."""
    if len(columns) > MAX_COLUMNS:
        raise DataError(f"{file}: has {len(columns):,} columns, and a table has at most {MAX_COLUMNS:,}.")
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
