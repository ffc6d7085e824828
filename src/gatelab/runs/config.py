"""config.yaml: the resolved config of a run, without secrets."""

from typing import Any

import yaml

from gatelab.config.identity import at_home, flatten
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.runs.folder import RunFolder
from gatelab.runs.secrets import redact

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML was built with it


def write_config(folder: RunFolder, settings: dict[str, Any]) -> None:
    from omegaconf._utils import get_omega_conf_dumper  # it quotes what other readers would take for a number

    options: dict[str, Any] = {"default_flow_style": False, "allow_unicode": True, "sort_keys": False}
    atomic_write(folder.config, yaml.dump(redact(settings), Dumper=get_omega_conf_dumper(), **options))


def read_config(folder: RunFolder) -> dict[str, Any]:
    """The config as it was written, every ``_target_`` where it is defined now; empty where there is none. Raises
    RunError for a damaged file."""
    try:
        with open(folder.config, encoding="utf-8") as stream:
            config = yaml.load(stream, YAML_LOADER)
        if not isinstance(config, dict):
            raise ValueError("no mapping")
        return at_home(config)
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1} " if mark else ""
        raise RunError(
            f"{folder.config}: {line}is not valid YAML in UTF-8, or no config. Run again with force=true."
        ) from None


def load_config(folder: RunFolder) -> dict[str, Any]:
    """The config, flat, with name as the run folder has it; empty where there is none."""
    config = read_config(folder)
    return {**flatten(config), "name": folder.path.parent.name} if config else {}
