"""Parquet, and Arrow as file (Feather) or stream: read in batches with pyarrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gatelab.data.formats.compression import damaged, optional
from gatelab.data.formats.records import TOO_LONG, Records, as_text, refuse_twice
from gatelab.errors import DataError

PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
BATCH = 1000


class Arrow(Records):
    """Columns that hold lists, structures or bytes are left out. A record is known by its number, from 1."""

    def __init__(self, file: Path, stream: IO[bytes], head: bytes) -> None:
        super().__init__(file)
        what = "is a Parquet file" if head.startswith(PARQUET) else "is an Arrow file"
        self._pyarrow = optional(file, "pyarrow", what)
        try:
            if head.startswith(PARQUET):
                opened = optional(file, "pyarrow.parquet", what).ParquetFile(stream)
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
        refuse_twice(file, self.columns)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        for batch in self._batches():  # validated, since foreign offsets might lead out of its memory
            columns = [list(map(as_text, batch.column(i).to_pylist())) for i in self._places]
            for fields in map(list, zip(*columns, strict=True)):
                self.num_records += 1
                if self.has_long_field(fields):
                    self.reject(self.num_records, TOO_LONG)
                else:
                    yield self.num_records, fields

    def _batches(self) -> Iterator[Any]:
        try:
            if hasattr(self._opened, "iter_batches"):
                batches = self._opened.iter_batches(batch_size=BATCH)
            elif hasattr(self._opened, "get_batch"):
                batches = map(self._opened.get_batch, range(self._opened.num_record_batches))
            else:
                batches = self._opened
            for batch in batches:
                batch.validate(full=True)
                yield batch
        except (self._pyarrow.ArrowException, OSError, UnicodeError, MemoryError) as error:
            raise damaged(self.file, error) from None

    def _is_plain(self, kind: Any) -> bool:
        types = self._pyarrow.types
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return not (types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind))
