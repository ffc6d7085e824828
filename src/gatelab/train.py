"""One run: compose → build → fit → test → record. gatelab train calls ``train`` with the composed config."""

import os
import warnings
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from gatelab.configuration import ConfigError, check_config
from gatelab.runs.folder import RunFolder, write_whole
from gatelab.runs.identity import identity_of
from gatelab.screen import console

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS asks for; no effect on a CPU


def train(config: DictConfig, in_sweep: bool = False) -> tuple[RunFolder, bool]:
    """Train the run that config describes, unless it is finished. Returns its folder and whether it was trained now.

    One that was interrupted goes on from its last checkpoint. One that failed begins again, in a sweep with retry=failed only.

    Raises ConfigError, DataError or RunError for what the user can mend.
    """
    settings = resolve(config)
    check_config(settings)
    import pytorch_lightning as pl
    import torch

    from gatelab.data.prepare import summary_lines
    from gatelab.learning.build import build, build_model, weigh_classes
    from gatelab.reports.page import reported
    from gatelab.runs.checkpoint import StopRequest, find_checkpoint
    from gatelab.runs.tracking import close_tracker

    data = build("data", settings["data"])
    prepared = data.prepared
    identity = identity_of(settings, prepared.record["sha256"])
    folder = RunFolder(os.path.join(settings["output_dir"], settings["name"], identity))
    with folder.alone():
        status = None if settings["force"] else folder.record.get("status")
        if status == "finished" or (status == "failed" and in_sweep and not settings["retry"]):
            return folder, False
        # Held by us alone, so a run that says it is running has died.
        checkpoint = find_checkpoint(folder) if status in ("running", "interrupted") else None
        stop = StopRequest()
        about = describe(settings, identity, prepared.record)
        with reported(folder), folder.recorded(checkpoint is not None, **about):
            for line in summary_lines(prepared.record):
                console.print(line, markup=False, soft_wrap=True)
            write_whole(folder.config, OmegaConf.to_yaml(OmegaConf.create(settings)))
            try:
                baselines = fit_baselines(data, settings["baseline"])
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
                trainer = build_trainer(settings, folder, identity, stop)
                if checkpoint is not None:
                    console.print(f"Going on from {checkpoint}.", markup=False, soft_wrap=True)
                with stop.listening():
                    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
                    module.load_state_dict(torch.load(folder.best, weights_only=True)["state_dict"])
                    trainer.test(module, datamodule=data, verbose=False)
                stop.obey()
                record_result(folder, settings, trainer, module, prepared, baselines)
            finally:
                close_tracker()
    return folder, True


def resolve(config: DictConfig) -> dict[str, Any]:
    """The config as plain values."""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key} is not set: give {error.full_key}=…") from None


def describe(settings: dict[str, Any], identity: str, data: dict[str, Any]) -> dict[str, Any]:
    """What run.json says from the start."""
    from gatelab.runs.provenance import provenance

    return {"identity": identity, "name": settings["name"], "seed": settings["seed"], "data": data, **provenance()}


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


def build_trainer(settings: dict[str, Any], folder: RunFolder, identity: str, stop: Any) -> Any:
    import logging

    import pytorch_lightning as pl
    from pytorch_lightning.callbacks import ModelCheckpoint

    from gatelab.learning.build import build
    from gatelab.runs.checkpoint import Resume, WholeFiles
    from gatelab.runs.progress import ProgressLine
    from gatelab.runs.tracking import MetricsCsv

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    checkpoint = ModelCheckpoint(
        folder.checkpoints,
        "best",
        monitor="validation/macro_f1",
        mode="max",
        enable_version_counter=False,
    )
    resume = Resume(folder, settings["checkpoint_minutes"], stop)
    callbacks = [build(f"callbacks.{name}", options) for name, options in settings["callbacks"].items() if options]
    loggers: list[Any] = [MetricsCsv(folder.metrics)]
    if settings["tracker"]:
        about: dict[str, Any] = {
            "folder": folder.path,
            "name": settings["name"],
            "identity": identity,
            "config": settings,
        }
        loggers.append(build("tracker", settings["tracker"], **about))
    trainer: pl.Trainer = build(
        "trainer",
        settings["trainer"],
        logger=loggers,
        callbacks=[*callbacks, ProgressLine(console), checkpoint, resume],
        plugins=[WholeFiles()],
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
        best_validation={"macro_f1": float(trainer.checkpoint_callback.best_model_score)},
        epochs=epochs,
        steps=trainer.global_step,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )
