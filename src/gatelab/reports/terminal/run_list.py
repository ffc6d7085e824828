"""gatelab runs: all runs by data set, from best to worst; or means over seeds or folds."""

import statistics
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any

from rich.table import Table
from rich.text import Text

from gatelab.errors import RunError, suggest_key
from gatelab.reports.analysis.arms import group_arms, noun_of
from gatelab.reports.analysis.settings import differing_settings
from gatelab.reports.numbers import metric, moment
from gatelab.reports.terminal.fitted_table import Column, fitted_table
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run, data_places, read_runs
from gatelab.runs.metrics import SELECTED, is_lower_better, key_of, order_of, shared_monitor, title_of
from gatelab.screen import styled

# Of gatelab's tasks; for others all metrics.
LISTED = ("accuracy", SELECTED, "auroc", "micro_f1", "exact_match", "mse", "mae", "r2", "sequences_right")
MINUTES = len("2026-11-24 20:56")
ABOUT: dict[str, Callable[[Run], Any]] = {  # what runs are sorted by besides metrics and settings
    "started": lambda run: run.started, "seconds": lambda run: run.record.seconds, "name": lambda run: name_of(run),
    "identity": lambda run: run.identity, "status": lambda run: run.status,
}  # fmt: skip
STYLES = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def runs_table(folders: list[RunFolder], width: int | None = None, sort: str | None = None) -> Table:
    """A line for each run, by data set from best to worst in the selection metric, or as ``sorted_runs`` sorts them. Raises RunError for
    what cannot be sorted by."""
    runs, problems = read_runs(folders)
    runs, is_grouped = sorted_runs(runs, sort)
    metrics, monitor = listed(runs), shared_monitor(run.record.monitor for run in runs)
    titles, settings = differing_settings(runs)
    numbers = [run.record.numbers() for run in runs]
    one_name, one_status = (len({text(run) for run in runs}) == 1 for text in (name_of, lambda run: run.status))
    columns = [
        Column("name", [name_of(run) for run in runs], 7 * one_name, "word" if one_name else "name"),
        Column("identity", [run.identity for run in runs], kind="identity"),
        Column("status", [status_text(run.status, run.record.lacks) for run in runs], 3 * one_status),
        *(Column(title, cells, kind="name") for title, cells in zip(titles, zip(*settings, strict=True), strict=True)),
    ]
    wanted = monitor if monitor in metrics else metrics[0]
    for key in metrics:
        columns.append(
            Column(title_of(key), [metric(values.get(key)) for values in numbers], 2 * (key != wanted), "number")
        )
    baseline = baseline_of(runs)
    beside = monitor if monitor in metrics else SELECTED if baseline == "linear" else metrics[0]
    columns += [
        Column(
            f"{baseline} {title_of(beside)}", [metric(run.record.numbers(baseline).get(beside)) for run in runs], 4, "number"
        ),
        Column("seconds", [f"{run.record.seconds or 0:.0f}" * (run.record.seconds is not None) for run in runs], 6, "number"),
        Column("started, UTC", [moment(run.started)[:MINUTES] for run in runs], 5),
    ]  # fmt: skip
    ends = [is_grouped and after.content != run.content for run, after in pairwise(runs)]
    return fitted_table(table_of_runs(problems), columns, width, section_ends=ends)


def name_of(run: Run) -> str:
    return run.record.name or run.folder.path.parent.name


def sorted_runs(runs: Sequence[Run], sort: str | None) -> tuple[list[Run], bool]:
    """By a metric, best first, or a setting, started (latest first), seconds, name, identity or status; -KEY the other way round; those
    without a value come last. Whether the runs of each data set stand together, as they do by a metric."""
    places, monitor = data_places(runs), shared_monitor(run.record.monitor for run in runs)
    if sort is None:
        return sorted(runs, key=lambda run: (places[run.content], order_of(monitor, ranked(run, monitor)))), True
    key, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    known = {name for run in runs for name in (*run.record.numbers(), *run.settings, *run.record.choices)}
    measured = key if key in known else key_of(key)
    is_metric = key not in ABOUT and any(measured in run.record.numbers() for run in runs)
    if key not in ABOUT and not is_metric and key not in known:
        raise RunError(f"--sort {key}: no run has it.{suggest_key(key, [*ABOUT, *known])}")

    def value_of(run: Run) -> Any:
        of_run = {**run.settings, **run.record.choices, **{name: read(run) for name, read in ABOUT.items()}}
        return run.record.numbers().get(measured) if is_metric else of_run.get(key)

    valued = [run for run in runs if value_of(run) is not None]
    is_falling = is_reversed != (key == "started" or (is_metric and not is_lower_better(measured)))
    numeric = all(type(value_of(run)) in (int, float) for run in valued)
    valued.sort(key=lambda run: value_of(run) if numeric else str(value_of(run)), reverse=is_falling)
    ordered = [*valued, *(run for run in runs if value_of(run) is None)]
    return sorted(ordered, key=lambda run: places[run.content]) if is_metric else ordered, is_metric


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


def means_table(folders: list[RunFolder], width: int | None = None) -> Table:
    """A line for each arm with finished runs: mean ± standard deviation over seeds or folds."""
    found, problems = read_runs(folders)
    runs = [run for run in found if run.status == "finished"]
    arms, places = group_arms(runs), data_places(runs)
    ordered = sorted(arms.arms, key=lambda arm: places.get(arm.content, 0))
    columns = [
        Column(title, [arm.cells[place] for arm in ordered], kind="name") for place, title in enumerate(arms.titles)
    ]
    replicates = [str(len({arm.replicate_of(run) for run in arm.finished})) for arm in ordered]
    columns.append(Column(f"{noun_of(arms.arms)}s", replicates, 1, "number"))
    monitor = shared_monitor(run.record.monitor for run in runs)
    both = [name for name in dict.fromkeys(("accuracy", monitor)) if any(arm.values(name) for arm in ordered)]
    both = both or [name for name in listed(runs) if any(arm.values(name) for arm in ordered)][:2]
    asked = [(name, baseline) for baseline in (None, baseline_of(runs)) for name in both or [monitor]]
    asked += [("accuracy", "majority")] if "accuracy" in both else []
    wanted = monitor if monitor in both else asked[0][0]
    for name, baseline in asked:
        texts = [mean_and_spread(arm.values(name, baseline).values()) for arm in ordered]
        rank = (
            (0 if name == wanted else 2) if baseline is None else 5 if baseline == "majority" else 3 + (name != wanted)
        )
        columns.append(Column(f"{baseline or ''} {title_of(name)}".strip(), texts, rank, "number"))
    ends = [after.content != arm.content for arm, after in pairwise(ordered)]
    return fitted_table(table_of_runs(problems), columns, width, section_ends=ends)


def mean_and_spread(values: Collection[float]) -> str:
    if len(values) < 2:
        return "".join(metric(value) for value in values)
    return f"{metric(statistics.fmean(values))} ± {metric(statistics.stdev(values))}"
