"""gatelab data: the content of a table, before training on it."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table as ScreenTable

from gatelab.data.paths import expand_paths
from gatelab.data.prepare import named
from gatelab.data.read import Table, read_table
from gatelab.data.row_targets import Kind, strata_of
from gatelab.data.rows import TextWriter, equal_rows
from gatelab.data.split import count_duplicates, distinct_rows, label_majority, leakage, split_rows
from gatelab.data.texts import Texts
from gatelab.data.tokenize import UNSPACED
from gatelab.errors import DataError
from gatelab.screen import counted

SPLIT = {"validation": 0.1, "test": 0.2, "seed": 141}  # as in conf/train.yaml and conf/data/_table.yaml
TARGETS: dict[str, Kind] = {"classifier": "class", "regressor": "number", "multi_label": "labels"}  # of each model=
QUANTILES = (0, 25, 50, 75, 95, 99, 100)
MAX_LISTED = 10


def inspect_table(
    path: Sequence[str],
    *,
    text: Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    targets: Kind = "class",
) -> Iterator[Any]:
    """The parts of the report, as lines and tables for a rich console. targets: what the label is read as. Raises DataError as
    read_table does."""
    with TemporaryDirectory() as folder:
        with ExitStack() as opened:
            writer = LengthWriter(opened, Path(folder), expand_paths(path))
            table = read_table(
                path, text=text, label=label, encoding=encoding, delimiter=delimiter, header=header, columns=columns,
                take_text=writer.append, targets=targets,
            )  # fmt: skip
            writer.flush()
        facts = table_facts(table, writer, Path(folder))
    num_rows = len(table.labels)
    yield f"file       {', '.join(table.file_names)} ({table.encoding})"
    yield f"columns    {len(table.columns)}: {', '.join(table.columns)}"
    yield f"taken as   text {named(table.text_column)}, label {named(table.label_column or [])}"
    yield f"rows       {table.num_rows:,}, usable {num_rows:,}, rejected {len(table.rejects):,}"
    for note in [*table.notes, *[UNSPACED] * writer.is_unspaced]:
        yield f"note       {note}"
    yield from reject_lines(table)
    quantiles = ScreenTable("", *(f"{q} %" for q in QUANTILES), title="quantiles", title_justify="left")
    if targets == "number":
        quantiles.add_row(named(table.label_column or []), *(f"{value:g}" for value in _quantiles(table.labels)))
    else:
        labels = ScreenTable("label", "rows", "fraction", title="labels", title_justify="left")
        for name, count in table.label_counts.items():
            labels.add_row(name, f"{count:,}", f"{count / num_rows:.1%}")
        yield labels
    for unit in ("words", "characters"):
        quantiles.add_row(unit, *(f"{value:,}" for value in facts[unit]))
    yield quantiles
    for name, meaning in (("exact", "word for word"), ("normalised", "up to case, URLs, RT @name: and punctuation")):
        found = facts[name]
        line = f"{name:<10} {counted(found['duplicates'], 'duplicate')} of an earlier text {meaning} ({found['distinct']:,} distinct)"
        if targets == "class":
            line += f"; {counted(found['conflicting'], 'text')} with several labels, so that accuracy cannot exceed {found['ceiling']:.1%}"
        yield line
    for by, (validation, test, leak) in facts["leakage"].items():
        yield (
            f"{by} split  (data.split.by={by}, validation {validation:.0%}, test {test:.0%}): of {leak['test_rows']:,} test "
            f"texts {leak['exact']:,} are in train word for word ({leak['exact_share']:.1%}), {leak['normalised']:,} normalised "
            f"({leak['normalised_share']:.1%})"
        )
    if facts["refused"]:
        yield f"refused    by training as it is: {facts['refused']}"


class LengthWriter(TextWriter):
    """Counts the words and characters of each text."""

    def __init__(self, opened: ExitStack, folder: Path, files: Sequence[Path]) -> None:
        super().__init__(opened, folder, files)
        self.words, self.characters = array("i"), array("i")

    def take(self, texts: Sequence[str]) -> None:
        self.words.extend(len(text.split()) for text in texts)
        self.characters.extend(map(len, texts))


def table_facts(table: Table, writer: LengthWriter, folder: Path) -> dict[str, Any]:
    """Numbers of a table: quantiles of length, duplicates, conflicts and ceilings, leakage of either split."""
    exact, normalised = (equal_rows(folder, name, table.kept) for name in ("texts", "keys"))
    keys = Texts(folder, "keys", table.kept)
    facts: dict[str, Any] = {
        "words": _quantiles(np.array(writer.words)[table.kept]),
        "characters": _quantiles(np.array(writer.characters)[table.kept]),
        "leakage": {},
        "refused": None,
    }
    strata = strata_of(table.labels, normalised)
    duplicates = count_duplicates(exact, normalised)
    for name, first in (("exact", exact), ("normalised", normalised)):
        _, groups = distinct_rows(first)
        _, most = label_majority(groups, strata)
        facts[name] = {
            "distinct": len(first) - duplicates[name],
            "duplicates": duplicates[name],
            "conflicting": int((most < np.bincount(groups)).sum()),
            "ceiling": int(most.sum()) / len(first),
        }
    for by in ("random", "group"):
        try:
            train, _, test = split_rows(normalised, keys, strata, by=by, classes=table.classes, **SPLIT)  # type: ignore[arg-type]
        except DataError as error:
            facts["refused"] = str(error)
            continue
        facts["leakage"][by] = (SPLIT["validation"], SPLIT["test"], leakage(exact, normalised, train, test))
    return facts


def reject_lines(table: Table) -> Iterator[str]:
    """The rejects by reason, with the lines of the first few."""
    by_reason = sorted(table.rejects, key=lambda reject: (reject.reason, reject.file, reject.line))
    for reason, rejects in groupby(by_reason, key=lambda reject: reject.reason):
        listed = list(rejects)
        lines = ", ".join(f"{reject.line:,}" for reject in listed[:MAX_LISTED])
        more = f" and {len(listed) - MAX_LISTED:,} more" if len(listed) > MAX_LISTED else ""
        yield f"rejected   {reason}: line {lines}{more}"


def _quantiles(values: NDArray[Any]) -> list[Any]:
    return np.percentile(values, QUANTILES, method="lower").tolist()
