"""The columns of text and label: given, or found by name and content."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from gatelab.errors import DataError

TEXT_NAMES = ("text", "review", "reviews", "tweet", "content", "sentence", "comment", "body", "message", "document",
              "phrase", "reviewtext", "review_text", "tweet_text", "full_text")  # fmt: skip
LABEL_NAMES = ("label", "sentiment", "labels", "target", "class", "polarity", "airline_sentiment", "category", "rating",
               "stars", "score", "y")  # fmt: skip
SURE_LABELS = ("label", "labels", "sentiment", "target", "class")  # in a name, whatever the column holds
# Scripts that write no space between words, of which some two characters make a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_DIGITS = re.compile(r"\d+")
_INTEGER = re.compile(r"[+-]?\d+")
FLAGS = {"0", "1", "0.0", "1.0", "false", "true"}
_COUNTED = re.compile(r"(?:^|[^a-z])(?:votes?|counts?|likes|helpful|useful|funny|retweets?|favou?rites?|id|index|num|number|year)(?:$|[^a-z])")  # fmt: skip
MAX_LABELS = 20  # different values that a column found by its content may have


def find_columns(
    file: Path,
    header: list[str],
    rows: Sequence[Sequence[str]],
    text: str | Sequence[str] | None,
    label: str | None,
    labelled: bool = True,
) -> tuple[list[str], str | None]:
    """The names of the text columns and of the label column, from the header and some rows of the file.

    Raises DataError for a named column that is not there, and where no column or several could be the text or the label.
    """
    texts = [text] if isinstance(text, str) else list(text or ())
    for key, name in (*(("data.text", name) for name in texts), ("data.label", label)):
        if name is not None and name not in header:
            near = difflib.get_close_matches(name, header, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise DataError(f"{file}: {key}={name}: no such column. Its columns: {', '.join(header)}.{hint}")
    texts = texts or [find_text(file, header, rows, label)]
    if not labelled:
        return texts, None
    if label is None:
        label = find_label(file, header, rows, texts)
    if label in texts:
        raise DataError(
            f"{file}: column '{label}' was given as both text and label. Name two with data.text= data.label=."
        )
    return texts, label


def find_text(file: Path, header: list[str], rows: Sequence[Sequence[str]], label: str | None) -> str:
    """A column with the name of one, else the one whose content looks like texts."""
    named = _by_name(header, TEXT_NAMES, [label])
    if named:
        return named[0]
    columns = {name: [row[index].strip() for row in rows] for index, name in enumerate(header) if name != label}
    found = [name for name, values in columns.items() if is_text(values)]
    found = [
        name for name in found if is_text([_DIGITS.sub("0", value) for value in columns[name]])
    ] or found  # no dates
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{file}: which column is the text? Several could be: {', '.join(found)}. Name one, {override('text', found[0])}, "
            f"or join them: {override('text', found)}."
        )
    refuse_no_rows(file, header, rows)
    raise DataError(
        f"{file}: no column looks like a text (several words, mostly different). Its columns: {', '.join(header)}. "
        "Is the first row a header? Name the column with data.text=."
    )


def is_text(values: Sequence[str]) -> bool:
    """Several words, mostly different."""
    values = [value for value in values if value]
    return bool(values) and len(set(values)) >= len(values) / 2 and num_units(values) > 2


def num_units(values: Sequence[str]) -> float:
    """The mean number of words; of scripts that write no spaces, two characters count as one."""
    return sum(len(value.split()) + len(_UNSPACED.findall(value)) / 2 for value in values) / max(1, len(values))


def find_label(file: Path, header: list[str], rows: Sequence[Sequence[str]], texts: Sequence[str]) -> str:
    """A column with the name of one, else the only one with few values; none that counts or numbers something."""
    columns = distinct_values(header, rows, texts)
    counts = [name for name, values in columns.items() if is_count(name, values)]
    named = _by_name(header, LABEL_NAMES, [*texts, *counts])
    if named:
        return named[0]
    most = min(MAX_LABELS, max(2, len(rows) // 2))
    others = {name: len(values) for name, values in columns.items() if name not in counts}
    candidates = [name for name, num in others.items() if 2 <= num <= most]
    candidates = candidates or [name for name, num in others.items() if num == 1]  # of a file sorted by label
    if len(candidates) == 1:
        return candidates[0]
    refuse_no_rows(file, header, rows)
    found = (
        f"several could be ({', '.join(candidates)})"
        if candidates
        else "none looks like one (2 to 20 different values)"
    )
    has = "has" if len(counts) == 1 else "have"
    numbers = (
        f" {' and '.join(map(repr, counts))} {has} numbers that count something." if counts and not candidates else ""
    )
    flags = [name for name in candidates if columns[name] <= FLAGS]
    several = f", or predict each of several: model=multi_label {override('label', flags)}" if len(flags) > 1 else ""
    raise DataError(
        f"{file}: which column is the label? By its content {found}.{numbers} Its columns: {', '.join(header)}. "
        f"Name it: {override('label', candidates[0]) if candidates else 'data.label='}{several}"
    )


def passed_over(header: list[str], rows: Sequence[Sequence[str]], taken: Sequence[str]) -> list[str]:
    """A note on each column that has the name of a label but counts something; taken: those of text and label."""
    columns = distinct_values(header, rows, taken)
    names = [name for name in _by_name(header, LABEL_NAMES, taken) if is_count(name, columns[name])]
    return [f"'{name}' was not taken for the label, since its numbers count something; {override('label', name)} takes it" for name in names]  # fmt: skip


def distinct_values(header: list[str], rows: Sequence[Sequence[str]], taken: Sequence[str]) -> dict[str, set[str]]:
    """Those of each column but the taken ones, in lower case."""
    return {
        name: {row[index].strip().casefold() for row in rows if row[index].strip()}
        for index, name in enumerate(header)
        if name not in taken
    }


def is_count(name: str, values: set[str]) -> bool:
    """Whether a column holds a number of votes, an index, or another count: many integers, or some under such a name."""
    name = name.strip().lower()
    if set(SURE_LABELS) & set(re.split("[^a-z]+", name)) or not values or not all(map(_INTEGER.fullmatch, values)):
        return False
    return len(values) > MAX_LABELS or bool(_COUNTED.search(name.replace("_", " ")))


def refuse_no_rows(file: Path, header: list[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        raise DataError(f"{file}: has a header ({', '.join(header)}) and no usable rows under it.")


def override(key: str, names: str | Sequence[str]) -> str:
    """data.KEY= with the name of a column, or a list of several, as a shell takes it."""
    value = quoted(names) if isinstance(names, str) else f"[{','.join(map(quoted, names))}]"
    return f"data.{key}={value}" if re.fullmatch(r"\w+", value, re.ASCII) else f"'data.{key}={value}'"


def quoted(name: str) -> str:
    """A name as it can stand in an override."""
    return name if re.fullmatch(r"\w+", name, re.ASCII) else f'"{name}"'


def _by_name(header: list[str], names: Sequence[str], taken: Sequence[str | None]) -> list[str]:
    lowered = {name.strip().lower(): name for name in reversed(header) if name not in taken}
    return [lowered[name] for name in names if name in lowered]
