"""What gatelab ui has read before: runs and pages, kept for as long as their files stay as they were."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from gatelab.errors import RunError
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run, load_run, name_data

MOST_PAGES = 32
Stamp = tuple[tuple[str, int, int], ...]  # path, modification time and size


def stamp_of(files: Iterable[Path]) -> Stamp:
    """Changes with any of the files: modification time and size of those that are there."""
    found = []
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(found)


def state_of(runs: Iterable[Run]) -> Hashable:
    """Changes with all that a page tells of the runs: their files, and that the process of one has died."""
    found = []
    for run in runs:
        folder = run.folder
        files = [folder.record_file, folder.config]
        if run.record.status == "running":
            files += [folder.metrics, folder.predictions, folder.examples]
        found.append((run.status, stamp_of(files)))
    return tuple(found)


class Runs:
    """Reads run folders, each again only once its run.json or config.yaml has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Stamp, Run]] = {}
        self._lock = Lock()

    def read(self, folders: Sequence[RunFolder]) -> tuple[list[Run], list[str]]:
        """The runs as they are now, not to be changed, and a sentence for each folder that cannot be read."""
        runs, problems = [], []
        with self._lock:
            for folder in folders:
                try:
                    runs.append(self._read(folder))
                except RunError as error:
                    problems.append(str(error))
        return runs, problems

    def _read(self, folder: RunFolder) -> Run:
        stamp = stamp_of([folder.record_file, folder.config])
        known = self._known.get(folder.path)
        if known is None or known[0] != stamp:
            known = stamp, load_run(folder)
            self._known[folder.path] = known
        return replace(known[1], status=folder.status_of(known[1].record))  # its process may have died


def named(runs: Sequence[Run]) -> list[Run]:
    """Copies with the data named, in the order in which they started."""
    copies = [replace(run, settings=dict(run.settings)) for run in runs]
    name_data(copies)
    return sorted(copies, key=lambda run: (run.started, run.identity))


class Pages:
    """The last 32 pages, each made once and again when its state has changed; one does not wait for another."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Hashable, Page] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, state: Hashable, make: Callable[[], str]) -> str:
        with self._lock:
            page = self._pages.setdefault(key, Page())
            self._pages.move_to_end(key)
            while len(self._pages) > MOST_PAGES:
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
