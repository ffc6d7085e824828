"""What Lightning, torch and the system raise for a value of the user's, as errors that the user can fix."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from gatelab.errors import ConfigError, RunError, UserError
from gatelab.screen import is_out_of_memory

# Of torch's RuntimeErrors over memory, which have no type of their own on the CPU.
NO_MEMORY = ("allocate memory", "not enough memory", "Storage size calculation overflowed")


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Raise ConfigError for what Lightning's own code refuses, RunError where the memory does not suffice."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_memory(error):
            raise RunError(
                f"out of memory: {first_sentences(error)} What is needed grows with encoder.hidden_size, model.embedding_size, "
                "data.batch_size and data.max_length."
            ) from error
        if isinstance(error, MisconfigurationException) or is_raised_by_lightning(error):
            raise ConfigError(f"trainer: {first_sentences(error)}") from error
        raise


def is_raised_by_lightning(error: Exception) -> bool:
    """Whether a line of Lightning's own raised it, and not what Lightning has called, such as a module."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").split(".")[0] in ("pytorch_lightning", "lightning_fabric")


def is_memory(error: BaseException) -> bool:
    if is_out_of_memory(error) or isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def first_sentences(error: BaseException) -> str:
    """The first line of its message, with a full stop; its type where it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0].rstrip(' .')}."
