"""Signs that a classifier is broken although its run came to an end."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gatelab.config.identity import flatten
from gatelab.tasks.sequence.broken_numbers import broken_numbers


def symptoms(metrics: Mapping[str, float], predicted: Sequence[float]) -> list[str]:
    """Clauses: metrics that are not finite, losses far above ln K, one class predicted for all rows.

    predicted: how many rows were predicted as each of the K classes.
    """
    num_classes = len(predicted)
    guess = math.log(num_classes)
    found = broken_numbers(metrics, guess, f"ln {num_classes} = {guess:.2f}, that of a guess")
    return found + (["only one class is predicted"] if sum(map(bool, predicted)) == 1 < num_classes else [])


def record_symptoms(metrics: Mapping[str, Any], best_validation: Mapping[str, float]) -> list[str]:
    """Those of a finished run, from its entries in run.json; none where these say nothing of its predictions."""
    if not (matrix := metrics.get("confusion_matrix")):
        return []
    validation = {f"validation/{name}": value for name, value in best_validation.items()}
    values = {name: value for name, value in flatten({**metrics}).items() if isinstance(value, float)}
    return symptoms({**values, **validation}, [sum(column) for column in zip(*matrix, strict=True)])
