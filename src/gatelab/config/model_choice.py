"""The model that a choice of data brings along: that of the task whose data it is."""

import re

from omegaconf import OmegaConf

from gatelab.config.schema import CONF_DIR

DEFAULT = "classifier"


def model_of(data: str) -> str:
    """The choice of model= for one of data=. A data module in gatelab/tasks/NAME/ has that of NAME, unless this chooses its data itself."""
    file = CONF_DIR / "data" / f"{data}.yaml"
    target = (
        re.search(r"^_target_: gatelab\.tasks\.(\w+)\.", file.read_text(encoding="utf-8"), re.MULTILINE)
        if file.is_file()
        else None
    )
    model = CONF_DIR / "model" / f"{target[1]}.yaml" if target else None
    if model is None or not model.is_file() or "override /data" in model.read_text(encoding="utf-8"):
        return DEFAULT
    return model.stem


def register_model_choice() -> None:
    """Before Hydra composes a config: its defaults name the model as ${model_of:${data}}."""
    OmegaConf.register_new_resolver("model_of", model_of, replace=True)
