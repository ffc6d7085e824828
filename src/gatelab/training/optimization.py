"""The optimizer and the schedule of its learning rate, for the module of any task."""

import math
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch.optim.lr_scheduler import LambdaLR

from gatelab.config.build import build
from gatelab.config.schema import Config
from gatelab.errors import ConfigError
from gatelab.training.foreign_errors import first_sentences
from gatelab.training.schedule import make_schedule


def check_optimizer(config: Config) -> None:
    """Raise ConfigError for settings that the optimizer refuses."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = build("optimizer", config.optimizer.of_torch(), params=[parameter])
    parameter.grad = torch.zeros(1)
    try:
        optimizer.step(lambda: 0.0)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(f"optimizer: {config.optimizer.target} makes no step: {first_sentences(error)}") from error


def attach_optimizer(config: Config, module: pl.LightningModule) -> None:
    """Train module with the optimizer of config, unless its class has a configure_optimizers of its own."""
    if type(module).configure_optimizers is pl.LightningModule.configure_optimizers:
        setattr(module, "configure_optimizers", partial(configure_optimizers, config, module))  # noqa: B010 -- for mypy


def configure_optimizers(config: Config, module: pl.LightningModule) -> Any:
    """What Lightning's method of the name returns. Raises ConfigError for keys that the optimizer refuses."""
    options = config.optimizer.of_torch()
    if options["_target_"].startswith("torch.optim.Adam"):
        # One kernel for all parameters, on the CPU too; not in mixed precision, where Lightning cannot clip its gradients.
        options.setdefault("fused", not config.trainer.precision.endswith("-mixed"))
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = build("optimizer", options, params=trained)
    schedule = make_schedule(config.optimizer.schedule, config.optimizer.warmup, config.optimizer.schedule_keys)
    if schedule is None:
        return optimizer
    num_steps = int(module.trainer.estimated_stepping_batches)  # which also counts the batches of an epoch
    steps_of_epoch = math.ceil(module.trainer.num_training_batches / module.trainer.accumulate_grad_batches)
    scheduler = LambdaLR(optimizer, lambda step: schedule(step, num_steps, steps_of_epoch))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
