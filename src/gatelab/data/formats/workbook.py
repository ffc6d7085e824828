"""Workbooks of Excel (.xlsx): the first sheet that is not empty, read row by row with openpyxl."""

import itertools
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gatelab.bounded import again
from gatelab.data.formats.compression import ZIP, damaged, open_zip, optional, refuse_bomb
from gatelab.data.formats.header import find_header
from gatelab.data.formats.records import MAX_COLUMNS, TOO_LONG, Reading, Records, as_text, head_of
from gatelab.errors import DataError

MAX_BYTES = 2**28  # of the unpacked workbook, whose texts openpyxl holds in memory
ALWAYS_ALLOWED = 2**21  # bytes: openpyxl makes fifty times as much of them
MAX_ROWS = 2**20  # as Excel has


class Workbook(Records):
    """line is the row of the sheet, from 1. Numbers, dates and truth values are as Python writes them."""

    def __init__(self, file: Path, stream: IO[bytes], reading: Reading) -> None:
        super().__init__(file)
        openpyxl = optional(file, "openpyxl", "is an Excel workbook")
        with open_zip(file, stream) as archive:
            num_bytes = sum(entry.file_size for entry in archive.infolist())
        refuse_bomb(file, num_bytes, os.fstat(stream.fileno()).st_size, reading.max_unpacking, ALWAYS_ALLOWED)
        if num_bytes > MAX_BYTES:
            raise DataError(f"{file}: unpacks to more than {MAX_BYTES:,} bytes. Save the sheet as CSV.")
        try:
            stream.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            sheets: list[Any] = self._book.worksheets
            nothing: tuple[Any, list[tuple[int, list[str]]]] = (None, [])
            heads = ((sheet, head_of(rows_of(sheet))) for sheet in sheets)
            self._sheet, head = next(((sheet, head) for sheet, head in heads if head), nothing)
        except Exception as error:  # openpyxl raises anything over a file that is damaged
            raise damaged(file, error) from None
        if not head:
            raise DataError(f"{file}: is empty.")
        if len(sheets) > 1:
            self.notes.append(f"{file.name}: of its {len(sheets)} sheets '{self._sheet.title}' was read")
        (_, first), *rows = head
        header = find_header(file, first, [fields for _, fields in rows], reading)
        self.columns, self.header = header.names, header.is_there
        self.notes += header.notes

    def records(self) -> Iterator[tuple[int, list[str]]]:
        width = len(self.columns)
        for line, fields in itertools.islice(self._rows(), int(self.header), None):
            self.num_records += 1
            if len(fields) > width:
                self.reject(line, f"too many fields ({len(fields)} instead of {width})")
            elif self.has_long_field(fields):
                self.reject(line, TOO_LONG)
            else:
                yield line, fields + [""] * (width - len(fields))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        try:
            yield from rows_of(self._sheet)
        except Exception as error:
            raise damaged(self.file, error) from None

    def close(self) -> None:
        self._book.close()


def rows_of(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """(row, cells as texts) of each row that is not empty, without the empty cells at its end."""
    sheet.reset_dimensions()  # what a sheet says of its size may be wrong
    for line, cells in enumerate(sheet.iter_rows(values_only=True, max_row=MAX_ROWS), start=1):
        if len(cells) > MAX_COLUMNS:
            raise ValueError(f"row {line} has {len(cells):,} cells")
        fields = [as_text(cell) for cell in cells]
        while fields and not fields[-1]:
            fields.pop()
        if fields:
            yield line, fields


def is_workbook(file: Path, opened: IO[bytes]) -> bool:
    with again(opened) as stream:
        try:
            return stream.read(len(ZIP)) == ZIP and "xl/workbook.xml" in open_zip(file, stream).namelist()
        except (zipfile.BadZipFile, NotImplementedError, OSError):  # open_bytes tells why
            return False
