"""A folder with a folder for each class, and in it files of one text each, as the IMDB reviews come: train/pos/0_9.txt."""

import errno
from collections.abc import Iterator
from pathlib import Path

from gatelab.bounded import read_bytes
from gatelab.data.formats.encoding import BYTE_ORDER_MARKS
from gatelab.data.formats.records import MAX_FIELD_CHARS, TOO_LONG, Records

MAX_UTF8 = 4  # bytes a character


def texts_in(folder: Path) -> list[Path]:
    """The files of a folder of texts, in order; none where it is something else."""
    return sorted(file for file in folder.glob("*/*.txt") if not file.name.startswith("."))


class TextFolder(Records):
    """A record is known by the number of its file in the order of their paths, from 1; ``path`` is a column too."""

    header = False

    def __init__(self, folder: Path, encoding: str | None) -> None:
        super().__init__(folder)
        self.columns = ["text", "label", "path"]
        self.encoding = encoding or "utf-8"

    def records(self) -> Iterator[tuple[int, list[str]]]:
        for number, file in enumerate(texts_in(self.file), start=1):
            self.num_records += 1
            name = str(file.relative_to(self.file))
            try:
                content = read_bytes(file, MAX_UTF8 * MAX_FIELD_CHARS)
            except OSError as error:
                self.reject(number, TOO_LONG if error.errno == errno.EFBIG else str(error.strerror))
                continue
            mark = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
            try:
                text = content.decode(mark or self.encoding)
            except UnicodeError:
                self.reject(number, f"not valid {self.encoding}")
                continue
            yield number, [text, file.parent.name, name]
