"""The columns of text and label: given, or found by name and content."""

import difflib
from pathlib import Path

from gatelab.errors import DataError

TEXT_NAMES = ("text", "review", "reviews", "tweet", "content", "sentence", "comment", "body", "message", "document",
              "phrase", "reviewtext", "review_text", "tweet_text", "full_text", "title")  # fmt: skip
LABEL_NAMES = ("label", "sentiment", "labels", "target", "class", "polarity", "airline_sentiment", "category", "rating",
               "stars", "score", "y")  # fmt: skip


def find_columns(
    file: Path, header: list[str], rows: list[list[str]], text: str | None, label: str | None, labelled: bool = True
) -> tuple[str, str | None]:
    """The names of the text and the label column, from the header and some rows of the file.

    Raises DataError for a named column that is not there, and where no column could be the text or the label.
    """
    for key, name in (("data.text", text), ("data.label", label)):
        if name is not None and name not in header:
            near = difflib.get_close_matches(name, header, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise DataError(f"{file}: {key}={name}: no such column. Its columns: {', '.join(header)}.{hint}")
    if text is None:
        text = find_text(file, header, rows, label)
    if not labelled:
        return text, None
    if label is None:
        label = find_label(file, header, rows, text)
    if text == label:
        raise DataError(
            f"{file}: column '{text}' was given as both text and label. Name two with data.text= data.label=."
        )
    return text, label


def find_text(file: Path, header: list[str], rows: list[list[str]], label: str | None) -> str:
    named = _by_name(header, TEXT_NAMES, label)
    if named is not None:
        return named
    best, best_words = None, 2.0  # a text has more than two words on average
    for index, name in enumerate(header):
        values = [row[index] for row in rows if row[index].strip()]
        if name == label or not values or len(set(values)) < len(values) / 2:
            continue
        words = sum(len(value.split()) for value in values) / len(values)
        if words > best_words:
            best, best_words = name, words
    if best is None:
        refuse_no_rows(file, header, rows)
        raise DataError(
            f"{file}: no column looks like a text (several words, mostly different). Its columns: {', '.join(header)}. "
            "Is the first row a header? Name the column with data.text=."
        )
    return best


def find_label(file: Path, header: list[str], rows: list[list[str]], text: str) -> str:
    named = _by_name(header, LABEL_NAMES, text)
    if named is not None:
        return named
    candidates = []
    for index, name in enumerate(header):
        values = {row[index].strip().casefold() for row in rows if row[index].strip()}
        if name != text and 2 <= len(values) <= min(20, max(2, len(rows) // 2)):
            candidates.append(name)
    if len(candidates) == 1:
        return candidates[0]
    refuse_no_rows(file, header, rows)
    found = (
        f"several could be ({', '.join(candidates)})"
        if candidates
        else "none looks like one (2 to 20 different values)"
    )
    raise DataError(
        f"{file}: which column is the label? By its content {found}. Its columns: {', '.join(header)}. Name it: data.label="
    )


def refuse_no_rows(file: Path, header: list[str], rows: list[list[str]]) -> None:
    if not rows:
        raise DataError(f"{file}: has a header ({', '.join(header)}) and no usable rows under it.")


def _by_name(header: list[str], names: tuple[str, ...], taken: str | None) -> str | None:
    lowered = {name.strip().lower(): name for name in reversed(header) if name != taken}
    return next((lowered[name] for name in names if name in lowered), None)
