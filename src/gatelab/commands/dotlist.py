"""Settings that the user types as KEY=VALUE, outside of training."""

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gatelab.errors import ConfigError


def values_of(words: Sequence[str]) -> dict[str, Any]:
    """a.b=1 as {"a": {"b": 1}}. Raises ConfigError for a value that is no YAML."""
    try:
        return OmegaConf.to_container(OmegaConf.from_dotlist(list(words)), resolve=True)  # type: ignore[return-value]
    except (YAMLError, OmegaConfBaseException) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{' '.join(words)}: cannot be read ({reason}). Write KEY=VALUE, with text in quotes."
        ) from None
