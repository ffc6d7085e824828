"""Signs that a multi-label classifier is broken although its run came to an end."""

import math
from collections.abc import Mapping

from gatelab.tasks.sequence.broken_numbers import broken_numbers


def symptoms(metrics: Mapping[str, float], num_hits: float) -> list[str]:
    """Clauses: metrics that are not finite, losses far above ln 2, no label predicted rightly. num_hits: right ones, of all rows."""
    found = broken_numbers(metrics, math.log(2), f"ln 2 = {math.log(2):.2f}, that of a guess")
    return [*found, *([] if num_hits else ["no label of any row is found"])]
