"""The classes of a label column: its spellings merged, chosen, ordered and renamed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gatelab.errors import DataError

MAX_CLASSES = 200


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


def choose_classes(
    spellings: dict[str, str],
    labels: Sequence[Any] | Mapping[Any, Any] | None,
    *,
    where: str,
    column: str | None,
    columns: Sequence[str],
) -> tuple[dict[str, int], list[str]]:
    """The class index of each label value that is kept, and the class names in order. where names the file in errors."""
    found = sorted(set(spellings.values()), key=_natural)
    if labels is None:
        if len(found) > MAX_CLASSES:
            raise DataError(
                f"{where}: column '{column}' has {len(found):,} different values; that is no label. "
                f"Name the label column with data.label= (columns: {', '.join(columns)})."
            )
        return {value: index for index, value in enumerate(found)}, found
    wanted = labels if isinstance(labels, Mapping) else {value: value for value in labels}
    chosen: dict[str, int] = {}
    classes: list[str] = []
    for value, name in wanted.items():
        spelling = next((have for have in found if have.casefold() == str(value).strip().casefold()), None)
        if spelling is None:
            raise DataError(
                f"{where}: data.labels names '{value}', which is not in column '{column}' "
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
