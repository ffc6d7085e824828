"""Settings given as Python values, as the overrides of Hydra that say the same."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from gatelab.commands.train import in_quotes
from gatelab.data.frame import write_frame
from gatelab.errors import ConfigError

WORD = re.compile(r"(?!(?:null|true|false|yes|no|on|off|inf|nan)$)[A-Za-z_][\w.-]*", re.IGNORECASE)
PATHS = ("data.path", "data.validation_path", "data.test_path")  # where a DataFrame may stand


def to_overrides(
    words: Sequence[str], settings: Mapping[str, Any], compose: Callable[[list[str]], DictConfig]
) -> list[str]:
    """The words, and after them an override for each setting. A mapping is a group of keys where the config has one.

    data: a DataFrame, a Path, or a mapping with a path, is data=csv unless the words choose another. A DataFrame is written to the data
    cache. compose: the config of some overrides.
    """
    settings = dict(settings)
    data = settings.get("data")
    if isinstance(data, str) and Path(data).suffix:
        raise ConfigError(f"data={data}: is no choice such as gop_debate. A file is data={{'path': '{data}'}}.")
    if isinstance(data, (pd.DataFrame, PathLike)):
        settings["data"] = data = {"path": data}
    found = list(words)
    if isinstance(data, Mapping) and "path" in data and not any(word.startswith("data=") for word in words):
        found.append("data=csv")
    values = {}
    for key, value in settings.items():
        if isinstance(value, (Mapping, pd.DataFrame)):
            values[key] = value
        else:
            found.append(f"{key}={text_of(value)}")
    if not values:
        return found
    config = compose(found)
    flat = dict(flat_settings(values, config))
    cache_dir = Path(flat.get("data.cache_dir", config.data.cache_dir)).expanduser()
    for key, value in flat.items():
        in_place_of_path = isinstance(value, pd.DataFrame) and key in PATHS
        found.append(f"{key}={text_of(write_frame(value, cache_dir) if in_place_of_path else value)}")
    return found


def flat_settings(values: Mapping[str, Any], config: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and isinstance(OmegaConf.select(config, key), DictConfig):
            yield from flat_settings(value, config, f"{key}.")
        else:
            yield key, value


def text_of(value: Any) -> str:
    """A value as the right side of an override. Raises ConfigError for what no config can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, PathLike)):
        text = str(value)
        return text if WORD.fullmatch(text) else in_quotes(text)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key_text(key)}:{text_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (Sequence, range, np.ndarray)):
        return "[" + ",".join(map(text_of, value)) + "]"
    raise ConfigError(
        f"{type(value).__name__} is no value of a config. Give texts, numbers, None, lists or mappings; a DataFrame as data=."
    )


def key_text(key: Any) -> str:
    """A key of a mapping, which Hydra's grammar takes without quotes and with its own signs escaped."""
    return re.sub(r"[\\()\[\]{}:=, \t]", r"\\\g<0>", key) if isinstance(key, str) else text_of(key)
