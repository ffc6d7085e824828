"""A comparison on the screen, and the texts of its cells, which all formats share."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.measure import Measurement
from rich.table import Table

from gatelab.reports.analysis.comparison import Comparison, Row
from gatelab.reports.analysis.notes import caution_notes, failure_notes, method_notes
from gatelab.reports.analysis.statistics import Sample
from gatelab.reports.numbers import metric
from gatelab.reports.terminal.fitted_table import add_folded, least_width
from gatelab.runs.metrics import title_of
from gatelab.screen import Screen, decimal, styled

UNFINISHED = ("failed", "interrupted", "running", "pruned")
MEAN = "mean ± sd"
INTERVAL = "95 % interval"
LEFT_OUT_FIRST = (3, 0, 2)  # of the columns of a narrow table: p, counts, differences


def screen(comparison: Comparison, console: Console) -> Group:
    """A table for each metric, and the notes. Where the console is narrow an arm has two lines, and where it is narrower still p, the counts
    and the differences are left out, in this order."""
    notes = [styled(note, "dim") for note in method_notes(comparison)]
    notes += [styled(note, "yellow") for note in caution_notes(comparison)]
    notes += [styled(note, "red" if note.startswith("failed") else "yellow") for note in failure_notes(comparison)]
    return Group(*screen_tables(comparison, console.width), *notes)


def screen_tables(comparison: Comparison, width: int) -> list[Table]:
    """The same columns in each."""
    tables = [screen_table(comparison, metric) for metric in comparison.tables]
    wide = Screen(width=10_000)
    if all(Measurement.get(wide, wide.options, table).maximum <= width for table in tables):
        return tables
    for number in range(len(LEFT_OUT_FIRST) + 1):
        tables = [stacked_table(comparison, metric, LEFT_OUT_FIRST[:number]) for metric in comparison.tables]
        if all(least_width(table) <= width for table in tables):
            break
    return tables


def screen_table(comparison: Comparison, metric: str) -> Table:
    titles = [*count_titles(comparison), *number_titles(comparison)]
    texts = [[*count_texts(comparison, row), *number_texts(row)] for row in comparison.tables[metric]]
    return table_of(comparison, metric, titles, texts)


def stacked_table(comparison: Comparison, metric: str, without: Sequence[int]) -> Table:
    """without: places of columns among those of ``stacked``."""
    titles = stacked([*count_titles(comparison), *number_titles(comparison)])
    texts = [stacked([*count_texts(comparison, row), *number_texts(row)]) for row in comparison.tables[metric]]
    kept = [place for place in range(len(titles)) if place not in without]
    return table_of(
        comparison, metric, [titles[place] for place in kept], [[row[place] for place in kept] for row in texts]
    )


def table_of(comparison: Comparison, metric: str, titles: Sequence[str], texts: Sequence[Sequence[str]]) -> Table:
    table = Table(title=styled(title_of(metric), "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    rows = comparison.tables[metric]
    for place, title in enumerate(comparison.arms.titles):
        add_folded(table, title, [row.cells[place] for row in rows])
    for place, title in enumerate(titles):
        lines = [line for text in (title, *(row[place] for row in texts)) for line in text.split("\n")]
        table.add_column(title, justify="right", no_wrap=True, min_width=max(map(len, lines)))
    mean = next(place for place, title in enumerate(titles) if title.startswith(MEAN))
    for row, cells, following in zip(rows, texts, [*rows[1:], None], strict=True):
        style = "bold" if row.is_best else ""
        table.add_row(
            *(styled(cell, style) for cell in row.cells),
            *(styled(text, style if place == mean else "") for place, text in enumerate(cells)),
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
