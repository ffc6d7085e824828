"""Callbacks: those of Lightning and of the user's own beside what a run has itself."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import (
    BackboneFinetuning,
    BatchSizeFinder,
    DeviceStatsMonitor,
    EarlyStopping,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    ProgressBar,
    StochasticWeightAveraging,
)

from gatelab.config.build import build
from gatelab.config.targets import locate
from gatelab.errors import ConfigError
from gatelab.runs.metrics import is_lower_better
from gatelab.tasks.base import Task, no_such_metric

REFUSED: dict[type[pl.Callback], str] = {
    BatchSizeFinder: "would change the size of the batches while data.batch_size keeps another in the run's identity. Set "
    "data.batch_size, or sweep it: -m data.batch_size=32,64,128.",
    LearningRateFinder: "would change the learning rate while optimizer.lr keeps another in the run's identity. "
    "gatelab find-lr proposes one for optimizer.lr.",
    StochasticWeightAveraging: "averages at the training's end, after the best epoch has been chosen, so that what is tested would "
    "be without it. pytorch_lightning.callbacks.EMAWeightAveraging and WeightAveraging average while it trains, and the "
    "averaged weights are validated and tested.",
    BackboneFinetuning: "freezes a module named backbone, which no model of gatelab's has. from_parts= begins with weights of another "
    "run, and model.freeze_vectors=true leaves vectors as they are.",
    ModelPruning: "puts two tensors in the place of each weight that it prunes, so that no checkpoint of the run could be loaded. Leave "
    "it out.",
    ProgressBar: "would write over gatelab's own progress line. Leave it out.",
}


def check_callbacks(callbacks: dict[str, dict[str, Any] | None], metric: str, task: Task) -> list[pl.Callback]:
    """Those of the config, built to see whether they can be.

    Raises ConfigError for one that a run cannot have, a metric that its task does not log, or a setting that it refuses.
    """
    for name, options in callbacks.items():
        if not options:
            continue
        key = f"callbacks.{name}"
        kind = locate(f"{key}._target_", options["_target_"])
        if not isinstance(kind, type):
            continue
        for refused, reason in REFUSED.items():
            if issubclass(kind, refused):
                raise ConfigError(f"{key}: {kind.__name__} {reason}")
        if issubclass(kind, DeviceStatsMonitor) and options.get("cpu_stats") is not False and not find_spec("psutil"):
            raise ConfigError(f"{key}: {kind.__name__} needs psutil: pip install psutil.")
        monitor, known = options.get("monitor"), task.logged
        if isinstance(monitor, str) and known and monitor not in known:
            raise no_such_metric(f"{key}.monitor", monitor, known, "the run")
    return build_callbacks(callbacks, metric, Path())


def build_callbacks(callbacks: dict[str, dict[str, Any] | None], metric: str, checkpoints: Path) -> list[pl.Callback]:
    """Those of the config. A monitor that is null is the run's selection metric; a mode that is null is what that metric asks for.

    checkpoints: the folder in which a ModelCheckpoint without dirpath gets one of its own, named after its key.
    """
    built = []
    for name, options in callbacks.items():
        if not options:
            continue
        own = monitoring(options.get("monitor") or metric)
        values = {key: own[key] if value is None and key in own else value for key, value in options.items()}
        kind = locate(f"callbacks.{name}._target_", values["_target_"])
        if isinstance(kind, type) and issubclass(kind, EarlyStopping) and "validation/" in str(values.get("monitor")):
            values.setdefault("check_on_train_epoch_end", False)  # which an epoch without validation has, too
        if isinstance(kind, type) and issubclass(kind, ModelCheckpoint) and values.get("dirpath") is None:
            values["dirpath"] = str(checkpoints / name)
        built.append(build(f"callbacks.{name}", values))
    return built


def monitoring(metric: str) -> dict[str, Any]:
    """What Lightning's callbacks look at, and which way is better."""
    name = metric if "/" in metric else f"validation/{metric}"
    return {"monitor": name, "mode": "min" if is_lower_better(metric) else "max"}
