"""gatelab runs: what ran, with its numbers, data set by data set the best first; or means over seeds."""

import statistics
from collections.abc import Collection

from rich.table import Table
from rich.text import Text

from gatelab.reports.analysis.arms import group_arms
from gatelab.reports.analysis.settings import what_differs
from gatelab.reports.numbers import metric
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import data_places, load_runs

METRICS = ("accuracy", "macro_f1", "auroc")
STYLES = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def runs_table(folders: list[RunFolder]) -> Table:
    """One line a run, of each data set the best test macro-F1 first; then those without one."""
    runs = load_runs(folders)
    places = data_places(runs)
    runs.sort(key=lambda run: (places[run.content], -run.record.numbers().get("macro_f1", -1.0)))
    titles, settings = what_differs(runs)
    table = Table()
    for title in ("name", "identity", "status"):
        table.add_column(title, no_wrap=True)
    for title in titles:
        table.add_column(title, overflow="fold")
    for title in (*METRICS, "linear macro_f1", "seconds"):
        table.add_column(title, justify="right", min_width=7)
    for run, cells, following in zip(runs, settings, [*runs[1:], None], strict=True):
        metrics = run.record.numbers()
        numbers = [*(metrics.get(name) for name in METRICS), run.record.numbers("linear").get("macro_f1")]
        table.add_row(
            run.record.name or run.folder.path.parent.name,
            run.identity,
            status_text(run.status),
            *cells,
            *(metric(number) for number in numbers),
            "" if run.seconds is None else f"{run.seconds:.0f}",
            end_section=following is not None and following.content != run.content,
        )
    return table


def status_text(status: str) -> Text:
    return Text(status, style=STYLES.get(status, ""))


def means_table(folders: list[RunFolder]) -> Table:
    """One line an arm with finished runs: mean ± standard deviation over seeds. gatelab compare has the rest."""
    runs = [run for run in load_runs(folders) if run.status == "finished"]
    arms, places = group_arms(runs), data_places(runs)
    ordered = sorted(arms.arms, key=lambda arm: places.get(arm.content, 0))
    table = Table()
    for title in arms.titles:
        table.add_column(title, overflow="fold")
    table.add_column("seeds", justify="right")
    for title in ("accuracy", "macro_f1", "linear accuracy", "linear macro_f1", "majority accuracy"):
        table.add_column(title, justify="right")
    for arm, following in zip(ordered, [*ordered[1:], None], strict=True):
        table.add_row(
            *arm.cells,
            str(len({arm.seed_of(run) for run in arm.finished})),
            *(mean_and_spread(arm.values(name).values()) for name in ("accuracy", "macro_f1")),
            *(mean_and_spread(arm.values(name, "linear").values()) for name in ("accuracy", "macro_f1")),
            mean_and_spread(arm.values("accuracy", "majority").values()),
            end_section=following is not None and following.content != arm.content,
        )
    return table


def mean_and_spread(values: Collection[float]) -> str:
    if len(values) < 2:
        return "".join(metric(value) for value in values)
    return f"{metric(statistics.fmean(values))} ± {metric(statistics.stdev(values))}"
