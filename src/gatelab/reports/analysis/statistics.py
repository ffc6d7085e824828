"""Means over seeds or folds and differences between arms: intervals, tests, Holm's correction.

Seeds are independent: bootstrap intervals and sign-flip tests. Folds are not, since they share training rows: their variance is
corrected by the overlap n_test / n_train, of Nadeau & Bengio 2003, "Inference for the Generalization Error".
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 9999
BCA_FROM = 10  # seeds; with fewer the correction of bias and skew is unreliable (benchmarks/intervals.py)
INTERVAL_FROM = 3  # seeds; resamples of two have only three values


@dataclass(frozen=True)
class Sample:
    """num values, their mean and standard deviation (n − 1) and the 95 % interval of the mean; None where undefined.
    overlap: n_test / n_train of values that are of folds."""

    num: int
    mean: float | None
    std: float | None
    interval: tuple[float, float] | None
    overlap: float | None = None


def describe(values: Sequence[float], overlap: float | None = None) -> Sample:
    mean, std = statistics.fmean(values) if values else None, statistics.stdev(values) if len(values) > 1 else None
    interval = bootstrap_interval(values) if overlap is None else corrected_interval(values, overlap)
    return Sample(len(values), mean, std, interval, overlap)


def paired_test(differences: Sequence[float], overlap: float | None = None) -> float | None:
    """The two-sided p that the mean difference of pairs is zero: of seeds by ``sign_flip_test``, of folds by
    ``corrected_t_test``. None for fewer than two pairs."""
    return sign_flip_test(differences) if overlap is None else corrected_t_test(differences, overlap)


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


def corrected_error(values: Sequence[float], overlap: float) -> float:
    """The standard error of the mean of J folds: √((1/J + overlap) · variance)."""
    return math.sqrt((1 / len(values) + overlap) * statistics.variance(values))


def corrected_interval(values: Sequence[float], overlap: float) -> tuple[float, float] | None:
    """The 95 % interval of the mean over folds, by t with J − 1 degrees of freedom; None for fewer than two."""
    if len(values) < 2:
        return None
    from scipy import stats

    reach = float(stats.t.ppf(0.975, len(values) - 1)) * corrected_error(values, overlap)
    mean = statistics.fmean(values)
    return mean - reach, mean + reach


def corrected_t_test(differences: Sequence[float], overlap: float) -> float | None:
    """The two-sided p of the corrected resampled t test; None for fewer than two pairs."""
    if len(differences) < 2:
        return None
    from scipy import stats

    mean, error = statistics.fmean(differences), corrected_error(differences, overlap)
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, len(differences) - 1))


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
