"""Fit and test: what each process of a run does, and the trainer that it does it with."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.environments import LightningEnvironment

from gatelab.learning.build import build, build_model, weigh_classes
from gatelab.runs.checkpoint import Resume, StopRequest, WholeFiles, load_whole
from gatelab.runs.folder import Pruned, RunFolder
from gatelab.runs.progress import ProgressLine
from gatelab.runs.provenance import determinism
from gatelab.runs.secrets import redact
from gatelab.runs.tracking import MetricsCsv
from gatelab.screen import console

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS asks for; no effect on a CPU


def fit_and_test(
    settings: dict[str, Any], data: Any, folder: RunFolder, identity: str, checkpoint: str | Path | None,
    stop: StopRequest, rank: int = 0,
) -> tuple[pl.Trainer, Any]:  # fmt: skip
    """What each process of a run does: train, load the weights of the best epoch, test. Returns trainer and module."""
    prepared = data.prepared
    pl.seed_everything(settings["seed"], verbose=False)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 -- nothing here reads such memory
    counts = list(prepared.record["label_counts"]["train"].values())
    module = build_model(
        settings["model"],
        settings["encoder"],
        vocab_size=prepared.vocab_size,
        num_classes=len(prepared.classes),
        optimizer=settings["optimizer"],
        class_weights=weigh_classes(settings["model"]["class_weights"], counts),
        mixed_precision=settings["trainer"]["precision"].endswith("-mixed"),
    )
    trainer = build_trainer(settings, folder, stop, build_loggers(settings, folder, identity) if rank == 0 else [])
    if rank == 0:
        folder.update(determinism=determinism())
    else:
        torch.manual_seed(settings["seed"] + (rank << 32))  # equal weights, but dropout of its own
    with stop.listening():
        try:
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        except Pruned:
            folder.update(epochs=trainer.current_epoch)
            raise
        module.load_state_dict(load_whole(folder.best)["state_dict"])
        trainer.test(module, datamodule=data, verbose=False)
    return trainer, module


def build_loggers(settings: dict[str, Any], folder: RunFolder, identity: str) -> list[Any]:
    """metrics.csv and the tracker."""
    loggers: list[Any] = [MetricsCsv(folder.metrics)]
    if settings["tracker"]:
        about = {"folder": folder.path, "name": settings["name"], "identity": identity, "config": redact(settings)}
        loggers.append(build("tracker", settings["tracker"], **about))
    return loggers


def build_trainer(settings: dict[str, Any], folder: RunFolder, stop: StopRequest, loggers: list[Any]) -> Any:
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    checkpoint = ModelCheckpoint(
        folder.checkpoints,
        "best",
        monitor="validation/macro_f1",
        mode="max",
        save_weights_only=True,
        enable_version_counter=False,
    )
    resume = Resume(folder, minutes=settings["checkpoint_minutes"], epochs=settings["checkpoint_epochs"], stop=stop)
    callbacks = [build(f"callbacks.{name}", options) for name, options in settings["callbacks"].items() if options]
    if settings["search"]:
        from gatelab.search import Pruning

        callbacks.append(Pruning(**settings["search"]))
    return build(
        "trainer",
        settings["trainer"],
        logger=loggers,
        callbacks=[*callbacks, ProgressLine(console), checkpoint, resume],
        plugins=[WholeFiles(), LightningEnvironment()],  # under SLURM too, processes and signals are ours
        default_root_dir=str(folder.path),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
