"""Verdicts, each held against a second way of computing."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from gatelab.reports.analysis.almost_stochastic import upper_bound, violation_ratio
from gatelab.reports.analysis.expected_best import expected_best
from gatelab.reports.analysis.verdicts import (
    PublishedNumber,
    judge_almost_stochastic,
    judge_number,
    judge_ordering,
    judge_share,
)

VALUES = [0.84, 0.836, 0.843, 0.839]


@pytest.mark.parametrize(
    ("published", "margin", "verdict"),
    [
        (0.835, 0.02, "reproduced"),  # 0.0001 below to 0.0092 above
        (0.838, 0.003, "cannot tell"),  # nearer, but the interval reaches 0.0062
        (0.844, 0.003, "not reproduced"),  # 0.0045 off, but perhaps less than the margin
        (0.86, 0.003, "contradicted"),
    ],
)
def test_a_number_is_reproduced_where_the_interval_of_the_difference_is_inside_the_margin(
    published: float, margin: float, verdict: str
) -> None:
    found = judge_number(VALUES, PublishedNumber(published), margin)
    assert found.verdict == verdict
    reach = 3.182446 * np.std(VALUES, ddof=1) / 2  # Student's 97.5 % quantile at 3 degrees of freedom, from a table
    assert found.interval == pytest.approx(
        (np.mean(VALUES) - published - reach, np.mean(VALUES) - published + reach), abs=1e-6
    )


def test_the_spread_of_the_published_number_widens_the_interval_as_welch_says() -> None:
    found = judge_number([1.0, 3.0], PublishedNumber(2.0, std=math.sqrt(2), num=2), 1.0)
    # Equal spreads: 2 degrees of freedom, and the standard error of a difference of two means of two values is √2.
    assert found.interval == pytest.approx((-4.302653 * math.sqrt(2), 4.302653 * math.sqrt(2)), abs=1e-5)
    assert judge_number([0.5], PublishedNumber(0.5), 0.1).verdict == "cannot tell"  # one run has no interval
    assert judge_number([0.5, 0.5], PublishedNumber(0.5), 0.1).verdict == "reproduced"
    assert judge_number([], PublishedNumber(0.5), 0.1).verdict == "cannot tell"


def wilson(hits: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The roots of |p̂ − p| = z √(p (1 − p) / n)."""
    share = hits / total
    middle = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle - reach) / (1 + z * z / total), (middle + reach) / (1 + z * z / total)


@pytest.mark.parametrize(
    ("solved", "num", "at_least", "at_most", "verdict"),
    [
        (5, 5, 0.5, None, "reproduced"),
        (3, 5, 0.5, None, "cannot tell"),
        (2, 5, 0.5, None, "not reproduced"),
        (0, 5, 0.5, None, "contradicted"),
        (0, 5, None, 0.5, "reproduced"),
        (5, 5, None, 0.5, "contradicted"),
        (3, 3, 0.5, None, "cannot tell"),  # three of three may be one in two
    ],
)
def test_a_share_of_runs_is_judged_by_wilsons_interval(
    solved: int, num: int, at_least: float | None, at_most: float | None, verdict: str
) -> None:
    found = judge_share(solved, num, at_least, at_most)
    assert found.verdict == verdict
    assert found.interval == pytest.approx(wilson(solved, num), abs=1e-6)


def exact_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Over all ways of dealing the scores into two samples; a pair counts 1, 0, or a half."""

    def pairs(a: Sequence[float], b: Sequence[float]) -> float:
        return sum(float(x > y) + float(x == y) / 2 for x in a for y in b)

    scores, num = [*first, *second], len(first)
    dealt = []
    for places in itertools.combinations(range(len(scores)), num):
        chosen = [scores[place] for place in places]
        dealt.append(pairs(chosen, [scores[place] for place in range(len(scores)) if place not in places]))
    seen = pairs(first, second)
    above, below = sum(one >= seen for one in dealt), sum(one <= seen for one in dealt)
    return min(1.0, 2 * min(above, below) / len(dealt))


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [
        ([5, 5, 5, 5, 5], [1, 1, 1, 1, 1], "reproduced"),
        ([5, 5, 5, 1, 5], [1, 1, 1, 1, 1], "reproduced"),
        ([5, 5, 1, 1, 1], [1, 1, 1, 1, 1], "cannot tell"),
        ([3, 7, 8, 9, 10], [1, 2, 4, 5, 6], "cannot tell"),  # p is 14 in 252, 0.056
        ([5, 5, 5], [1, 1, 1], "cannot tell"),  # three seeds cannot show it
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 6], "not reproduced"),
        ([-math.inf] * 5, [1, 2, 3, 4, 5], "contradicted"),  # of runs that all failed
        ([-math.inf] * 5, [-math.inf] * 5, "not reproduced"),
    ],
)
def test_an_ordering_is_judged_by_the_ranks_of_all_pairs(better: list[float], worse: list[float], verdict: str) -> None:
    found = judge_ordering(better, worse)
    assert found.verdict == verdict
    assert found.p == pytest.approx(exact_p(better, worse))
    pairs = [(x > y) + (x == y) / 2 for x in better for y in worse]
    assert found.estimate == pytest.approx(np.mean(pairs))


def test_an_ordering_of_one_run_is_undecided() -> None:
    assert judge_ordering([5], [1, 2, 3]) == ("cannot tell", 1.0, None, None)
    assert judge_ordering([1, 2, 3], [5]) == ("not reproduced", 0.0, None, None)


def test_the_violation_ratio_is_the_integral_over_the_quantile_functions() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(0.3, 1, 7), random.normal(0, 2, 5)
    places = (np.arange(35_000) + 0.5) / 35_000
    gaps = np.sort(first)[(places * 7).astype(int)] - np.sort(second)[(places * 5).astype(int)]
    expected = (np.minimum(gaps, 0) ** 2).sum() / (gaps**2).sum()
    assert violation_ratio(first.tolist(), second.tolist()) == pytest.approx(expected)
    assert violation_ratio(second.tolist(), first.tolist()) == pytest.approx(1 - expected)
    assert violation_ratio([1.0, 2.0], [1.0, 2.0]) == 0.5
    # Normal quantiles with one spread cross nowhere; with one mean and two spreads, in the middle (del Barrio et al. 2018).
    assert violation_ratio([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]) == 0.0
    assert violation_ratio([-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]) == pytest.approx(0.5)


def test_the_bound_of_the_almost_stochastic_order_is_that_of_the_bootstrap_as_published() -> None:
    random = np.random.default_rng(2)
    first, second = random.normal(0.5, 1, 9).tolist(), random.normal(0, 1, 6).tolist()
    ratio, factor = violation_ratio(first, second), math.sqrt(9 * 6 / (9 + 6))
    drawn = [
        factor * (violation_ratio(random.choice(first, 9).tolist(), random.choice(second, 6).tolist()) - ratio)
        for _ in range(1500)
    ]
    published = ratio - np.std(drawn) * -1.6448536 / factor  # Dror et al. 2019, equation 9, at 0.05
    assert upper_bound(first, second) == pytest.approx(published, abs=0.04)


def test_the_almost_stochastic_order_needs_five_finite_scores_and_says_who_dominates() -> None:
    low, high = [1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.1, 2.2, 2.3, 2.4]
    assert judge_almost_stochastic(high, low).verdict == "reproduced"
    assert judge_almost_stochastic(low, high).verdict == "contradicted"
    assert judge_almost_stochastic(high[:4], low).verdict == "cannot tell"
    assert judge_almost_stochastic([*high[:4], -math.inf], low).verdict == "cannot tell"
    assert judge_almost_stochastic([0.9, 1.1, 1.2, 1.3, 1.6], low).verdict == "cannot tell"


@pytest.mark.parametrize("lower", [False, True])
def test_the_expected_best_is_the_mean_over_all_subsets(lower: bool) -> None:
    values = [0.3, 0.9, 0.1, 0.5, 0.55, 0.7, 0.5]
    best = min if lower else max
    subsets = [list(itertools.combinations(values, budget)) for budget in range(1, 8)]
    assert expected_best(values, lower) == pytest.approx([np.mean([best(one) for one in found]) for found in subsets])
