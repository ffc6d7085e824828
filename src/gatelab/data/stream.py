"""The texts of one table as a stream, for predicting on files of any size."""

import io
import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from gatelab.data.columns import find_columns
from gatelab.data.formats.kinds import open_records
from gatelab.data.formats.records import Reading, Reject, head_of
from gatelab.data.paths import expand_paths
from gatelab.data.read import text_getter
from gatelab.errors import DataError


class RowStream:
    """Iterates over (line, text, fields) of the usable rows, once; ``rejects`` names the others. A context manager.

    The fields are in the order of ``columns``.
    The text columns are found by name and content, or chosen. Raises DataError as read_table does.
    """

    def __init__(self, file: Path, reading: Reading | None = None) -> None:
        files = expand_paths(file)
        if len(files) > 1:
            raise DataError(f"{file}: is {len(files)} files. Give one, or each in a command of its own.")
        self.file = files[0]
        with ExitStack() as opened:  # an error on the way closes the file and is explained
            self._opened = opened.enter_context(open_records(self.file, reading or Reading()))
            self._records = self._opened.records()
            self._head = head_of(self._records)
            self._close = opened.pop_all()
        self.columns, self.notes = self._opened.columns, self._opened.notes
        self.text_columns: list[str] = []

    def choose_texts(self, columns: Sequence[str] = ()) -> list[str]:
        """Take these columns of the file for the text, or those that are found; returns them."""
        head = [fields for _, fields in self._head]
        self.text_columns, _ = find_columns(self.file, self.columns, head, columns, None, labelled=False)
        return self.text_columns

    @property
    def rejects(self) -> list[Reject]:
        return self._opened.rejects

    @property
    def num_bytes(self) -> int | None:
        """The final ``position``; None for what is not read from beginning to end as it lies on the disk."""
        return self.file.stat().st_size if self._bytes is not None else None

    @property
    def position(self) -> int:
        return 0 if self._bytes is None else self._bytes.tell()

    @property
    def _bytes(self) -> io.BufferedReader | None:
        stream = getattr(self._opened.stream, "buffer", None)
        return stream if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO) else None

    def __enter__(self) -> "RowStream":
        return self

    def __exit__(self, *exception: object) -> bool | None:
        return self._close.__exit__(*exception)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[int, str, list[str]]]:
        text_of = text_getter(self.columns, self.text_columns or self.choose_texts())
        for line, fields in itertools.chain(self._head, self._records):
            text = text_of(fields)
            if text.strip():
                yield line, text, fields
            else:
                self._opened.reject(line, "no text")
