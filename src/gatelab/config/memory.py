"""Whether weights fit into the memory of this machine, before any is taken."""

import math
import os

BYTES = 4  # of a weight


def memory_bytes() -> int | None:
    """Of this machine; None where the system does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None


def too_large(num_weights: int) -> str | None:
    """A clause where that many weights and their gradients, the least that training takes, exceed the memory."""
    needed, there = 2 * BYTES * num_weights, memory_bytes() or math.inf
    if needed < there:
        return None
    return f"its weights need with gradients {needed / 2**30:,.0f} GiB, and this machine has {there / 2**30:,.0f} GiB of memory"
