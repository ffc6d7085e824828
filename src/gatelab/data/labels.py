"""The classes of a label column: its spellings merged, chosen, ordered and renamed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatelab.errors import DataError
from gatelab.screen import counted

MAX_CLASSES = 200
MAX_SHOWN = 20
MISSING = {"na", "n/a", "#n/a", "nan", "null", "none", "nil", "<na>"}
_NUMBER = re.compile(r"([+-]?)0*(\d+)(?:\.(\d*?)0*)?", re.ASCII)


@dataclass(frozen=True)
class LabelColumn:
    """counts: the rows of each value as it is written. where names the file in errors."""

    where: str
    name: str
    counts: Counter[str]
    columns: Sequence[str]


def key_of(value: Any) -> str:
    """Equal for the spellings of one label: by case, surrounding space, and as numbers (1, 1.0)."""
    plain = str(value).strip().casefold()
    number = _NUMBER.fullmatch(plain)
    if number is None:
        return plain
    sign, whole, fraction = number.groups("")
    absolute = f"{whole}.{fraction}" if fraction else whole
    return absolute if sign == "+" or absolute == "0" else sign + absolute


def merge_spellings(counts: Counter[str]) -> tuple[dict[str, str], list[str]]:
    """Map every spelling of a label to the most frequent one, of a number to the shortest; and notes that say so."""
    groups: dict[str, list[str]] = {}
    for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        groups.setdefault(key_of(value), []).append(value)
    merged: dict[str, str] = {}
    notes = []
    for key, group in groups.items():
        names = [value.strip() for value in group]
        name = min(names, key=len) if _NUMBER.fullmatch(key) else names[0]
        merged |= dict.fromkeys(group, name)
        if len(group) > 1:
            others = ", ".join(repr(value) for value in group if value != name)
            notes.append(f"labels {others} were read as {name!r}")
    return merged, notes


def choose_classes(
    column: LabelColumn, labels: Sequence[Any] | Mapping[Any, Any] | None, trained: Sequence[str] | None = None
) -> tuple[dict[str, int], list[str], list[str]]:
    """The class of each value as it is written, where it is kept; the names of the classes in order; and notes.

    labels selects, orders and renames, as data.labels does. trained are the classes of the training file, for a validation or test
    file: these may be without rows in it, but no other class may be there. Raises DataError.
    """
    spellings, notes = merge_spellings(column.counts)
    found = sorted(set(spellings.values()), key=_natural)
    if labels is not None:
        names = chosen_names(column, labels, found, known=trained is not None)
    elif trained is not None:
        trained_as = {key_of(name): name for name in trained}
        names = {key_of(value): trained_as.get(key_of(value), value) for value in found}
    else:
        refuse_too_many(column, found)
        notes += missing_notes(column, spellings, found)
        names = {key_of(value): value for value in found}
    classes = list(dict.fromkeys(names.values())) if trained is None else list(trained)
    kept = {value: names[key] for value in spellings if (key := key_of(value)) in names}
    unknown = sorted(set(kept.values()) - set(classes), key=_natural)
    if unknown:
        raise DataError(
            f"{column.where}: has the label '{unknown[0]}', which the training file lacks (it has: {shown(classes)}). "
            "Choose those that both have with data.labels=."
        )
    chosen = {value: classes.index(name) for value, name in kept.items()}
    present = set(chosen.values())
    if trained is None and len(present) < 2:
        raise DataError(
            f"{column.where}: column '{column.name}' leaves fewer than two classes (found: {shown(found)}). "
            "A classifier needs at least two: give the right column with data.label=, or other data.labels=."
        )
    absent = [name for index, name in enumerate(classes) if index not in present]
    if absent:
        listed = ", ".join(f"'{name}'" for name in absent)
        notes.append(
            f"{column.where} has no row of the class{'es' if len(absent) > 1 else ''} {listed}: its precision, recall and F1 there are 0, "
            "and macro-F1 is the mean over the classes that have rows or are predicted"
        )
    return chosen, classes, notes


def chosen_names(
    column: LabelColumn, labels: Sequence[Any] | Mapping[Any, Any], found: Sequence[str], *, known: bool
) -> dict[str, str]:
    """The class name of each label's key that data.labels keeps. known: labels may be absent from this file."""
    wanted = labels if isinstance(labels, Mapping) else {value: value for value in labels}
    keys = set(map(key_of, found))
    names: dict[str, str] = {}
    for value, name in wanted.items():
        if key_of(value) not in keys and not known:
            raise no_such_label(column, wanted, value, found)
        if name is not None:
            names[key_of(value)] = str(name)
    return names


def no_such_label(column: LabelColumn, wanted: Mapping[Any, Any], value: Any, found: Sequence[str]) -> DataError:
    problem = (
        f"{column.where}: data.labels names '{value}', which is not in column '{column.name}' (it has: {shown(found)})."
    )
    reversed_too = {key_of(name) for name in wanted.values()} & set(map(key_of, found))
    if reversed_too and key_of(wanted[value]) != key_of(value):
        turned = ",".join(f"{name}:{given}" for given, name in wanted.items())
        problem += f" It maps from the value in the file to the name of the class: 'data.labels={{{turned}}}'."
    return DataError(problem)


def refuse_too_many(column: LabelColumn, found: Sequence[str]) -> None:
    if len(found) > MAX_CLASSES:
        numbers = " To predict them as numbers: model=regressor." if all(not _natural(v)[0] for v in found) else ""
        raise DataError(
            f"{column.where}: column '{column.name}' has {len(found):,} different values; that is no label. "
            f"Name the label column with data.label= (columns: {', '.join(column.columns)}).{numbers}"
        )


def missing_notes(column: LabelColumn, spellings: Mapping[str, str], found: Sequence[str]) -> list[str]:
    """A note on each label that may stand for a missing one."""
    others = [value for value in found if value.casefold() not in MISSING]
    notes = []
    for name in found:
        if name not in others and others:
            rows = sum(count for value, count in column.counts.items() if spellings[value] == name)
            notes.append(
                f"{counted(rows, 'row')} with the label '{name}', which was read as a class like any other; "
                f"'data.labels=[{','.join(others[:MAX_SHOWN])}]' drops it"
            )
    return notes


def shown(values: Sequence[str]) -> str:
    more = f" and {len(values) - MAX_SHOWN} more" if len(values) > MAX_SHOWN else ""
    return ", ".join(values[:MAX_SHOWN]) + more


def _natural(value: str) -> tuple[int, float, str]:
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value
