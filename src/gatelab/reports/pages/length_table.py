"""How well a model does by the length of the texts, as a table and a chart. N rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.analysis.curves import length_bins
from gatelab.reports.analysis.intervals import Interval
from gatelab.reports.charts.chart import MODEL
from gatelab.reports.charts.run_charts import Measured, interval_chart, range_name

Inside = NDArray[np.bool_]  # (N,), of the rows of a range of lengths


def length_table(
    tokens: NDArray[np.integer],
    sources: Mapping[str, NDArray[Any]],
    score: Callable[[NDArray[Any], Inside], tuple[float, list[str]]],
    interval: Callable[[Inside], Interval],
    *,
    titles: Sequence[str],
    heading: tuple[str, str],
    model: str,
    kind: str = "interval (Wilson)",
) -> dict[str, Any]:
    """chart, columns and rows. tokens (N,): lengths. sources (N, …): of "model" and perhaps "linear". score: of a source in these rows a number
    and the texts of further columns; interval: that of the model's number. titles: of all columns but the first two. heading: of the
    chart and its axis. kind: of interval."""
    bins = length_bins(tokens)
    values: dict[str, list[float]] = {name: [] for name in sources}
    bounds, table = [], []
    for low, high in bins:
        inside = (tokens >= low) & (tokens <= high)
        bounds.append(interval(inside))
        row: list[Any] = [(range_name(low, high), low), f"{inside.sum():,}"]
        for name, source in sources.items():
            value, texts = score(source[inside], inside)
            values[name].append(value)
            row += [numbers.metric(value), *([numbers.interval(bounds[-1])] if name == "model" else []), *texts]
        table.append(row)
    measured = [Measured(model, MODEL, values["model"], bounds)]
    measured += [Measured("linear baseline", "other", values["linear"], [])] if "linear" in values else []
    names = [range_name(*ends) for ends in bins]
    summary = f"Each dot is a range of lengths; the whisker is its 95 % {kind}."
    chart = interval_chart(heading[0], ("tokens", heading[1]), names, measured, summary)
    columns = [(title, "number") for title in ("tokens", "test rows", *titles)][: len(table[0])]
    return {"chart": chart, "columns": columns, "rows": table}
