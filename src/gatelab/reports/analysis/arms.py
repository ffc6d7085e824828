"""Arms: groups of runs that differ only in the seed or fold, or in keys that one chooses to pool."""

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
    short_key,
    show,
)
from gatelab.runs.load import REPLICATE_KEYS, Run, with_data_named

# Of a replicate where it is a fold of some split.
FOLD_KEYS = ("data.split.seed", "data.split.folds", "data.split.fold")
Replicate = tuple[str, ...]  # the values of the arm's replicate_keys


@dataclass(frozen=True)
class Arm:
    cells: tuple[str, ...]  # one for each column of its Arms
    name: str
    runs: tuple[Run, ...]  # in the order in which they started
    replicate_keys: tuple[str, ...] = REPLICATE_KEYS
    overlap: float | None = None  # of folds: the rows tested over the rows trained on, n_test / n_train; None of seeds

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

    @property
    def noun(self) -> str:
        """What its replicates are."""
        return "seed" if self.overlap is None else "fold"

    def replicate_of(self, run: Run) -> Replicate:
        return tuple(comparable(run.settings.get(key)) for key in self.replicate_keys)

    def measured(self, metric: str) -> list[tuple[Run, float]]:
        """Its finished runs that have the metric."""
        return [(run, value) for run in self.finished if (value := run.record.numbers().get(metric)) is not None]

    def values(self, metric: str, baseline: str | None = None) -> dict[Replicate, float]:
        """The metric of the runs, or of a baseline, by replicate; the mean where one has several runs, as a fold does that several
        seeds were trained on."""
        found: dict[Replicate, list[float]] = {}
        for run in self.finished:
            value = run.record.numbers(baseline).get(metric)
            if value is not None:
                found.setdefault(self.replicate_of(run), []).append(value)
        return {seed: math.fsum(values) / len(values) for seed, values in found.items()}

    def baseline_record(self, baseline: str) -> dict[Replicate, str]:
        """All scores of a baseline by replicate, as comparable text."""
        scores = {self.replicate_of(run): run.record.baselines.get(baseline) for run in self.finished}
        return {seed: json.dumps(found.model_dump(), sort_keys=True) for seed, found in scores.items() if found}


@dataclass(frozen=True)
class Arms:
    titles: tuple[str, ...]  # of the columns that distinguish the arms
    arms: tuple[Arm, ...]  # in the order of their first runs in the sweep
    pooled: tuple[Column, ...]  # what else differs between the runs
    without_config: tuple[Run, ...]  # in no arm
    num_repeated: int  # runs stored under several names, counted once


def group_arms(runs: Sequence[Run], by: Sequence[str] | None = None) -> Arms:
    """Group by the given config keys and groups, else by all that differ except seeds and folds; and always by the data."""
    known = [run for run in runs if run.settings]
    differing = [key for key in differing_keys(known) if key not in REPLICATE_KEYS]
    columns = columns_of(known, differing) if by is None else named_columns(known, by)
    members = members_of(known, columns)
    if len({values for values, _ in members}) < len(members):  # the columns do not distinguish the data
        known = with_data_named(known)
        columns.append(Column("path", ("data.path",)))
        members = members_of(known, columns)
    keys = [key for column in columns for key in column.keys]
    groups = sorted(map(deduplicated, members.values()), key=lambda group: min(run.place for run in group))
    of_failed = keys_of_failed(known, differing) if by is None else []
    named = columns
    if of_failed:
        named = columns_of(known, [key for key in differing if key not in of_failed])
        named += [column for column in columns if column.title == "path" and column not in named]
    titles, cells = setting_cells([best_named(group) for group in groups], named, merge=by is None)
    cells = distinct_cells([best_named(group) for group in groups], named, cells)
    if not named:  # one arm, or none
        titles, cells = ["name"], [(" ".join(sorted({run.settings["name"] for run in group})),) for group in groups]
    cells = [with_settings(group, of_failed, texts) for group, texts in zip(groups, cells, strict=True)]
    names = [arm_name(titles, texts, named) for texts in cells]
    arms = [
        Arm(texts, name, tuple(group), *replicates_of(group, keys))
        for texts, name, group in zip(cells, names, groups, strict=True)
    ]
    pooled = columns_of(known, [key for key in differing if key not in keys])
    without_config = tuple(run for run in runs if not run.settings)
    return Arms(tuple(titles), tuple(arms), tuple(pooled), without_config, len(known) - sum(map(len, groups)))


def keys_of_failed(runs: Sequence[Run], differing: Sequence[str]) -> list[str]:
    """The keys in which only failed runs differ: they name these runs' arms, not all others."""
    others = [run for run in runs if run.status != "failed"]
    between_others = differing_keys(others)
    return [key for key in differing if others and key not in between_others]


def with_settings(runs: Sequence[Run], keys: Sequence[str], cells: tuple[str, ...]) -> tuple[str, ...]:
    """The cells of an arm whose runs all failed, with what distinguishes it by these keys."""
    if not keys or any(run.status != "failed" for run in runs):
        return cells
    terms = [f"{short_key(key, keys)}={show(runs[0].settings[key])}" for key in keys if key in runs[0].settings]
    return (" ".join([cells[0], *terms]), *cells[1:])


def replicates_of(runs: Sequence[Run], keys: Sequence[str]) -> tuple[tuple[str, ...], float | None]:
    """The keys that distinguish the replicates of an arm, beside the keys of its columns, and their overlap if all are folds."""
    if "data.split.fold" in keys or not all(run.settings.get("data.split.folds") for run in runs):
        return tuple(key for key in REPLICATE_KEYS if key not in keys), None
    sizes = [
        run.record.data.split_sizes for run in runs if run.record.data and run.record.data.split_sizes.get("train")
    ]
    if sizes:
        overlap = math.fsum(size.get("test", 0) / size["train"] for size in sizes) / len(sizes)
    else:
        overlap = 1 / (runs[0].settings["data.split.folds"] - 1)
    return tuple(key for key in FOLD_KEYS if key not in keys), overlap


def noun_of(arms: Iterable[Arm]) -> str:
    """What the replicates of several arms are."""
    nouns = {arm.noun for arm in arms}
    return nouns.pop() if len(nouns) == 1 else "replicate" if nouns else "seed"


def members_of(runs: Iterable[Run], columns: Sequence[Column]) -> dict[tuple[Replicate, str], list[Run]]:
    """The runs by their values in the columns and their data."""
    members: dict[tuple[Replicate, str], list[Run]] = {}
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
