"""Parquet, and Arrow as file (Feather) or stream: read in batches with pyarrow."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gatelab.data.formats.compression import damaged, optional, refuse_bomb
from gatelab.data.formats.records import TOO_LONG, Records, as_text, refuse_columns
from gatelab.errors import DataError

PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
BATCH = 1000  # rows
BATCH_BYTES = 2**24


class Arrow(Records):
    """Columns that hold lists, structures or bytes are left out. A record is known by its number, from 1."""

    def __init__(self, file: Path, stream: IO[bytes], head: bytes, max_unpacking: float) -> None:
        super().__init__(file)
        self._size, self._max_unpacking = os.fstat(stream.fileno()).st_size, max_unpacking
        what = "is a Parquet file" if head.startswith(PARQUET) else "is an Arrow file"
        self._pyarrow = optional(file, "pyarrow", what)
        try:
            if head.startswith(PARQUET):
                opened = self._open_parquet(optional(file, "pyarrow.parquet", what), stream)
                schema = opened.schema_arrow
            else:
                ipc = optional(file, "pyarrow.ipc", what)
                opened = ipc.open_file(stream) if head.startswith(ARROW_FILE) else ipc.open_stream(stream)
                schema = opened.schema
            self._places = [i for i, field in enumerate(schema) if self._is_plain(field.type)]
            self.columns = [schema.field(i).name for i in self._places]
        except (self._pyarrow.ArrowException, OSError, UnicodeError, MemoryError) as error:
            raise damaged(file, error) from None
        self._opened = opened
        if not self.columns:
            raise DataError(f"{file}: has no column of texts or numbers (it has: {', '.join(schema.names)}).")
        refuse_columns(file, self.columns)

    def _open_parquet(self, parquet: Any, stream: IO[bytes]) -> Any:
        """A text that repeats is stored once in a Parquet file, and so it is read."""
        opened = parquet.ParquetFile(stream)
        schema = opened.schema_arrow
        texts = [field.name for field in schema if self._is_text(field.type)]
        groups = [opened.metadata.row_group(number) for number in range(opened.metadata.num_row_groups)]
        num_bytes = sum(group.total_byte_size for group in groups)
        refuse_bomb(self.file, num_bytes, self._size, self._max_unpacking)
        self._batch_size = max(1, min(BATCH, BATCH_BYTES * opened.metadata.num_rows // max(1, num_bytes)))
        stream.seek(0)
        return parquet.ParquetFile(stream, read_dictionary=texts)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        num_chars = 0
        for batch in self._batches():  # validated, since foreign offsets might lead out of its memory
            columns = [texts_of(batch.column(i)) for i in self._places]
            for fields in map(list, zip(*columns, strict=True)):
                self.num_records += 1
                num_chars += sum(map(len, fields))
                if self.has_long_field(fields):
                    self.reject(self.num_records, TOO_LONG)
                else:
                    yield self.num_records, fields
            refuse_bomb(self.file, num_chars, self._size, self._max_unpacking)

    def _batches(self) -> Iterator[Any]:
        try:
            if hasattr(self._opened, "iter_batches"):
                batches = self._opened.iter_batches(batch_size=self._batch_size)
            elif hasattr(self._opened, "get_batch"):
                batches = map(self._opened.get_batch, range(self._opened.num_record_batches))
            else:
                batches = self._opened
            for batch in batches:
                batch.validate(full=True)
                refuse_bomb(self.file, batch.nbytes, self._size, self._max_unpacking)
                for start in range(0, batch.num_rows, BATCH):
                    yield batch.slice(start, BATCH)
        except (self._pyarrow.ArrowException, OSError, UnicodeError, MemoryError) as error:
            raise damaged(self.file, error) from None

    def _is_text(self, kind: Any) -> bool:
        types = self._pyarrow.types
        return types.is_string(kind) or types.is_large_string(kind)

    def _is_plain(self, kind: Any) -> bool:
        types = self._pyarrow.types
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return not (types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind))


def texts_of(column: Any) -> list[str]:
    """The values of some rows as texts; one that a dictionary holds once is one text."""
    if not hasattr(column, "dictionary"):
        return [as_text(value) for value in column.to_pylist()]
    used = column.indices.drop_null().unique()
    texts = dict(zip(used.to_pylist(), map(as_text, column.dictionary.take(used).to_pylist()), strict=True))
    return [texts.get(index, "") for index in column.indices.to_pylist()]
