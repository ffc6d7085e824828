"""Texts from data on a page: escaped, with control characters visible, and limited in length."""

import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from gatelab.screen import visible

SHORT, LONG = 280, 2000  # characters shown at once, and behind a click


def capital(text: str) -> str:
    """With its first letter capitalized and the rest unchanged: Validation macro-F1."""
    return text[0].upper() + text[1:]


def isolated(text: object) -> Markup:
    """Markup for a text from data: its writing direction is isolated, its control characters are visible."""
    return Markup("<bdi>{}</bdi>").format(marked(text))


def isolated_cells(rows: Iterable[Iterable[object]]) -> list[list[Markup]]:
    return [[isolated(cell) for cell in row] for row in rows]


def tinted(text: str, spans: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """The text with each span [from, to) in the colour of its class; spans that overlap an earlier one, as those of replaced words do,
    have none."""
    parts, done = [], 0
    for (begin, end), name in zip(spans, classes, strict=False):
        if done <= begin < end <= len(text) and name:
            parts += [
                marked(text[done:begin]),
                Markup('<span class="{}">{}</span>').format(name, marked(text[begin:end])),
            ]
            done = end
    return Markup('<bdi class="tints">{}</bdi>').format(Markup("").join([*parts, marked(text[done:])]))


def marked(text: object) -> Markup:
    parts = re.split(r"(⟨U\+[0-9A-F]+⟩)", visible(text))
    return Markup("").join(
        Markup('<span class="control">{}</span>').format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def folded(text: str, characters: int, place: str) -> Markup:
    """A text whose characters beyond 280 open on a click, up to 2,000; characters is its full length."""
    if characters <= SHORT:
        return isolated(text)
    shown = text.rfind(" ", SHORT - 40, SHORT) + 1 or SHORT  # at the end of a word, if one is near
    rest = text[shown:LONG]
    hidden = characters - shown - len(rest)
    note = Markup(' <span class="note">and {:,} more characters, at {}</span>').format(hidden, place) if hidden else ""
    return Markup("{}<details><summary>… {:,} more characters</summary>{}{}</details>").format(
        isolated(text[:shown]), characters - shown, isolated(rest), note
    )


def shorten(text: object, max_length: int = 40) -> str:
    """One line of at most max_length characters, for labels in charts."""
    line = " ".join(visible(text).split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"
