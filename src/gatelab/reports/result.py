"""The table at the end of a run: the model beside the linear baseline and the majority class."""

from typing import Any

from rich.table import Table

from gatelab.runs.folder import RunFolder

HEADLINE = (
    ("accuracy", "accuracy"),
    ("macro-F1", "macro_f1"),
    ("AUROC", "auroc"),
    ("calibration error", "calibration_error"),
)


def result_table(folder: RunFolder) -> Table:
    """Test metrics by model, baseline and majority; then F1 by class with the class's rows."""
    record = folder.record
    columns = {record.get("encoder", "model"): record["metrics"]}
    columns |= {name: record["baselines"][name] for name in ("linear", "majority") if name in record["baselines"]}
    table = Table(title=f"test, {record['data']['split_sizes']['test']:,} rows", title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for title, key in HEADLINE:
        table.add_row(
            title, *(f"{metrics[key]:.4f}" for metrics in columns.values()), end_section=key == HEADLINE[-1][1]
        )
    for name, values in record["metrics"]["per_class"].items():
        numbers = (f"{metrics['per_class'][name]['f1']:.4f}" for metrics in columns.values())
        table.add_row(f"F1 {name} ({values['support']:,})", *numbers)
    return table


def data_lines(data: dict[str, Any]) -> list[str]:
    """What a person should know of the data before training on it."""
    leak, columns = data["leakage"], data["columns"]
    sizes = " · ".join(f"{part} {size:,}" for part, size in data["split_sizes"].items())
    lines = [
        f"data    {', '.join(data['files'])}: text '{columns['text']}', label '{columns['label']}' ({data['encoding']})"
    ]
    dropped = sum(sum(counts.values()) for counts in data["dropped"].values())
    lines.append(
        f"rows    {data['used']:,} used of {data['rows']:,} ({data['rejected']:,} rejected, {dropped:,} dropped by label)"
    )
    lines.append(
        f"split   {sizes}; of the test texts in train: {leak['exact_share']:.1%} exact, {leak['normalised_share']:.1%} normalised"
    )
    return lines + [f"note    {note}" for note in data["notes"]]
