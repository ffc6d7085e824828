"""The cache of gatelab ui: runs and pages, valid as long as their files are unchanged."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from threading import Lock

from gatelab.errors import RunError
from gatelab.reports.terminal.watched import WatchedRun
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run, load_run, name_data

MAX_PAGES = 32
Stamp = tuple[tuple[str, int, int], ...]  # path, modification time and size


def stamp_of(files: Iterable[Path]) -> Stamp:
    """Modification time and size of the existing files, which change with any of them."""
    found = []
    for file in files:
        try:
            status = file.stat()
        except OSError:  # a link to itself, too
            continue
        found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(found)


def state_of(runs: Iterable[Run]) -> Hashable:
    """Changes with everything that a page shows of the runs: their files, and a process that dies."""
    found = []
    for run in runs:
        folder = run.folder
        files = [folder.record_file, folder.config, folder.notes]
        if run.record.status == "running":
            files += [folder.metrics, folder.predictions, folder.examples]
        found.append((run.status, stamp_of(files)))
    return tuple(found)


class RunCache:
    """Run folders, each read again only after its run.json, config.yaml or notes.json has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Stamp, Run]] = {}
        self._watched: dict[Path, WatchedRun] = {}
        self._lock = Lock()

    def read(self, folders: Sequence[RunFolder]) -> tuple[list[Run], list[str]]:
        """The current runs, which must not be modified, and a sentence for each unreadable folder."""
        runs, problems = [], []
        with self._lock:
            for folder in folders:
                try:
                    runs.append(self._read(folder))
                except RunError as error:
                    problems.append(str(error))
        return runs, problems

    def look(self, folder: RunFolder) -> WatchedRun:
        """How far a running run is, and how fast since it was first looked at. It must not be modified."""
        with self._lock:
            watched = self._watched.setdefault(folder.path, WatchedRun(folder))
            watched.look()
            return copy(watched)

    def _read(self, folder: RunFolder) -> Run:
        stamp = stamp_of([folder.record_file, folder.config, folder.notes])
        known = self._known.get(folder.path)
        if known is None or known[0] != stamp:
            known = stamp, load_run(folder)
            self._known[folder.path] = known
        return replace(known[1], status=folder.status_of(known[1].record))  # its process may have died


def named(runs: Sequence[Run]) -> list[Run]:
    """Copies with the data named, in the order of their starts."""
    copies = [replace(run, settings=dict(run.settings)) for run in runs]
    name_data(copies)
    return sorted(copies, key=lambda run: (run.started, run.identity))


class PageCache:
    """The 32 pages used last, each made again when its state has changed; no page waits for another."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Hashable, Page] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, state: Hashable, make: Callable[[], str]) -> str:
        with self._lock:
            page = self._pages.setdefault(key, Page())
            self._pages.move_to_end(key)
            while len(self._pages) > MAX_PAGES:
                self._pages.popitem(last=False)
        with page.lock:
            if page.state != state:
                page.content, page.state = make(), state
            return page.content


class Page:
    def __init__(self) -> None:
        self.lock = Lock()
        self.state: Hashable = None
        self.content = ""
