"""gatelab train and Hydra: run the overrides, explain those that are wrong, complete those half typed."""

import os
import re
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.markup import escape

from gatelab.configuration import CONF_DIR, EXPERIMENT_DIRS, ConfigError, suggest_key
from gatelab.runs.identity import flatten
from gatelab.screen import console, is_user_error, show_error

FAILURES: list[str] = []


def run_hydra(overrides: list[str]) -> int:
    """Compose and run, once or as a multirun. Returns the exit code: 0, 1 a run failed, 2 the user's mistake."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register_experiments()
    FAILURES.clear()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us as they are, to be explained here
    arguments, sys.argv = sys.argv, ["gatelab", *overrides]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF_DIR.resolve()), config_name="train")(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(str(error), overrides)) from None
    finally:
        sys.argv = arguments
    return max((int(code) for code in FAILURES), default=0)


def job(config: DictConfig) -> None:
    """One job of Hydra's: train, and show how it ended. A failure of one job of a multirun does not end the others."""
    from gatelab.train import train

    try:
        folder, trained = train(config)
    except (KeyboardInterrupt, SystemExit):
        console.print("Interrupted. What there is stays in the run folder; gatelab runs shows it.")
        raise SystemExit(130) from None
    except Exception as error:
        if is_user_error(error):
            show_error(str(error))
            FAILURES.append("2")
        else:
            import traceback

            traceback.print_exc()
            FAILURES.append("1")
        return
    show_result(folder, trained, config)


def show_result(folder: Any, trained: bool, config: DictConfig) -> None:
    from gatelab.reports.result import result_table
    from gatelab.runs.tracking import tracker_hint

    if not trained:
        console.print(f"Run {folder.path.name} is already finished; this is its result. force=true runs it again.")
    console.print(result_table(folder))
    console.print(f"run folder  {escape(str(folder.path))}", soft_wrap=True)
    hint = tracker_hint(folder.path, OmegaConf.to_container(config.tracker))  # type: ignore[arg-type]
    if hint:
        console.print(f"tracker     {escape(hint)}", soft_wrap=True)
    console.print(f'try it      gatelab predict {folder.path.name[:4]} "…"', soft_wrap=True)


def register_experiments() -> None:
    """Make every YAML in experiments/ a choice of the group experiments, over the whole config."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for folder in EXPERIMENT_DIRS:
        for file in sorted(folder.glob("*.yaml")):
            store.store(
                name=file.stem, node=OmegaConf.load(file), group="experiments", package="_global_", provider=str(file)
            )


def explain(message: str, overrides: list[str]) -> str:
    """Hydra's message in one paragraph, with the nearest key or choice."""
    override = re.search(r"Could not override '([^']+)'", message)
    if override:
        key = override[1].lstrip("+~")
        return (
            f"{key}: unknown key.{suggest_key(key, known_keys(overrides))} gatelab train --cfg job shows all of them."
        )
    choice = re.search(r"Could not find '([^']+)'", message)
    if choice:
        group, _, name = choice[1].rpartition("/")
        options = sorted(file.stem for file in (CONF_DIR / group).glob("[!_]*.yaml"))
        if group == "experiments":
            options = sorted(file.stem for folder in EXPERIMENT_DIRS for file in folder.glob("*.yaml"))
        return f"{group}={name}: no such choice.{suggest_key(name, options)} There are: {', '.join(options)}."
    group_key = re.search(r"override '([^']+)'", message) or re.search(r"In '[^']*': (.+)", message)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if group_key and "No match in the defaults list" in message:
        key = group_key[1]
        return f"{key}: unknown key or group.{suggest_key(key, known_keys(overrides))}"
    return " ".join(lines)


def known_keys(overrides: list[str]) -> list[str]:
    """Every key of the config that the overrides' group choices compose."""
    groups = {folder.name for folder in CONF_DIR.iterdir() if folder.is_dir()}
    choices = [text for text in overrides if text.split("=")[0] in groups and "," not in text]
    return list(flatten(OmegaConf.to_container(compose(choices)))) + sorted(groups)  # type: ignore[arg-type]


def compose(overrides: list[str] | None = None) -> DictConfig:
    """The config that gatelab train would run, for tests and notebooks."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register_experiments()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(Path(CONF_DIR).resolve()), version_base="1.3"):
        return hydra_compose("train", overrides=overrides or [])


def completions(incomplete: str) -> list[str]:
    """What the override being typed could become: groups and keys, or the choices after a group's =."""
    key, equals, value = incomplete.partition("=")
    if equals:
        names = [file.stem for file in (CONF_DIR / key).glob("[!_]*.yaml")]
        if key == "experiments":
            names = [file.stem for folder in EXPERIMENT_DIRS for file in folder.glob("*.yaml")]
        return [f"{key}={name}" for name in sorted(names) if name.startswith(value)]
    return [f"{known}=" for known in sorted(set(known_keys([]))) if known.startswith(key)]
