"""The swept keys of a sweep as axes: numbers, on a log scale if spread so, or choices."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gatelab.reports.analysis.settings import build_names, columns_of, comparable, differing_keys, short_key, show
from gatelab.runs.load import REPLICATE_KEYS, Run

LOG_FROM = 4  # minimum ratio of the largest to the smallest value for a log scale


@dataclass(frozen=True)
class SweptKey:
    """values: one for each run, numbers if kind is number or log, else texts in the order of the sweep."""

    title: str
    key: str  # of the config, or the group
    kind: str  # number, log or choice
    values: tuple[Any, ...]

    @property
    def levels(self) -> list[Any]:
        """The distinct values: numbers ascending, choices by first appearance."""
        distinct = list(dict.fromkeys(self.values))
        return distinct if self.kind == "choice" else sorted(distinct)


def swept_keys(runs: Sequence[Run]) -> list[SweptKey]:
    """The keys that differ between the runs, except seeds and keys that cannot affect a metric. The choice of a group
    such as encoder is one key; its settings are further ones, unless the choice determines them."""
    keys = [key for key in differing_keys(runs) if key not in REPLICATE_KEYS]
    found = []
    for column in columns_of(runs, keys):
        if column.group is None:
            found.append(swept_key(runs, column.keys[0], column.title))
            continue
        names = build_names(runs, column.group)
        if len(set(names)) > 1:
            found.append(SweptKey(column.group, column.group, "choice", tuple(names)))
        for key in column.keys:
            values = [comparable(run.settings.get(key)) for run in runs]
            if not key.endswith("._target_") and len(set(zip(names, values, strict=True))) > len(set(names)):
                found.append(swept_key(runs, key, short_key(key, keys)))
    return found


def setting_texts(runs: Sequence[Run], keys: Sequence[SweptKey]) -> dict[int, str]:
    """By the id of a run, its values of the keys: encoder=gru lr=0.002."""
    return {
        id(run): " ".join(f"{key.title}={show_value(key.values[number])}" for key in keys)
        for number, run in enumerate(runs)
    }


def show_value(value: float | str) -> str:
    if isinstance(value, str):
        return value or "not set"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"


def swept_key(runs: Sequence[Run], key: str, title: str) -> SweptKey:
    values: list[Any] = [run.settings.get(key) for run in runs]
    if all(map(is_number, values)):
        numbers = [float(value) for value in values]
        return SweptKey(title, key, "log" if is_spread_in_log(numbers) else "number", tuple(numbers))
    return SweptKey(title, key, "choice", tuple(show(run.settings[key]) if key in run.settings else "" for run in runs))


def is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def is_spread_in_log(values: Sequence[float]) -> bool:
    """Whether neighbouring values are spaced more evenly in log."""
    distinct = sorted(set(values))
    if distinct[0] <= 0 or len(distinct) < 3 or distinct[-1] < LOG_FROM * distinct[0]:
        return False
    return unevenness([math.log(value) for value in distinct]) < unevenness(distinct)


def unevenness(values: Sequence[float]) -> float:
    """The coefficient of variation of the gaps between ascending values."""
    gaps = [after - before for before, after in pairwise(values)]
    mean = sum(gaps) / len(gaps)
    return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean
