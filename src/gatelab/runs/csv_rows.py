"""How rows with texts of somebody else are written to a CSV."""

import csv
from collections.abc import Iterable
from typing import IO, Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what a formula begins with


class RowWriter:
    """Lines that end in a line feed. csv.writer leaves a carriage return in a field unquoted unless lines end in one, and whoever reads
    the file then takes it for the end of the line."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._writer = csv.writer(self, lineterminator="\r\n")

    def write(self, line: str) -> None:
        self._stream.write(f"{line[:-2]}\n")

    def writerow(self, row: Iterable[Any]) -> None:
        self._writer.writerow(row)


def as_cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula, with an apostrophe before it, which it shows as text (OWASP, CSV Injection);
    all else, and the text of a number, as it is."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
