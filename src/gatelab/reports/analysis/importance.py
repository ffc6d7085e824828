"""Importance of each swept key: the fraction of variance explained in a complete grid, Optuna's importance in a search. R runs."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.bounded import MIB, copy_file
from gatelab.reports.analysis.settings import comparable
from gatelab.reports.analysis.swept import SweptKey
from gatelab.runs.load import REPLICATE_KEYS, Run

MAX_JOURNAL_BYTES = 64 * MIB
MIN_TRIALS = 20  # the best quarter is then five, the minimum that Optuna advises


@dataclass(frozen=True)
class Importance:
    """fractions: one for each key, in order. by_chance: their expectation if no key had an effect."""

    measure: str  # grid or search
    fractions: tuple[float, ...]
    by_chance: tuple[float, ...] = ()
    # In a grid, (fraction, by chance) of the interactions, which need several runs of each combination, and of the seed.
    interactions: tuple[float, float] | None = None
    seed: tuple[float, float] | None = None
    replicate: str = "seed"  # what that is


def importance(runs: Sequence[Run], keys: Sequence[SweptKey], values: Sequence[float]) -> Importance | None:
    """values (R,): the metric. None unless the runs form a complete grid or are the trials of a search."""
    if not keys or max(values) == min(values):
        return None
    combinations = list(zip(*(key.values for key in keys), strict=True))
    if is_grid(runs, keys, combinations):
        found = explained_variance(keys, combinations, [replicate_of(run) for run in runs], np.array(values))
        folded = any(run.settings.get("data.split.fold") is not None for run in runs)
        return replace(found, replicate="seed and fold" if folded else "seed")
    return search_importance(runs, keys)


def is_grid(runs: Sequence[Run], keys: Sequence[SweptKey], combinations: Sequence[tuple[Any, ...]]) -> bool:
    """Whether every combination of values was run with the same seeds, with degrees of freedom left to judge the effects."""
    seeds: dict[tuple[Any, ...], Counter[Any]] = {}
    for run, combination in zip(runs, combinations, strict=True):
        seeds.setdefault(combination, Counter())[replicate_of(run)] += 1
    levels = [len(key.levels) for key in keys]
    alike = len({tuple(sorted(counts.items())) for counts in seeds.values()}) == 1
    rest = len(runs) - 1 - sum(level - 1 for level in levels)
    return len(seeds) == np.prod(levels) and alike and rest >= sum(level - 1 for level in levels)


def replicate_of(run: Run) -> tuple[str, ...]:
    return tuple(comparable(run.settings.get(key)) for key in REPLICATE_KEYS)


def explained_variance(
    keys: Sequence[SweptKey], combinations: Sequence[tuple[Any, ...]], seeds: Sequence[Any], values: NDArray[Any]
) -> Importance:
    """η² of each key: the sum of squares between its levels over the total (Fisher 1925). In a grid the fractions add up."""
    total = float(((values - values.mean()) ** 2).sum())
    fractions = [between(key.values, values) / total for key in keys]
    all_of_them = between(combinations, values) / total
    freedoms = [len(key.levels) - 1 for key in keys]
    num_combinations, num_seeds, runs = len(set(combinations)), len(set(seeds)), len(values) - 1
    beyond = all_of_them - sum(fractions), (num_combinations - 1 - sum(freedoms)) / runs
    by_seed = between(seeds, values) / total, (num_seeds - 1) / runs
    interactions = beyond if len(values) > num_combinations and len(keys) > 1 else None
    chances = tuple(freedom / runs for freedom in freedoms)
    return Importance("grid", tuple(fractions), chances, interactions, by_seed if num_seeds > 1 else None)


def between(groups: Sequence[Any], values: NDArray[Any]) -> float:
    """The sum of squares between groups."""
    members: dict[Any, list[float]] = {}
    for group, value in zip(groups, values.tolist(), strict=True):
        members.setdefault(group, []).append(value)
    mean = values.mean()
    return float(sum(len(inside) * (np.mean(inside) - mean) ** 2 for inside in members.values()))


def search_importance(runs: Sequence[Run], keys: Sequence[SweptKey]) -> Importance | None:
    """PED-ANOVA (Watanabe et al. 2023): how far the values of a key in the best quarter of the trials differ from those in all.
    None without Optuna, or where the journal of the search is missing, damaged or lacks a key."""
    (folder, name), *others = {(run.folder.path.parent, str(run.settings.get("search.study"))) for run in runs}
    journal = folder / "search.journal"
    if others or not journal.exists():
        return None
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        with TemporaryDirectory() as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is experimental in earlier versions
            copy_file(journal, copy := Path(scratch) / journal.name, MAX_JOURNAL_BYTES)  # Optuna takes a name
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(copy)))
            study = optuna.load_study(study_name=name, storage=storage)
            if len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE])) < MIN_TRIALS:
                return None
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        return Importance("search", tuple(found[key.key] for key in keys))
    except Exception:  # a damaged journal must not prevent the page
        return None
