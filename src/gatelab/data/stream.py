"""The texts of one table as a stream, for predicting on files of any size."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gatelab.data.columns import find_columns
from gatelab.data.formats.delimited import RecordReader, Reject, sniff_delimiter
from gatelab.data.formats.encoding import open_table
from gatelab.data.paths import expand_paths


class RowStream:
    """Iterates over (line, text) of the usable rows; ``rejects`` names the others. A context manager.

    The text column is found by name and content, or chosen. Raises DataError as read_table does.
    """

    def __init__(self, file: Path, *, encoding: str | None = None) -> None:
        (self.file,) = expand_paths(file)
        with ExitStack() as opened:  # an error on the way closes the file and is explained
            self._open(opened, encoding)
            self._close = opened.pop_all()

    def _open(self, opened: ExitStack, encoding: str | None) -> None:
        self._stream, _ = opened.enter_context(open_table(self.file, encoding))
        self._bytes: Any = self._stream.buffer
        self._reader = RecordReader(self.file, self._stream, sniff_delimiter(self.file, self._stream))
        self.columns = self._reader.header()
        self._text: str | None = None

    def choose_text(self, column: str | None) -> None:
        self._text = column

    @property
    def rejects(self) -> list[Reject]:
        return self._reader.rejects

    @property
    def num_bytes(self) -> int | None:
        """The final ``position``; None for compressed files."""
        return None if self.file.suffix.lower() in (".gz", ".zip") else self.file.stat().st_size

    @property
    def position(self) -> int:
        return self._bytes.tell()

    def __enter__(self) -> "RowStream":
        return self

    def __exit__(self, *exception: object) -> bool | None:
        return self._close.__exit__(*exception)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        records = self._reader.records()
        head = list(itertools.islice(records, 1000))
        text, _ = find_columns(
            self.file, self.columns, [fields for _, fields in head], self._text, None, labelled=False
        )
        index = self.columns.index(text)
        for line, fields in itertools.chain(head, records):
            if fields[index].strip():
                yield line, fields[index]
            else:
                self.rejects.append(Reject(str(self.file), line, "no text"))
