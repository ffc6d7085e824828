"""What a model folder holds, whatever its task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatelab.bounded import MIB, read_json
from gatelab.config.identity import at_home
from gatelab.config.targets import check_targets
from gatelab.errors import RunError
from gatelab.tasks.base import Task, task_of

MAX_BYTES = 16 * MIB  # of config.json, which holds the names of the classes


def task_of_folder(folder: Path, allow_targets: Sequence[str] = ()) -> Task:
    """The task of a trained model. Raises RunError for a folder without one, ConfigError for a class that may not be built."""
    file = folder / "config.json"
    try:
        model = dict(read_model_config(file)["model"])
    except RunError:
        raise
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise RunError(f"{file}: is no config of a model ({error}).") from None
    check_targets({"model": model}, allow_targets)
    return task_of(model)


def read_model_config(file: Path) -> Any:
    """A config.json as it stands. Raises RunError where there is none, ValueError or OSError where it is no JSON."""
    if not file.exists():
        raise RunError(
            f"{file.parent}: holds no model that reads texts, as predict, gates, evaluate, generate and export need it: {file.name} is missing."
        )
    return at_home(read_json(file, MAX_BYTES))
