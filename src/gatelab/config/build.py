"""From a config group to the object that its ``_target_`` names; ``targets`` has checked it before.

The values are plain and stay so: unlike Hydra's instantiate, nothing here reads an interpolation in a text, so that what was
checked is what is built.
"""

from functools import partial
from typing import Any

from gatelab.config.targets import locate
from gatelab.errors import ConfigError

# Keys with the meaning that they have in Hydra.
SPECIAL = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")


def build(group: str, options: dict[str, Any], **more: Any) -> Any:
    """Construct one config group with more arguments; what its ``_target_`` refuses is a ConfigError."""
    try:
        return construct(group, options, more)
    except ConfigError:
        raise
    except Exception as error:
        if not isinstance(error, (TypeError, ValueError)) and type(error).__name__ != "MisconfigurationException":
            raise  # the latter is Lightning's for a value, and Lightning is not imported for a data module alone
        raise ConfigError(f"{group}: {options['_target_']} refused its settings: {error}") from error


def construct(key: str, options: dict[str, Any], more: dict[str, Any]) -> Any:
    """Call what ``_target_`` names. Raises ConfigError for what is nested and cannot be built, and what the call itself raises."""
    target = locate(f"{key}._target_", options["_target_"])
    arguments = {name: value for name, value in options.items() if name not in SPECIAL}
    given = options.get("_args_", [])
    if options.get("_recursive_", True):
        arguments = {name: nested(f"{key}.{name}", value) for name, value in arguments.items()}
        given = nested(f"{key}._args_", given)
    if options.get("_partial_"):
        return partial(target, *given, **arguments, **more)
    return target(*given, **{**arguments, **more})


def nested(key: str, value: Any) -> Any:
    """A copy of value in which every mapping with a ``_target_`` is what it describes."""
    if isinstance(value, (list, tuple)):
        return [nested(f"{key}.{number}", item) for number, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "_target_" not in value:
        return {name: nested(f"{key}.{name}", item) for name, item in value.items()}
    try:
        return construct(key, value, {})
    except ConfigError:
        raise
    except Exception as error:  # of any class that a config may name
        raise ConfigError(f"{key}: {value['_target_']} refused its settings: {error}") from error
