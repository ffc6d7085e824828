"""The table at the end of a run: the model and its baselines."""

from rich.table import Table

from gatelab.runs.folder import RunFolder
from gatelab.runs.metrics import title_of
from gatelab.runs.record import Data, headline_of, scores_of
from gatelab.screen import counted, decimal


def result_table(folder: RunFolder) -> Table:
    """Test metrics of model and baselines; for a classifier also F1 by class with its number of rows."""
    record = folder.record
    scores, data = scores_of(record), record.data or Data()
    columns = {record.choices.get("encoder", "model"): scores, **record.ordered_baselines()}
    rows = f", {counted(data.split_sizes['test'], 'row')}" if "test" in data.split_sizes else ""
    table = Table(title=f"test{rows}", title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    headline = headline_of(scores)
    for key in headline:
        numbers = ("" if (value := metrics.get(key)) is None else decimal(value) for metrics in columns.values())
        table.add_row(title_of(key), *numbers, end_section=key == headline[-1])
    for name, values in scores.per_class.items():
        numbers = (decimal(metrics.per_class[name]["f1"]) for metrics in columns.values())
        table.add_row(f"F1 {name} ({values['support']:,})", *numbers)
    return table
