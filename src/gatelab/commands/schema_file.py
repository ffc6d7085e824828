"""gatelab schema: the JSON Schema of the configs, for editors."""

import json
import sys
from pathlib import Path

from gatelab.commands.arguments import problem_of
from gatelab.config.json_schema import GROUPS, json_schema
from gatelab.errors import ConfigError, did_you_mean
from gatelab.files import atomic_write
from gatelab.screen import console


def write_schema(group: str | None, out: Path | None) -> None:
    """Print the schema, or write it to a file. Raises ConfigError for a group without one, OSError for a place that will not do."""
    if group is not None and group not in GROUPS:
        raise ConfigError(f"{group}: is no group.{did_you_mean(group, GROUPS)} There are: {', '.join(GROUPS)}.")
    text = json.dumps(json_schema(group), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    if problem := problem_of(out):
        raise ConfigError(f"--out {out}: {problem}. Name a file in a folder that is there.")
    atomic_write(out, text)
    console.print(f"In a YAML: # yaml-language-server: $schema={out}", soft_wrap=True)
