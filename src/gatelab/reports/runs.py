"""gatelab runs: what ran, with its numbers, best first; or means over seeds."""

import statistics
from collections.abc import Collection

from rich.markup import escape
from rich.table import Table

from gatelab.reports.arms import group_arms
from gatelab.reports.load import load_runs
from gatelab.reports.numbers import metric
from gatelab.reports.settings import what_differs
from gatelab.runs.folder import RunFolder

METRICS = ("accuracy", "macro_f1", "auroc")
STYLES = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def runs_table(folders: list[RunFolder]) -> Table:
    """One line a run, the best test macro-F1 first; then those without one."""
    runs = load_runs(folders)
    runs.sort(key=lambda run: -run.record.get("metrics", {}).get("macro_f1", -1.0))
    titles, settings = what_differs(runs)
    table = Table()
    for title in ("name", "identity", "status"):
        table.add_column(title, no_wrap=True)
    for title in titles:
        table.add_column(escape(title), overflow="fold")
    for title in (*METRICS, "linear macro_f1", "seconds"):
        table.add_column(title, justify="right", min_width=7)
    for run, cells in zip(runs, settings, strict=True):
        metrics = run.record.get("metrics", {})
        linear = run.record.get("baselines", {}).get("linear", {}).get("macro_f1")
        numbers = [*(metrics.get(name) for name in METRICS), linear]
        table.add_row(
            escape(run.record.get("name", run.folder.path.parent.name)),
            run.identity,
            styled(run.status),
            *map(escape, cells),
            *(metric(number) for number in numbers),
            "" if run.seconds is None else f"{run.seconds:.0f}",
        )
    return table


def styled(status: str) -> str:
    return f"[{STYLES[status]}]{status}[/]" if status in STYLES else status


def means_table(folders: list[RunFolder]) -> Table:
    """One line an arm with finished runs: mean ± standard deviation over seeds. gatelab compare has the rest."""
    arms = group_arms([run for run in load_runs(folders) if run.status == "finished"])
    table = Table()
    for title in arms.titles:
        table.add_column(escape(title), overflow="fold")
    table.add_column("seeds", justify="right")
    for title in ("accuracy", "macro_f1", "linear accuracy", "linear macro_f1", "majority accuracy"):
        table.add_column(title, justify="right")
    for arm in arms.arms:
        table.add_row(
            *map(escape, arm.cells),
            str(len({arm.seed_of(run) for run in arm.finished})),
            *(mean_and_spread(arm.values(name).values()) for name in ("accuracy", "macro_f1")),
            *(mean_and_spread(arm.values(name, "linear").values()) for name in ("accuracy", "macro_f1")),
            mean_and_spread(arm.values("accuracy", "majority").values()),
        )
    return table


def mean_and_spread(values: Collection[float]) -> str:
    if len(values) < 2:
        return "".join(metric(value) for value in values)
    return f"{metric(statistics.fmean(values))} ± {metric(statistics.stdev(values))}"
