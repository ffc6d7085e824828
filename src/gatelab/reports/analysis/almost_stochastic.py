"""The almost stochastic order of two samples of scores.

del Barrio, Cuesta-Albertos & Matrán 2018, "An Optimal Transportation Approach for Assessing Almost Stochastic Order"; Dror, Shlomov &
Reichart 2019, "Deep Dominance". N and M scores, higher is better.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_SCORES = 5  # of each sample, below which the bootstrap of its deviation says nothing
RESAMPLES = 1000
LEVEL = 0.05


def violation_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """How far first is from stochastic dominance over second: 0 it dominates, 1 it is dominated, 0.5 neither or equal.

    The share of the squared distance of the two quantile functions where that of first is below, exact for these step functions."""
    return float(_ratios(np.sort(np.array([first], dtype=float)), np.sort(np.array([second], dtype=float)))[0])


def upper_bound(first: Sequence[float], second: Sequence[float]) -> float:
    """The upper 95 % bound of ``violation_ratio``, deterministic: first is almost stochastically dominant where it is below 0.5.

    ε − √((N + M)/(N M)) σ Φ⁻¹(0.05), with σ from the bootstrap (equation 9 of Dror et al.)."""
    random = np.random.default_rng(0)
    a, b = np.array(first, dtype=float), np.array(second, dtype=float)
    drawn = [np.sort(x[random.integers(0, len(x), (RESAMPLES, len(x)))]) for x in (np.sort(a), np.sort(b))]
    deviation = float(np.std(_ratios(*drawn)))  # σ √((N + M)/(N M)): the factor and its inverse cancel
    return min(1.0, violation_ratio(first, second) - deviation * NormalDist().inv_cdf(LEVEL))


def _ratios(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """(R,) of R pairs of ascending samples, (R, N) and (R, M)."""
    num, other = first.shape[1], second.shape[1]
    edges = np.unique(np.r_[np.arange(num + 1) * other, np.arange(other + 1) * num])  # of the steps, times N M
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    gaps = first[:, (middles // other).astype(int)] - second[:, (middles // num).astype(int)]
    squared = gaps**2 * widths
    total, below = squared.sum(1), np.where(gaps < 0, squared, 0.0).sum(1)
    return np.where(total > 0, below / np.where(total > 0, total, 1.0), 0.5)
