"""Lines that begin with their label: fastText's ``__label__pos a text``, TREC's ``HUM:ind Who was Galileo ?``."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

from gatelab.data.formats.encoding import lines_of
from gatelab.data.formats.records import TOO_LONG, Records

PREFIX = "__label__"
FASTTEXT = re.compile(rf"{PREFIX}(\S+)(?:\s+(.*))?", re.DOTALL)
TREC = re.compile(r"([A-Z]{2,}):([A-Za-z]+) +(\S.*)", re.DOTALL)


class FastText(Records):
    header = False

    def __init__(self, file: Path, stream: io.TextIOWrapper) -> None:
        super().__init__(file, stream)
        self.columns = ["label", "text"]

    def records(self) -> Iterator[tuple[int, list[str]]]:
        assert self.stream is not None
        for number, line in enumerate(lines_of(self.file, self.stream), start=1):
            if stripped := line.strip():
                self.num_records += 1
                fields = self.fields(stripped)
                if isinstance(fields, str):
                    self.reject(number, fields)
                elif self.has_long_field(fields):
                    self.reject(number, TOO_LONG)
                else:
                    yield number, fields

    def fields(self, line: str) -> list[str] | str:
        """Or why there are none."""
        found = FASTTEXT.fullmatch(line)
        if found is None:
            return f"no {PREFIX} at its beginning"
        label, text = found.groups("")
        return "several labels" if text.startswith(PREFIX) else [label, text]


class Trec(FastText):
    """label is the coarse one, "HUM"; fine the whole, "HUM:ind" (Li & Roth 2002)."""

    def __init__(self, file: Path, stream: io.TextIOWrapper) -> None:
        super().__init__(file, stream)
        self.columns = ["label", "fine", "text"]

    def fields(self, line: str) -> list[str] | str:
        found = TREC.fullmatch(line)
        return [found[1], f"{found[1]}:{found[2]}", found[3]] if found else "no LABEL:fine at its beginning"


def labelled_lines_kind(head: str) -> type[FastText] | None:
    """FastText or Trec, by the first lines of a file, of which the last may be cut off."""
    lines = [line for line in head.lstrip("\ufeff").splitlines() if line.strip()]
    lines = lines[:-1] or lines
    if sum(line.lstrip().startswith(PREFIX) for line in lines) > len(lines) / 2:
        return FastText
    return Trec if lines and all(TREC.fullmatch(line.strip()) for line in lines) else None
