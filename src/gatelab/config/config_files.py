"""Files of settings that may be somebody else's: whether they can be loaded without growing beyond measure."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gatelab.bounded import MAX_YAML_BYTES, check_yaml, read_text
from gatelab.errors import ConfigError

WHERE = ("*.yaml", "*/*.yaml", "*/*/*.yaml")  # choices, those of groups, and those of groups in groups


def check_config_files(folders: Iterable[Path]) -> None:
    """Raise ConfigError for the first YAML in the folders that is no regular file, too large or too deep, or that grows by its
    aliases. What is no YAML is left to who loads it."""
    from yaml import YAMLError

    for file in (file for folder in folders for where in WHERE for file in sorted(folder.glob(where))):
        if file.is_dir():
            continue  # which Hydra takes for no choice
        try:
            with suppress(YAMLError, UnicodeDecodeError):
                check_yaml(read_text(file, MAX_YAML_BYTES))
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read as a config: {error.strerror}.") from None
        except ValueError as error:
            raise ConfigError(f"{file}: cannot be read as a config: {error}.") from None
