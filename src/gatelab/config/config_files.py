"""Configs that may be somebody else's: each file is read once, and checked before it is parsed, so that none grows beyond measure."""

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource as HydrasFileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from gatelab.bounded import MAX_YAML_BYTES, NamedText, check_yaml, read_text
from gatelab.errors import ConfigError


class FileConfigSource(HydrasFileConfigSource):
    """Where Hydra takes the configs of a folder from. Its registry of sources goes by the name of the class."""

    def load_config(self, config_path: str) -> ConfigResult:
        content, config = read_config_file(Path(self.path, self._normalize_file_name(config_path)))
        return ConfigResult(
            self.provider, f"{self.scheme()}://{self.path}", config, self._get_header_dict(content[:512])
        )


def bound_files_of_hydra() -> None:
    """Let Hydra read files by ``read_config_file`` from now on, in this process."""
    Plugins.instance()  # has registered its own
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource


def read_config_file(file: Path) -> tuple[str, Any]:
    """The content of a YAML, and its config, unresolved. Raises ConfigError for what is no regular file, too large or too deep, or grows
    by its aliases; yaml.YAMLError or UnicodeDecodeError for what is no YAML."""
    try:
        content = read_text(file, MAX_YAML_BYTES)
        check_yaml(content, str(file))
    except UnicodeDecodeError:
        raise
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read as a config: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"{file}: cannot be read as a config: {error}.") from None
    return content, OmegaConf.load(NamedText(content, str(file)))
