"""Read sentiment tables: files become texts and labels, and a list of what was rejected, by line.

Everything is read as text: the review "null" is a review. No row is dropped silently.
"""

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.data.columns import find_columns, passed_over
from gatelab.data.formats.kinds import open_records
from gatelab.data.formats.records import MAX_UNPACKING, Reading, Records, Reject, head_of
from gatelab.data.labels import LabelColumn, choose_classes, merge_spellings
from gatelab.data.paths import expand_paths
from gatelab.data.row_targets import Kind, Targets, labels_of, number_column, numbers_of, taker
from gatelab.errors import DataError

SEPARATOR = " ␟ "  # the symbol for a unit separator: a token of its own to every tokenizer, and in no text


@dataclass
class Table:
    """Texts with their labels, as they are in the files.

    labels (N,) holds indices into classes; with targets="number" numbers, with "labels" which of the classes each row has (N, K);
    lines (N,) the line on which each row begins in its file, files (N,) that file's index in file_names; kept (N,) the row's number among those of any label; header whether the first file names its columns.
    """

    texts: list[str]
    labels: NDArray[Any]
    classes: list[str]
    lines: NDArray[np.int64]
    files: NDArray[np.int32]
    kept: NDArray[np.int64]
    file_names: list[str]
    rejects: list[Reject]
    dropped: dict[str, int]
    notes: list[str]
    columns: list[str]
    text_column: str | list[str]
    label_column: str | list[str] | None
    header: bool
    encoding: str
    num_rows: int
    label_counts: dict[str, int] = field(default_factory=dict)
    label_separator: str | None = None
    parts: NDArray[np.str_] | None = None  # (N,) what the column of the parts says


def read_table(
    path: str | Path | Sequence[str | Path],
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    labels: Sequence[Any] | Mapping[Any, Any] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    labelled: bool = True,
    trained: "Table | TrainedOn | None" = None,
    take_text: Callable[[str], None] | None = None,
    part: str | None = None,
    targets: Kind = "class",
    label_separator: str | None = None,
    max_unpacking: float = MAX_UNPACKING,
) -> Table:
    """Read one file, a list or a glob of files, or a folder of texts; formats/ has the kinds.

    text and label name the columns; without them they are found by name and content. The texts of several columns are
    joined by SEPARATOR. labels selects, orders and renames the classes: a list of label values, or a mapping from value to
    class name (null drops it). header and columns are found where not given. labelled=False reads only texts. trained is the table of
    the training file, for a validation or test file: its columns and classes are taken, and of these some may have no
    rows. take_text is called with the text of each row of any label, in their order, and Table.texts stays empty. part is
    the column that says which part of the data each row belongs to. targets is what the label is read as; "labels" are in several
    columns of 0 and 1, or in one with label_separator, found where not given. max_unpacking is how many times its size a packed file may unpack to.

    Raises DataError, naming the file and where it can the line or column.
    """
    texts: list[str] = []
    like = None
    if trained is not None:
        text, label, like = trained.text_column, trained.label_column, (trained.columns, trained.header)
        label_separator = trained.label_separator
    reading = Reading(encoding, delimiter, header, columns, like, max_unpacking)
    raw = read_rows(take_text or texts.append, path, text, label, reading, labelled, part, targets)
    known = None if trained is None else trained.classes
    column = LabelColumn(raw.where, raw.label_column, Counter(), raw.columns)
    if targets == "number":
        if labels is not None:
            raise DataError("data.labels: numbers to predict have no classes. Leave it out, or take model=classifier.")
        found = numbers_of(np.frombuffer(raw.labels, dtype=np.float64), column)
    elif targets == "labels":
        rows = np.frombuffer(raw.labels, dtype=np.int32)
        found = labels_of(raw.label_numbers, rows, raw.label_columns, column, labels, label_separator, known)
    else:
        found = classes_of(raw, labels, labelled, known)
    kept = found.kept
    return Table(
        texts=[texts[row] for row in kept] if texts else [],
        labels=found.values,
        classes=found.classes,
        lines=np.frombuffer(raw.lines, dtype=np.int64)[kept],
        files=np.frombuffer(raw.files, dtype=np.int32)[kept],
        kept=kept,
        file_names=raw.file_names,
        rejects=raw.rejects,
        dropped=found.dropped,
        notes=raw.notes + found.notes,
        columns=raw.columns,
        text_column=raw.text_columns[0] if len(raw.text_columns) == 1 else raw.text_columns,
        label_column=raw.label_columns if len(raw.label_columns) > 1 else raw.label_column or None,
        header=raw.header,
        encoding=raw.encoding,
        num_rows=raw.num_rows,
        label_counts=found.counts,
        label_separator=found.separator,
        parts=None if part is None else np.array([*raw.part_numbers])[np.frombuffer(raw.parts, dtype=np.int32)[kept]],
    )


def classes_of(
    raw: "Rows", labels: Sequence[Any] | Mapping[Any, Any] | None, labelled: bool, trained: Sequence[str] | None
) -> Targets:
    """One class for each row; trained: those of the training file, where this is another."""
    chosen, classes, notes = {"": 0}, list[str](), list[str]()
    counts = raw.label_counts()
    if labelled:
        column = LabelColumn(raw.where, raw.label_column, counts, raw.columns)
        chosen, classes, notes = choose_classes(column, labels, trained)
    class_of = np.array([chosen.get(value, -1) for value in raw.label_numbers], dtype=np.int32)
    indices = class_of[np.frombuffer(raw.labels, dtype=np.int32)]
    kept = np.flatnonzero(indices >= 0)
    indices = indices[kept]
    spellings, _ = merge_spellings(counts)
    dropped: Counter[str] = Counter()
    for value, count in counts.items():
        if value not in chosen:
            dropped[spellings[value]] += count
    per_class = dict(zip(classes, np.bincount(indices, minlength=len(classes)).tolist(), strict=labelled))
    return Targets(indices, kept, classes, per_class, dict(dropped), notes)


@dataclass(frozen=True)
class TrainedOn:
    """What a table for a test takes from the one for training: see Table."""

    text_column: str | list[str]
    label_column: str | list[str] | None
    columns: list[str]
    header: bool
    classes: list[str]
    label_separator: str | None = None


@dataclass
class Rows:
    """The usable rows of one or several files without their texts; labels (N,) number the values as written, or are numbers."""

    where: str
    columns: list[str]
    text_columns: list[str]
    label_columns: list[str]
    header: bool
    encoding: str
    take_text: Callable[[str], None]
    targets: Kind
    labels: "array[Any]"
    label_numbers: dict[str, int] = field(default_factory=dict)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    files: "array[int]" = field(default_factory=lambda: array("i"))
    file_names: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_rows: int = 0
    part_column: str | None = None
    part_numbers: dict[str, int] = field(default_factory=dict)
    parts: "array[int]" = field(default_factory=lambda: array("i"))

    @property
    def label_column(self) -> str:
        """For the screen."""
        return ", ".join(self.label_columns)

    def label_counts(self) -> Counter[str]:
        counts = np.bincount(np.frombuffer(self.labels, dtype=np.int32)).tolist()
        return Counter(dict(zip(self.label_numbers, counts, strict=True)))


def read_rows(
    take_text: Callable[[str], None],
    path: str | Path | Sequence[str | Path],
    text: str | Sequence[str] | None,
    label: str | Sequence[str] | None,
    reading: Reading,
    labelled: bool,
    part: str | None,
    targets: Kind,
) -> Rows:
    """The rows of all files, with columns resolved on the first and required of the others."""
    result: Rows | None = None
    for file in expand_paths(path):
        with open_records(file, reading) as opened:
            records = opened.records()
            if result is None:
                head = head_of(records)
                records = itertools.chain(head, records)
                fields = [fields for _, fields in head]
                try:
                    columns = choose_columns(file, opened.columns, fields, text, label, labelled, targets)
                except DataError as error:  # over columns that are perhaps not named
                    raise DataError(" ".join([str(error), *(f"Note: {note}." for note in opened.notes)])) from None
                result = Rows(
                    str(file), opened.columns, *columns, opened.header, opened.encoding, take_text, targets,
                    array("d" if targets == "number" else "i"), part_column=part,
                )  # fmt: skip
                if labelled and label is None and targets == "class":
                    result.notes += passed_over(opened.columns, fields, [*columns[0], *columns[1]])
                if reading.like is None:
                    reading = replace(reading, like=(opened.columns, opened.header))
            if part is not None and part not in opened.columns:
                raise DataError(
                    f"data.split.column={part}: {file} has no such column. It has: {', '.join(opened.columns)}."
                )
            for column in (*result.text_columns, *result.label_columns):
                if column not in opened.columns:
                    raise DataError(
                        f"{file}: has no column '{column}', which {result.where} has. Its columns: {opened.columns}."
                    )
            result.file_names.append(str(file))
            collect(result, opened, records)
            result.rejects += opened.rejects
            result.notes += opened.notes
            result.num_rows += opened.num_records
    assert result is not None
    if not result.lines:
        raise no_usable_rows(result)
    result.rejects.sort(key=lambda reject: (reject.file, reject.line))
    return result


def choose_columns(
    file: Path, header: list[str], head: list[list[str]], text: str | Sequence[str] | None,
    label: str | Sequence[str] | None, labelled: bool, targets: Kind,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """The columns of the text and those of the target."""
    given: list[str | None] = [label] if label is None or isinstance(label, str) else [*label]
    if len(given) != 1 and targets != "labels":
        raise DataError(
            f"data.label={label}: names {len(given)} columns. Give one, or model=multi_label to predict the label of each."
        )
    if targets == "number" and given == [None]:
        given = [number_column(header, head, [text] if isinstance(text, str) else text or ())]
    found = [find_columns(file, header, head, text, name, labelled) for name in given]
    return found[0][0], [name for _, name in found if name is not None]


def collect(rows: Rows, opened: Records, records: Iterator[tuple[int, list[str]]]) -> None:
    header = opened.columns
    text_of = text_getter(header, rows.text_columns)
    part_index = None if rows.part_column is None else header.index(rows.part_column)
    take = taker(rows.targets, rows.label_numbers, [header.index(name) for name in rows.label_columns])
    for line, fields in records:
        text = text_of(fields)
        target = take(fields) if text.strip() else "no text"
        if isinstance(target, str):
            opened.reject(line, target)
        else:
            rows.take_text(text)
            rows.labels.append(target)
            rows.lines.append(line)
            rows.files.append(len(rows.file_names) - 1)
            if part_index is not None:
                rows.parts.append(rows.part_numbers.setdefault(fields[part_index].strip(), len(rows.part_numbers)))


def text_getter(header: Sequence[str], columns: Sequence[str]) -> Callable[[list[str]], str]:
    """The text of a record: that of its one column, or those of several joined; "" where all are empty."""
    if len(columns) == 1:
        return itemgetter(header.index(columns[0]))
    places = [header.index(column) for column in columns]

    def joined(fields: list[str]) -> str:
        texts = [fields[place].strip() for place in places]
        return SEPARATOR.join(texts) if any(texts) else ""

    return joined


def no_usable_rows(rows: Rows) -> DataError:
    if not rows.num_rows:
        return DataError(f"{rows.where}: has a header ({', '.join(rows.columns)}) and no rows under it.")
    reasons = Counter(reject.reason for reject in rows.rejects)
    seen = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common(4))
    return DataError(
        f"{rows.where}: none of its {rows.num_rows} rows can be used ({seen}). The text was looked for in column "
        f"'{', '.join(rows.text_columns)}'; name another with data.text=."
    )
