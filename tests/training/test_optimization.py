"""Training gives every module its optimizer."""

from types import SimpleNamespace
from typing import Any

import pytest
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


@pytest.mark.parametrize(
    ("name", "kind", "given"),
    [
        (
            "rmsprop",
            torch.optim.RMSprop,
            {"lr": 0.3, "alpha": 0.8, "momentum": 0.4, "centered": True, "weight_decay": 0.1},
        ),
        ("nadam", torch.optim.NAdam, {"lr": 0.3, "weight_decay": 0.1}),
        ("asgd", torch.optim.ASGD, {"lr": 0.3, "lambd": 0.2, "alpha": 0.5, "t0": 4.0, "weight_decay": 0.1}),
    ],
)
def test_an_optimizer_of_the_configs_takes_the_steps_of_torchs_with_the_same_settings(
    name: str, kind: type[torch.optim.Optimizer], given: dict[str, Any]
) -> None:
    modules: list[Any] = [Plain(), Plain()]
    modules[1].load_state_dict(modules[0].state_dict())
    attach_optimizer(
        checked(f"optimizer={name}", *(f"optimizer.{key}={value}" for key, value in given.items())), modules[0]
    )
    optimizers = [modules[0].configure_optimizers(), kind(modules[1].parameters(), **given)]
    for module, optimizer in zip(modules, optimizers, strict=True):
        for _ in range(6):
            optimizer.zero_grad()
            module.layer(torch.ones(3, 2)).square().sum().backward()
            optimizer.step()
    assert isinstance(optimizers[0], kind)
    assert torch.equal(modules[0].layer.weight, modules[1].layer.weight)


def test_the_steps_of_an_epoch_are_its_batches_over_those_accumulated(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = Plain()
    trainer = SimpleNamespace(estimated_stepping_batches=12, num_training_batches=7, accumulate_grad_batches=2)
    monkeypatch.setattr(Plain, "trainer", trainer, raising=False)
    attach_optimizer(
        checked("optimizer=sgd", "optimizer.lr=1", "optimizer.schedule=step", "optimizer.step.epochs=1"), module
    )
    made = module.configure_optimizers()
    rates = []
    for _ in range(12):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([1.0] * 4 + [0.1] * 4 + [0.01] * 4)


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
