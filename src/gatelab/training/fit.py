"""Fit and test: what each process of a run does."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from gatelab.config.build import build
from gatelab.config.schema import Config
from gatelab.config.targets import locate
from gatelab.errors import Pruned
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_points
from gatelab.runs.provenance import determinism
from gatelab.tasks.base import task_of
from gatelab.trackers.lightning import LightningTracker
from gatelab.trackers.tracker import Tracker
from gatelab.trackers.tracking import Trackers
from gatelab.training.checkpoint import Resume, StopRequest
from gatelab.training.foreign_errors import foreign_errors
from gatelab.training.metrics_csv import MetricsCsv
from gatelab.training.optimization import attach_optimizer
from gatelab.training.parent import begin_with_parts
from gatelab.training.saved_state import load_resumable, put_weights, restoring
from gatelab.training.trainer import build_trainer

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS asks for; no effect on a CPU


@foreign_errors()
def fit_and_test(
    config: Config, data: Any, folder: RunFolder, checkpoint: str | Path | None,
    stop: StopRequest, trackers: Trackers | None = None, rank: int = 0,
) -> tuple[pl.Trainer, Any]:  # fmt: skip
    """What each process of a run does: train, load the weights of the best epoch where there was a validation, fit
    what the module fits on the validation, test. Returns trainer and module.

    trackers: those of rank 0, the only one that logs.
    """
    pl.seed_everything(config.seed, verbose=False)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 -- nothing here reads such memory
    task = task_of(config.model)
    module = task.build_module(config, data)
    begin_with_parts(config, task, module, data)
    attach_optimizer(config, module)
    loggers = [] if trackers is None else start_loggers(folder, checkpoint, trackers)
    trainer = build_trainer(config, folder, stop, loggers)
    if rank == 0:
        folder.update(determinism=determinism())
    else:
        torch.manual_seed(config.seed + (rank << 32))  # equal weights, but dropout of its own
    with stop.listening():
        try:
            resume = next(callback for callback in trainer.callbacks if isinstance(callback, Resume))
            with restoring(checkpoint, resume):
                trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        except Pruned:
            folder.update(epochs=trainer.current_epoch)
            raise
        if folder.best.exists():
            put_weights(module, folder.best)
        if getattr(module, "fits", ()):
            trainer.limit_predict_batches = trainer.limit_val_batches
            trainer.predict(module, dataloaders=data.val_dataloader(), return_predictions=False)
        trainer.test(module, datamodule=data, verbose=False)
    return trainer, module


def start_loggers(folder: RunFolder, checkpoint: str | Path | None, trackers: Trackers) -> list[Any]:
    """metrics.csv and the trackers, which first get what metrics.csv says up to the checkpoint."""
    size = 0 if checkpoint is None else load_resumable(Path(checkpoint))["gatelab"]["metrics_size"]
    past = read_points(folder.metrics, size) if size else []  # before the first value there is no file
    return [MetricsCsv(folder.metrics), *trackers.start(past, resumed=bool(folder.record.resumed))]


def tracker_makers(trackers: dict[str, dict[str, Any] | None]) -> dict[str, Callable[..., Tracker]]:
    """What builds each tracker of the config, by its name."""
    makers: dict[str, Callable[..., Tracker]] = {}
    for name, options in trackers.items():
        if options is None:
            continue
        make = partial(build, f"tracker.{name}", options)
        found = locate(f"tracker.{name}._target_", options["_target_"])
        ours = isinstance(found, type) and issubclass(found, Tracker)
        makers[name] = make if ours else partial(LightningTracker, make=make)
    return makers
