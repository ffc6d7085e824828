"""Signs that a regression is broken although its run came to an end."""

import math
from collections.abc import Mapping

from gatelab.tasks.sequence.broken_numbers import broken_numbers

CORRELATIONS = ("pearson", "spearman")


def symptoms(metrics: Mapping[str, float]) -> list[str]:
    """Clauses: metrics that are not finite, losses far above that of the training mean, one number predicted for all rows."""
    undefined = [name for name in CORRELATIONS if math.isnan(metrics.get(name, 0.0))]
    is_constant = bool(undefined) and math.isfinite(metrics.get("r2", math.nan))
    shown = {name: value for name, value in metrics.items() if not (is_constant and name in undefined)}
    found = broken_numbers(shown, 1.0, "1, the variance of the standardised targets")
    return [*found, *(["one number is predicted for all rows"] if is_constant else [])]
