"""Means over seeds and differences between arms: bootstrap intervals, sign-flip tests, Holm's correction."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 9999
BCA_FROM = 10  # seeds; with fewer the correction of bias and skew is unreliable (benchmarks/intervals.py)
INTERVAL_FROM = 3  # seeds; resamples of two have only three values


@dataclass(frozen=True)
class Sample:
    """num values, their mean and standard deviation (n − 1) and the 95 % interval of the mean; None where undefined."""

    num: int
    mean: float | None
    std: float | None
    interval: tuple[float, float] | None


def describe(values: Sequence[float]) -> Sample:
    mean, std = statistics.fmean(values) if values else None, statistics.stdev(values) if len(values) > 1 else None
    return Sample(len(values), mean, std, bootstrap_interval(values))


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of the mean, deterministic; None for fewer than three values. Percentile below ten
    values, bias-corrected and accelerated from there (Efron 1987)."""
    if len(values) < INTERVAL_FROM:
        return None
    if max(values) == min(values):
        return values[0], values[0]
    import numpy as np
    from scipy import stats

    interval = stats.bootstrap(
        (sorted(values),),  # sorted, so that the order of the values does not matter
        np.mean,
        n_resamples=RESAMPLES,
        method="BCa" if len(values) >= BCA_FROM else "percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def sign_flip_test(differences: Sequence[float]) -> float | None:
    """The two-sided p that the mean difference of pairs is zero; None for fewer than two pairs. Exact over all 2^n
    signs for up to 13 pairs, else over 9,999 random ones; deterministic."""
    if len(differences) < 2:
        return None
    import numpy as np
    from scipy import stats

    test = stats.permutation_test(
        (sorted(differences),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def smallest_p(num_pairs: int) -> float:
    """The smallest p that ``sign_flip_test`` can give."""
    return 2 / (2**num_pairs if 2**num_pairs <= RESAMPLES else RESAMPLES + 1)


def pairs_needed(num_tests: int, level: float = 0.05) -> int:
    """The minimum number of pairs whose smallest p, Holm-corrected for num_tests tests, is below level."""
    return math.floor(math.log2(2 * num_tests / level)) + 1


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction (1979): with m tests the k-th smallest p times m − k + 1, monotone, at most 1."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
