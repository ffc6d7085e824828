"""The texts of one table as a stream, for predicting on files of any size."""

import io
import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from gatelab.data.columns import find_columns
from gatelab.data.formats.kinds import open_records
from gatelab.data.formats.records import HEAD, Reading, Reject
from gatelab.data.paths import expand_paths
from gatelab.data.read import text_getter


class RowStream:
    """Iterates over (line, text) of the usable rows; ``rejects`` names the others. A context manager.

    The text columns are found by name and content, or chosen. Raises DataError as read_table does.
    """

    def __init__(self, file: Path, *, encoding: str | None = None) -> None:
        (self.file,) = expand_paths(file)
        with ExitStack() as opened:  # an error on the way closes the file and is explained
            self._opened = opened.enter_context(open_records(self.file, Reading(encoding)))
            self._close = opened.pop_all()
        self.columns = self._opened.columns
        self._texts: list[str] = []

    def choose_texts(self, columns: list[str]) -> None:
        """Those of the file; none to have them found."""
        self._texts = columns

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

    def __iter__(self) -> Iterator[tuple[int, str]]:
        records = self._opened.records()
        head = list(itertools.islice(records, HEAD))
        texts, _ = find_columns(
            self.file, self.columns, [fields for _, fields in head], self._texts, None, labelled=False
        )
        text_of = text_getter(self.columns, texts)
        for line, fields in itertools.chain(head, records):
            text = text_of(fields)
            if text.strip():
                yield line, text
            else:
                self.rejects.append(Reject(str(self.file), line, "no text"))
