"""gatelab runs --watch: a live table of runs, from their folders alone, whichever process or machine makes them."""

import math
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from gatelab.reports.load import name_data
from gatelab.reports.runs import styled, what_differs
from gatelab.reports.watched import WatchedRun
from gatelab.runs.folder import STATUSES, all_runs
from gatelab.screen import clock

SECONDS_TO_APPEAR = 15.0  # for the next job of a sweep
LINES_AROUND = 8  # of the table: its frame, its title, and titles of columns on two lines


def watch_runs(output_dir: Path, name: str | None, seconds: float, console: Console) -> None:
    """Show the table until nothing is running any more, or Ctrl-C; where there is no terminal, once."""
    watch = Watch(output_dir, name)
    watch.look()
    if not console.is_terminal:
        console.print(watch.table())
        return
    ran = time.monotonic()
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while watch.counts["running"] or (watch.is_expecting() and time.monotonic() - ran < SECONDS_TO_APPEAR):
            live.update(watch.table(console.height - LINES_AROUND), refresh=True)
            time.sleep(seconds)
            watch.look()
            if watch.counts["running"]:
                ran = time.monotonic()
        live.update(watch.table(), refresh=True)


class Watch:
    """The runs below output_dir, or those of one name."""

    def __init__(self, output_dir: Path, name: str | None) -> None:
        self.output_dir, self.name = output_dir, name
        self.runs: list[WatchedRun] = []
        self.counts: Counter[str] = Counter()
        self._known: dict[Path, WatchedRun] = {}
        self._starts: list[tuple[Path, str, bool]] = []
        self._titles: list[str] = []
        self._cells: dict[Path, tuple[str, ...]] = {}

    def look(self) -> None:
        """Read what is new in the folders."""
        folders = all_runs(self.output_dir, self.name)
        self._known = {folder.path: self._known.get(folder.path) or WatchedRun(folder) for folder in folders}
        for run in self._known.values():
            run.look()
        self.runs = sorted(self._known.values(), key=lambda run: run.run.place)
        self.counts = Counter(run.status for run in self.runs)
        starts = [(run.run.folder.path, run.run.started, bool(run.run.settings)) for run in self.runs]
        if starts != self._starts:
            self._starts = starts
            copies = [replace(run.run, settings=dict(run.run.settings)) for run in self.runs]
            name_data(copies)
            self._titles, cells = what_differs(copies)
            self._cells = {run.folder.path: texts for run, texts in zip(copies, cells, strict=True)}

    def is_expecting(self) -> bool:
        """Whether a run may still begin."""
        return not self.runs or self._not_started() > 0

    def table(self, most: int | None = None) -> Table | str:
        """One line a run in the order of the sweep, most lines at most: then those that run and the latest others."""
        if not self.runs:
            return f"No runs in {self.output_dir / (self.name or '')} yet."
        shown = self._chosen(max(1, most or 0)) if most is not None else self.runs
        several = len({run.run.folder.path.parent for run in self.runs}) > 1
        table = Table(title=self._title(len(self.runs) - len(shown)), title_justify="left", title_style="")
        for title in (*(["name"] if several else []), "identity", "status"):
            table.add_column(title, no_wrap=True)
        for title in self._titles:
            table.add_column(escape(title), overflow="fold")
        for title in ("epoch", "train\nloss", "validation\nmacro-F1", "best", "seconds\nan epoch", "left"):
            table.add_column(title, justify="right", no_wrap=True)
        for run in shown:
            table.add_row(
                *([escape(run.run.folder.path.parent.name)] if several else []),
                run.run.identity,
                styled(run.status),
                *map(escape, self._cells.get(run.run.folder.path, [""] * len(self._titles))),
                f"{run.epoch}/{run.num_epochs or '?'}",
                *("" if number is None else f"{number:.4f}" for number in (run.train_loss, run.macro_f1, run.best)),
                "" if run.seconds_per_epoch is None else f"{run.seconds_per_epoch:.1f}",
                "" if run.seconds_left is None else clock(run.seconds_left),
            )
        return table

    def _chosen(self, most: int) -> list[WatchedRun]:
        if len(self.runs) <= most:
            return self.runs
        latest = sorted(self.runs, key=lambda run: run.run.started, reverse=True)
        first = sorted(latest, key=lambda run: run.status != "running")[:most]
        return [run for run in self.runs if run in first]

    def _title(self, hidden: int) -> str:
        counts = {status: self.counts[status] for status in STATUSES}
        told = [f"{number} {styled(status)}" for status, number in counts.items() if number]
        waiting = self._not_started()
        parts = [*told, *([f"{waiting} not started"] if waiting else [])]
        left = self._seconds_left(waiting)
        return (
            f"{len(self.runs) + waiting} runs: {', '.join(parts)}"
            + ("" if left is None else f"   {clock(left)} left")
            + (f"   ({hidden} not shown)" if hidden else "")
        )

    def _not_started(self) -> int:
        """The jobs without a run in the multirun that the latest run is of."""
        if not self.runs:
            return 0
        latest = max((run.run for run in self.runs), key=lambda run: run.started)
        jobs = latest.record.get("jobs") or 0
        begun = {run.run.record.get("job") for run in self.runs if run.run.record.get("jobs") == jobs}
        return max(0, jobs - len(begun))

    def _seconds_left(self, waiting: int) -> float | None:
        """Of all runs, as many at a time as now and as long as those that are finished; None where that is unknown."""
        left = [run.seconds_left for run in self.runs if run.status == "running"]
        taken = [
            run.run.record["seconds"] for run in self.runs if run.status == "finished" and "seconds" in run.run.record
        ]
        known = [seconds for seconds in left if seconds is not None]
        if not left or len(known) < len(left) or (waiting and not taken):
            return None
        mean = math.fsum(taken) / len(taken) if taken else 0.0
        return max(*known, (sum(known) + waiting * mean) / len(left))
