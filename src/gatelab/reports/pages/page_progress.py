"""How far a page's runs are: a bar, a sentence and when that was so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from markupsafe import Markup

from gatelab.reports import numbers
from gatelab.reports.analysis.jobs import num_waiting, seconds_left
from gatelab.reports.terminal.watched import WatchedRun
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run
from gatelab.runs.metrics import title_of
from gatelab.screen import clock

Look = Callable[[RunFolder], WatchedRun]


@dataclass(frozen=True)
class Progress:
    """done of total, such as epochs; total 0 where that is not known."""

    done: float
    total: int
    text: str

    def __html__(self) -> str:
        bar = Markup('<progress value="{}" max="{}" aria-label="{}"></progress> ').format(
            round(self.done, 2), self.total, self.text
        )
        return Markup("{}{}").format(bar if self.total else "", self.text)


def look_once(folder: RunFolder) -> WatchedRun:
    watched = WatchedRun(folder)
    watched.look()
    return watched


def run_progress(watched: WatchedRun) -> Progress:
    """epoch 3 of 15 · best validation macro-F1 0.8123 · 0:12 left"""
    total = watched.num_epochs
    parts = [f"epoch {watched.epoch}" + (f" of {total}" if total else "")]
    if watched.best is not None:
        parts.append(f"best {title_of(f'validation/{watched.run.record.monitor}')} {numbers.metric(watched.best)}")
    if watched.seconds_left is not None:
        parts.append(f"{clock(watched.seconds_left)} left")
    return Progress(watched.epochs_done, total or 0, " · ".join(parts))


def sweep_progress(runs: Sequence[Run], look: Look) -> Progress | None:
    """2 running, 3 waiting, 5 of 10 ended · 0:40 left. None where nothing runs or waits."""
    running, waiting = [run for run in runs if run.status == "running"], num_waiting(runs)
    if not running and not waiting:
        return None
    ended, total = len(runs) - len(running), len(runs) + waiting
    watched = [look(run.folder) for run in running]
    taken = [run.record.seconds for run in runs if run.status == "finished" and run.record.seconds is not None]
    left = seconds_left([each.seconds_left for each in watched], taken, waiting)
    text = f"{len(running)} running, {waiting} waiting, {ended} of {total} ended"
    done = sum(each.epochs_done / each.num_epochs for each in watched if each.num_epochs)
    return Progress(ended + done, total, text + ("" if left is None else f" · {clock(left)} left"))


def written() -> str:
    """Now, as a page says when it was written."""
    return numbers.moment(datetime.now(timezone.utc).isoformat(timespec="seconds"))
