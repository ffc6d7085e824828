"""The rows of the table of all runs: a cell is text, markup, or (shown, what to sort by)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gatelab.errors import RunError
from gatelab.reports import numbers
from gatelab.reports.analysis.settings import show
from gatelab.reports.pages.links import url_of
from gatelab.reports.pages.page_progress import Look, run_progress
from gatelab.reports.pages.sweep_page import rounded
from gatelab.reports.pages.sweep_tables import linked, status
from gatelab.reports.shown import isolated, shorten, visible
from gatelab.runs.history import read_values
from gatelab.runs.load import Run, files_of
from gatelab.runs.metrics import SELECTED, best_of, title_of

MAX_WORDS = 1000  # characters that a search finds a run by
ABOUT_COLUMNS = [
    ("", "pick"), ("name", "text"), ("run", "text"), ("status", "text"), ("data", "text"), ("settings", "text"), ("seed", "number"),
    ("epoch", "number"), ("best validation", "number"),
]  # fmt: skip
GROUPING = ("name", "status", "data", "settings", "seed")  # columns whose values many runs share


def run_row(run: Run, settings: str, data: str, measured: Sequence[tuple[str, str | None]], look: Look) -> list[Any]:
    values = {baseline: run.record.numbers(baseline) for baseline in (None, "linear")}
    name, (epochs, validated) = name_of(run), so_far(run)
    return [
        pick("run", f"{name}/{run.identity}", f"run {run.identity} of {name}"),
        linked(name, url_of(name, "report.html")),
        linked(run.identity, url_of(name, run.identity, "report.html")),
        (moving_status(run, look), status(run).striptags()),
        isolated(data),
        isolated(rounded(settings)),
        run.record.seed_text,
        epoch_text(run, epochs),
        best_text(run.record.monitor, validated),
        *(numbers.metric(values[baseline].get(metric)) for metric, baseline in measured),
        "" if run.record.seconds is None else f"{run.record.seconds:.0f}",
        moment(run.started),
    ]


def moving_status(run: Run, look: Look) -> Markup:
    """With the progress of a running one."""
    if run.status != "running":
        return status(run)
    return Markup('{}<small class="progress">{}</small>').format(status(run), run_progress(look(run.folder)))


def so_far(run: Run) -> tuple[int | None, list[float]]:
    """The number of epochs that it has trained, and the selection metric in its validation: the best of a finished run, of another that of each epoch."""
    monitor = f"validation/{run.record.monitor}"
    if run.record.epochs is not None:
        value = run.record.numbers().get(monitor)
        return run.record.epochs, [] if value is None else [value]
    try:
        found = [value for value in read_values(run.folder.metrics) if value.name == monitor]
    except RunError:  # which its page says
        return None, []
    return found[-1].epoch + 1 if found else None, [value.value for value in found if math.isfinite(value.value)]


def epoch_text(run: Run, epochs: int | None) -> str:
    """7 of 20"""
    most = run.settings.get("trainer.max_epochs")
    return "" if epochs is None else f"{epochs}" + (f" of {most}" if type(most) is int else "")


def notes_cell(run: Run) -> Markup:
    tags = Markup(" ").join(Markup('<span class="tag">{}</span>').format(visible(tag)) for tag in run.notes.tags)
    return Markup("{} {}").format(isolated(run.notes.note), tags)


def words_of(run: Run) -> str:
    """What a search finds a run by, whatever the cells of its row show: its choices, what was changed of them, its classes and data files."""
    named = {**run.record.choices, **(run.record.changed or {})}
    classes = [show(value) for key, value in run.settings.items() if key.endswith("_target_")]
    files = [Path(file).name for file in files_of(run)]
    return shorten(" ".join([*(f"{key}={show(value)}" for key, value in named.items()), *classes, *files]), MAX_WORDS)


def name_of(run: Run) -> str:
    return run.folder.path.parent.name


def best_text(monitor: str, scores: Sequence[float]) -> str:
    """With the metric where it is not that of the column."""
    best = numbers.metric(best_of(monitor, scores) if scores else None)
    return best if monitor == SELECTED or not scores else f"{best} {title_of(monitor)}"


def moment(iso: str) -> Any:
    """A time to the minute, with its sort key."""
    return Markup('<span class="date">{}</span>').format(numbers.moment(iso)[:16]), iso


def pick(kind: str, value: str, label: str) -> Markup:
    return Markup('<input type="checkbox" name="{}" value="{}" aria-label="Select {}">').format(kind, value, label)
