"""The settings in which runs differ, as table columns with short titles."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gatelab.config.identity import FILES, OUTSIDE, key_in
from gatelab.errors import UnknownName
from gatelab.runs.load import REPLICATE_KEYS, SEED_KEYS, Run

# To the metrics of a model. What names a file is there by its content (runs/load.py).
IRRELEVANT = (*(key for key in OUTSIDE if key not in ("data.path", *FILES)), "baseline")
LARGE = 1e6  # from which a float is shown as 1e12
MAX_COLUMNS = 4  # of settings; more are merged into one column
MERGED = "settings (where not as in most runs)"


@dataclass(frozen=True)
class Column:
    """A config key, or a group shown as one cell: the choice, and its settings that are unusual."""

    title: str
    keys: tuple[str, ...]
    group: str | None = None


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """The config keys whose values differ between runs, except those that cannot affect a metric."""
    keys = {key: None for run in runs for key in run.settings}
    values = {key: {comparable(run.settings.get(key)) for run in runs} for key in keys if not key_in(key, IRRELEVANT)}
    return [key for key, found in values.items() if len(found) > 1]


def columns_of(runs: Sequence[Run], keys: Sequence[str]) -> list[Column]:
    """A column for each key; one for a group in which the runs use different choices."""
    columns: dict[str, Column] = {}
    for key in keys:
        group = key.split(".")[0]
        in_group = tuple(other for other in keys if other.split(".")[0] == group)
        chosen = {run.record.choices[group] for run in runs if group in run.record.choices}
        if len(chosen) > 1 or any(other.endswith("._target_") for other in in_group):
            columns[group] = Column(group, in_group, group)
        else:
            columns[key] = Column(short_key(key, keys), (key,))
    return list(columns.values())


def split_words(words: Sequence[str], known: Iterable[str]) -> list[str]:
    """The distinct names in the words of --by or --metric, split at commas unless a word is itself known."""
    known = set(known)
    names = [name for word in words for name in ([word] if word in known else map(str.strip, word.split(",")))]
    return list(dict.fromkeys(filter(None, names)))


def named_columns(runs: Sequence[Run], names: Sequence[str]) -> list[Column]:
    """A column for each config key or group, such as encoder or data.split. Raises UnknownName."""
    known = {key: None for run in runs for key in run.settings}
    differing = [key for key in differing_keys(runs) if key not in REPLICATE_KEYS]
    columns = []
    names = split_words(names, known)
    for name in names:
        inside = [key for key in known if key.startswith(f"{name}.") and key not in REPLICATE_KEYS]
        if name in known and not inside:
            columns.append(Column(short_key(name, names), (name,)))
        elif inside:
            target = [key for key in inside if key == f"{name}._target_" and key not in differing]
            keys = [*target, *(key for key in inside if key in differing)] or inside
            columns.append(Column(name, tuple(keys), name))
        else:
            groups = {key.rsplit(".", depth)[0] for key in known for depth in range(1, key.count(".") + 1)}
            raise UnknownName("by", name, "no such key in the configs of these runs", [*known, *groups])
    return columns


def short_key(key: str, keys: Sequence[str]) -> str:
    """The key without its group, unless another key has the same rest."""
    short = key.split(".", 1)[-1]
    return key if sum(other.split(".", 1)[-1] == short for other in keys) > 1 else short


def differing_settings(runs: Sequence[Run]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Titles of the settings that differ and, for each run, their cells."""
    keys = [
        key
        for key in differing_keys(runs)
        if key not in SEED_KEYS[1:] or any(run.settings.get(key) != run.settings.get("seed") for run in runs)
    ]
    return setting_cells(runs, columns_of(runs, keys))


def setting_cells(
    runs: Sequence[Run], columns: Sequence[Column], *, merge: bool = True
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Titles and, for each run, their cells; with merge, more than four columns become one."""
    texts = [column_cells(runs, column) for column in columns]
    titles = [column.title for column in columns]
    if len(columns) <= MAX_COLUMNS or not merge:
        return titles, [tuple(cells) for cells in zip(*texts, strict=True)] if columns else [() for _ in runs]
    common_values = [usual(runs, column.keys[0]) if column.group is None else None for column in columns]
    merged: list[tuple[str, ...]] = []
    for run, cells in zip(runs, zip(*texts, strict=True), strict=True):
        terms = [
            f"{column.title}={cell}"
            for column, cell, common in zip(columns, cells, common_values, strict=True)
            if column.keys[0] == "seed" or common is None or comparable(run.settings.get(column.keys[0])) != common
        ]
        merged.append((" ".join(terms),))
    return [MERGED], merged


def distinct_cells(
    runs: Sequence[Run], columns: Sequence[Column], cells: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """The cells, exact where two runs that differ in the columns would read the same."""
    alike: dict[tuple[str, ...], list[Run]] = {}
    for run, texts in zip(runs, cells, strict=True):
        alike.setdefault(texts, []).append(run)
    return [
        texts if len(alike[texts]) == 1 else exact_cells(run, alike[texts], columns, texts)
        for run, texts in zip(runs, cells, strict=True)
    ]


def exact_cells(run: Run, others: Sequence[Run], columns: Sequence[Column], cells: tuple[str, ...]) -> tuple[str, ...]:
    if len(cells) != len(columns):  # merged
        columns = [Column("", tuple(key for column in columns for key in column.keys), "")]
    texts = []
    for column, cell in zip(columns, cells, strict=True):
        keys = [key for key in column.keys if len({comparable(other.settings.get(key)) for other in others}) > 1]
        terms = [show_exactly(run, key) for key in keys]
        if column.group is not None:
            named = [f"{short_key(key, keys)}={term}" for key, term in zip(keys, terms, strict=True)]
            terms = [*filter(None, [cell]), *named]
        texts.append(" ".join(terms) or cell)
    return tuple(texts)


def show_exactly(run: Run, key: str) -> str:
    if key not in run.settings:
        return "not set"
    value = run.settings[key]
    return repr(value) if isinstance(value, str) else show(value)


def column_cells(runs: Sequence[Run], column: Column) -> list[str]:
    """For a group its choice, and its differing settings that were changed from that choice. Where that is not recorded
    or ambiguous: the settings that differ from most runs."""
    if column.group is None:
        return [show(run.settings[column.keys[0]]) if column.keys[0] in run.settings else "not set" for run in runs]
    names = build_names(runs, column.group)
    keys = [key for key in column.keys if key != f"{column.group}._target_"]
    cells = [
        group_cell(run, name, [key for key in keys if key in (run.record.changed or {})], column.group)
        for run, name in zip(runs, names, strict=True)
    ]
    built = {tuple(comparable(run.settings.get(key)) for key in column.keys) for run in runs}
    if all(names) and all(run.record.changed is not None for run in runs) and len(set(cells)) == len(built):
        return cells
    common = {key: usual(runs, key, column.group) for key in keys}
    cells = []
    for run, name in zip(runs, names, strict=True):
        unusual = [key for key in keys if key in run.settings and comparable(run.settings[key]) != common[key]]
        # a cell must not be empty
        cells.append(group_cell(run, name, unusual or (keys if not name else []), column.group))
    return cells


def group_cell(run: Run, name: str, keys: Sequence[str], group: str) -> str:
    terms = [f"{key.removeprefix(f'{group}.')}={show(run.settings[key])}" for key in keys if key in run.settings]
    return " ".join([name, *terms] if name else terms)


def build_names(runs: Sequence[Run], group: str) -> list[str]:
    """The choice of the group in each run, else the last name of its _target_."""
    targets = [run.settings.get(f"{group}._target_") for run in runs]
    built: dict[str, set[Any]] = {}
    for run, target in zip(runs, targets, strict=True):
        built.setdefault(run.record.choices.get(group, ""), set()).add(target)
    return [
        choice if (choice := run.record.choices.get(group)) and len(built[choice]) == 1 else show(target or "")
        for run, target in zip(runs, targets, strict=True)
    ]


def usual(runs: Sequence[Run], key: str, group: str | None = None) -> str | None:
    """The value of more than half of the runs, else None; for a key of a group, of the runs whose choice has the key."""
    target = f"{group}._target_"
    with_key = {run.settings.get(target) for run in runs if key in run.settings}
    values = [comparable(run.settings.get(key)) for run in runs if run.settings.get(target) in with_key]
    return next((value for value, count in Counter(values).items() if 2 * count > len(values)), None)


def comparable(value: Any) -> str:
    """Equal texts for equal values: 0 equals 0.0, 1 does not equal true."""
    return repr(float(value) if type(value) is int and abs(value) < 2**53 else value)


def show(value: Any) -> str:
    """A config value as typed in an override; a ``_target_`` by its last name."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and math.isfinite(value) and abs(value) >= LARGE and float(f"{value:g}") == value:
        mantissa, _, exponent = f"{value:e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    text = str(value)
    return text.rsplit(".", 1)[1] if text.startswith(("gatelab.", "torch.")) else text
