"""Signs that a model is broken although its run came to an end, of any task."""

import math
from collections.abc import Mapping

from gatelab.screen import decimal

FAR = 5  # times the loss of a guess


def broken_numbers(metrics: Mapping[str, float], guess: float, guessed: str) -> list[str]:
    """Clauses: metrics that are not finite, losses far above that of a guess; ``guessed`` names it."""
    named = {name.replace("/", " "): value for name, value in metrics.items()}
    found = [f"{name} is {value}" for name, value in named.items() if not math.isfinite(value)]
    return found + [
        f"{name} {decimal(value)} is far above {guessed}"
        for name, value in named.items()
        if name.endswith("loss") and FAR * guess < value < math.inf
    ]
