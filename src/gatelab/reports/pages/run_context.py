"""What a run's page says around its numbers: the way on, its files, what differs from the defaults, how the training ended."""

import os
from collections.abc import Mapping
from typing import Any

from gatelab.bounded import regular
from gatelab.config.choices import not_default
from gatelab.reports.analysis.settings import show
from gatelab.reports.pages.links import url_of
from gatelab.reports.shown import shorten, visible
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import notes_of
from gatelab.runs.metrics import title_of
from gatelab.runs.record import RunRecord
from gatelab.screen import counted

MAX_CHANGES = 12  # settings at the top of the page; all are in its table
MAX_LINES, MAX_BYTES = 12, 16_384  # of error.log that are quoted
OTHER_LIMITS = ("max_steps", "max_time", "fast_dev_run")  # of the trainer


def run_context(folder: RunFolder, record: RunRecord, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "way": way(folder, record),
        "notes": notes_of(folder),
        "changes": changes(record),
        "max_changes": MAX_CHANGES,
        "early_stop": early_stop(record, config),
        "error_lines": last_lines(folder) if record.status == "failed" else "",
        **files(folder),
    }


def way(folder: RunFolder, record: RunRecord) -> dict[str, Any]:
    """The page that this one belongs to: of an evaluation that of its run, else that of its sweep, which only gatelab ui makes for a single run."""
    if record.evaluates:
        return {"title": record.evaluates, "address": "../../report.html", "is_file": True}
    is_file = (record.jobs or 1) > 1 or (folder.path.parent / "report.html").is_file()
    return {"title": record.name, "address": "../report.html", "is_file": is_file}


def changes(record: RunRecord) -> list[str] | None:
    """KEY=VALUE of all that is not as gatelab train has it without overrides; None where the record does not say it."""
    if record.changed is None:
        return None
    changed = {**not_default(record.choices), **record.changed}
    return [shorten(f"{key}={show(value)}", 80) for key, value in changed.items()]


def early_stop(record: RunRecord, config: Mapping[str, Any]) -> str:
    """When and why early stopping ended the training; empty where it did not, or something else may have."""
    stops = [
        key.removesuffix("._target_")
        for key, value in config.items()
        if key.startswith("callbacks.") and str(value).endswith(".EarlyStopping")
    ]
    most, limits = config.get("trainer.max_epochs"), [config.get(f"trainer.{key}") for key in OTHER_LIMITS]
    is_short = type(most) is int and record.epochs is not None and record.epochs < most
    if (
        record.status != "finished"
        or not is_short
        or len(stops) != 1
        or any(limit not in (None, -1) for limit in limits)
    ):
        return ""
    monitor, patience = config.get(f"{stops[0]}.monitor"), config.get(f"{stops[0]}.patience")
    title = title_of(str(monitor or f"validation/{record.monitor}"))
    waited = counted(patience, "validation") if type(patience) is int else "its patience"
    return (
        f"Stopped early, after {record.epochs} of {counted(most or 0, 'epoch')}: {title} had not improved for {waited}."
    )


def last_lines(folder: RunFolder) -> str:
    """The end of error.log; empty where there is none that can be read."""
    try:
        with open(folder.error_log, "rb", opener=regular) as stream:
            start = max(0, os.fstat(stream.fileno()).st_size - MAX_BYTES)
            stream.seek(start)
            lines = stream.read(MAX_BYTES).decode("utf-8", "replace").splitlines()[start > 0 :]
    except OSError:
        return ""
    return visible("\n".join(lines[-MAX_LINES:]))


def files(folder: RunFolder) -> dict[str, Any]:
    """files: the names of those to open. drawn: of each figure for a paper its addresses by kind."""
    known = (folder.config, folder.record_file, folder.notes, folder.metrics, folder.predictions, folder.examples, folder.diff, folder.error_log)  # fmt: skip
    drawn: dict[str, dict[str, str]] = {}
    for file in sorted([*folder.figures.glob("*.*"), *folder.gates.glob("*.*")]):
        if file.suffix in (".svg", ".pdf"):
            parts = file.relative_to(folder.path).parts
            drawn.setdefault("/".join(parts[1:]).removesuffix(file.suffix), {})[file.suffix[1:]] = url_of(*parts)
    return {"files": [file.name for file in known if file.is_file()], "drawn": drawn}
