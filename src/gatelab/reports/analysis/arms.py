"""Arms: runs that differ in the seed alone, or in what one chooses not to tell apart."""

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
    cells: tuple[str, ...]  # one a column of its Arms
    name: str
    runs: tuple[Run, ...]  # in the order in which they started
    seed_keys: tuple[str, ...] = SEED_KEYS

    @property
    def content(self) -> str:
        """Of its data, the same in all its runs."""
        return self.runs[0].content

    @property
    def finished(self) -> list[Run]:
        return [run for run in self.runs if run.status == "finished"]

    @property
    def unfinished(self) -> list[Run]:
        return [run for run in self.runs if run.status != "finished"]

    @property
    def statuses(self) -> Counter[str]:
        """How many of its runs are failed, interrupted, …"""
        return Counter(run.status for run in self.runs)

    def seed_of(self, run: Run) -> Seed:
        return tuple(comparable(run.settings.get(key)) for key in self.seed_keys)

    def measured(self, metric: str) -> list[tuple[Run, float]]:
        """Its finished runs that have the metric."""
        return [(run, value) for run in self.finished if (value := run.record.numbers().get(metric)) is not None]

    def values(self, metric: str, baseline: str | None = None) -> dict[Seed, float]:
        """The metric by seed, of the runs or of a baseline beside them; where a seed has several runs, their mean."""
        found: dict[Seed, list[float]] = {}
        for run in self.finished:
            value = run.record.numbers(baseline).get(metric)
            if value is not None:
                found.setdefault(self.seed_of(run), []).append(value)
        return {seed: math.fsum(values) / len(values) for seed, values in found.items()}

    def baseline_record(self, baseline: str) -> dict[Seed, str]:
        """All that the runs say of a baseline, by seed, to be compared."""
        scores = {self.seed_of(run): run.record.baselines.get(baseline) for run in self.finished}
        return {seed: json.dumps(found.model_dump(), sort_keys=True) for seed, found in scores.items() if found}


@dataclass(frozen=True)
class Arms:
    titles: tuple[str, ...]  # of the columns that tell the arms apart
    arms: tuple[Arm, ...]  # as their first runs stand in their sweeps
    pooled: tuple[Column, ...]  # what else differs between the runs
    without_config: tuple[Run, ...]  # in no arm, since nobody knows in which
    num_repeated: int  # runs that stand under several names, counted once


def group_arms(runs: Sequence[Run], by: Sequence[str] | None = None) -> Arms:
    """Group by the given config keys and groups, or by all keys that differ, but for the seeds; and always by the data."""
    known = [run for run in runs if run.settings]
    differing = [key for key in differing_keys(known) if key not in SEED_KEYS]
    columns = columns_of(known, differing) if by is None else named_columns(known, by)
    members = members_of(known, columns)
    if len({values for values, _ in members}) < len(members):  # the columns do not say which data
        known = with_data_named(known)
        columns.append(Column("path", ("data.path",)))
        members = members_of(known, columns)
    keys = [key for column in columns for key in column.keys]
    groups = sorted(map(once, members.values()), key=lambda group: min(run.place for run in group))
    titles, cells = setting_cells([best_named(group) for group in groups], columns, merge=by is None)
    cells = distinct_cells([best_named(group) for group in groups], columns, cells)
    if not columns:  # one arm, or none
        titles, cells = ["name"], [(" ".join(sorted({run.settings["name"] for run in group})),) for group in groups]
    seed_keys = tuple(key for key in SEED_KEYS if key not in keys)
    return Arms(
        tuple(titles),
        tuple(
            Arm(texts, arm_name(titles, texts, columns), tuple(group), seed_keys)
            for texts, group in zip(cells, groups, strict=True)
        ),
        tuple(columns_of(known, [key for key in differing if key not in keys])),
        tuple(run for run in runs if not run.settings),
        len(known) - sum(map(len, groups)),
    )


def members_of(runs: Iterable[Run], columns: Sequence[Column]) -> dict[tuple[Seed, str], list[Run]]:
    """The runs by their values in the columns and the content of their data."""
    members: dict[tuple[Seed, str], list[Run]] = {}
    for run in runs:
        values = tuple(comparable(run.settings.get(key)) for column in columns for key in column.keys)
        members.setdefault((values, run.content), []).append(run)
    return members


def once(runs: Iterable[Run]) -> list[Run]:
    """Of runs of one identity, kept under several names, the finished one that started first, else the last one."""
    by_identity: dict[str, Run] = {}
    for run in runs:
        if run.identity not in by_identity or by_identity[run.identity].status != "finished":
            by_identity[run.identity] = run
    return sorted(by_identity.values(), key=lambda run: run.started)


def best_named(runs: list[Run]) -> Run:
    """The first run, or the first that notes its choices."""
    return next((run for run in runs if run.choices), runs[0])


def arm_name(titles: Sequence[str], cells: Sequence[str], columns: Sequence[Column]) -> str:
    """Its cells in one text: "lstm", "hidden_size=64", "encoder=lstm split.by=random"."""
    if len(cells) == 1 and (len(columns) != 1 or columns[0].group is not None):
        return cells[0]
    return " ".join(f"{title}={cell or 'not set'}" for title, cell in zip(titles, cells, strict=True))
