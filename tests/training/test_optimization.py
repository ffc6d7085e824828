"""Training gives every module its optimizer."""

from typing import Any

import pytorch_lightning as pl
import torch

from gatelab.commands.train import compose
from gatelab.config.schema import Config, check_config
from gatelab.training.optimization import attach_optimizer
from gatelab.training.run import resolve


def checked(*overrides: str) -> Config:
    return check_config(resolve(compose(list(overrides))))


class Plain(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


class Own(Plain):
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.5)


def test_a_module_of_any_task_is_given_the_optimizer_of_the_config() -> None:
    module: Any = Plain()
    attach_optimizer(checked("optimizer=sgd", "optimizer.lr=0.25", "optimizer.momentum=0.5"), module)
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["params"]) == (0.25, 0.5, list(module.parameters()))


def test_one_that_its_class_makes_itself_is_kept() -> None:
    module = Own()
    attach_optimizer(checked("optimizer=adam"), module)
    assert isinstance(module.configure_optimizers(), torch.optim.SGD)


def test_in_mixed_precision_adam_is_not_fused_since_lightning_then_refuses_to_clip() -> None:
    fused = {}
    for precision in ("32-true", "bf16-mixed"):
        module: Any = Plain()
        attach_optimizer(checked(f"trainer.precision={precision}"), module)
        fused[precision] = module.configure_optimizers().defaults["fused"]
    assert fused == {"32-true": True, "bf16-mixed": False}
