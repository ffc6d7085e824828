"""What a run was composed from: the choice of each config group, what was changed from it, and its place in the sweep."""

from functools import cache
from typing import Any

import yaml

from gatelab.config.identity import FILES, OUTSIDE, flatten, key_in
from gatelab.config.model_choice import DEFAULT, model_of
from gatelab.config.schema import CONF_DIR
from gatelab.config.settle import settle

NUM_JOBS = "GATELAB_NUM_JOBS"  # among what Hydra gives each job of a multirun


def composed_from(settings: dict[str, Any]) -> dict[str, Any]:
    """choices ({"encoder": "peephole"}), changed ({"encoder.hidden_size": 64}) and, in a multirun, job, its number from 0, of jobs.

    Empty where Hydra did not compose; without changed in a process to which a launcher handed only the composed config.
    """
    from hydra import compose
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from gatelab.config.trusted_loader import TrustedLoader, task_words

    if not HydraConfig.initialized():
        return {}
    hydra = HydraConfig.get()
    choices = {
        str(group): str(choice)
        for group, choice in hydra.runtime.choices.items()
        if choice is not None and "/" not in str(group)
    }
    known: dict[str, Any] = {"choices": choices}
    if not OmegaConf.is_missing(hydra.job, "num"):
        known["job"] = hydra.job.num
        known["jobs"] = num_jobs()
    if not GlobalHydra.instance().is_initialized():
        return known
    loader = GlobalHydra.instance().config_loader()
    chosen = loader.choices_alone(task_words(hydra)) if isinstance(loader, TrustedLoader) else None
    # An experiment's settings are changes too, so the choices are composed without it.
    words = [f"{group}={choice}" for group, choice in choices.items() if group != "experiments"]
    try:
        if chosen is None:
            plain = compose(hydra.job.config_name, [*words, f"seed={settings['seed']}"])
        else:
            plain = OmegaConf.create({**chosen, "seed": settings["seed"]})
        settled: Any = OmegaConf.to_container(plain, resolve=True)
        settle(settled)
        unchanged = flatten(settled)
    except (HydraException, OmegaConfBaseException):  # a group of the user's own that cannot be chosen so
        return known
    changed = {
        key: value
        for key, value in flatten(settings).items()
        if (key in FILES or not key_in(key, OUTSIDE)) and (key not in unchanged or unchanged[key] != value)
    }
    return {**known, "changed": changed}


def not_default(choices: dict[str, str]) -> dict[str, str]:
    """The choices that gatelab train does not make by itself, of the groups that can change a result."""
    return {
        group: choice
        for group, choice in choices.items()
        if group not in OUTSIDE and choice != default_choice(group, choices)
    }


def default_choice(group: str, choices: dict[str, str]) -> str | None:
    if group == "model":
        shipped = {file.stem for file in (CONF_DIR / "data").glob("*.yaml")}
        return model_of(data) if (data := choices.get("data")) in shipped else DEFAULT
    return next((entry[group] for entry in default_entries() if group in entry), None)


@cache
def default_entries() -> list[dict[str, str]]:
    """Those of the defaults list of conf/train.yaml that choose something."""
    listed = yaml.safe_load((CONF_DIR / "train.yaml").read_text(encoding="utf-8"))["defaults"]
    return [entry for entry in listed if isinstance(entry, dict)]


def num_jobs() -> int | None:
    """Of the multirun that this job is of, where its sweeper counts them."""
    from hydra.core.hydra_config import HydraConfig

    given = HydraConfig.get().job.env_set.get(NUM_JOBS)
    return None if given is None else int(given)
