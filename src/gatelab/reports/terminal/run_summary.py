"""gatelab show: settings, metrics and provenance of one run, on one screen."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from gatelab.reports.pages import facts
from gatelab.reports.shown import shorten
from gatelab.reports.terminal.result import result_table
from gatelab.reports.terminal.run_list import status_text
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import best_validation
from gatelab.runs.load import notes_of
from gatelab.runs.metrics import title_of
from gatelab.runs.record import Data, RunRecord
from gatelab.screen import decimal

OF_DATA = ("files", "columns", "rows", "test texts in train", "vocabulary")  # the facts that fit on a screen
OF_COST = ("time", "training", "parameters", "peak memory", "machine", "started")


def run_summary(folder: RunFolder) -> Iterator[Table | str]:
    """Tables of named lines, and that of the test where there is one. Raises RunError for a damaged record."""
    record = folder.record
    status = folder.status_of(record)
    yield lines(
        [("run", f"{folder.path.parent.name}/{folder.path.name}"), ("status", status_text(status, record.lacks))]
    )
    notes = notes_of(folder)
    yield lines([*[("note", notes.note)] * bool(notes.note), *[("tags", ", ".join(notes.tags))] * bool(notes.tags)])
    yield lines([*[("model of", record.evaluates)] * bool(record.evaluates), *settings(folder, record)])
    yield lines([fact for fact in facts.data_facts(record.data or Data(), {}) if fact[0] in OF_DATA])
    if status == "finished":
        yield result_table(folder)
    yield lines(measured(folder, record))
    yield lines([fact for fact in facts.cost_facts(record) if fact[0] in OF_COST])
    yield lines(provenance(folder, record))


def lines(facts: Sequence[tuple[str, str | Text]]) -> Table:
    """Two columns without borders, as wide on every call."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=19, style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    return table


def settings(folder: RunFolder, record: RunRecord) -> list[tuple[str, str]]:
    """What was chosen of each group, and what else differs from their defaults."""
    chosen = " ".join(f"{group}={choice}" for group, choice in record.choices.items())
    changed = " ".join(f"{key}={value}" for key, value in (record.changed or {}).items())
    found = [("choices", chosen), ("changed", shorten(changed, 400)), ("all settings", str(folder.config))]
    return [(name, value) for name, value in found if value]


def measured(folder: RunFolder, record: RunRecord) -> list[tuple[str, str]]:
    """The best epoch, which weights are the model's, and what is wrong with the run."""
    found = []
    best = best_validation(folder.metrics, record.monitor) if folder.metrics.exists() else {}
    if (value := best.get(record.monitor)) is not None:
        found.append((title_of(f"validation/{record.monitor}"), f"{decimal(value)}, at epoch {best['epoch'] + 1}"))
    found += [("weights", f"of the {record.weights}")] * bool(record.weights)
    found += [("calibration", said) for said in [facts.calibration_fact(record)] if said]
    found += [("caution", clause) for clause in record.symptoms]
    return found + [("error", record.error)] * bool(record.error)


def provenance(folder: RunFolder, record: RunRecord) -> list[tuple[str, str]]:
    found = [*facts.origin_facts(record), ("command", facts.train_command(record)), ("run folder", str(folder.path))]
    return [*found, *[("report", str(folder.report))] * folder.report.exists()]
