"""Whether weights and processes fit into the memory of this machine, before any is taken."""

import math
import os

BYTES = 4  # of a weight
BYTES_OF_PROCESS = 2**28  # that has imported torch and Lightning


def memory_bytes() -> int | None:
    """Of this machine; None where the system does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None


def too_large(num_weights: int) -> str | None:
    """A clause where that many weights and their gradients, the least that training takes, exceed the memory."""
    return beyond_memory("its weights need with gradients", 2 * BYTES * num_weights)


def too_many(num_processes: int) -> str | None:
    """A clause where that many processes, each with torch alone, exceed the memory."""
    return beyond_memory(f"{num_processes:,} processes need at least", num_processes * BYTES_OF_PROCESS)


def beyond_memory(what: str, needed: int) -> str | None:
    there = memory_bytes() or math.inf
    if needed < there:
        return None
    return f"{what} {needed / 2**30:,.0f} GiB, and this machine has {there / 2**30:,.0f} GiB of memory"
