"""The imports of a run, which take most of a short one's time."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def quick_imports(trackers: Any) -> Iterator[None]:
    """For the block that imports torch and Lightning: without the garbage collector, which would search their thousands of
    modules again and again, there or later in the run. trackers: the plain values of the config's group.

    wandb comes first if it is a tracker, since its import searches all modules that are there for each of its classes.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        if isinstance(trackers, dict) and trackers.get("wandb"):
            with suppress(Exception):  # the tracker itself says what is wrong
                import wandb  # noqa: F401
        yield
        gc.freeze()
    finally:
        gc.enable()
