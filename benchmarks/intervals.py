"""How often a 95 % bootstrap interval over few seeds holds the true mean: python benchmarks/intervals.py

gatelab compare takes the percentile interval below ten seeds and BCa from there. Seeds are drawn from a normal
distribution and from an exponential one, as a skewed case; the last column is Student's interval, for comparison.
"""

import argparse

import numpy as np
from scipy import stats

from gatelab.reports.analysis.statistics import BCA_FROM

DRAWS = {"normal": (np.random.Generator.standard_normal, 0.0), "exponential": (np.random.Generator.standard_exponential, 1.0)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000)
    trials = parser.parse_args().trials
    print(f"{'seeds':>5}  {'drawn from':11}  percentile     BCa  Student   (share of {trials:,} intervals; used: *)")
    for num_seeds in (3, 4, 5, 7, 9, 10, 15, 20, 50):
        for name, (draw, mean) in DRAWS.items():
            values = draw(np.random.default_rng(num_seeds), (trials, num_seeds))  # type: ignore[operator]
            shares = [f"{bootstrap_share(values, mean, method):.3f}" for method in ("percentile", "BCa")]
            shares[num_seeds >= BCA_FROM] += "*"
            print(f"{num_seeds:>5}  {name:11}  {shares[0]:>10}  {shares[1]:>6}  {student_share(values, mean):.3f}")


def bootstrap_share(values: np.ndarray, mean: float, method: str) -> float:
    interval = stats.bootstrap(
        (values,), np.mean, axis=1, n_resamples=1999, batch=50, method=method, rng=np.random.default_rng(0)
    ).confidence_interval
    return float(np.mean((interval.low <= mean) & (mean <= interval.high)))


def student_share(values: np.ndarray, mean: float) -> float:
    num_seeds = values.shape[1]
    half = stats.t.ppf(0.975, num_seeds - 1) * values.std(axis=1, ddof=1) / num_seeds**0.5
    return float(np.mean(np.abs(values.mean(axis=1) - mean) <= half))


if __name__ == "__main__":
    main()
