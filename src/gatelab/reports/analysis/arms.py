"""Arms: groups of runs that differ only in the seed, or in keys that one chooses to pool."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gatelab.reports.analysis.settings import (
    Column,
    columns_of,
    comparable,
    differing_keys,
    distinct_cells,
    named_columns,
    setting_cells,
)
from gatelab.runs.load import SEED_KEYS, Run, with_data_named

Seed = tuple[str, ...]  # the values of SEED_KEYS


@dataclass(frozen=True)
class Arm:
    cells: tuple[str, ...]  # one for each column of its Arms
    name: str
    runs: tuple[Run, ...]  # in the order in which they started
    seed_keys: tuple[str, ...] = SEED_KEYS

    @property
    def content(self) -> str:
        """Identifies its data, the same in all its runs."""
        return self.runs[0].content

    @property
    def finished(self) -> list[Run]:
        return [run for run in self.runs if run.status == "finished"]

    @property
    def unfinished(self) -> list[Run]:
        return [run for run in self.runs if run.status != "finished"]

    @property
    def statuses(self) -> Counter[str]:
        """The number of its runs by status."""
        return Counter(run.status for run in self.runs)

    def seed_of(self, run: Run) -> Seed:
        return tuple(comparable(run.settings.get(key)) for key in self.seed_keys)

    def measured(self, metric: str) -> list[tuple[Run, float]]:
        """Its finished runs that have the metric."""
        return [(run, value) for run in self.finished if (value := run.record.numbers().get(metric)) is not None]

    def values(self, metric: str, baseline: str | None = None) -> dict[Seed, float]:
        """The metric of the runs, or of a baseline, by seed; the mean where a seed has several runs."""
        found: dict[Seed, list[float]] = {}
        for run in self.finished:
            value = run.record.numbers(baseline).get(metric)
            if value is not None:
                found.setdefault(self.seed_of(run), []).append(value)
        return {seed: math.fsum(values) / len(values) for seed, values in found.items()}

    def baseline_record(self, baseline: str) -> dict[Seed, str]:
        """All scores of a baseline by seed, as comparable text."""
        scores = {self.seed_of(run): run.record.baselines.get(baseline) for run in self.finished}
        return {seed: json.dumps(found.model_dump(), sort_keys=True) for seed, found in scores.items() if found}


@dataclass(frozen=True)
class Arms:
    titles: tuple[str, ...]  # of the columns that distinguish the arms
    arms: tuple[Arm, ...]  # in the order of their first runs in the sweep
    pooled: tuple[Column, ...]  # what else differs between the runs
    without_config: tuple[Run, ...]  # in no arm
    num_repeated: int  # runs stored under several names, counted once


def group_arms(runs: Sequence[Run], by: Sequence[str] | None = None) -> Arms:
    """Group by the given config keys and groups, else by all that differ except seeds; and always by the data."""
    known = [run for run in runs if run.settings]
    differing = [key for key in differing_keys(known) if key not in SEED_KEYS]
    columns = columns_of(known, differing) if by is None else named_columns(known, by)
    members = members_of(known, columns)
    if len({values for values, _ in members}) < len(members):  # the columns do not distinguish the data
        known = with_data_named(known)
        columns.append(Column("path", ("data.path",)))
        members = members_of(known, columns)
    keys = [key for column in columns for key in column.keys]
    groups = sorted(map(deduplicated, members.values()), key=lambda group: min(run.place for run in group))
    titles, cells = setting_cells([best_named(group) for group in groups], columns, merge=by is None)
    cells = distinct_cells([best_named(group) for group in groups], columns, cells)
    if not columns:  # one arm, or none
        titles, cells = ["name"], [(" ".join(sorted({run.settings["name"] for run in group})),) for group in groups]
    seed_keys = tuple(key for key in SEED_KEYS if key not in keys)
    names = [arm_name(titles, texts, columns) for texts in cells]
    arms = [Arm(texts, name, tuple(group), seed_keys) for texts, name, group in zip(cells, names, groups, strict=True)]
    pooled = columns_of(known, [key for key in differing if key not in keys])
    without_config = tuple(run for run in runs if not run.settings)
    return Arms(tuple(titles), tuple(arms), tuple(pooled), without_config, len(known) - sum(map(len, groups)))


def members_of(runs: Iterable[Run], columns: Sequence[Column]) -> dict[tuple[Seed, str], list[Run]]:
    """The runs by their values in the columns and their data."""
    members: dict[tuple[Seed, str], list[Run]] = {}
    for run in runs:
        values = tuple(comparable(run.settings.get(key)) for column in columns for key in column.keys)
        members.setdefault((values, run.content), []).append(run)
    return members


def deduplicated(runs: Iterable[Run]) -> list[Run]:
    """Of the runs of one identity, stored under several names, the first finished one, else the last."""
    by_identity: dict[str, Run] = {}
    for run in runs:
        if run.identity not in by_identity or by_identity[run.identity].status != "finished":
            by_identity[run.identity] = run
    return sorted(by_identity.values(), key=lambda run: run.started)


def best_named(runs: list[Run]) -> Run:
    """The first run that records its choices, else the first."""
    return next((run for run in runs if run.record.choices), runs[0])


def arm_name(titles: Sequence[str], cells: Sequence[str], columns: Sequence[Column]) -> str:
    """Its cells in one text: "lstm", "hidden_size=64", "encoder=lstm split.by=random"."""
    if len(cells) == 1 and (len(columns) != 1 or columns[0].group is not None):
        return cells[0]
    return " ".join(f"{title}={cell or 'not set'}" for title, cell in zip(titles, cells, strict=True))
