"""The trainer of a run: Lightning's, with the settings that a run takes from its config and those that are its own."""

import inspect
import logging
import os
import warnings
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from gatelab.config.build import build
from gatelab.config.schema import Config
from gatelab.errors import ConfigError, did_you_mean
from gatelab.runs.folder import RunFolder
from gatelab.screen import console
from gatelab.sweeps.outcome import job_title
from gatelab.training.callbacks import build_callbacks, monitoring
from gatelab.training.checkpoint import AtomicCheckpoints, BestCheckpoint, Resume, StopRequest
from gatelab.training.foreign_errors import first_sentences
from gatelab.training.progress import ProgressLine
from gatelab.training.ranks import num_processes
from gatelab.training.schedule import Plateau

# Settings that are a run's own, and what to do instead.
OWN = {
    "logger": "metrics.csv is always written, and tracker= says what else gets the metrics; tracker=none is nothing else.",
    "callbacks": "callbacks are a group of their own, such as +callbacks.mine._target_=…; callbacks=none is without.",
    "plugins": "a run's checkpoints and processes are gatelab's.",
    "default_root_dir": "output_dir= is where the run folders go.",
    "num_nodes": "a run trains on one machine.",
    "barebones": "a run is always recorded.",
    "overfit_batches": "a run that is validated on its training rows says nothing of others. To see whether a model can learn a few "
    "batches, take trainer.limit_train_batches= and read train/loss.",
}
# Those that may be given as they are anyway.
FIXED = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "enable_checkpointing": True,
}
MIN_PROCESSES = 8  # may run side by side, whatever cores there are
PROFILERS = {"simple": "SimpleProfiler", "advanced": "AdvancedProfiler", "pytorch": "PyTorchProfiler"}


def check_trainer(config: Config, callbacks: list[pl.Callback]) -> None:
    """Raise ConfigError, which names the key, for settings of the trainer that it refuses or that a run has itself."""
    options = config.trainer.model_dump(by_alias=True, exclude_unset=True)
    defaults = inspect.signature(pl.Trainer).parameters
    for key, instead in OWN.items():
        if key in options and options[key] != defaults[key].default:
            raise ConfigError(f"trainer.{key}={options[key]}: cannot be set: {instead}")
    for key, value in FIXED.items():
        if key in options and options[key] != value:
            raise ConfigError(f"trainer.{key}={options[key]}: cannot be set: a run has it at {str(value).lower()}.")
    for least, most in (("min_epochs", "max_epochs"), ("min_steps", "max_steps")):
        wanted, limit = options.get(least), options.get(most, -1)  # as Lightning's max_steps, none
        if wanted is not None and wanted > limit >= 0:
            raise ConfigError(f"trainer.{least}={wanted}: is more than trainer.{most}={limit}.")
    profiler = options.get("profiler")
    if isinstance(profiler, str) and profiler not in PROFILERS:
        near = did_you_mean(profiler, PROFILERS)
        raise ConfigError(f"trainer.profiler={profiler}: no such profiler.{near} There are: {', '.join(PROFILERS)}.")
    num, num_cores = num_processes(config.trainer), os.cpu_count() or 1
    if num > max(MIN_PROCESSES, num_cores):
        raise ConfigError(
            f"trainer.devices={num}: is a process each, and this machine has {num_cores} cores. Give fewer."
        )
    problem = refusal(options, callbacks)
    if problem is None:
        return
    if refusal(options) is None:
        raise ConfigError(f"callbacks: {problem}")
    at_fault = [key for key in options if key != "_target_" and refusal({**options, key: ...}) is None]
    named = f"trainer.{at_fault[0]}={options[at_fault[0]]}" if at_fault else "trainer"
    raise ConfigError(f"{named}: {problem}")


def refusal(options: dict[str, Any], callbacks: Sequence[pl.Callback] = ()) -> str | None:
    """What a trainer with these settings, but for those that are ``...``, says against them."""
    given = {key: value for key, value in options.items() if value is not ...}
    quiet_lightning()
    try:
        trainer = build(
            "trainer", given, callbacks=[*callbacks], plugins=[LightningEnvironment()], logger=False, **FIXED
        )
        if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
            return "starts processes of its own, and a run has started them already. Take trainer=ddp."
    except (MisconfigurationException, ConfigError, RuntimeError, OverflowError, ImportError, LookupError) as error:
        return first_sentences(error.__cause__ or error)
    precision = given.get("precision", trainer.precision)
    if trainer.precision != precision:  # Lightning takes another with no more than a warning
        return f"a {trainer.strategy.root_device.type.upper()} has no such precision. Take {trainer.precision}."
    return None


def build_trainer(config: Config, folder: RunFolder, stop: StopRequest, loggers: list[Any]) -> Any:
    quiet_lightning()
    name = folder.record.monitor
    resume = Resume(folder, minutes=config.checkpoint_minutes, epochs=config.checkpoint_epochs, stop=stop)
    job = job_title(folder.record.job, folder.record.jobs)
    callbacks = build_callbacks(config.callbacks, name, folder.checkpoints)
    # Lightning puts averaged weights into none but a full checkpoint.
    averaged = any(isinstance(callback, WeightAveraging) for callback in callbacks)
    checkpoint = BestCheckpoint(
        folder.checkpoints, "best", **monitoring(name), save_weights_only=not averaged, enable_version_counter=False
    )
    if config.optimizer.schedule == "plateau" and config.optimizer.plateau:
        callbacks.append(Plateau(**monitoring(name), **config.optimizer.plateau.model_dump()))
    if config.search:
        from gatelab.sweeps.search import Pruning

        callbacks.append(Pruning(**config.search))
    return build(
        "trainer",
        with_profile(config.trainer.model_dump(by_alias=True, exclude_unset=True), folder),
        logger=loggers,
        callbacks=[ProgressLine(console, job, name), *callbacks, checkpoint, resume],
        plugins=[AtomicCheckpoints(), LightningEnvironment()],  # under SLURM too, processes and signals are ours
        default_root_dir=str(folder.path),
        **FIXED,
    )


def with_profile(options: dict[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The settings of a trainer, with a profiler, if there is one, that writes its tables into the run folder."""
    profiler = options.get("profiler")
    if isinstance(profiler, str):
        profiler = {"_target_": f"pytorch_lightning.profilers.{PROFILERS[profiler]}"}
    place = {"dirpath": str(folder.path), "filename": "profile"}
    return {**options, "profiler": {**place, **profiler}} if profiler else options


def quiet_lightning() -> None:
    """No lines of Lightning's own among those of a run, and none of torchmetrics about rows that lack a class."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for module in ("pytorch_lightning", "torchmetrics"):
        warnings.filterwarnings("ignore", module=module)
