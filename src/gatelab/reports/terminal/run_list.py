"""gatelab runs: all runs by data set, from best to worst; or means over seeds or folds."""

import statistics
from collections.abc import Collection, Sequence

from rich.table import Table
from rich.text import Text

from gatelab.reports.analysis.arms import group_arms, noun_of
from gatelab.reports.analysis.settings import differing_settings
from gatelab.reports.numbers import metric
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run, data_places, read_runs
from gatelab.runs.metrics import SELECTED, order_of, shared_monitor, title_of
from gatelab.screen import styled

# Of gatelab's tasks; for others all metrics.
LISTED = ("accuracy", SELECTED, "auroc", "micro_f1", "exact_match", "mse", "mae", "r2", "sequences_right")
STYLES = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def runs_table(folders: list[RunFolder]) -> Table:
    """A line for each run, by data set from best to worst in the selection metric."""
    runs, problems = read_runs(folders)
    places = data_places(runs)
    monitor, metrics = shared_monitor(run.record.monitor for run in runs), listed(runs)
    runs.sort(key=lambda run: (places[run.content], order_of(monitor, ranked(run, monitor))))
    titles, settings = differing_settings(runs)
    table = table_of_runs(problems)
    for title in ("name", "identity", "status"):
        table.add_column(title, no_wrap=True)
    for title in titles:
        table.add_column(title, overflow="fold")
    baseline = baseline_of(runs)
    beside = monitor if monitor in metrics else SELECTED if baseline == "linear" else metrics[0]
    for title in (*map(title_of, metrics), f"{baseline} {title_of(beside)}", "seconds"):
        table.add_column(title, justify="right", min_width=7)
    for run, cells, following in zip(runs, settings, [*runs[1:], None], strict=True):
        values = run.record.numbers()
        numbers = [*map(values.get, metrics), run.record.numbers(baseline).get(beside)]
        table.add_row(
            run.record.name or run.folder.path.parent.name,
            run.identity,
            status_text(run.status, run.record.lacks),
            *cells,
            *(metric(number) for number in numbers),
            "" if run.record.seconds is None else f"{run.record.seconds:.0f}",
            end_section=following is not None and following.content != run.content,
        )
    return table


def table_of_runs(problems: Sequence[str]) -> Table:
    """problems: a sentence for each folder that cannot be read."""
    return Table(caption="\n".join(problems) or None, caption_justify="left")


def listed(runs: Sequence[Run]) -> list[str]:
    found = {name: None for run in runs for name in run.record.numbers() if "." not in name and "/" not in name}
    return [name for name in LISTED if name in found] or list(found) or list(LISTED)


def baseline_of(runs: Sequence[Run]) -> str:
    """That which stands beside them: the linear one, or where none has that the first that they have."""
    known = dict.fromkeys(name for run in runs for name in run.record.baselines)
    return "linear" if "linear" in known or not known else next(iter(known))


def ranked(run: Run, monitor: str) -> float | None:
    """The selection metric in the test, else in validation."""
    values = run.record.numbers()
    return values.get(monitor, values.get(f"validation/{monitor}"))


def status_text(status: str, lacks: Sequence[str] = ()) -> Text:
    """finished, no test"""
    return styled(", no ".join([status, *lacks]), STYLES.get(status, ""))


def means_table(folders: list[RunFolder]) -> Table:
    """A line for each arm with finished runs: mean ± standard deviation over seeds or folds."""
    found, problems = read_runs(folders)
    runs = [run for run in found if run.status == "finished"]
    arms, places = group_arms(runs), data_places(runs)
    ordered = sorted(arms.arms, key=lambda arm: places.get(arm.content, 0))
    table = table_of_runs(problems)
    for title in arms.titles:
        table.add_column(title, overflow="fold")
    table.add_column(f"{noun_of(arms.arms)}s", justify="right")
    monitor = shared_monitor(run.record.monitor for run in runs)
    both = [name for name in dict.fromkeys(("accuracy", monitor)) if any(arm.values(name) for arm in ordered)]
    both = both or [name for name in listed(runs) if any(arm.values(name) for arm in ordered)][:2]
    columns = [(name, baseline) for baseline in (None, baseline_of(runs)) for name in both or [monitor]]
    columns += [("accuracy", "majority")] if "accuracy" in both else []
    for name, baseline in columns:
        table.add_column(f"{baseline or ''} {title_of(name)}".strip(), justify="right")
    for arm, following in zip(ordered, [*ordered[1:], None], strict=True):
        table.add_row(
            *arm.cells,
            str(len({arm.replicate_of(run) for run in arm.finished})),
            *(mean_and_spread(arm.values(name, baseline).values()) for name, baseline in columns),
            end_section=following is not None and following.content != arm.content,
        )
    return table


def mean_and_spread(values: Collection[float]) -> str:
    if len(values) < 2:
        return "".join(metric(value) for value in values)
    return f"{metric(statistics.fmean(values))} ± {metric(statistics.stdev(values))}"
