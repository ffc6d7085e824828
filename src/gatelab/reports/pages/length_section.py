"""The part of a run's page on the lengths at which its sequences were tested."""

from typing import Any

from gatelab.reports import numbers
from gatelab.reports.charts.swept_lines import run_over_lengths
from gatelab.runs.metrics import title_of
from gatelab.runs.record import RunRecord, baseline_title, scores_of


def length_section(record: RunRecord, model: str) -> dict[str, Any] | None:
    """charts, and a table of each metric of the model and the baselines; None where the test had one length."""
    by_length = scores_of(record).by_length
    if len(by_length) < 2:
        return None
    metrics = list(dict.fromkeys(metric for found in by_length.values() for metric in found))
    sources = {
        model: scores_of(record),
        **{baseline_title(name): one for name, one in record.ordered_baselines().items()},
    }
    shown = [
        (f"{title_of(metric)}, {name}", metric, scores)
        for metric in metrics
        for name, scores in sources.items()
        if any(metric in found for found in scores.by_length.values())
    ]
    rows = [
        [
            (f"{int(length):,}", int(length)),
            *(numbers.metric(scores.by_length.get(length, {}).get(metric)) for _, metric, scores in shown),
        ]
        for length in by_length
    ]
    columns = [("length", "number"), *((title, "number") for title, _, _ in shown)]
    return {"charts": run_over_lengths(record, model), "columns": columns, "rows": rows}
