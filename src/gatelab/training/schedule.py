"""Learning-rate schedules as a factor on the base rate."""

import math
from collections.abc import Callable
from functools import partial


def make_schedule(name: str, warmup: float) -> Callable[[int, int], float] | None:
    """A factor in [0, 1] from (step, number of steps); None where the rate never changes.

    name: constant, linear or cosine, the latter two to 0 at the last step; warmup: the share of all steps in which the
    factor rises linearly from 0.
    """
    return None if name == "constant" and not warmup else partial(factor, name, warmup)


def factor(name: str, warmup: float, step: int, num_steps: int) -> float:
    warmup_steps = warmup * num_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = min(1.0, (step - warmup_steps) / max(1.0, num_steps - warmup_steps))
    if name == "linear":
        return 1 - progress
    return (1 + math.cos(math.pi * progress)) / 2 if name == "cosine" else 1.0
