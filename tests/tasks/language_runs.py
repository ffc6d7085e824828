"""A small run of a language model on the generated text, for the tests here."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gatelab.commands.train import compose


def config(folder: Path, *overrides: str) -> DictConfig:
    return compose(
        ["model=language_model", "tokenizer=char", "encoder.hidden_size=12", "encoder.num_layers=2", "data.batch_size=6", "data.window=24", "data.split.test=0.2", "data.num_sentences=60",
         "trainer=cpu", "trainer.max_epochs=2", "trainer.log_every_n_steps=10", "optimizer.lr=0.02",
         "callbacks=none", "tracker=none", "report=false", f"output_dir={folder / 'outputs'}",
         f"data.cache_dir={folder / 'cache'}", *overrides]
    )  # fmt: skip


def settings(folder: Path, *overrides: str) -> dict[str, Any]:
    """The same as plain values."""
    from gatelab.training.run import resolve

    return resolve(config(folder, *overrides))
