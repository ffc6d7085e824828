"""Whether the first row of a table names its columns or is one of its rows."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gatelab.data.columns import LABEL_NAMES, TEXT_NAMES, num_units
from gatelab.data.formats.records import Reading, refuse_columns
from gatelab.errors import DataError

NAMES = {
    *TEXT_NAMES,
    *LABEL_NAMES,
    "id",
    "index",
    "date",
    "user",
    "username",
    "author",
    "name",
    "title",
    "summary",
    "description",
}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
MIN_ROWS = 5  # below it, that a value occurs once says nothing


class Header(NamedTuple):
    names: list[str]
    is_there: bool
    notes: list[str]


def find_header(file: Path, first: Sequence[str], rows: Sequence[Sequence[str]], reading: Reading) -> Header:
    """The names of the columns, and whether the first row holds them. rows: some of those below it.

    Raises DataError where the given names are too few or too many, or where two columns have one name.
    """
    cells = [cell.strip().lstrip("\ufeff") for cell in first]
    is_there = has_header(cells, rows, reading)
    width = len(cells) if is_there else Counter(map(len, [first, *rows])).most_common(1)[0][0]
    if reading.columns is not None:
        names, given = list(reading.columns), "data.columns="
    elif reading.like is not None and not (is_there and reading.like[1]):
        names, given = reading.like[0], "the first file"
    else:
        names, given = cells if is_there else [f"column_{number}" for number in range(1, width + 1)], ""
    if len(names) != width:
        raise DataError(f"{file}: its rows have {width} fields, and {given} names {len(names)}: {', '.join(names)}.")
    refuse_columns(file, names)
    notes = []
    if not is_there and reading.header is None and (reading.like is None or reading.like[1]):
        row = ", ".join(f"{name} '{shortened(cell)}'" for name, cell in zip(names, cells, strict=False))
        notes.append(
            f"{file.name} has no header: its first row is like the others and was read as one ({row}); "
            f"{'' if given else 'data.columns= names the columns, '}data.header=true takes the first row for a header"
        )
    return Header(names, is_there, notes)


def has_header(first: list[str], rows: Sequence[Sequence[str]], reading: Reading) -> bool:
    """As given; else as the names known from elsewhere, or the rows below, show; else a table has one."""
    if reading.header is not None:
        return reading.header
    known = reading.columns if reading.like is None else reading.like[0]
    if known is not None and set(known) & set(first):
        return True
    found = names_columns(first, rows)
    if found is not None:
        return found
    return reading.columns is None and (reading.like is None or reading.like[1])


def names_columns(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool | None:
    """True if the first row is a header, False if it is a row like the others, None where that cannot be told.

    Each column votes. For a row: its cell is a value of the column below. For a header: its cell is a usual name, no number above
    numbers, a new value above few that repeat, of another shape above cells of one shape, or a number above texts. A
    single vote for a header outweighs all others, since nothing shows later that a header was read as a row.
    """
    others = [row for row in rows if list(row) != list(first) and len(row) == len(first)]  # a header may be repeated
    votes = {vote_of(cell.strip(), [row[i].strip() for row in others]) for i, cell in enumerate(first)}
    if "header" in votes:
        return True
    return False if "row" in votes else None


def vote_of(cell: str, column: Sequence[str]) -> str:
    """ "header", "row", or "" for a column that says nothing."""
    values = [value.casefold() for value in column if value]
    distinct = set(values)
    if not cell or not values:
        return ""
    if cell.casefold() in distinct:
        return "row"
    if cell.casefold() in NAMES:
        return "header"
    if all(NUMBER.fullmatch(value) for value in values):
        return "" if NUMBER.fullmatch(cell) else "header"
    enough = len(values) >= MIN_ROWS
    if enough and len(distinct) <= len(values) / 2 and num_units(values) <= 2:
        return "header"
    shapes = {shape(value) for value in values}
    if enough and len(shapes) == 1 and any(character.isdigit() for character in values[0]):
        return "" if shape(cell) in shapes else "header"
    return "header" if NUMBER.fullmatch(cell) and num_units(values) > 2 else ""


def shape(value: str) -> str:
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "0", value))


def shortened(cell: str) -> str:
    return cell if len(cell) <= 30 else f"{cell[:29]}…"
