"""Whether runs bear out what their experiment states: numbers of a paper, shares of runs that solve their task, orderings.

One rule for all: a criterion is a range. Reproduced where the 95 % interval lies inside, contradicted where it lies outside; where it
reaches over the edge, cannot tell if the estimate is inside, and not reproduced if it is outside.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gatelab.reports.analysis.almost_stochastic import MIN_SCORES, upper_bound, violation_ratio
from gatelab.reports.analysis.intervals import proportion_interval
from gatelab.reports.analysis.statistics import RESAMPLES, corrected_error

Verdict = Literal["reproduced", "not reproduced", "contradicted", "cannot tell"]
VERDICTS: tuple[Verdict, ...] = ("reproduced", "not reproduced", "contradicted", "cannot tell")
LEVEL = 0.05


class Finding(NamedTuple):
    verdict: Verdict
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None


@dataclass(frozen=True)
class PublishedNumber:
    """std and num: over the paper's own runs, where it gives both."""

    value: float
    std: float | None = None
    num: int | None = None


def judge(estimate: float, interval: tuple[float, float] | None, low: float, high: float) -> Verdict:
    """Of the criterion that the number lies in low to high."""
    is_inside = low <= estimate <= high
    if interval is not None and low <= interval[0] and interval[1] <= high:
        return "reproduced"
    if interval is None or is_inside:
        return "cannot tell"
    return "contradicted" if interval[1] < low or interval[0] > high else "not reproduced"


def judge_number(
    values: Sequence[float], published: PublishedNumber, margin: float, overlap: float | None = None
) -> Finding:
    """Equivalence: the difference of our mean to the published number lies within ± margin. The interval is Student's; with std and
    number of the published one Welch's; of folds corrected by their overlap."""
    if not values:
        return Finding("cannot tell")
    difference = statistics.fmean(values) - published.value
    interval = difference_interval(values, published, overlap)
    reach = None if interval is None else (difference - interval, difference + interval)
    return Finding(judge(difference, reach, -margin, margin), difference, reach)


def difference_interval(values: Sequence[float], published: PublishedNumber, overlap: float | None) -> float | None:
    """Half the width of the 95 % interval; None for fewer than two values."""
    if len(values) < 2:
        return None
    from scipy import stats

    error = corrected_error(values, overlap or 0.0) ** 2
    theirs = published.std**2 / published.num if published.std and published.num and published.num > 1 else 0.0
    if not error + theirs:
        return 0.0
    shares = error**2 / (len(values) - 1) + (theirs**2 / (published.num - 1) if theirs and published.num else 0.0)
    return float(stats.t.ppf(1 - LEVEL / 2, (error + theirs) ** 2 / shares)) * math.sqrt(error + theirs)


def judge_share(num_solved: int, num: int, at_least: float | None, at_most: float | None) -> Finding:
    """The share of runs that solve their task, by Wilson's interval."""
    if not num:
        return Finding("cannot tell")
    share, interval = num_solved / num, proportion_interval(num_solved, num)
    low, high = (0.0 if at_least is None else at_least), (1.0 if at_most is None else at_most)
    return Finding(judge(share, interval, low, high), share, interval)


def judge_ordering(better: Sequence[float], worse: Sequence[float]) -> Finding:
    """Whether the first scores, of which higher is better, are above the others: the probability that one of them is, ties counted
    half (Vargha & Delaney 2000), and a two-sided permutation test of the ranks, from two scores of each on."""
    if not better or not worse:
        return Finding("cannot tell")
    import numpy as np
    from scipy import stats

    ranks, num = stats.rankdata([*better, *worse]), len(better)
    probability = (float(ranks[:num].mean()) - (num + 1) / 2) / len(worse)
    if min(num, len(worse)) < 2:
        return Finding(_of_ordering(probability > 0.5, False, False), probability)
    test = stats.permutation_test(
        (ranks[:num], ranks[num:]),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    is_clear = float(test.pvalue) < LEVEL
    return Finding(_of_ordering(probability > 0.5, is_clear, is_clear), probability, None, float(test.pvalue))


def judge_almost_stochastic(better: Sequence[float], worse: Sequence[float]) -> Finding:
    """The same by the almost stochastic order, from five scores of each on; the estimate is the violation ratio."""
    if min(len(better), len(worse)) < MIN_SCORES or not all(map(math.isfinite, (*better, *worse))):
        return Finding("cannot tell")
    ratio = violation_ratio(better, worse)
    low, high = 1 - upper_bound(worse, better), upper_bound(better, worse)
    return Finding(_of_ordering(ratio < 0.5, high < 0.5, low > 0.5), ratio, (low, high))


def _of_ordering(is_above: bool, is_clear_above: bool, is_clear_below: bool) -> Verdict:
    if is_above:
        return "reproduced" if is_clear_above else "cannot tell"
    return "contradicted" if is_clear_below else "not reproduced"
