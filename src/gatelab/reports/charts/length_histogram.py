"""How long the texts of the test are."""

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.charts.chart import Chart, Stop, Table, number_axis
from gatelab.reports.charts.run_charts import MIN_NAMES, range_name
from gatelab.screen import counted

MAX_BARS = 24


def length_histogram(tokens: NDArray[np.integer]) -> Chart | None:
    """The number of test rows (N,) by their length in tokens, in bars of equal width; None for fewer than three lengths."""
    low, high = int(tokens.min()), int(tokens.max())
    if len(np.unique(tokens)) < MIN_NAMES:
        return None
    width = -(-(high - low + 1) // MAX_BARS)
    counts = np.bincount((tokens - low) // width)
    begins = [low + width * number for number in range(len(counts))]
    names = [range_name(begin, begin + width - 1) for begin in begins]
    stops = [
        Stop(begin + width / 2, [], f"{name} tokens · {counted(int(count), 'row')}")
        for begin, name, count in zip(begins, names, counts, strict=True)
    ]
    bars = [(float(begin), float(begin + width), float(count)) for begin, count in zip(begins, counts, strict=True)]
    x = number_axis("tokens", low, begins[-1] + width, integers=True)
    y = number_axis("test rows", 0, int(counts.max()))
    summary = f"Each bar counts the test rows of {'one length' if width == 1 else f'{width} lengths'}; the median is {np.median(tokens):g} tokens."
    table = Table(
        ["tokens", "test rows"], [[name, f"{count:,}"] for name, count in zip(names, counts.tolist(), strict=True)]
    )
    return Chart("Length of the test texts", summary, x, y, (), stops, table, bars=bars)
