"""gatelab data: the content of a table, before training on it."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from rich.table import Table as ScreenTable

from gatelab.data.prepare import named
from gatelab.data.read import Table, read_table
from gatelab.data.split import conflicts, count_duplicates, first_equal, group_key, leakage, split_rows
from gatelab.screen import counted

SPLIT = {"validation": 0.1, "test": 0.2, "seed": 141}  # as in conf/train.yaml and conf/data/_table.yaml
QUANTILES = (0, 25, 50, 75, 95, 99, 100)
MAX_LISTED = 10


def inspect_table(
    path: Sequence[str],
    *,
    text: Sequence[str] | None = None,
    label: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[Any]:
    """The parts of the report, as lines and tables for a rich console. Raises DataError as read_table does."""
    table = read_table(
        path, text=text, label=label, encoding=encoding, delimiter=delimiter, header=header, columns=columns
    )
    facts = table_facts(table)
    yield f"file       {', '.join(table.file_names)} ({table.encoding})"
    yield f"columns    {len(table.columns)}: {', '.join(table.columns)}"
    yield f"taken as   text {named(table.text_column)}, label '{table.label_column}'"
    yield f"rows       {table.num_rows:,}, usable {len(table.texts):,}, rejected {len(table.rejects):,}"
    for note in table.notes:
        yield f"note       {note}"
    yield from reject_lines(table)
    labels = ScreenTable("label", "rows", "fraction", title="labels", title_justify="left")
    for name, count in table.label_counts.items():
        labels.add_row(name, f"{count:,}", f"{count / len(table.texts):.1%}")
    yield labels
    lengths = ScreenTable("", *(f"{q} %" for q in QUANTILES), title="length, quantiles", title_justify="left")
    for unit in ("words", "characters"):
        lengths.add_row(unit, *(f"{value:,}" for value in facts[unit]))
    yield lengths
    for name, meaning in (("exact", "word for word"), ("normalised", "up to case, URLs, RT @name: and punctuation")):
        found = facts[name]
        yield (
            f"{name:<10} {counted(found['duplicates'], 'duplicate')} of an earlier text {meaning} ({found['distinct']:,} distinct); "
            f"{counted(found['conflicting'], 'text')} with several labels, so that accuracy cannot exceed {found['ceiling']:.1%}"
        )
    for by, (validation, test, leak) in facts["leakage"].items():
        yield (
            f"{by} split  (data.split.by={by}, validation {validation:.0%}, test {test:.0%}): of {leak['test_rows']:,} test "
            f"texts {leak['exact']:,} are in train word for word ({leak['exact_share']:.1%}), {leak['normalised']:,} normalised "
            f"({leak['normalised_share']:.1%})"
        )


def table_facts(table: Table) -> dict[str, Any]:
    """Numbers of a table: quantiles of length, duplicates, conflicts and ceilings, leakage of either split."""
    keys = [group_key(text) for text in table.texts]
    exact, normalised = first_equal(table.texts), first_equal(keys)
    facts: dict[str, Any] = {
        "words": _quantiles([len(text.split()) for text in table.texts]),
        "characters": _quantiles([len(text) for text in table.texts]),
        "leakage": {},
    }
    duplicates = count_duplicates(exact, normalised)
    for name, first in (("exact", exact), ("normalised", normalised)):
        torn = conflicts(first.tolist(), table.labels.tolist())
        lost = sum(sum(votes.values()) - max(votes.values()) for votes in torn.values())
        facts[name] = {
            "distinct": len(first) - duplicates[name],
            "duplicates": duplicates[name],
            "conflicting": len(torn),
            "ceiling": 1 - lost / len(first),
        }
    for by in ("random", "group"):
        train, _, test = split_rows(normalised, keys, table.labels, by=by, classes=table.classes, **SPLIT)  # type: ignore[arg-type]
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


def _quantiles(values: list[int]) -> list[int]:
    return [int(value) for value in np.percentile(values, QUANTILES, method="lower")]
