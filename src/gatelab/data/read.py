"""Read sentiment tables: files become texts and labels, and a list of what was rejected, by line.

Everything is read as text: the review "null" is a review. No row is dropped silently.
"""

import csv
import glob
import gzip
import io
import itertools
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gatelab.data.columns import find_columns
from gatelab.errors import DataError

MAX_FIELD_CHARS = 1_000_000
DELIMITERS = ",\t;|"
NO_TABLE = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"GIF8": "a GIF picture",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x7fELF": "a program",
    b"SQLite format": "an SQLite database",
}
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class Reject:
    """A rejected row: its file, the line on which it begins, and the reason."""

    file: str
    line: int
    reason: str


@dataclass
class Table:
    """Texts with their labels, as they are in the files.

    labels (N,) holds indices into classes; lines (N,) the line on which each row begins in its file, files (N,) that file's
    index in file_names; kept (N,) the row's number among those of any label.
    """

    texts: list[str]
    labels: NDArray[np.int32]
    classes: list[str]
    lines: NDArray[np.int64]
    files: NDArray[np.int32]
    kept: NDArray[np.int64]
    file_names: list[str]
    rejects: list[Reject]
    dropped: dict[str, int]
    notes: list[str]
    columns: list[str]
    text_column: str
    label_column: str | None
    encoding: str
    num_rows: int
    label_counts: dict[str, int] = field(default_factory=dict)


def read_table(
    path: str | Path | Sequence[str | Path],
    *,
    text: str | None = None,
    label: str | None = None,
    labels: Sequence[Any] | Mapping[Any, Any] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    labelled: bool = True,
    take_text: Callable[[str], None] | None = None,
) -> Table:
    """Read one file, a list or a glob of files (.csv, .tsv, either with .gz, or a .zip with one table in it).

    text and label name the columns; without them they are found by name and content. labels selects, orders and renames
    the classes: a list of label values, or a mapping from value to class name (null drops it). labelled=False reads
    only texts. take_text is called with the text of each row of any label, in their order, and Table.texts stays empty.

    Raises DataError, naming the file and where it can the line or column.
    """
    texts: list[str] = []
    raw = read_rows(take_text or texts.append, path, text, label, encoding, delimiter, labelled)
    spellings, notes = merge_spellings(raw.label_counts())
    chosen, classes = choose_classes(spellings, labels, raw) if labelled else ({"": 0}, [])
    class_of = np.array([chosen.get(spellings[value], -1) for value in raw.label_numbers], dtype=np.int32)
    indices = class_of[np.frombuffer(raw.labels, dtype=np.int32)]
    kept = np.flatnonzero(indices >= 0)
    indices = indices[kept]
    if labelled and len(np.unique(indices)) < 2:
        found = ", ".join(sorted(set(spellings.values()))[:20])
        raise DataError(
            f"{raw.where}: column '{raw.label_column}' leaves fewer than two classes (found: {found}). "
            "A classifier needs at least two: give the right column with data.label=, or other data.labels=."
        )
    dropped: Counter[str] = Counter()
    for value, count in raw.label_counts().items():
        if spellings[value] not in chosen:
            dropped[spellings[value]] += count
    return Table(
        texts=[texts[row] for row in kept] if texts else [],
        labels=indices,
        classes=classes,
        lines=np.frombuffer(raw.lines, dtype=np.int64)[kept],
        files=np.frombuffer(raw.files, dtype=np.int32)[kept],
        kept=kept,
        file_names=raw.file_names,
        rejects=raw.rejects,
        dropped=dict(dropped),
        notes=notes,
        columns=raw.columns,
        text_column=raw.text_column,
        label_column=raw.label_column,
        encoding=raw.encoding,
        num_rows=raw.num_rows,
        label_counts=dict(zip(classes, np.bincount(indices, minlength=len(classes)).tolist(), strict=labelled)),
    )


@dataclass
class Rows:
    """The usable rows of one or several files without their texts; labels (N,) number the values as written."""

    where: str
    columns: list[str]
    text_column: str
    label_column: str | None
    encoding: str
    take_text: Callable[[str], None]
    label_numbers: dict[str, int] = field(default_factory=dict)
    labels: "array[int]" = field(default_factory=lambda: array("i"))
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    files: "array[int]" = field(default_factory=lambda: array("i"))
    file_names: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    num_rows: int = 0

    def label_counts(self) -> Counter[str]:
        counts = np.bincount(np.frombuffer(self.labels, dtype=np.int32)).tolist()
        return Counter(dict(zip(self.label_numbers, counts, strict=True)))


def read_rows(
    take_text: Callable[[str], None],
    path: str | Path | Sequence[str | Path],
    text: str | None,
    label: str | None,
    encoding: str | None,
    delimiter: str | None,
    labelled: bool,
) -> Rows:
    """The rows of all files, with columns resolved on the first and required of the others."""
    result: Rows | None = None
    for file in expand_paths(path):
        with open_table(file, encoding) as (stream, used):
            reader = RecordReader(file, stream, delimiter or sniff_delimiter(file, stream))
            header = reader.header()
            records = reader.records()
            if result is None:
                head = list(itertools.islice(records, 1000))
                records = itertools.chain(head, records)
                columns = find_columns(file, header, [fields for _, fields in head], text, label, labelled)
                result = Rows(str(file), header, *columns, encoding=used, take_text=take_text)
            for column in (result.text_column, result.label_column):
                if column is not None and column not in header:
                    raise DataError(
                        f"{file}: has no column '{column}', which {result.where} has. Its columns: {header}."
                    )
            result.file_names.append(str(file))
            collect(result, header, records)
            result.rejects += reader.rejects
            result.num_rows += reader.num_records
    assert result is not None
    if not result.lines:
        raise no_usable_rows(result)
    result.rejects.sort(key=lambda reject: (reject.file, reject.line))
    return result


def collect(rows: Rows, header: list[str], records: Iterator[tuple[int, list[str]]]) -> None:
    text_index = header.index(rows.text_column)
    label_index = None if rows.label_column is None else header.index(rows.label_column)
    for line, fields in records:
        text = fields[text_index]
        value = "" if label_index is None else fields[label_index]
        if not text.strip():
            rows.rejects.append(Reject(rows.file_names[-1], line, "no text"))
        elif label_index is not None and not value.strip():
            rows.rejects.append(Reject(rows.file_names[-1], line, "no label"))
        else:
            rows.take_text(text)
            rows.labels.append(rows.label_numbers.setdefault(value, len(rows.label_numbers)))
            rows.lines.append(line)
            rows.files.append(len(rows.file_names) - 1)


def no_usable_rows(rows: Rows) -> DataError:
    if not rows.num_rows:
        return DataError(f"{rows.where}: has a header ({', '.join(rows.columns)}) and no rows under it.")
    reasons = Counter(reject.reason for reject in rows.rejects)
    seen = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common(4))
    return DataError(
        f"{rows.where}: none of its {rows.num_rows} rows can be used ({seen}). The text was looked for in column "
        f"'{rows.text_column}'; name another with data.text=."
    )


def expand_paths(path: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files that a path, a glob, or a list of either names, globs in sorted order."""
    parts = [path] if isinstance(path, (str, Path)) else list(path)
    files: list[Path] = []
    for part in parts:
        expanded = Path(part).expanduser()
        if expanded.is_file():
            files.append(expanded)
            continue
        matches = [Path(match) for match in sorted(glob.glob(str(expanded), recursive=True)) if Path(match).is_file()]
        if not matches:
            if expanded.is_dir():
                raise DataError(f"{part}: is a folder. Name the files in it, for example '{expanded}/*.csv'.")
            raise DataError(f"{part}: no such file (looked from {Path.cwd()}). Check data.path.")
        files += matches
    if not files:
        raise DataError("data.path is empty: give a file, a list of files or a glob.")
    return files


@contextmanager
def open_table(file: Path, encoding: str | None) -> Iterator[tuple[io.TextIOWrapper, str]]:
    """Open a table as text, decompressed, in the given encoding, that of its byte order mark, or UTF-8."""
    try:
        with open_bytes(file) as stream:
            used = find_encoding(file, stream.read(4096), encoding)
            stream.seek(0)
            try:
                text = io.TextIOWrapper(stream, encoding=used, newline="")
            except LookupError:
                raise DataError(
                    f"data.encoding={used}: Python knows no such encoding. Common ones: utf-8, cp1252."
                ) from None
            yield text, used
    except UnicodeEncodeError:
        raise
    except UnicodeError as error:  # a UTF-16 without its mark is no UnicodeDecodeError
        raise undecodable(file, used, error) from None
    except (gzip.BadGzipFile, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: is damaged ({error}). Fetch it again.") from None


def find_encoding(file: Path, head: bytes, encoding: str | None) -> str:
    """The given encoding, else what the first bytes say, else UTF-8. Raises DataError for what is no text."""
    if not head:
        raise DataError(f"{file}: is empty.")
    for magic, what in NO_TABLE.items():
        if head.startswith(magic):
            raise DataError(f"{file}: is no table but {what}. gatelab reads .csv, .tsv, .csv.gz and .zip.")
    found = next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    if not encoding and not found and head.count(0) > len(head) // 10:
        raise DataError(
            f"{file}: is no table in UTF-8: {head.count(0)} of its first {len(head)} bytes are NUL. "
            "If it is UTF-16 without a byte order mark, give data.encoding=utf-16-le."
        )
    if found == "utf-8-sig" and (encoding or "utf-8").lower() in ("utf-8", "utf8"):
        return found
    return encoding or found or "utf-8"


@contextmanager
def open_bytes(file: Path) -> Iterator[IO[bytes]]:
    with open(file, "rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            with gzip.open(raw) as stream:
                yield stream  # type: ignore[misc]
        elif magic == b"PK\x03\x04":
            with zipfile.ZipFile(raw) as archive, archive.open(table_in_zip(file, archive)) as member:
                yield member
        else:
            yield raw


def table_in_zip(file: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    names = [entry.filename for entry in archive.infolist()]
    if "xl/workbook.xml" in names:
        raise DataError(f"{file}: is an Excel workbook. Save it as CSV (UTF-8) and give that file.")
    tables = [
        entry
        for entry in archive.infolist()
        if entry.filename.lower().endswith((".csv", ".tsv", ".txt"))
        and not entry.filename.startswith("__MACOSX/")
        and not Path(entry.filename).name.startswith(".")
    ]
    if len(tables) != 1:
        found = ", ".join(entry.filename for entry in tables) or "none"
        raise DataError(f"{file}: should hold one table (.csv, .tsv), and holds {found}. Unpack it and give the file.")
    if tables[0].flag_bits & 1:
        raise DataError(f"{file}: is encrypted. Unpack it and give the file.")
    return tables[0]


def undecodable(file: Path, encoding: str, error: UnicodeError) -> DataError:
    """The line and position of the first undecodable byte, found in a second pass."""
    if b"\n".decode(encoding, "ignore") != "\n":  # UTF-16 and its like: line ends cannot be found in the bytes
        return DataError(
            f"{file}: is not valid {encoding} ({error}). Leave data.encoding= out, or name the file's own encoding with it."
        )
    where, problem = "", f"it is not valid {encoding} ({error})"
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as second:
                where = f" line {number}, byte {second.start + 1}:"
                problem = f"byte 0x{line[second.start]:02x} is not valid {encoding}"
                break
    other = "utf-8" if encoding.lower() in ("cp1252", "windows-1252") else "cp1252"
    hint = "If the file was written on Windows, try" if other == "cp1252" else "Leave it out, or try"
    return DataError(f"{file}:{where} {problem}. {hint} data.encoding={other}.")


def sniff_delimiter(file: Path, stream: io.TextIOWrapper) -> str:
    """The delimiter that splits the first rows most evenly into more than one field; a comma if none does."""
    if file.name.lower().endswith((".tsv", ".tsv.gz")):
        return "\t"
    head = stream.read(65536).replace("\0", "")
    stream.seek(0)
    best, best_score = ",", 0.0
    with raised_field_limit():
        for delimiter in DELIMITERS:
            widths = [len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row]
            if widths and widths[0] > 1:
                score = sum(width == widths[0] for width in widths) / len(widths)
                if score > best_score:
                    best, best_score = delimiter, score
    return best


@contextmanager
def raised_field_limit() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class RecordReader:
    """Records of a CSV with their first lines; malformed ones go to ``rejects``."""

    def __init__(self, file: Path, stream: io.TextIOWrapper, delimiter: str) -> None:
        self.file, self.delimiter = file, delimiter
        self.rejects: list[Reject] = []
        self.num_records = 0
        self._has_nul = False
        self._at_end = False
        self._reader = csv.reader(self._lines(stream), delimiter=delimiter)
        self._num_columns = 0

    def _lines(self, stream: io.TextIOWrapper) -> Iterator[str]:
        for line in stream:
            if "\0" in line:
                self._has_nul = True
                line = line.replace("\0", "�")
            yield line
        self._at_end = True

    def header(self) -> list[str]:
        line, fields = 1, None
        with raised_field_limit():
            for fields in self._reader:
                if fields:
                    break
                line = self._reader.line_num + 1
        if not fields:
            raise DataError(f"{self.file}: is empty.")
        self._refuse_open_quote(line)
        self._has_nul = False
        self._num_columns = len(fields)
        names = [name.strip().lstrip("﻿") for name in fields]
        twice = [name for name, count in Counter(names).items() if count > 1 and name]
        if twice:
            raise DataError(f"{self.file}: column '{twice[0]}' occurs twice in the header. Rename one.")
        return names

    def records(self) -> Iterator[tuple[int, list[str]]]:
        with raised_field_limit():
            last_line = self._reader.line_num
            for fields in self._reader:
                line, last_line = last_line + 1, self._reader.line_num
                self._refuse_open_quote(line)
                if fields:
                    self.num_records += 1
                    problem = self._problem(fields)
                    if problem:
                        self.rejects.append(Reject(str(self.file), line, problem))
                    else:
                        yield line, fields
                self._has_nul = False

    def _problem(self, fields: list[str]) -> str | None:
        if self._has_nul:
            return "a NUL byte"
        if len(fields) != self._num_columns:
            few = "too few" if len(fields) < self._num_columns else "too many"
            return f"{few} fields ({len(fields)} instead of {self._num_columns})"
        if max(map(len, fields)) > MAX_FIELD_CHARS:
            return f"a field of more than {MAX_FIELD_CHARS:,} characters"
        return None

    def _refuse_open_quote(self, line: int) -> None:
        """A record continues past its line only inside quotes, so one that reaches the end of the file lacks a quote."""
        if self._at_end:
            raise DataError(
                f"{self.file}: line {line}: a quote opens here and is never closed, so the rest of the file would be "
                'one field. Close it, or write a quote inside a text as "".'
            )


def merge_spellings(counts: Counter[str]) -> tuple[dict[str, str], list[str]]:
    """Map every spelling of a label, by case and surrounding space, to the most frequent one."""
    groups: dict[str, list[str]] = {}
    for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        groups.setdefault(value.strip().casefold(), []).append(value)
    notes = []
    for name, group in ((group[0].strip(), group) for group in groups.values() if len(group) > 1):
        others = ", ".join(repr(value) for value in group if value != name)
        notes.append(f"labels {others} were read as {name!r}")
    return {value: group[0].strip() for group in groups.values() for value in group}, notes


MAX_CLASSES = 200


def choose_classes(
    spellings: dict[str, str], labels: Sequence[Any] | Mapping[Any, Any] | None, rows: Rows
) -> tuple[dict[str, int], list[str]]:
    """The class index of each label value that is kept, and the class names in order."""
    found = sorted(set(spellings.values()), key=_natural)
    if labels is None:
        if len(found) > MAX_CLASSES:
            raise DataError(
                f"{rows.where}: column '{rows.label_column}' has {len(found):,} different values; that is no label. "
                f"Name the label column with data.label= (columns: {', '.join(rows.columns)})."
            )
        return {value: index for index, value in enumerate(found)}, found
    wanted = labels if isinstance(labels, Mapping) else {value: value for value in labels}
    chosen: dict[str, int] = {}
    classes: list[str] = []
    for value, name in wanted.items():
        spelling = next((have for have in found if have.casefold() == str(value).strip().casefold()), None)
        if spelling is None:
            raise DataError(
                f"{rows.where}: data.labels names '{value}', which is not in column '{rows.label_column}' "
                f"(it has: {', '.join(found[:20])})."
            )
        if name is None:
            continue
        if str(name) not in classes:
            classes.append(str(name))
        chosen[spelling] = classes.index(str(name))
    return chosen, classes


def _natural(value: str) -> tuple[int, float, str]:
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value
