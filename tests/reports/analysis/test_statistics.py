import itertools

import numpy as np
import pytest
from scipy import stats

from gatelab.reports.analysis.statistics import (
    bootstrap_interval,
    describe,
    holm,
    pairs_needed,
    sign_flip_test,
    smallest_p,
)

VALUES = [0.81, 0.79, 0.84, 0.80, 0.87]


def test_mean_and_standard_deviation_are_those_of_numpy() -> None:
    sample = describe(VALUES)
    assert (sample.num, sample.mean, sample.std) == (5, pytest.approx(np.mean(VALUES)), pytest.approx(np.std(VALUES, ddof=1)))  # fmt: skip
    assert describe([0.5]).std is None
    assert describe([]).mean is None


def test_the_interval_of_a_few_seeds_is_that_of_all_their_resamples() -> None:
    means = np.array(list(itertools.product(VALUES, repeat=5))).mean(1)  # all 3,125
    interval = bootstrap_interval(VALUES)
    assert interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.002)


def test_the_interval_of_ten_seeds_or_more_is_corrected_for_bias_and_skew() -> None:
    values = np.random.default_rng(3).exponential(size=12)
    means = np.random.default_rng(4).choice(values, (40_000, 12)).mean(1)
    # Efron 1987, with the acceleration of the jackknife.
    bias = stats.norm.ppf((means < values.mean()).mean())
    left_out = np.array([np.delete(values, place).mean() for place in range(12)])
    deviations = left_out.mean() - left_out
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    shifted = bias + stats.norm.ppf([0.025, 0.975])
    levels = stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
    assert bootstrap_interval(values.tolist()) == pytest.approx(np.quantile(means, levels), abs=0.03)
    assert levels[0] > 0.03  # so that the percentile interval would not pass


def test_two_seeds_have_no_interval_and_equal_ones_an_interval_of_one_value() -> None:
    assert bootstrap_interval([0.8, 0.9]) is None
    assert bootstrap_interval([0.8] * 12) == (0.8, 0.8)


@pytest.mark.parametrize("num", [5, 12])
def test_interval_and_p_do_not_depend_on_the_order_of_the_seeds(num: int) -> None:
    values = np.random.default_rng(num).normal(size=num).tolist()
    assert bootstrap_interval(values) == bootstrap_interval(values[::-1])
    long = values * 3
    assert sign_flip_test(long) == sign_flip_test(long[::-1])


@pytest.mark.parametrize("num", [2, 3, 5, 9, 13])
def test_p_is_the_share_of_all_signs_with_a_mean_as_far_from_zero(num: int) -> None:
    differences = np.random.default_rng(num).normal(0.4, 1, size=num).round(1)  # rounded, so that there are ties
    signs = np.array(list(itertools.product((1, -1), repeat=num)))
    means = np.abs((signs * differences).mean(1))
    assert sign_flip_test(differences.tolist()) == pytest.approx((means >= abs(differences.mean()) - 1e-12).mean())


def test_p_of_many_pairs_is_near_the_exact_one() -> None:
    differences = np.random.default_rng(2).normal(0.4, 1, size=16)
    signs = np.array(list(itertools.product((1, -1), repeat=16)), dtype=np.int8)
    exact = (np.abs((signs * differences).mean(1)) >= abs(differences.mean()) - 1e-12).mean()
    assert 0.01 < exact < 0.3
    assert sign_flip_test(differences.tolist()) == pytest.approx(exact, rel=0.15)


def test_one_pair_is_no_test_and_no_difference_gives_one() -> None:
    assert sign_flip_test([0.3]) is None
    assert sign_flip_test([0.0, 0.0, 0.0]) == 1


@pytest.mark.parametrize("num", [2, 5, 13, 14, 30])
def test_the_smallest_p_is_that_of_differences_all_of_one_sign(num: int) -> None:
    assert smallest_p(num) == pytest.approx(sign_flip_test([1 + place / 100 for place in range(num)]))


@pytest.mark.parametrize("num_tests", [1, 2, 3, 9])
def test_the_pairs_needed_are_the_fewest_that_can_reach_the_level(num_tests: int) -> None:
    needed = pairs_needed(num_tests)
    assert num_tests * smallest_p(needed) < 0.05 <= num_tests * smallest_p(needed - 1)


def test_holms_p_is_the_smallest_level_at_which_stepping_down_rejects() -> None:
    p_values = [0.04, 0.005, 0.2, 0.01, 0.03, 0.01]

    def rejected(level: float) -> set[int]:
        found: set[int] = set()
        for rank, index in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[index] > level / (len(p_values) - rank) + 1e-12:
                break
            found.add(int(index))
        return found

    levels = sorted({count * p for count in range(1, 7) for p in p_values} | {1.0})
    expected = [min(level for level in levels if index in rejected(level)) for index in range(6)]
    assert holm(p_values) == pytest.approx(expected)
    assert holm([]) == []
