"""How far the gradient of a run's loss reaches back, with the weights that training began with and those that it chose.

B batch, T time, E embedding, H hidden.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from gatelab.config.schema import Config
from gatelab.errors import ConfigError, RunError
from gatelab.runs.folder import RunFolder
from gatelab.runs.gradients import Reach
from gatelab.tasks.base import build_data
from gatelab.training.foreign_errors import foreign_errors
from gatelab.training.optimization import attach_optimizer
from gatelab.training.run import check
from gatelab.training.saved_state import put_weights
from gatelab.training.trainer import FIXED, quiet_lightning


class StepByStep(nn.Module):
    """An encoder that reads one step after the other, and keeps the state of its last layer after each: the derivative with respect to it
    goes through all later steps. Where the outputs are the first part of the state, h, that is what they are made of.

    Raises ConfigError for an encoder that cannot continue from a state.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.output_size = encoder.output_size
        self.kept: list[tuple[Tensor, ...]] = []  # after each step the parts of the state, (layers, B, H)

    def forward(self, x: Tensor, lengths: Tensor, state: Sequence[Tensor] | None = None) -> tuple[Tensor, Any]:
        """x (B, T, E) → states (B, T, D), and the state after the last step."""
        every, one = [], torch.ones_like(lengths)
        name = type(self.encoder).__name__
        for step in range(x.shape[1]):
            try:
                states, after = self.encoder(x[:, step : step + 1], one, state)  # (B, 1, D)
                state = None if after is None else tuple(after)
            except (TypeError, ValueError) as error:
                raise ConfigError(f"encoder: {name} cannot be read step by step: {str(error).rstrip('.')}.") from None
            if state is None:
                raise ConfigError(
                    f"encoder: {name} has no state to continue from, so no gradient goes through it from step to step."
                )
            for part in state:
                if part.requires_grad:
                    part.retain_grad()
            self.kept.append(state)
            is_h = torch.equal(state[0][-1], states[:, 0])
            every.append(state[0][-1][:, None] if is_h else states)
        return torch.cat(every, 1), state

    def norms(self) -> list[list[float]]:
        """For each part of the state, of each step the norm of the derivative over all rows and units."""
        found = []
        for part in range(len(self.kept[0])):
            gradients = [state[part].grad for state in self.kept]
            found.append([0.0 if each is None else each[-1].double().norm().item() for each in gradients])
        return found


class AfterBackward(pl.Callback):
    """Ends the training after its first backward pass."""

    def on_after_backward(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = True


@foreign_errors()
def gradient_reach(settings: dict[str, Any], folder: RunFolder) -> list[Reach]:
    """Of the first training batch. Raises ConfigError for an encoder that does not read step by step, RunError without weights."""
    config, task, _ = check(settings)
    if config.encoder.get("bidirectional"):
        raise ConfigError(
            "encoder.bidirectional=true: reads a sequence from both ends, so its gradient has no one way back in time."
        )
    checkpoint = folder.best if folder.best.exists() else folder.last
    if not checkpoint.exists():
        raise RunError(f"{folder.checkpoints}: holds no checkpoint, so the trained weights are not known.")
    data = build_data(config, task)
    return [
        *reaches_of(config, task, data, "start", None),
        *reaches_of(config, task, data, "end", checkpoint),
    ]


def reaches_of(config: Config, task: Any, data: Any, weights: str, checkpoint: Path | None) -> list[Reach]:
    pl.seed_everything(config.seed, verbose=False)
    module = task.build_module(config, data)
    if checkpoint is not None:
        put_weights(module, checkpoint)
    attach_optimizer(config, module)
    names = names_of(module.encoder)
    module.encoder = read = StepByStep(module.encoder)
    module.eval()
    quiet_lightning()
    options: dict[str, Any] = {**FIXED, "enable_checkpointing": False}
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, limit_train_batches=1, limit_val_batches=0, logger=False, callbacks=[AfterBackward()],
        **options,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    norms = read.norms()
    if len(names) != len(norms):
        names = [f"state {number}" for number in range(1, 1 + len(norms))]
    return [Reach(weights, name, values) for name, values in zip(names, norms, strict=True)]


def names_of(encoder: Any) -> list[str]:
    """Of the parts of its state."""
    cell = getattr(getattr(encoder, "recurrent", None), "cell", None)
    return list(getattr(cell, "state_names", ()) or getattr(encoder, "state_names", ()))
