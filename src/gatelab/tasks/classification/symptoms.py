"""Signs that a model is broken although its run came to an end."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gatelab.config.identity import flatten
from gatelab.screen import decimal

FAR = 5  # times the loss of a guess among all classes


def symptoms(metrics: Mapping[str, float], predicted: Sequence[float]) -> list[str]:
    """Clauses: metrics that are not finite, losses far above ln K, one class predicted for all rows.

    predicted: how many rows were predicted as each of the K classes.
    """
    num_classes = len(predicted)
    named = {name.replace("/", " "): value for name, value in metrics.items()}
    found = [f"{name} is {value}" for name, value in named.items() if not math.isfinite(value)]
    guess = math.log(num_classes)
    found += [
        f"{name} {decimal(value)} is far above ln {num_classes} = {guess:.2f}, that of a guess"
        for name, value in named.items()
        if name.endswith("loss") and FAR * guess < value < math.inf
    ]
    return found + (["only one class is predicted"] if sum(map(bool, predicted)) == 1 < num_classes else [])


def record_symptoms(metrics: Mapping[str, Any], best_validation: Mapping[str, float]) -> list[str]:
    """Those of a finished run, from its entries in run.json; none where these say nothing of its predictions."""
    if not (matrix := metrics.get("confusion_matrix")):
        return []
    validation = {f"validation/{name}": value for name, value in best_validation.items()}
    values = {name: value for name, value in flatten({**metrics}).items() if isinstance(value, float)}
    return symptoms({**values, **validation}, [sum(column) for column in zip(*matrix, strict=True)])
