"""gatelab.train: one run from Python, as gatelab train starts it, and without a word on the screen."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from omegaconf import DictConfig, open_dict

from gatelab.api.overrides import to_overrides
from gatelab.api.run_objects import Run
from gatelab.commands.train import (
    compose,
    config_folders,
    explain,
    refuse_no_name,
    refuse_unquoted,
    register_experiments,
)
from gatelab.config.experiment_choice import QUICK
from gatelab.config.schema import CONF_DIR
from gatelab.config.trusted_loader import trusting
from gatelab.errors import ConfigError, Interrupted, RunError, UserError
from gatelab.screen import console, errors, is_user_error, sentence_of


def train(*overrides: str, verbose: bool = False, **settings: Any) -> Run:
    """Train one run, unless it is finished, and return it; one that was interrupted resumes.

        gatelab.train("encoder=peephole", "seed=1", data={"path": "reviews.csv"})
        gatelab.train(encoder="peephole", seed=1, data=frame, trainer={"max_epochs": 5})

    overrides: as behind ``gatelab train``. settings: the same as Python values, a group of keys as a mapping; data may be a pandas
    DataFrame of texts and labels, whose content names the run. verbose: show what ``gatelab train`` shows.

    Raises a UserError (ConfigError, DataError, RunError, …) for what the user can mend, and KeyboardInterrupt for a run that was
    stopped and is saved.
    """
    with as_user_errors(), quiet(not verbose), process_as_it_was():
        words = checked(list(overrides))
        words = checked(to_overrides(words, settings, compose_here))
        with composed(words) as config:
            from gatelab.training.run import train as train_config

            folder, _ = train_config(config)
            return Run(folder, list(config.allow_targets))


def checked(words: list[str]) -> list[str]:
    """The words, each of them an override. Raises ConfigError."""
    for word in words:
        if not isinstance(word, str) or word.startswith("-"):
            raise ConfigError(f"{word}: is no override such as seed=1. Options of the shell are for gatelab train.")
        if QUICK.fullmatch(word):
            raise ConfigError(
                f"{word}: is a mode of a sweep, for gatelab train. gatelab.train takes its overrides one by one."
            )
    refuse_no_name(words)
    refuse_unquoted(words)
    return words


def compose_here(words: list[str]) -> DictConfig:
    with hydra_as_it_was(words):
        return compose(checked(words), config_folders([])[1:])


@contextmanager
def composed(words: list[str]) -> Iterator[DictConfig]:
    """The config of the overrides; inside, Hydra is as in a job that it has started itself."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.hydra_config import HydraConfig

    register_experiments()
    folders = ", ".join(f'"file://{folder}"' for folder in config_folders([])[1:])
    search = [f"hydra.searchpath=[{folders}]"] if folders else []
    arguments = sys.argv
    folder = str(CONF_DIR.resolve())
    with hydra_as_it_was(words), trusting(words), initialize_config_dir(folder, version_base="1.3"):
        config = hydra_compose("train", overrides=[*words, *search], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        plain = config.copy()
        with open_dict(plain):
            del plain["hydra"]
        sys.argv = ["gatelab", *words]  # the command that run.json records
        try:
            yield plain
        finally:
            sys.argv = arguments


@contextmanager
def hydra_as_it_was(words: list[str]) -> Iterator[None]:
    """Raise Hydra's own errors as ConfigError, and leave a Hydra that the caller has initialized as it was."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    job, before = HydraConfig.instance(), GlobalHydra.instance().hydra
    config, job.cfg, GlobalHydra.instance().hydra = job.cfg, None, None
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        if "--multirun" in str(error):
            raise ConfigError(
                "gatelab.train trains one run, and a setting has several values. Call it once for each; gatelab train -m sweeps."
            ) from None
        raise ConfigError(explain(str(error), words)) from None
    finally:
        HydraConfig.instance().cfg, GlobalHydra.instance().hydra = config, before


@contextmanager
def as_user_errors() -> Iterator[None]:
    try:
        yield
    except Interrupted as stopped:
        if stopped.exit_code != 128 + signal.SIGINT:
            raise
        raise KeyboardInterrupt("The run is saved; the same call resumes it.") from None
    except UserError:
        raise
    except Exception as error:
        if is_user_error(error):  # such as a file that cannot be read or written
            raise RunError(sentence_of(error)) from error
        raise


@contextmanager
def quiet(wanted: bool) -> Iterator[None]:
    before = console.quiet, errors.quiet
    console.quiet, errors.quiet = (was or wanted for was in before)
    try:
        yield
    finally:
        console.quiet, errors.quiet = before


@contextmanager
def process_as_it_was() -> Iterator[None]:
    """A run is deterministic and begins with its seed; what else the process computes and draws is as before."""
    from gatelab.training.checkpoint import random_state, set_random_state

    mode, dtype = torch.get_deterministic_debug_mode(), torch.get_default_dtype()
    memory: Any = torch.utils.deterministic
    fills, state = memory.fill_uninitialized_memory, random_state()
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        torch.set_default_dtype(dtype)
        memory.fill_uninitialized_memory = fills
        set_random_state(state)
