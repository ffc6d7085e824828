"""The table at the end of a run: the model and its baselines."""

from rich.table import Table

from gatelab.runs.folder import RunFolder
from gatelab.runs.metrics import title_of
from gatelab.runs.record import Data, RunRecord, finite, headline_of, scores_of
from gatelab.screen import counted, decimal


def result_table(folder: RunFolder) -> Table | str:
    """Test metrics of model and baselines; for a classifier also F1 by class with its number of rows. Without a test the
    validation metrics of the best epoch."""
    record = folder.record
    if "test" in record.lacks:
        return validation_table(record)
    scores, data = scores_of(record), record.data or Data()
    columns = {record.choices.get("encoder", "model"): scores, **record.ordered_baselines()}
    rows = f", {counted(data.split_sizes['test'], data.unit)}" if "test" in data.split_sizes else ""
    table = Table(title=f"test{rows}", title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    headline = headline_of(scores)
    for key in headline:
        numbers = ("" if (value := metrics.get(key)) is None else shown(value) for metrics in columns.values())
        table.add_row(title_of(key), *numbers, end_section=key == headline[-1])
    for name, values in scores.per_class.items():
        numbers = ("" if (f1 := metrics.f1_of(name)) is None else decimal(f1) for metrics in columns.values())
        table.add_row(f"F1 {name} ({values.get('support', 0):,})", *numbers)
    for length, measured in scores.by_length.items():
        for key in (key for key in headline if key in measured and len(scores.by_length) > 1):
            numbers = (
                "" if (value := metrics.by_length.get(length, {}).get(key)) is None else shown(value)
                for metrics in columns.values()
            )
            table.add_row(f"{title_of(key)}, length {int(length):,}", *numbers)
    return table


def shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else decimal(value)


def validation_table(record: RunRecord) -> Table | str:
    if not record.best_validation:
        return "no test and no validation: nothing was measured"
    table = Table(title="no test", title_justify="left")
    table.add_column("")
    table.add_column(record.choices.get("encoder", "model"), justify="right")
    for key, value in finite(record.best_validation).items():
        if key != "epoch":
            table.add_row(title_of(f"validation/{key}"), decimal(value))
    return table
