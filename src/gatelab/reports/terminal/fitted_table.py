"""A table that fits a terminal: titles and identities are shortened first, then the least wanted columns left out,
and at last the space around each; names never."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gatelab.screen import Screen, visible

MIN_DIGITS = 4  # of an identity
WIDEST_WORD = 24  # longer ones of a name are continued on the next line


@dataclass(frozen=True)
class Column:
    """rank: what is left out first has the highest; 0 is never left out. kind: name (folded between words), number, word (neither is
    broken), or identity (cut to the digits that tell the rows apart)."""

    title: str
    texts: Sequence[str | Text]
    rank: int = 0
    kind: str = "word"


def fitted_table(
    table: Table,
    columns: Sequence[Column],
    width: int | None,
    *,
    section_ends: Sequence[bool] = (),
    is_live: bool = False,
) -> Table:
    """The table with these columns, as far as they fit into so many characters, and below it, unless it is live, the titles of those that
    do not. section_ends: after which rows a line is drawn."""
    note = str(table.caption or "")
    for shown, left_out in choices(columns):
        table.columns.clear()
        table.rows.clear()
        fill(table, shown, section_ends)
        missing = f"not in this width: {', '.join(left_out)}" if left_out and not is_live else ""
        table.caption = "\n".join(filter(None, [missing, note])) or None
        if width is None or least_width(table) <= width:
            break
    else:
        table.padding = 0
    return table


def choices(columns: Sequence[Column]) -> list[tuple[list[Column], list[str]]]:
    """The columns that are shown and the titles of those that are not, from all to as few as possible."""
    shortened = [replace(column, kind="digits") if column.kind == "identity" else column for column in columns]
    ranks = sorted({column.rank for column in columns if column.rank}, reverse=True)
    found: list[tuple[list[Column], list[str]]] = [(list(columns), []), (shortened, [])]
    for rank in ranks:
        shown = [column for column in shortened if column.rank < rank]
        found.append((shown, [" ".join(column.title.split()) for column in shortened if column.rank >= rank]))
    return found


def fill(table: Table, columns: Sequence[Column], section_ends: Sequence[bool]) -> None:
    cells = []
    for column in columns:
        title, texts = column.title, column.texts
        if column.kind == "digits":
            digits = distinguishing_digits([str(text) for text in texts])
            title, texts = title[:2], [str(text)[:digits] for text in texts]
        if column.kind == "name":
            add_folded(table, title, texts)
        else:
            widest = max((Text(visible(text)).cell_len for text in texts), default=1)
            justify = "right" if column.kind == "number" else "left"
            table.add_column(title, justify=justify, min_width=max(widest, *map(len, title.split())))  # type: ignore[arg-type]
        cells.append(texts)
    for number, row in enumerate(zip(*cells, strict=True)):
        table.add_row(*row, end_section=number < len(section_ends) and section_ends[number])


def add_folded(table: Table, title: str, texts: Sequence[str | Text]) -> None:
    """A column whose texts are folded between words."""
    words = [len(word) for text in (title, *texts) for word in visible(text).split()]
    table.add_column(title, overflow="fold", min_width=min(WIDEST_WORD, max(words, default=1)))


def distinguishing_digits(identities: Sequence[str]) -> int:
    """So many that no two different ones begin alike."""
    longest = max(map(len, identities), default=MIN_DIGITS)
    num = len(set(identities))
    enough = (digits for digits in range(MIN_DIGITS, longest) if len({text[:digits] for text in identities}) == num)
    return next(enough, longest)


def least_width(table: Table) -> int:
    """The width at which no word is cut."""
    console = Screen(width=10_000)
    return Measurement.get(console, console.options, table).minimum
