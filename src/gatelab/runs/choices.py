"""What a run was composed from: the choice of each config group, and what was changed from the choices."""

from typing import Any

from gatelab.runs.identity import OUTSIDE, flatten, key_in


def composed_from(settings: dict[str, Any]) -> dict[str, Any]:
    """choices ({"encoder": "peephole"}) and changed ({"encoder.hidden_size": 64}); empty where Hydra did not compose."""
    from hydra import compose
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not (HydraConfig.initialized() and GlobalHydra.instance().is_initialized()):
        return {}
    hydra = HydraConfig.get()
    choices = {
        str(group): str(choice)
        for group, choice in hydra.runtime.choices.items()
        if choice is not None and "/" not in str(group)
    }
    # An experiment's settings are changes too, so the choices are composed without it.
    words = [f"{group}={choice}" for group, choice in choices.items() if group != "experiments"]
    try:
        plain = compose(hydra.job.config_name, [*words, f"seed={settings['seed']}"])
        unchanged = flatten(OmegaConf.to_container(plain, resolve=True))  # type: ignore[arg-type]
    except (HydraException, OmegaConfBaseException):  # a group of the user's own that cannot be chosen so
        return {"choices": choices}
    changed = {
        key: value
        for key, value in flatten(settings).items()
        if not key_in(key, OUTSIDE) and (key not in unchanged or unchanged[key] != value)
    }
    return {"choices": choices, "changed": changed}
