"""The trackers of a run: started with its training, ended when all else of it is written."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from gatelab.runs.folder import RunFolder
from gatelab.runs.run_notes import read_notes
from gatelab.runs.secrets import redact
from gatelab.trackers.background import SECONDS_TO_CLOSE, BackgroundTracker
from gatelab.trackers.tracker import Point, TrackedRun, Tracker


class Trackers:
    """makers: what builds each tracker, called with run=…, by its name in the config."""

    def __init__(
        self, makers: Mapping[str, Callable[..., Tracker]], settings: dict[str, Any], folder: RunFolder
    ) -> None:
        self._makers, self._settings, self._folder = makers, settings, folder
        self._started: list[BackgroundTracker] = []

    def start(self, past: Sequence[Point], resumed: bool) -> list[BackgroundTracker]:
        """past: what metrics.csv holds of a resumed run."""
        record = self._folder.record
        run = TrackedRun(
            folder=self._folder,
            name=self._settings["name"],
            identity=self._folder.path.name,
            config=redact(self._settings),
            past=past,
            started=record.started,
            resumed=resumed,
            commit=record.git.commit if record.git else "",
            notes=read_notes(self._folder),
        )
        self._started = [BackgroundTracker(name, make, run) for name, make in self._makers.items()]
        return self._started

    def __enter__(self) -> "Trackers":
        return self

    def __exit__(self, *_: Any) -> None:
        """Wait for all of them at once; run.json then says how each shows the run, or why it does not."""
        if not self._started:
            return
        status = self._folder.record.status
        for tracker in self._started:
            tracker.end(status)
        deadline = time.monotonic() + SECONDS_TO_CLOSE
        try:
            for tracker in self._started:
                tracker.wait(deadline)
        except KeyboardInterrupt:  # ends the waiting; what the run came to is known
            for tracker in self._started:
                tracker.give_up()
        with suppress(OSError):  # a full disk has been reported
            self._folder.update(trackers={tracker.title: outcome(tracker) for tracker in self._started})


def outcome(tracker: BackgroundTracker) -> dict[str, Any]:
    return {"look": tracker.look} if tracker.problem is None else {"problem": tracker.problem}
