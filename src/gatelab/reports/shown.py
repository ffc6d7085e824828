"""Texts from data as a page shows them: nothing in them acts, nothing hides, nothing is too long."""

import re

from markupsafe import Markup, escape

from gatelab.screen import visible

SHORT, LONG = 280, 2000  # characters shown at once, and behind a click


def capital(text: str) -> str:
    """With a capital letter at its beginning and the rest as it is: Validation macro-F1."""
    return text[0].upper() + text[1:]


def isolated(text: object) -> Markup:
    """Markup for a text that is not ours: its direction stays its own, its controls are seen."""
    return Markup("<bdi>{}</bdi>").format(marked(text))


def marked(text: object) -> Markup:
    parts = re.split(r"(⟨U\+[0-9A-F]+⟩)", visible(text))
    return Markup("").join(
        Markup('<span class="control">{}</span>').format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def folded(text: str, characters: int, place: str) -> Markup:
    """A text, of which what is beyond 280 characters opens on a click, up to 2,000; characters is its whole length."""
    if characters <= SHORT:
        return isolated(text)
    shown = text.rfind(" ", SHORT - 40, SHORT) + 1 or SHORT  # after a word, where one ends there
    rest = text[shown:LONG]
    hidden = characters - shown - len(rest)
    note = Markup(' <span class="note">and {:,} more characters, at {}</span>').format(hidden, place) if hidden else ""
    return Markup("{}<details><summary>… {:,} more characters</summary>{}{}</details>").format(
        isolated(text[:shown]), characters - shown, isolated(rest), note
    )


def shorten(text: object, most: int = 40) -> str:
    """One line of at most so many characters, for labels in charts."""
    line = " ".join(visible(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
