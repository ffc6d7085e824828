"""From a config group to the object that its ``_target_`` names; ``targets`` has checked it before."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from gatelab.errors import ConfigError


def build(group: str, options: dict[str, Any], **more: Any) -> Any:
    """Instantiate one config group with more arguments; what its ``_target_`` refuses is a ConfigError."""
    try:
        return instantiate(options, _convert_="all", _partial_=True)(**more)
    except InstantiationException as error:
        raise ConfigError(f"{group}._target_={options['_target_']}: cannot be used: {error}") from error
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{group}: {options['_target_']} refused its settings: {error}") from error
