"""Progress on the terminal of what takes over two seconds: rows per second and the time left."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from gatelab.screen import clock, errors, visible

T = TypeVar("T")
QUIET_SECONDS, REFRESH_SECONDS = 2.0, 0.2
ITEMS = 1000  # between two looks at the clock


class ProgressBar:
    """A bar on standard error that appears after two seconds and is gone at the end; nothing where there is no terminal."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.start = time.monotonic()
        self.next = self.start + QUIET_SECONDS if errors.is_terminal else float("inf")
        self.stop: Callable[[], None] = lambda: None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def show(self, num_rows: int, fraction: float) -> None:
        """num_rows are done so far, which is this fraction of the work."""
        now = time.monotonic()
        if now < self.next:
            return
        if self.next == self.start + QUIET_SECONDS:
            self._begin()
        self.next = now + REFRESH_SECONDS
        seconds = now - self.start
        left = f"  {clock(seconds / fraction - seconds)} left" if 0 < fraction <= 1 else ""
        self.bar.update(self.task, completed=fraction, numbers=f"{num_rows / seconds:,.0f} rows/s{left}", refresh=True)

    def _begin(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        plain = partial(TextColumn, markup=False)
        columns = plain("{task.description}"), BarColumn(bar_width=None), plain("{task.fields[numbers]}")
        self.bar = Progress(*columns, console=errors, auto_refresh=False, transient=True, expand=True)
        self.task = self.bar.add_task(visible(self.title), total=1.0, numbers="")
        self.bar.start()
        self.stop = self.bar.stop


def tracked(title: str, items: Iterable[T], num_rows: int, rows_per_item: int = 1) -> Iterator[T]:
    """The items, with a bar while they are worked on."""
    with ProgressBar(title) as bar:
        for number, item in enumerate(items):
            if number * rows_per_item % ITEMS == 0:
                bar.show(number * rows_per_item, number * rows_per_item / num_rows)
            yield item


class FilesRead:
    """How much of the files has been read, by the place in the one that was opened last; see ``follow``."""

    current: "FilesRead | None" = None

    def __init__(self, files: Sequence[Path]) -> None:
        self.num_bytes = sum(file.stat().st_size for file in files)
        self.opened: dict[str, IO[bytes]] = {}

    def fraction(self) -> float:
        if not self.opened:
            return 0.0
        *before, last = self.opened.items()
        place = last[1].tell() if not last[1].closed else Path(last[0]).stat().st_size
        return (sum(Path(name).stat().st_size for name, _ in before) + place) / max(1, self.num_bytes)


@contextmanager
def reading_bar(files: Sequence[Path]) -> Iterator[Callable[[int], None]]:
    """A function that shows how many rows have been read, and how long the rest of the files will take."""
    read = FilesRead.current = FilesRead(files)
    try:
        with ProgressBar("reading") as bar:
            yield lambda num_rows: bar.show(num_rows, read.fraction())
    finally:
        FilesRead.current = None


def follow(file: Path, stream: IO[bytes]) -> None:
    """Tell the bar, if there is one, that the file is read from this stream, packed or not."""
    if FilesRead.current is not None:
        FilesRead.current.opened.pop(str(file), None)
        FilesRead.current.opened[str(file)] = stream
