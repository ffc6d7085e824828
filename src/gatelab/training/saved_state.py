"""What a checkpoint must hold before a run continues from it: one of somebody else's may hold anything."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from torch import nn
from typing_extensions import TypedDict

from gatelab.errors import RunError, UserError
from gatelab.runs.folder import RunFolder
from gatelab.training.checkpoint import Resume, best_state, load_verified
from gatelab.training.foreign_errors import first_sentences, is_memory


class OwnState(TypedDict):
    """What ``Resume`` saves besides Lightning's state."""

    loader: Any
    random: Annotated[list[dict[str, Any]], Field(min_length=1)]
    should_stop: bool
    metrics_size: Annotated[int, Field(ge=0)]


class SavedState(TypedDict):
    gatelab: OwnState
    state_dict: dict[str, Any]
    callbacks: dict[str, dict[str, Any]]


SCHEMA = TypeAdapter(SavedState)


def find_checkpoint(folder: RunFolder) -> Path | None:
    """The newest undamaged checkpoint to resume from; a damaged one is passed over with a warning."""
    for file in (folder.last, folder.previous):
        if not file.exists():
            continue
        try:
            saved = load_resumable(file)
            if best_state(saved).get("best_model_path"):
                load_verified(folder.best)  # without it the run could not end as it should
            size = folder.metrics.stat().st_size if folder.metrics.exists() else 0
            if size >= saved["gatelab"]["metrics_size"]:
                return file
            damage = "metrics.csv is shorter than it was"
        except Exception as error:  # a damaged file may raise nearly anything
            damage = str(error)
        warnings.warn(f"{file} is damaged ({damage}); the one before it is used, if any.", stacklevel=2)
    return None


def load_resumable(file: Path) -> dict[str, Any]:
    """As load_verified. Raises RunError for a checkpoint that no run resumes from."""
    saved = load_verified(file)
    try:
        SCHEMA.validate_python(saved, strict=True)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, problem["loc"])) or "its"
        raise RunError(f"{file}: is no checkpoint of a run ({place} {problem['msg'].lower()}).") from None
    return saved


def put_weights(module: nn.Module, file: Path) -> None:
    """Those of a checkpoint into a module. Raises RunError where they do not fit."""
    try:
        module.load_state_dict(load_verified(file)["state_dict"])
    except UserError:
        raise
    except (LookupError, TypeError, AttributeError, RuntimeError) as error:
        if is_memory(error):
            raise
        raise RunError(f"{file}: does not hold the weights of this run ({reason(error)}).") from error


@contextmanager
def restoring(checkpoint: str | Path | None, resume: Resume) -> Iterator[None]:
    """Raise RunError for what goes wrong while a checkpoint is put back, which takes until the first batch."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if checkpoint is None or resume.has_begun or is_memory(error):
            raise
        raise RunError(
            f"{checkpoint}: does not fit this run ({reason(error)}). force=true starts anew; with from=, take another run."
        ) from error


def reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_sentences(error).rstrip('.')}"
