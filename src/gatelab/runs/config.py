"""config.yaml: the resolved config of a run, without secrets."""

from collections.abc import Callable
from typing import Any

import yaml

from gatelab.bounded import MAX_YAML_BYTES, check_yaml, read_text
from gatelab.config.identity import at_home, flatten
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.runs.folder import RunFolder
from gatelab.runs.secrets import redact

MAX_INTEGER = 2**63
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML was built with it


def write_config(folder: RunFolder, settings: dict[str, Any]) -> None:
    from omegaconf._utils import get_omega_conf_dumper  # it quotes what other readers would take for a number

    options: dict[str, Any] = {"default_flow_style": False, "allow_unicode": True, "sort_keys": False}
    atomic_write(folder.config, yaml.dump(redact(settings), Dumper=get_omega_conf_dumper(), **options))


def read_config(folder: RunFolder) -> dict[str, Any]:
    """The config as it was written, every ``_target_`` where it is defined now; empty where there is none. Raises
    RunError for a damaged file."""
    try:
        content = read_text(folder.config, MAX_YAML_BYTES)
        check_yaml(content)
        config = yaml.load(content, YAML_LOADER)
    except FileNotFoundError:
        if not folder.config.is_symlink():
            return {}
        raise damaged(folder, "is a link to a file that is not there") from None
    except OSError as error:
        raise damaged(folder, str(error.strerror)) from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1} " if mark else ""
        reason = f" ({error})" if type(error) is ValueError else ""
        raise damaged(folder, f"{line}is not valid YAML in UTF-8, or no config{reason}") from None
    if not isinstance(config, dict):
        raise damaged(folder, "is not valid YAML in UTF-8, or no config")
    for key, value in flatten(config).items():
        if problem := problem_of(key, value):
            raise damaged(folder, f"{key} {problem}")
    return at_home(config)


def damaged(folder: RunFolder, problem: str) -> RunError:
    return RunError(f"{folder.config}: {problem}. Run again with force=true.")


def problem_of(key: str, value: Any) -> str:
    """Why no run can have this value, whatever it is for; empty where one may."""
    if key.endswith("_target_") and not isinstance(value, str):
        return "is no name of a class"
    if isinstance(value, list):
        return next(filter(None, (problem_of(key, one) for one in value)), "")
    if isinstance(value, dict):
        return next(filter(None, (problem_of(f"{key}.{name}", one) for name, one in value.items())), "")
    if isinstance(value, int) and abs(value) >= MAX_INTEGER:
        return "is too large a number"
    if key not in KINDS:
        return ""
    is_possible, problem = KINDS[key]
    return "" if is_possible(value) else problem


# What reports compute with; all other settings are only shown.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "data.split.by": (lambda value: isinstance(value, str), "is no text"),
    "data.split.folds": (lambda value: value is None or (type(value) is int and value > 1), "is no number of folds"),
    "model.threshold": (
        lambda value: value in (None, "fit") or (type(value) in (int, float) and 0 < value < 1),
        "is neither fit nor between 0 and 1",
    ),
}


def load_config(folder: RunFolder) -> dict[str, Any]:
    """The config, flat, with name as the run folder has it; empty where there is none."""
    config = read_config(folder)
    return {**flatten(config), "name": folder.path.parent.name} if config else {}
