"""A comparison on the screen, and the texts of its cells, which all formats share."""

from rich import box
from rich.console import Console, Group
from rich.measure import Measurement
from rich.table import Table

from gatelab.reports.analysis.comparison import Comparison, Row
from gatelab.reports.analysis.notes import caution_notes, failure_notes, method_notes
from gatelab.reports.analysis.statistics import Sample
from gatelab.reports.numbers import metric
from gatelab.runs.metrics import title_of
from gatelab.screen import decimal, styled

UNFINISHED = ("failed", "interrupted", "running", "pruned")
MEAN = "mean ± sd"
INTERVAL = "95 % interval"


def screen(comparison: Comparison, console: Console) -> Group:
    """A table for each metric, with two lines for each arm where the console is narrow, and the notes."""
    tables = [screen_table(comparison, metric) for metric in comparison.tables]
    anything_wide = console.options.update(max_width=10_000)
    if any(Measurement.get(console, anything_wide, table).maximum > console.width for table in tables):
        tables = [screen_table(comparison, metric, narrow=True) for metric in comparison.tables]
    notes = [styled(note, "dim") for note in method_notes(comparison)]
    notes += [styled(note, "yellow") for note in caution_notes(comparison)]
    notes += [styled(note, "red" if note.startswith("failed") else "yellow") for note in failure_notes(comparison)]
    return Group(*tables, *notes)


def screen_table(comparison: Comparison, metric: str, *, narrow: bool = False) -> Table:
    table = Table(title=styled(title_of(metric), "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in comparison.arms.titles:
        table.add_column(title, overflow="fold")
    stack = stacked if narrow else list
    titles = stack([*count_titles(comparison), *number_titles(comparison)])
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    mean = next(place for place, title in enumerate(titles) if title.startswith(MEAN))
    rows = comparison.tables[metric]
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        style = "bold" if row.is_best else ""
        texts = stack([*count_texts(comparison, row), *number_texts(row)])
        table.add_row(
            *(styled(cell, style) for cell in row.cells),
            *(styled(text, style if place == mean else "") for place, text in enumerate(texts)),
            end_section=following is not None and (following.kind, following.content) != (row.kind, row.content),
        )
    return table


def stacked(texts: list[str]) -> list[str]:
    """Merge the counts into one column, and put each interval below its number."""
    *counts, mean, interval, difference, difference_interval, p = texts
    return ["\n".join(counts), f"{mean}\n{interval}", f"{difference}\n{difference_interval}", p]


def count_titles(comparison: Comparison) -> list[str]:
    """seeds or folds, failed, and the other unfinished statuses that occur."""
    found = {word for arm in comparison.arms.arms for word in arm.statuses}
    return [f"{comparison.noun}s", "failed", *(word for word in UNFINISHED[1:] if word in found)]


def count_texts(comparison: Comparison, row: Row) -> list[str]:
    words = count_titles(comparison)[1:]
    return [str(row.values.num), *("" if row.statuses is None else str(row.statuses[word]) for word in words)]


def number_titles(comparison: Comparison) -> list[str]:
    corrected = any(sum(row.p is not None for row in rows) > 1 for rows in comparison.tables.values())
    return [MEAN, INTERVAL, "difference", INTERVAL, "p (Holm)" if corrected else "p"]


def number_texts(row: Row) -> list[str]:
    values, difference = row.values, row.difference or Sample(0, None, None, None)
    mean = metric(values.mean)
    mean_texts = [
        mean if values.std is None else f"{mean} ± {metric(values.std)}",
        "" if values.interval is None else f"[{', '.join(map(metric, values.interval))}]",
    ]
    if row.is_identical:
        return [*mean_texts, "identical", "", ""]
    bounds = () if difference.interval is None else difference.interval
    return [
        *mean_texts,
        "reference" if row.is_reference else "" if difference.mean is None else decimal(difference.mean, sign="+"),
        f"[{', '.join(decimal(bound, sign='+') for bound in bounds)}]" if bounds else "",
        metric(row.p_holm),
    ]
