"""What the best of a smaller budget of trials would have been.

Dodge, Gururangan, Card, Schwartz & Smith 2019, "Show Your Work"; here drawn without replacement, which unlike their estimator is
unbiased (Tang et al. 2020, "Showing Your Work Doesn't Always Work"; Dodge et al. 2021).
"""

from collections.abc import Sequence

import numpy as np


def expected_best(values: Sequence[float], lower_is_better: bool) -> list[float]:
    """For each budget from 1 to N the mean of the best over all subsets of so many of the N values.

    The value of rank i, the best being N, is the best of C(i − 1, n − 1) of the C(N, n) subsets."""
    ordered = np.sort(values)[::-1] if lower_is_better else np.sort(values)
    num, found = len(ordered), []
    for budget in range(1, num + 1):
        ranks = np.arange(num, budget, -1)
        weights = np.cumprod(np.r_[budget / num, (ranks - budget) / (ranks - 1)])  # of ranks N, N − 1, …, n
        found.append(float(weights @ ordered[::-1][: len(weights)]))
    return found
