"""from=RUN: a run that continues another with more epochs or, with from_parts, begins with weights of it. It has an identity of its
own, which the parent's weights enter."""

import io
from pathlib import Path
from typing import Any

import torch

from gatelab.bounded import MIB, copy_file
from gatelab.config.identity import OUTSIDE, flatten, key_in
from gatelab.config.schema import Config
from gatelab.config.settle import settle
from gatelab.errors import ConfigError
from gatelab.files import atomic_write
from gatelab.runs.config import read_config
from gatelab.runs.folder import RunFolder, find_run
from gatelab.runs.history import MAX_METRICS_BYTES
from gatelab.tasks.base import Task
from gatelab.training.saved_state import load_resumable

MAY_DIFFER = ("trainer.max_epochs", "trainer.max_steps", "callbacks", "from_parts", "from_partly")
WEIGHTS = "model.safetensors"


def check_parts(config: Config) -> None:
    """Raise ConfigError for keys that ask for parts of no run, or how to take none."""
    if config.from_parts and not config.parent:
        raise ConfigError(f"from_parts={config.from_parts}: of which run? Give from=RUN.")
    if config.from_partly and not config.from_parts:
        raise ConfigError("from_partly=true: says how from_parts=[encoder] is taken. Give from_parts.")


def begin_with_parts(config: Config, task: Task, module: Any, data: Any) -> dict[str, dict[str, int]]:
    """Put the parts of the run that ``from`` names, if from_parts names some, into a new module. Returns what ``Task.transfer`` does."""
    if not (config.parent and config.from_parts):
        return {}
    parent = find_parent(config.parent, config.output_dir, continues=False)
    return task.transfer(module, config, data, parent, config.from_parts, config.from_partly)


def transfer_line(parent: RunFolder, taken: dict[str, dict[str, int]]) -> str:
    units = {"embedding": "rows, those of tokens that both have", "encoder": "weights"}
    parts = (f"{count['taken']:,} of {count['of']:,} {part} {units[part]}" for part, count in taken.items())
    return f"Beginning with run {parent.path.name}: {'; '.join(parts)}."


def find_parent(run: str, output_dir: str, continues: bool = True) -> RunFolder:
    """The run that ``from`` names by its folder, the first digits of its identity, or its model.safetensors.

    Raises RunError where there is none, ConfigError for one that cannot be continued or, where it need not, has no weights.
    """
    file = Path(run) if len(Path(run).parts) > 2 else Path(run).absolute()
    folder = RunFolder(file.parent.parent) if file.name == WEIGHTS else find_run(run, output_dir)
    status = folder.status
    use = "continued" if continues else "begun with"
    if status != "finished":
        raise ConfigError(f"from={run}: is {status or 'no run'}. Only a finished run can be {use}.")
    for file in (*[folder.last] * continues, weights_of(folder)):
        if not file.exists():
            raise ConfigError(f"from={run}: {file} is missing, so the run cannot be {use}.")
    return folder


def weights_of(folder: RunFolder) -> Path:
    """What stands for a run in the identity of those that continue it."""
    return folder.model / WEIGHTS


def check_continues(parent: RunFolder, settings: dict[str, Any], sha256: dict[str, Any], files: dict[str, Any]) -> None:
    """Raise ConfigError unless settings, data and other files are the parent's but for more epochs and other callbacks."""
    name, record = parent.path.name, parent.record
    before = read_config(parent)
    settle(before)
    now, then = flatten(settings), flatten(before)
    for key in now | then:
        if now.get(key) != then.get(key) and not key_in(key, (*OUTSIDE, *MAY_DIFFER)):
            raise ConfigError(
                f"{key}={now.get(key)}: run {name} has {then.get(key)}. A run that continues another (from=) differs from it in "
                "trainer.max_epochs and callbacks alone."
            )
    recorded = {key: [file.sha256 for file in group] for key, group in record.files.items() if key != "from"}
    given = {key: [file["sha256"] for file in group] for key, group in files.items() if key != "from"}
    if record.data is None or record.data.sha256 != sha256 or recorded != given:
        raise ConfigError(f"from={name}: that run was made with other data or other files.")
    if settings["trainer"]["max_epochs"] <= (record.epochs or 0):
        raise ConfigError(
            f"trainer.max_epochs={settings['trainer']['max_epochs']}: run {name} has trained {record.epochs} epochs. Give more."
        )
    if settings["callbacks"] == before["callbacks"] and load_resumable(parent.last)["gatelab"]["should_stop"]:
        raise ConfigError(
            f"from={name}: that run was stopped early. Give a larger callbacks.early_stopping.patience, or callbacks=none."
        )


def continue_from(parent: RunFolder, folder: RunFolder, settings: dict[str, Any]) -> Path:
    """Copy what the parent resumes from into an empty run folder. Returns the checkpoint, which is written last.

    Early stopping begins anew where callbacks differ: its state holds its settings, too.
    """
    checkpoint = load_resumable(parent.last)
    checkpoint["gatelab"]["should_stop"] = False
    if settings["callbacks"] != read_config(parent)["callbacks"]:
        for key in [key for key in checkpoint["callbacks"] if key.startswith("EarlyStopping")]:
            del checkpoint["callbacks"][key]
    copy_if_there(parent.metrics, folder.metrics, MAX_METRICS_BYTES)
    copy_if_there(parent.best, folder.best, parent.last.stat().st_size + MIB)  # of another epoch, as large as the last
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    atomic_write(folder.last, buffer.getvalue())
    return folder.last


def copy_if_there(file: Path, copy: Path, max_bytes: int) -> None:
    """Raises ConfigError for what is no such file of a run."""
    try:
        copy_file(file, copy, max_bytes)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.filename != str(file):  # the copy cannot be written
            raise
        raise ConfigError(f"from: {file} {error.strerror}. Continue another run.") from None
