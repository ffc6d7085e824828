"""What the experiment of some runs states, and whether they began with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gatelab.config.experiment import Experiment, explained, find_experiment, read_experiment
from gatelab.config.schema import EXPERIMENT_DIRS
from gatelab.errors import ConfigError
from gatelab.runs.load import Run
from gatelab.screen import counted

CRITERIA = ("published", "claims")


@dataclass(frozen=True)
class Statement:
    """cautions: sentences on what could not be read, and on runs that began without it."""

    experiment: Experiment
    is_quick: bool
    cautions: list[str]


def statement_of(runs: Sequence[Run]) -> Statement:
    """Of the config of the last run that has criteria; where none has, of the experiment's YAML, if there is one of the runs' name."""
    recorded = {run.identity: recorded_experiment(run) for run in runs}
    stated = [values for run in runs if has_criteria(values := recorded[run.identity])]
    cautions: list[str] = []
    values = stated[-1] if stated else from_file(runs, cautions)
    without = sum(not same_criteria(found, values) for found in recorded.values())
    if without and has_criteria(values):
        cautions.append(
            f"{without} of {counted(len(runs), 'run')} began without these criteria in their config: their folders do not show that the "
            "criteria were stated before the result was known."
        )
    asked = next((found["question"] for found in recorded.values() if found.get("question")), "")
    try:
        experiment = Experiment.model_validate({"question": asked, **values})
    except ValidationError as error:
        cautions += dict.fromkeys(
            f"What the experiment states is not shown: {explained(one, values)}" for one in error.errors()
        )
        experiment = Experiment(question=str(asked))
    return Statement(experiment, any(run.settings.get("quick") for run in runs), cautions)


def recorded_experiment(run: Run) -> dict[str, Any]:
    """As in its config; published is flat where it is of the earlier form."""
    values: dict[str, Any] = {}
    for key, value in run.settings.items():
        group, _, rest = key.partition(".")
        first, _, inner = rest.partition(".")
        if group == "experiment" and first == "published" and inner and isinstance(values.setdefault(first, {}), dict):
            values[first][inner] = value
        elif group == "experiment" and rest:
            values[rest] = value
    return values


def from_file(runs: Sequence[Run], cautions: list[str]) -> dict[str, Any]:
    names = {run.folder.path.parent.name for run in runs}
    file = find_experiment(names.pop(), EXPERIMENT_DIRS) if len(names) == 1 else None
    try:
        return read_experiment(file) if file is not None else {}
    except ConfigError as error:
        cautions.append(str(error))
        return {}


def has_criteria(values: dict[str, Any]) -> bool:
    return any(values.get(key) for key in CRITERIA)


def same_criteria(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all((first.get(key) or None) == (second.get(key) or None) for key in CRITERIA)
