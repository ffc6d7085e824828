"""gatelab runs --watch: a live table of runs, read from their folders, whichever process or machine trains them."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gatelab.reports.analysis.jobs import is_alive, jobs_behind, latest_of, seconds_left
from gatelab.reports.analysis.settings import differing_settings
from gatelab.reports.numbers import metric
from gatelab.reports.terminal.fitted_table import Column, fitted_table
from gatelab.reports.terminal.run_list import status_text
from gatelab.reports.terminal.watched import WatchedRun
from gatelab.runs.folder import STATUSES, all_runs
from gatelab.runs.load import name_data
from gatelab.runs.metrics import shared_monitor, title_of
from gatelab.runs.record import RunRecord
from gatelab.screen import clock, counted

SECONDS_TO_APPEAR = 15.0  # for the next job of a sweep, if its process is not known to be alive
LINES_AROUND = 8  # of the table: frame, title, and two lines of column titles


def watch_runs(output_dir: Path, name: str | None, seconds: float, console: Console) -> None:
    """Show the table until no run is running, or Ctrl-C; without a terminal, once."""
    watch = Watch(output_dir, name)
    watch.look()
    if not console.is_terminal:
        console.print(watch.table())
        return
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while watch.counts["running"] or watch.is_expecting():
            live.update(watch.table(console.height - LINES_AROUND, console.width), refresh=True)
            time.sleep(seconds)
            watch.look()
        live.update(watch.table(width=console.width), refresh=True)


class Watch:
    """The runs below output_dir, or those of one name."""

    def __init__(self, output_dir: Path, name: str | None) -> None:
        self.output_dir, self.name = output_dir, name
        self.runs: list[WatchedRun] = []
        self.counts: Counter[str] = Counter()
        self._known: dict[Path, WatchedRun] = {}
        self._ran = time.monotonic()  # when a run was last seen running
        self._starts: list[tuple[Path, str, bool]] = []
        self._titles: list[str] = []
        self._cells: dict[Path, tuple[str, ...]] = {}

    def look(self) -> None:
        """Read what has changed in the folders."""
        folders = all_runs(self.output_dir, self.name)
        self._known = {folder.path: self._known.get(folder.path) or WatchedRun(folder) for folder in folders}
        for run in self._known.values():
            run.look()
        self.runs = sorted(self._known.values(), key=lambda run: run.run.place)
        self.counts = Counter(run.status for run in self.runs)
        if self.counts["running"]:
            self._ran = time.monotonic()
        starts = [(run.run.folder.path, run.run.started, bool(run.run.settings)) for run in self.runs]
        if starts != self._starts:
            self._starts = starts
            copies = [replace(run.run, settings=dict(run.run.settings)) for run in self.runs]
            name_data(copies)
            self._titles, cells = differing_settings(copies)
            self._cells = {run.folder.path: texts for run, texts in zip(copies, cells, strict=True)}

    def is_expecting(self) -> bool:
        """Whether a run may still start: while the process of the latest is alive, or for 15 seconds."""
        if self.runs and not jobs_behind(self._latest()):
            return False
        return time.monotonic() - self._ran < SECONDS_TO_APPEAR or (
            bool(self.runs) and is_alive(self._latest().process)
        )

    def table(self, max_rows: int | None = None, width: int | None = None) -> Table | str:
        """A line for each run in the order of the sweep; with max_rows, only running runs and the latest others. Less
        important columns are left out where the width does not suffice."""
        if not self.runs:
            return f"No runs in {self.output_dir / (self.name or '')} yet."
        shown = self._chosen(max(1, max_rows or 0)) if max_rows is not None else self.runs
        table = Table(
            title=self._title(len(self.runs) - len(shown)), title_justify="left", title_style="",
            caption="\n".join(run.problem for run in shown if run.problem) or None, caption_justify="left",
        )  # fmt: skip
        return fitted_table(table, self._columns(shown), width, is_live=True)

    def _columns(self, shown: list[WatchedRun]) -> list[Column]:
        columns = []
        if len({run.run.folder.path.parent for run in self.runs}) > 1:
            columns.append(Column("name", [run.run.folder.path.parent.name for run in shown], kind="name"))
        columns.append(Column("identity", [run.run.identity for run in shown], kind="identity"))
        columns.append(Column("status", [status_text(run.status) for run in shown]))
        for number, title in enumerate(self._titles):
            texts = [self._cells.get(run.run.folder.path, [""] * len(self._titles))[number] for run in shown]
            columns.append(Column(title, texts, kind="name"))
        monitor = title_of(shared_monitor(run.run.record.monitor for run in self.runs))
        return columns + [
            Column(title.format(monitor=monitor), [text(run) for run in shown], rank, "number")
            for title, rank, text in NUMBERS
        ]

    def _chosen(self, max_rows: int) -> list[WatchedRun]:
        if len(self.runs) <= max_rows:
            return self.runs
        latest = sorted(self.runs, key=lambda run: run.run.started, reverse=True)
        first = sorted(latest, key=lambda run: run.status != "running")[:max_rows]
        return [run for run in self.runs if run in first]

    def _title(self, hidden: int) -> Text:
        counts = {status: self.counts[status] for status in STATUSES}
        parts = [Text.assemble(f"{number} ", status_text(status)) for status, number in counts.items() if number]
        waiting = self._not_started()
        parts += [Text(f"{waiting} not started")] if waiting else []
        left = self._seconds_left(waiting)
        return Text.assemble(
            f"{counted(len(self.runs) + waiting, 'run')}: ",
            Text(", ").join(parts),
            "" if left is None else f"   {clock(left)} left",
            f"   ({hidden} not shown)" if hidden else "",
        )

    def _latest(self) -> RunRecord:
        return latest_of([run.run for run in self.runs]).record

    def _not_started(self) -> int:
        return jobs_behind(self._latest()) if self.is_expecting() else 0

    def _seconds_left(self, waiting: int) -> float | None:
        left = [run.seconds_left for run in self.runs if run.status == "running"]
        finished = [run.run.record.seconds for run in self.runs if run.status == "finished"]
        return seconds_left(left, [seconds for seconds in finished if seconds is not None], waiting)


# Title, rank (those of the highest are left out first in a narrow terminal), text.
NUMBERS: tuple[tuple[str, int, Callable[[WatchedRun], str]], ...] = (
    ("epoch", 0, lambda run: f"{run.epoch}/{run.num_epochs or '?'}"),
    ("train\nloss", 3, lambda run: metric(run.train_loss)),
    ("validation\n{monitor}", 0, lambda run: metric(run.monitored)),
    ("best", 2, lambda run: metric(run.best)),
    ("seconds\nper epoch", 4, lambda run: "" if run.seconds_per_epoch is None else f"{run.seconds_per_epoch:.1f}"),
    ("left", 1, lambda run: "" if run.seconds_left is None else clock(run.seconds_left)),
)
