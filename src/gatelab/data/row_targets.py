"""The target of each row, from its cells: a number, or which of K labels it has. Classes are made in read.py.

N rows, K labels.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.data.columns import LABEL_NAMES
from gatelab.data.labels import LabelColumn, choose_classes, merge_spellings
from gatelab.errors import DataError

Kind = Literal["class", "number", "labels"]
SEPARATORS = "|;,"
FLAGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
BETWEEN = "\x1f"  # the cells of several columns in one value; no text file has it
MAX_NUMBER = 1e150  # of a target, for the sum of squares
NUM_BINS, MIN_GROUPS = 10, 30  # of a split: bins of numbers, and different texts in a stratum


@dataclass
class Targets:
    """values of the rows that have one: classes (N,), numbers (N,), or which labels each has (N, K); kept (N,): these rows.

    classes: the names of classes or labels; counts: the rows of each; dropped: rows by a label that is not among them.
    """

    values: NDArray[Any]
    kept: NDArray[np.int64]
    classes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    separator: str | None = None


def taker(kind: Kind, values: dict[str, int], indices: Sequence[int]) -> Callable[[list[str]], int | float | str]:
    """A function from the cells of a row to what is kept of its target: a number, or the number of its value among values, which
    grow; else why there is none. indices: of the target's columns; none where only texts are read."""

    def cell(fields: list[str]) -> str:
        return fields[indices[0]] if len(indices) == 1 else BETWEEN.join(fields[index] for index in indices)

    def number(fields: list[str]) -> float | str:
        return parse_number(cell(fields))

    def value(fields: list[str]) -> int | str:
        found = cell(fields) if indices else ""
        known = values.get(found)
        if known is None:
            if problem := indices and problem_of(kind, found):
                return problem
            known = values[found] = len(values)
        return known

    return number if kind == "number" else value


def parse_number(text: str) -> float | str:
    """Or why it is none."""
    if not text.strip():
        return "no number"
    try:
        number = float(text.replace("_", "?"))  # Python alone reads 1_000
    except ValueError:
        return f"'{text.strip()[:40]}' is no number"
    return number if math.isfinite(number) else f"'{text.strip()}' is no finite number"


def problem_of(kind: Kind, value: str) -> str | None:
    """Why a row with this value has no target."""
    if kind == "class":
        return None if value.strip() else "no label"
    if BETWEEN not in value:
        return None
    wrong = next((cell for cell in value.split(BETWEEN) if cell.strip().lower() not in FLAGS), None)
    return None if wrong is None else f"'{wrong.strip()[:40]}' in a label's column is neither 0 nor 1"


def number_column(header: list[str], rows: list[list[str]], texts: Sequence[str]) -> str | None:
    """The column of numbers that is named like a label, or is the only one."""
    found = []
    for index, name in enumerate(header):
        values = [row[index] for row in rows if row[index].strip()]
        numbers = sum(not isinstance(parse_number(value), str) for value in values)
        if name not in texts and len(set(values)) > 1 and numbers > len(values) / 2:
            found.append(name)
    named = {name.strip().lower(): name for name in reversed(found)}
    by_name = next((named[name] for name in LABEL_NAMES if name in named), None)
    return by_name or (found[0] if len(found) == 1 else None)


def numbers_of(values: NDArray[np.float64], column: LabelColumn) -> Targets:
    if len(np.unique(values[:1000])) < 2 and len(np.unique(values)) < 2:
        raise DataError(
            f"{column.where}: every number in column '{column.name}' is {values[0]:g}, so there is nothing to predict."
        )
    largest = max(values.max(), -values.min())
    if largest > MAX_NUMBER:
        raise DataError(
            f"{column.where}: column '{column.name}' has a number as large as {largest:g}, whose square no float can hold. "
            "Divide its numbers by a constant, or take their logarithms."
        )
    return Targets(values, np.arange(len(values)))


def labels_of(
    values: Mapping[str, int],
    rows: NDArray[np.int32],
    columns: Sequence[str],
    column: LabelColumn,
    labels: Sequence[Any] | Mapping[Any, Any] | None,
    separator: str | None,
    trained: Sequence[str] | None,
) -> Targets:
    """The labels of each row: those listed in one column, or those whose column says 1. rows (N,) number the values.

    labels selects, orders and renames them as it does classes, but drops no row. trained: those of the training file, where this is
    another; see ``choose_classes``.
    """
    notes = []
    if len(columns) > 1:
        separator = None
        pieces = [
            [name for name, cell in zip(columns, value.split(BETWEEN), strict=True) if FLAGS[cell.strip().lower()]]
            for value in values
        ]
    else:
        separator = separator or find_separator(values, column)
        notes.append(f"labels are separated by '{separator}'")
        pieces = [[piece for piece in value.split(separator) if piece.strip()] for value in values]
    sizes = np.bincount(rows, minlength=len(values))
    empty = int(sizes[[number for number, names in enumerate(pieces) if not names]].sum())
    if empty:
        notes.append(f"{empty:,} of {len(rows):,} rows have none of the labels")
    counts: Counter[str] = Counter(dict.fromkeys(columns, 0) if len(columns) > 1 else {})
    for names, size in zip(pieces, sizes.tolist(), strict=True):
        counts.update(dict.fromkeys(names, size))
    chosen, names, more = choose_classes(replace(column, counts=counts), labels, trained)
    if joined := next((name for name in names if "|" in name), None):
        raise DataError(
            f"{column.where}: label '{joined}' has a | in it, which separates labels in predictions.csv. Rename it with data.labels=."
        )
    spellings, _ = merge_spellings(counts)
    table = np.zeros((len(values), len(names)), dtype=np.uint8)
    dropped: Counter[str] = Counter()
    for number, (found, size) in enumerate(zip(pieces, sizes.tolist(), strict=True)):
        table[number, [chosen[name] for name in found if name in chosen]] = 1
        for name in {spellings[name] for name in found if name not in chosen}:
            dropped[name] += size
    per_label = dict(zip(names, (table * sizes[:, None]).sum(0).tolist(), strict=True))
    return Targets(table[rows], np.arange(len(rows)), names, per_label, dict(dropped), [*notes, *more], separator)


def find_separator(values: Mapping[str, int], column: LabelColumn) -> str:
    """That which most values have in them."""
    counts = {separator: sum(separator in value for value in values) for separator in SEPARATORS}
    best = max(SEPARATORS, key=counts.__getitem__)
    if not counts[best]:
        raise DataError(
            f"{column.where}: column '{column.name}' has no value with {' or '.join(SEPARATORS)} between labels. Give data.label_separator=, several "
            "columns of 0 and 1 with data.label=[a,b], or model=classifier where each row has one label."
        )
    return best


def strata_of(targets: NDArray[Any], normalised: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) what a split keeps the fractions of: classes as they are; numbers in up to ten bins between quantiles; of labels the rarest
    that a row has, or none. Of numbers and labels, strata of fewer than 30 different texts are one.

    normalised (N,): the first row with an equal text, for each row.
    """
    if targets.ndim == 1 and targets.dtype.kind != "f":
        return targets.astype(np.int64)
    if targets.ndim == 1:
        edges = np.unique(np.quantile(targets, np.linspace(0, 1, NUM_BINS + 1)[1:-1]))
        strata = np.searchsorted(edges, targets, side="right")
    else:
        by_size = np.argsort(targets.sum(0), kind="stable")  # the rarest first
        strata = np.where(targets.any(1), targets[:, by_size].argmax(1), targets.shape[1])
    texts = np.unique(np.stack([strata, normalised]), axis=1)[0]
    names, sizes = np.unique(texts, return_counts=True)
    rare = names[sizes < MIN_GROUPS]
    common = names[sizes.argmax()] if sizes[sizes < MIN_GROUPS].sum() < MIN_GROUPS else rare[0]
    strata = np.where(np.isin(strata, rare), common, strata)
    return np.unique(strata, return_inverse=True)[1].astype(np.int64)
