"""Hydra's composition of a config, in which what can run something is what the command line and the shipped configs say.

Experiments and folders of configs may be somebody else's, and before a run's config is checked Hydra runs what its own settings
name: callbacks, logging, launchers, the environment of jobs. So none of these may come from a file that is not shipped, nor
may allow_targets, which lists what else is built.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from hydra._internal import hydra as hydra_internal
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.errors import MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gatelab.config.choices import NUM_JOBS
from gatelab.config.config_files import bound_files_of_hydra
from gatelab.config.identity import flatten, key_in
from gatelab.config.schema import CONF_DIR
from gatelab.config.targets import find_targets
from gatelab.errors import ConfigError

# What files may say of hydra: what a sweep is of, and what Hydra itself notes.
FREE = (
    "mode", "verbose", "overrides", "runtime", "searchpath", "job.override_dirname", "job.config_name", "job.num", "job.id",
    f"job.env_set.{NUM_JOBS}", "sweeper.params", "sweeper.max_batch_size", "sweeper.num_trials",
    "sweeper.at_once", "sweeper.metric", "sweeper.direction", "sweeper.pruner", "sweeper.sampler", "sweeper.seed", "sweeper.study",
)  # fmt: skip
CHOSEN = ("hydra/launcher", "hydra/sweeper")  # groups of whose shipped choices a file may take another

SHIPPED = {"pkg://hydra.conf", f"file://{CONF_DIR.resolve()}", "structured://"}
# An override that chooses or sets what the shipped configs have, and neither Hydra's mode nor other files.
SHIPPED_WORD = re.compile(
    rf"(?!experiments\b|hydra\.(mode|searchpath)\b|.*\.\./)[\w./]+=|\+\+hydra\.job\.env_set\.{NUM_JOBS}="
)


@contextmanager
def trusting(words: Sequence[str]) -> Iterator[None]:
    """Inside, Hydra refuses with a ConfigError what only the command line may say. words: the overrides that stand there."""
    before = hydra_internal.ConfigLoaderImpl
    hydra_internal.ConfigLoaderImpl = partial(TrustedLoader, list(words))  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        hydra_internal.ConfigLoaderImpl = before  # type: ignore[misc]


class TrustedLoader(ConfigLoaderImpl):
    """Hydra's, which composes the config of the command and that of each job, here and in other processes."""

    def __init__(self, words: list[str], config_search_path: ConfigSearchPath) -> None:
        bound_files_of_hydra()
        super().__init__(config_search_path)
        self.words = [word for word in words if is_own(word)]
        self.composed: dict[tuple[str, ...], dict[str, Any]] = {}
        self.chosen: tuple[list[str], dict[str, Any]] | None = None

    def load_configuration(self, config_name: str | None, overrides: list[str], *args: Any, **more: Any) -> DictConfig:
        bound_files_of_hydra()  # also in the process of a job, to which this loader was sent
        shipped = config_name == "train" and self.shipped_sources() and all(map(SHIPPED_WORD.match, overrides))
        if shipped and more.get("validate_sweep_overrides") is False:
            # Hydra asks for the mode alone, which no shipped file gives.
            return OmegaConf.create({"hydra": {"mode": None}})
        self.before_overrides: dict[str, Any] = {}
        config = super().load_configuration(config_name, overrides, *args, **more)
        self.chosen = (task_words(config.hydra), self.before_overrides) if shipped else None
        if has_foreign_files(config):
            keys = {key_of(word) for word in overrides}
            self.check(config, [word for word in self.words if key_of(word) in keys])
        return config

    def _compose_config_from_defaults_list(self, *args: Any, **more: Any) -> DictConfig:
        config = super()._compose_config_from_defaults_list(*args, **more)
        settings: Any = OmegaConf.to_container(config, resolve=False)
        self.before_overrides = {key: value for key, value in settings.items() if key != "hydra"}
        return config

    def choices_alone(self, words: list[str]) -> dict[str, Any] | None:
        """The config of the choices that these overrides make, as the files have it and unresolved; None unless it is known from
        the last composition, of these overrides and of shipped files only."""
        return self.chosen[1] if self.chosen is not None and self.chosen[0] == words else None

    def shipped_sources(self) -> bool:
        return {f"{source.scheme()}://{source.path}" for source in self.get_sources()} <= SHIPPED

    def check(self, config: DictConfig, words: list[str]) -> None:
        """Raise ConfigError for the first setting that differs from what the shipped configs and words give."""
        given, own = plain(config), self.own_settings(config, words)
        for key in [*given, *(own.keys() - given.keys())]:
            if given.get(key) != own.get(key) and not is_free(key, given.get(key)):
                raise only_here(key, given.get(key))
        # Hydra builds these two, and of what a shipped one takes up from the run's own keys, such as seed, whatever stands there.
        for group in ("launcher", "sweeper"):
            resolved: Any = OmegaConf.to_container(config.hydra[group], resolve=True)
            nested = [key for key, _ in find_targets(resolved, f"hydra.{group}.") if key != f"hydra.{group}._target_"]
            if nested or "${" in str(resolved):
                raise only_here(nested[0] if nested else f"hydra.{group}", resolved)

    def own_settings(self, config: DictConfig, words: list[str]) -> dict[str, Any]:
        """Those of the shipped configs with words, and with the launcher and sweeper that config has chosen."""
        keys = {key_of(word) for word in words}
        choices = [f"{group}={config.hydra.runtime.choices[group]}" for group in CHOSEN if group not in keys]
        composed = (*choices, *words)
        if composed not in self.composed:
            path = ConfigSearchPathImpl()
            path.append("hydra", "pkg://hydra.conf")
            path.append("main", f"file://{CONF_DIR.resolve()}")
            path.append("schema", "structured://")
            try:
                shipped = ConfigLoaderImpl(path).load_configuration("train", list(composed), RunMode.MULTIRUN)
            except MissingConfigException as error:
                raise ConfigError(
                    f"{error.missing_cfg_file}: is no choice of gatelab's, Hydra's or an installed plugin's, and of Hydra's own "
                    "groups no other is taken."
                ) from None
            self.composed[composed] = plain(shipped)
        return self.composed[composed]


def task_words(hydra: Any) -> list[str]:
    """The overrides as they were given, of which one may hold what looks like an interpolation."""
    words: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return words


def key_of(word: str) -> str:
    return word.partition("=")[0]


def is_own(word: str) -> bool:
    """Whether an override sets what is compared here."""
    return bool(re.match(r"[+~]*(hydra[./@](?!searchpath)|allow_targets)", word))


def has_foreign_files(config: DictConfig) -> bool:
    runtime = config.hydra.runtime
    sources = {f"{source.schema}://{source.path}" for source in runtime.config_sources}
    no_other = config.hydra.job.config_name in ("train", None)  # none for --hydra-help
    return bool(sources - SHIPPED) or bool(runtime.choices.get("experiments")) or not no_other


def plain(config: DictConfig) -> dict[str, Any]:
    """The values at the keys of hydra, where an empty mapping is none, and allow_targets."""
    settings: Any = OmegaConf.to_container(config, resolve=False)
    of_hydra = {key: value for key, value in flatten(settings["hydra"], "hydra.").items() if value != {}}
    return {**of_hydra, "allow_targets": settings.get("allow_targets") or []}


def is_free(key: str, value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    free = key_in(key.removeprefix("hydra."), FREE) or (key.startswith("hydra.launcher.") and is_number)
    return free and not any(find_targets({key: value}))


def only_here(key: str, value: Any) -> ConfigError:
    return ConfigError(
        f"{key}={value}: stands in a config file, and counts on the command line alone, since it can run what it names and files "
        f"may be somebody else's. If you trust it, give it there: {key}=…"
    )
