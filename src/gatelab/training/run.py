"""One run: compose → build → fit → test → record. gatelab train calls ``train`` with the composed config."""

import os
from contextlib import ExitStack, nullcontext
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from gatelab.config.choices import composed_from
from gatelab.config.identity import flatten, identity_of
from gatelab.config.inputs import digests_of, input_files
from gatelab.config.schema import Config, check_config
from gatelab.config.settle import settle
from gatelab.errors import ConfigError
from gatelab.runs.conditions import changed_conditions
from gatelab.runs.config import write_config
from gatelab.runs.folder import RESUMABLE, RunFolder
from gatelab.runs.provenance import provenance, write_diff
from gatelab.runs.resources import Meter, add_up
from gatelab.runs.run_notes import checked, notes_locked, read_notes, write_notes
from gatelab.runs.secrets import redact_text
from gatelab.screen import console, counted
from gatelab.training.imports import quick_imports

SECONDS_TO_LET_GO = 15  # a sweep that is started again may find jobs of the one that died still saving


def train(composed: DictConfig | dict[str, Any], in_sweep: bool = False) -> tuple[RunFolder, bool]:
    """Train the run of a composed config, or of a recorded one as plain values, unless it is finished. Returns its folder and whether it was trained now.

    One that was interrupted or pruned resumes from its last checkpoint. One that failed begins again, in a sweep with
    retry=failed only.

    Raises ConfigError, DataError or RunError for what the user can mend.
    """
    settings = resolve(composed) if isinstance(composed, DictConfig) else settled(composed)
    with quick_imports(settings.get("tracker")):
        config, task, monitor = check(settings)
        given = checked(settings.pop("note", None) or "", settings.pop("tags", []))
        from gatelab.reports.pages.run_page import reported
        from gatelab.tasks.base import build_data, selection_metric
        from gatelab.trackers.tracking import Trackers
        from gatelab.training.checkpoint import StopRequest
        from gatelab.training.finish import record_result
        from gatelab.training.fit import fit_and_test, tracker_makers
        from gatelab.training.foreign_errors import foreign_errors
        from gatelab.training.parent import (
            begin_with_parts,
            check_continues,
            continue_from,
            find_parent,
            transfer_line,
            weights_of,
        )
        from gatelab.training.ranks import num_processes, ranks
        from gatelab.training.saved_state import find_checkpoint

    settings["monitor"] = None if monitor == selection_metric(None, task) else monitor  # one run, however it is named
    meter = Meter()
    continues = not config.from_parts
    parent = find_parent(config.parent, config.output_dir, continues) if config.parent else None
    if parent is not None:
        settings["from"] = str(weights_of(parent))
    files = input_files(settings)
    data = build_data(config, task)
    with foreign_errors():
        prepared = data.prepared
    refuse_without_validation(config, prepared.record)
    taken: dict[str, dict[str, int]] = {}
    if parent is not None and not continues:
        taken = begin_with_parts(config, task, task.build_module(config, data), data)  # or refuses what does not fit
    elif parent is not None:
        check_continues(parent, settings, prepared.record["sha256"], files)
    identity = identity_of(settings, {**prepared.record["sha256"], **digests_of(files)})
    folder = RunFolder(os.path.join(config.output_dir, config.name, identity))
    with folder.locked(wait=SECONDS_TO_LET_GO if in_sweep else 0), ExitStack() as changing:
        changing.enter_context(notes_locked(folder))
        status = None if config.force else folder.record.status
        kept = read_notes(folder)
        notes = given if given and (config.force or not kept) else kept  # those that were changed since stay
        if status == "finished" and notes != kept:
            write_notes(folder, notes)
        if status == "finished" or (status == "failed" and in_sweep and not config.retry):
            return folder, False
        # We hold the lock, so a run marked as running has died.
        checkpoint = find_checkpoint(folder) if status in RESUMABLE else None
        stop = StopRequest()
        about = {**describe(settings, identity, prepared.record, monitor), "files": files}
        if parent is not None:
            about["parent"] = {key: getattr(parent.record, key) for key in ("identity", "name", "epochs")} | {
                "taken": taken
            }
        changed = changed_conditions(folder.record, about) if checkpoint is not None else []
        if changed:
            about["changed_conditions"] = [*folder.record.changed_conditions, ", ".join(changed)]
        with (
            Trackers(tracker_makers(config.tracker), settings, folder) as trackers,
            reported(folder) if config.report else nullcontext(),
            folder.recorded(checkpoint is not None, **about),
        ):
            for line in data.summary():
                console.print(redact_text(line), soft_wrap=True)  # it names files, and columns
            write_config(folder, settings)
            write_notes(folder, notes)
            changing.close()
            write_diff(folder)
            baselines = task.fit_baselines(config, data)
            if checkpoint is not None:
                console.print(f"Resuming from {checkpoint}.", soft_wrap=True)
                if changed:
                    console.print(
                        f"warning: it resumes under other conditions than before: {', '.join(changed)}. Its numbers may not be those of "
                        "a run that is not interrupted; run.json says so.",
                        soft_wrap=True,
                    )
            elif parent is not None and taken:
                console.print(transfer_line(parent, taken), soft_wrap=True)
            elif parent is not None:
                checkpoint = continue_from(parent, folder, settings)
                console.print(f"Continuing run {parent.path.name} after {counted(parent.record.epochs or 0, 'epoch')}.")
            work = {
                "settings": settings, "folder": str(folder.path),
                "checkpoint": None if checkpoint is None else str(checkpoint),
            }  # fmt: skip
            with ranks(num_processes(config.trainer), work, folder.path):
                trainer, module = fit_and_test(config, data, folder, checkpoint, stop, trackers)
                stop.obey()
                record_result(folder, config, task, trainer, module, data, baselines)
            folder.update(resources=add_up(folder.record.resources, meter.reading()))
    return folder, True


def check(settings: dict[str, Any]) -> tuple[Config, Any, str]:
    """The checked config, its task and its selection metric. Raises ConfigError for all that can be told before data is read."""
    config = check_config(settings)
    from gatelab.tasks.base import selection_metric, task_of
    from gatelab.training.callbacks import check_callbacks
    from gatelab.training.optimization import check_optimizer
    from gatelab.training.parent import check_parts
    from gatelab.training.trainer import check_trainer

    task = task_of(config.model)
    monitor = selection_metric(config.monitor, task)
    if config.baseline not in task.baselines:
        raise ConfigError(f"baseline={config.baseline}: this model has {' and '.join(task.baselines)}.")
    check_parts(config)
    check_optimizer(config)
    check_trainer(config, check_callbacks(config.callbacks, monitor, task))
    return config, task, monitor


def refuse_without_validation(config: Config, data: dict[str, Any]) -> None:
    """Raise ConfigError where settings need a validation that others take away."""
    if data.get("split_sizes", {}).get("validation") == 0:
        key = "data.split.validation=0"
    elif config.trainer.limit_val_batches == 0:
        key = "trainer.limit_val_batches=0"
    else:
        return
    if config.optimizer.schedule == "plateau":
        raise ConfigError(
            f"optimizer.schedule=plateau waits for the validation, and {key} leaves none. Take another schedule."
        )
    for name in ("temperature", "threshold"):
        if config.model.get(name) == "fit":
            raise ConfigError(f"model.{name}=fit: is fitted on the validation, and {key} leaves none. Give a number.")
    if config.search:
        raise ConfigError(f"a search compares validations, and {key} leaves none.")


def resolve(config: DictConfig) -> dict[str, Any]:
    """The config as plain values, settled."""
    try:
        settings: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key} is not set: give {error.full_key}=…") from None
    except OmegaConfBaseException as error:  # of an interpolation of nothing, in a circle, or by no resolver
        raise ConfigError(f"{unresolved(config)}: {str(error.msg).splitlines()[0].rstrip('.')}.") from None
    return settled(settings)


def settled(settings: dict[str, Any]) -> dict[str, Any]:
    settle(settings)
    if type(settings.get("from")) is int:  # an identity, or its first digits, may be a number
        settings["from"] = str(settings["from"])
    return settings


def unresolved(config: DictConfig) -> str:
    """KEY=VALUE of the first interpolation that fails by itself, not through another that does."""
    raw: Any = OmegaConf.to_container(config, resolve=False)
    failing = {}
    for key, value in flatten(raw).items():
        try:
            OmegaConf.select(config, key)
        except OmegaConfBaseException:
            failing[key] = str(value)
    through = [key for key, value in failing.items() if any(f"${{{other}}}" in value for other in failing)]
    named = "".join(failing.values())
    in_circle = [key for key in through if f"${{{key}}}" in named]
    key = [*(key for key in failing if key not in through), *in_circle, ""][0]
    return f"{key}={failing.get(key)}"


def describe(settings: dict[str, Any], identity: str, data: dict[str, Any], monitor: str) -> dict[str, Any]:
    """What run.json says from the start."""
    seeds = {key: value for key, value in flatten(settings).items() if key == "seed" or key.endswith("seed")}
    about = {
        "identity": identity,
        "name": settings["name"],
        "seed": settings["seed"],
        "seeds": seeds,
        "data": data,
        "monitor": monitor,
    }
    return {**about, **composed_from(settings), **provenance(settings["allow_targets"])}
