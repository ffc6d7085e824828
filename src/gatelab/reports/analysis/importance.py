"""How much each swept key matters to a metric: of a whole grid the share of variance that it explains, else what a forest
loses without it. R runs, S swept keys."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatelab.reports.analysis.settings import comparable
from gatelab.reports.analysis.swept import SweptKey
from gatelab.runs.load import SEED_KEYS, Run

FEWEST_RUNS = 20  # for a forest
FEWEST_COMBINATIONS = 10
FOLDS = 5
TREES = 100
REPEATS = 5
SMALLEST_FIT = 0.1  # R² on runs held out: with less the forest has nothing to tell


@dataclass(frozen=True)
class Importance:
    """shares: one a key, in its order. by chance: what each would be on average if no key mattered."""

    measure: str  # grid, forest, or none
    shares: tuple[float, ...] = ()
    by_chance: tuple[float, ...] = ()
    fit: float | None = None  # the R² of the forest on runs held out
    # Of a grid, (share, by chance): what combinations explain beyond their keys, which takes several runs of each, and
    # what the seed explains, the same for all combinations.
    interactions: tuple[float, float] | None = None
    seed: tuple[float, float] | None = None
    reason: str = ""  # why there is none


def importance(runs: Sequence[Run], keys: Sequence[SweptKey], values: Sequence[float]) -> Importance:
    """values (R,): the metric. Which measure it is depends on whether the combinations of the keys form a whole grid."""
    if not keys:
        return Importance("none", reason="Nothing but the seed differs between the runs.")
    if max(values) == min(values):
        return Importance("none", reason="All runs have the same value, so there is nothing to explain.")
    combinations = list(zip(*(key.values for key in keys), strict=True))
    if is_grid(runs, keys, combinations):
        return explained_variance(keys, combinations, [seed_of(run) for run in runs], np.array(values))
    if len(runs) < FEWEST_RUNS or len(set(combinations)) < FEWEST_COMBINATIONS:
        return Importance(
            "none",
            reason=f"{len(runs)} runs of {len(set(combinations))} settings that form no whole grid are too few for it: a "
            f"forest needs {FEWEST_RUNS} runs of {FEWEST_COMBINATIONS} settings.",
        )
    return forest_importance(keys, combinations, np.array(values))


def is_grid(runs: Sequence[Run], keys: Sequence[SweptKey], combinations: Sequence[tuple[Any, ...]]) -> bool:
    """Whether every combination of the keys' values was run, each with the same seeds, and something is left beside the
    keys' effects to hold them against."""
    seeds: dict[tuple[Any, ...], Counter[Any]] = {}
    for run, combination in zip(runs, combinations, strict=True):
        seeds.setdefault(combination, Counter())[seed_of(run)] += 1
    levels = [len(key.levels) for key in keys]
    alike = len({tuple(sorted(counts.items())) for counts in seeds.values()}) == 1
    rest = len(runs) - 1 - sum(level - 1 for level in levels)
    return len(seeds) == np.prod(levels) and alike and rest >= sum(level - 1 for level in levels)


def seed_of(run: Run) -> tuple[str, ...]:
    return tuple(comparable(run.settings.get(key)) for key in SEED_KEYS)


def explained_variance(
    keys: Sequence[SweptKey], combinations: Sequence[tuple[Any, ...]], seeds: Sequence[Any], values: np.ndarray
) -> Importance:
    """η² of each key: the sum of squares between its levels over that of all runs (Fisher 1925). In a grid the shares add up."""
    total = float(((values - values.mean()) ** 2).sum())
    shares = [between(key.values, values) / total for key in keys]
    all_of_them = between(combinations, values) / total
    freedoms = [len(key.levels) - 1 for key in keys]
    num_combinations, num_seeds, runs = len(set(combinations)), len(set(seeds)), len(values) - 1
    beyond = all_of_them - sum(shares), (num_combinations - 1 - sum(freedoms)) / runs
    by_seed = between(seeds, values) / total, (num_seeds - 1) / runs
    return Importance(
        "grid",
        tuple(shares),
        tuple(freedom / runs for freedom in freedoms),
        interactions=beyond if len(values) > num_combinations and len(keys) > 1 else None,
        seed=by_seed if num_seeds > 1 else None,
    )


def between(groups: Sequence[Any], values: np.ndarray) -> float:
    """The sum of squares between the means of the groups."""
    members: dict[Any, list[float]] = {}
    for group, value in zip(groups, values.tolist(), strict=True):
        members.setdefault(group, []).append(value)
    mean = values.mean()
    return float(sum(len(inside) * (np.mean(inside) - mean) ** 2 for inside in members.values()))


def forest_importance(
    keys: Sequence[SweptKey], combinations: Sequence[tuple[Any, ...]], values: np.ndarray
) -> Importance:
    """By how much the R² of a random forest falls, on settings held out, when the values of one key are shuffled among the
    runs (Breiman 2001): the mean over 5 folds × 5 shuffles. A key counts as a whole, whatever its values are encoded as."""
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import r2_score
    from sklearn.model_selection import GroupKFold

    columns = np.array([codes(key) for key in keys]).T  # (R, S)
    groups = [list(dict.fromkeys(combinations)).index(combination) for combination in combinations]
    predicted, falls, sizes = np.empty(len(values)), [], []
    for train, test in GroupKFold(FOLDS).split(columns, groups=groups):
        model = forest(keys).fit(columns[train], values[train])
        predicted[test] = model.predict(columns[test])
        # Of squared errors and not of R², which a fold of a few runs may not have.
        found = permutation_importance(
            model, columns[test], values[test], scoring="neg_mean_squared_error", n_repeats=REPEATS, random_state=0
        )
        falls.append(found.importances_mean)
        sizes.append(len(test))
    fit = float(r2_score(values, predicted))
    if fit < SMALLEST_FIT:
        return Importance(
            "none",
            fit=fit,
            reason=f"A forest on the swept keys does not foretell runs held out (R² {fit:.2f}), so it cannot say which matters.",
        )
    shares = np.average(falls, axis=0, weights=sizes) / values.var()
    return Importance("forest", tuple(shares.tolist()), fit=fit)


def codes(key: SweptKey) -> list[float]:
    """Numbers as they are, since a tree asks for their order alone; choices by their place."""
    if key.kind != "choice":
        return list(key.values)
    places = {level: place for place, level in enumerate(key.levels)}
    return [float(places[value]) for value in key.values]


def forest(keys: Sequence[SweptKey]) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    choices = [place for place, key in enumerate(keys) if key.kind == "choice"]
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), choices), remainder="passthrough")
    return make_pipeline(encode, RandomForestRegressor(TREES, random_state=0))
