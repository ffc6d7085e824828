"""The learning rate range test (Smith 2017, Cyclical Learning Rates for Training Neural Networks)."""

import io
import tempfile
from contextlib import redirect_stderr
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.tuner import Tuner

from gatelab.config.build import build
from gatelab.errors import ConfigError
from gatelab.tasks.base import build_data
from gatelab.training.checkpoint import AtomicCheckpoints
from gatelab.training.foreign_errors import foreign_errors
from gatelab.training.optimization import attach_optimizer
from gatelab.training.parent import begin_with_parts
from gatelab.training.run import check
from gatelab.training.trainer import FIXED, quiet_lightning


class RangeTest(NamedTuple):
    """rates and losses (P,), the loss smoothed; steepest: the rate at which it falls fastest, None where it does not."""

    rates: NDArray[Any]
    losses: NDArray[Any]
    steepest: float | None


@foreign_errors()
def lr_range(settings: dict[str, Any], low: float, high: float, num_steps: int) -> RangeTest:
    """Train num_steps batches at rates that grow from low to high, until the loss is four times its lowest.

    Raises ConfigError for settings that cannot be, or where the data has too few batches.
    """
    if not 0 < low < high:
        raise ConfigError(f"--min {low:g} --max {high:g}: the rates grow from a positive one to a larger one.")
    config, task, _ = check({**settings, "optimizer": {**settings["optimizer"], "schedule": "constant", "warmup": 0.0}})
    data = build_data(config, task)
    pl.seed_everything(config.seed, verbose=False)
    module = task.build_module(config, data)
    begin_with_parts(config, task, module, data)
    attach_optimizer(config, module)
    quiet_lightning()
    with tempfile.TemporaryDirectory() as folder:
        options = config.trainer.model_dump(by_alias=True, exclude_unset=True)
        trainer = build(
            "trainer", {**options, "max_epochs": -1, "limit_val_batches": 0, "log_every_n_steps": 1}, logger=False,
            plugins=[AtomicCheckpoints(), LightningEnvironment()], default_root_dir=folder, **{**FIXED, "enable_checkpointing": False},
        )  # fmt: skip
        with redirect_stderr(io.StringIO()):  # where Lightning draws a bar
            found: Any = Tuner(trainer).lr_find(
                module, datamodule=data, min_lr=low, max_lr=high, num_training=num_steps, update_attr=False
            )
    rates, losses = np.array(found.results["lr"]), np.array(found.results["loss"])
    return RangeTest(rates, losses, steepest(rates, losses))


def steepest(rates: NDArray[Any], losses: NDArray[Any]) -> float | None:
    """The rate at which the loss (P,) falls fastest over the logarithm of the rate (P,); None where it does not fall."""
    first = 10  # the smoothed loss has settled by then
    if len(rates) < first + 3:
        return None
    slopes = np.gradient(losses, np.log(rates))[first:-1]
    return float(rates[first + slopes.argmin()]) if slopes.min() < 0 else None
