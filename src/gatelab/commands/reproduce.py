"""gatelab reproduce: repeat a finished run from its record, and compare the numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from gatelab.commands.dotlist import values_of
from gatelab.commands.predict import finished
from gatelab.config.identity import FILES, OUTSIDE, flatten, key_in
from gatelab.config.inputs import input_files
from gatelab.errors import ConfigError, DataError, RunError
from gatelab.runs.config import read_config
from gatelab.runs.difference import Condition, conditions, differences
from gatelab.runs.folder import RunFolder, own
from gatelab.runs.record import Hardware, RunRecord
from gatelab.screen import console

PLACES = ("data.path", "data.validation_path", "data.test_path", *FILES)
NAME = "reproduced"
MAX_THREADS = 1024
SHOWN_CONDITIONS = 12


def reproduce(
    run: str,
    output_dir: Path,
    overrides: Sequence[str],
    *,
    threads: int | None = None,
    allow_targets: Sequence[str] = (),
) -> bool:
    """Whether weights, metrics and predictions are identical; the new run's folder is RUN/reproduced/<identity>.

    overrides may only give places (data.path=…). threads: by default those of the recorded run.

    Raises RunError where there is no finished run, ConfigError for an override that would make another run, DataError for a file
    that is not the recorded one.
    """
    import torch

    from gatelab.training.run import train

    recorded = finished(run, output_dir)
    record = recorded.record
    settings = recorded_settings(recorded, overrides, allow_targets)
    check_files(record, settings)
    hardware = record.hardware or Hardware()
    num_threads = threads or hardware.threads or torch.get_num_threads()
    if not 0 < num_threads <= MAX_THREADS:
        raise RunError(f"{num_threads:,} threads: no machine has so many. Give --threads.")
    own(recorded.path / NAME)
    torch.set_num_threads(num_threads)
    try:
        folder, _ = train(settings)
    except ConfigError as error:
        raise ConfigError(f"{recorded.config} cannot be run by this version of gatelab: {error}") from None
    different = differences(recorded, folder)
    show_verdict(recorded, folder, different, conditions(record, folder.record))
    return not different


def recorded_settings(recorded: RunFolder, overrides: Sequence[str], allow_targets: Sequence[str]) -> dict[str, Any]:
    """The recorded config for a run inside the recorded folder, without tracker, with the data at its current place."""
    given = flatten(values_of(overrides))
    for key in given:
        if not key_in(key, OUTSIDE):
            raise ConfigError(
                f"{key}: a reproduction keeps its settings. Only where things are can be given, such as data.path=…"
            )
    settings = read_config(recorded)
    places = {key: value for key, value in flatten(settings).items() if key in PLACES and value}
    settings |= {"name": NAME, "output_dir": str(recorded.path), "force": True}
    settings |= {"tracker": {}, "search": None, "allow_targets": list(allow_targets)}
    directory = Path(recorded.record.directory)
    for key, value in ({key: found_again(place, directory) for key, place in places.items()} | given).items():
        *groups, last = key.split(".")
        group = settings
        for name in groups:
            group = group.setdefault(name, {})
            if not isinstance(group, dict):
                raise ConfigError(f"{recorded.config}: {name} is no group of keys.")
        group[last] = value
    return settings


def check_files(record: RunRecord, settings: dict[str, Any]) -> None:
    """Raise DataError where a file besides the data is not the recorded one."""
    for key, files in input_files(settings).items():
        for now, then in zip(files, record.files.get(key, []), strict=False):
            if now["sha256"] != then.sha256:
                raise DataError(
                    f"{key}: {now['name']} has sha256 {now['sha256'][:16]}…, and the run was made with {then.name}, "
                    f"{then.sha256[:16]}…. Say where that file is now: {key}=…"
                )


def found_again(path: str | list[str], directory: Path) -> str | list[str]:
    """A relative path from the current folder, or if it does not exist there, from that of the recorded run."""
    if isinstance(path, list):
        return [str(found_again(one, directory)) for one in path]
    there = directory / path
    return str(there) if not Path(path).exists() and there.exists() else path


def show_verdict(recorded: RunFolder, now: RunFolder, different: list[str], changed: list[Condition]) -> None:
    console.print(f"\nrecorded      {recorded.path}\nreproduction  {now.path}", soft_wrap=True)
    compared = ["every number of metrics.csv", "the weights", *["predictions.csv"] * recorded.predictions.exists()]
    if not different:
        said = f": {', '.join(compared[:-1])} and {compared[-1]}"
        verdict = Text.assemble(("identical", "bold green"), said)
    else:
        verdict = Text.assemble(("different", "bold red"), f" in {len(different)} of {len(compared)} files, first:")
    console.print(verdict)
    for sentence in different:
        console.print(f"  {sentence}", soft_wrap=True)
    if different and not changed:
        console.print(
            "conditions    nothing that is recorded differs: the run is not deterministic (see trainer.deterministic)"
        )
        return
    if not changed:
        console.print("conditions    all that is recorded is the same: data, code, versions, hardware, threads, flags")
        return
    table = Table("condition", "recorded", "now", title="conditions that differ", title_justify="left")
    for condition in changed[:SHOWN_CONDITIONS]:
        table.add_row(*condition)
    console.print(table)
    if len(changed) > SHOWN_CONDITIONS:
        console.print(f"and {len(changed) - SHOWN_CONDITIONS} more; the run.json of both have them all")
