"""What a model folder holds, whatever its task."""

import json
from collections.abc import Sequence
from pathlib import Path

from gatelab.config.identity import at_home
from gatelab.config.targets import check_targets
from gatelab.errors import RunError
from gatelab.tasks.base import Task, task_of


def task_of_folder(folder: Path, allow_targets: Sequence[str] = ()) -> Task:
    """The task of a trained model. Raises RunError for a folder without one, ConfigError for a class that may not be built."""
    file = folder / "config.json"
    try:
        model = dict(at_home(json.loads(file.read_text(encoding="utf-8")))["model"])
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise RunError(f"{file}: is no config of a model ({error}).") from None
    check_targets({"model": model}, allow_targets)
    return task_of(model)
