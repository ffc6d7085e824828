"""One run: compose → build → fit → test → record. gatelab train calls ``train`` with the composed config."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from gatelab.configuration import ConfigError, check_config
from gatelab.runs.choices import composed_from
from gatelab.runs.folder import RESUMABLE, Pruned, RunFolder, write_whole
from gatelab.runs.identity import flatten, identity_of
from gatelab.runs.provenance import determinism, provenance, uncommitted_diff
from gatelab.runs.resources import Meter, add_up
from gatelab.runs.secrets import redact
from gatelab.screen import console

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS asks for; no effect on a CPU
SECONDS_TO_LET_GO = 15  # a sweep that is started again may find jobs of the one that died still saving


def train(config: DictConfig, in_sweep: bool = False) -> tuple[RunFolder, bool]:
    """Train the run that config describes, unless it is finished. Returns its folder and whether it was trained now.

    One that was interrupted or pruned goes on from its last checkpoint. One that failed begins again, in a sweep with
    retry=failed only.

    Raises ConfigError, DataError or RunError for what the user can mend.
    """
    settings = resolve(config)
    check_config(settings)
    from gatelab.data.prepare import summary_lines
    from gatelab.learning.build import build
    from gatelab.reports.page import reported
    from gatelab.runs.checkpoint import StopRequest, find_checkpoint
    from gatelab.runs.ranks import num_processes, ranks
    from gatelab.runs.tracking import close_tracker
    from gatelab.targets import check_targets

    check_targets(settings, settings["allow_targets"])
    meter = Meter()
    data = build("data", settings["data"])
    prepared = data.prepared
    identity = identity_of(settings, prepared.record["sha256"])
    folder = RunFolder(os.path.join(settings["output_dir"], settings["name"], identity))
    with folder.alone(wait=SECONDS_TO_LET_GO if in_sweep else 0):
        status = None if settings["force"] else folder.record.get("status")
        if status == "finished" or (status == "failed" and in_sweep and not settings["retry"]):
            return folder, False
        # Held by us alone, so a run that says it is running has died.
        checkpoint = find_checkpoint(folder) if status in RESUMABLE else None
        stop = StopRequest()
        about = describe(settings, identity, prepared.record)
        with reported(folder), folder.recorded(checkpoint is not None, **about):
            for line in summary_lines(prepared.record):
                console.print(line, markup=False, soft_wrap=True)
            write_whole(folder.config, OmegaConf.to_yaml(OmegaConf.create(redact(settings))))
            save_diff(folder)
            try:
                baselines = fit_baselines(data, settings["baseline"])
                if checkpoint is not None:
                    console.print(f"Going on from {checkpoint}.", markup=False, soft_wrap=True)
                task = {
                    "settings": settings, "identity": identity, "folder": str(folder.path),
                    "checkpoint": None if checkpoint is None else str(checkpoint),
                }  # fmt: skip
                with ranks(num_processes(settings["trainer"]), task, folder.path):
                    trainer, module = fit_and_test(settings, data, folder, identity, checkpoint, stop)
                    stop.obey()
                    record_result(folder, settings, trainer, module, prepared, baselines)
                folder.update(resources=add_up(folder.record.get("resources", {}), meter.reading()))
            finally:
                close_tracker()
    return folder, True


def fit_and_test(
    settings: dict[str, Any], data: Any, folder: RunFolder, identity: str, checkpoint: str | Path | None, stop: Any,
    rank: int = 0,
) -> tuple[Any, Any]:  # fmt: skip
    """What each process of a run does: train, load the weights of the best epoch, test. Returns trainer and module."""
    import pytorch_lightning as pl
    import torch

    from gatelab.learning.build import build_model, weigh_classes
    from gatelab.runs.checkpoint import load_whole

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


def resolve(config: DictConfig) -> dict[str, Any]:
    """The config as plain values."""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key} is not set: give {error.full_key}=…") from None


def describe(settings: dict[str, Any], identity: str, data: dict[str, Any]) -> dict[str, Any]:
    """What run.json says from the start."""
    seeds = {key: value for key, value in flatten(settings).items() if key == "seed" or key.endswith("seed")}
    about = {"identity": identity, "name": settings["name"], "seed": settings["seed"], "seeds": seeds, "data": data}
    return {**about, **composed_from(settings), **provenance(settings["allow_targets"])}


def save_diff(folder: RunFolder) -> None:
    """What the code differs in from its commit, beside the record that names the commit."""
    record = folder.record
    diff = uncommitted_diff(record, folder.path.parents[1])
    if diff:
        write_whole(folder.diff, diff)


def fit_baselines(data: Any, wanted: str) -> Any:
    from gatelab.learning import baseline

    if wanted == "none":
        return baseline.Baselines()

    def compute() -> baseline.Baselines:
        parts, labels, texts = data.prepared.parts, np.asarray(data.prepared.labels), data.prepared.texts
        train, test = parts["train"], parts["test"]
        train_texts, test_texts = ([texts[row] for row in rows] for rows in (train, test))
        return baseline.fit_baselines(train_texts, labels[train], test_texts, labels[test], data.prepared.classes)

    return baseline.cached_baselines(data.prepared.folder, compute)


def build_loggers(settings: dict[str, Any], folder: RunFolder, identity: str) -> list[Any]:
    """metrics.csv and the tracker."""
    from gatelab.learning.build import build
    from gatelab.runs.tracking import MetricsCsv

    loggers: list[Any] = [MetricsCsv(folder.metrics)]
    if settings["tracker"]:
        about = {"folder": folder.path, "name": settings["name"], "identity": identity, "config": redact(settings)}
        loggers.append(build("tracker", settings["tracker"], **about))
    return loggers


def build_trainer(settings: dict[str, Any], folder: RunFolder, stop: Any, loggers: list[Any]) -> Any:
    import logging

    import pytorch_lightning as pl
    from pytorch_lightning.callbacks import ModelCheckpoint
    from pytorch_lightning.plugins.environments import LightningEnvironment

    from gatelab.learning.build import build
    from gatelab.runs.checkpoint import Resume, WholeFiles
    from gatelab.runs.progress import ProgressLine
    from gatelab.runs.ranks import num_processes

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
    plugins: list[Any] = [WholeFiles()]
    if num_processes(settings["trainer"]) > 1:  # which are started by us, under SLURM too
        plugins.append(LightningEnvironment())
    trainer: pl.Trainer = build(
        "trainer",
        settings["trainer"],
        logger=loggers,
        callbacks=[*callbacks, ProgressLine(console), checkpoint, resume],
        plugins=plugins,
        default_root_dir=str(folder.path),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    return trainer


def record_result(
    folder: RunFolder, settings: dict[str, Any], trainer: Any, module: Any, prepared: Any, baselines: Any
) -> None:
    """Predictions, the model, and the final metrics of the test rows."""
    from gatelab.learning.export import save_model
    from gatelab.learning.metrics import all_metrics
    from gatelab.learning.telling import write_telling_rows
    from gatelab.runs.predictions import write_predictions
    from gatelab.runs.tracking import best_validation

    baselines, linear = baselines
    rows, probabilities, labels = module.predictions
    # Not current_epoch, which is one less where a resumed run had nothing left to train.
    epochs = trainer.fit_loop.epoch_progress.current.processed
    metrics = all_metrics(probabilities, labels, prepared.classes)
    for logger in trainer.loggers:
        plain = {f"test/{name}": value for name, value in metrics.items() if isinstance(value, float)}
        logger.log_metrics({"epoch": epochs, **plain}, step=trainer.global_step)
    write_predictions(folder.predictions, prepared, rows.numpy(), probabilities.numpy(), linear)
    write_telling_rows(folder, module, prepared, rows.numpy(), probabilities.numpy(), settings["data"]["max_length"])
    save_model(
        folder.model,
        module,
        prepared.tokenizer_file,
        model=settings["model"],
        encoder=settings["encoder"],
        classes=prepared.classes,
        max_length=settings["data"]["max_length"],
    )
    folder.update(
        metrics=metrics,
        baselines=baselines,
        best_validation=best_validation(folder.metrics),
        epochs=epochs,
        steps=trainer.global_step,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )
