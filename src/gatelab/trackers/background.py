"""A tracker behind a queue: the run puts its metrics there and continues, a thread hands them over.

What fails there turns the tracker off for this run, with one warning. A server that hangs keeps a thread waiting, not
the run, and at the end of the run for SECONDS_TO_CLOSE at most.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pytorch_lightning.loggers.logger import Logger

from gatelab.runs.secrets import redact_text
from gatelab.screen import show_above, styled
from gatelab.trackers.tracker import Point, TrackedRun, Tracker

MAX_WAITING = 10_000  # points
SECONDS_BETWEEN = 1.0  # handing over: what has come meanwhile goes together
SECONDS_TO_CLOSE = 30.0
SECONDS_TO_SAY_SO = 5.0
SECONDS_TO_LEAVE = 2.0
MAX_CHARACTERS = 200  # of a reason


class BackgroundTracker(Logger):
    """title: its name in the config. make: called with run=…, in the thread; it may import and connect."""

    def __init__(self, title: str, make: Callable[..., Tracker], run: TrackedRun) -> None:
        super().__init__()
        self.title = title
        self.problem: str | None = None  # why it was turned off
        self.look: list[str] = []  # the commands that show the run, once it is finished
        self._make = make
        self._run = replace(run, warn=self._warn)
        self._points: queue.Queue[Point | None] = queue.Queue(MAX_WAITING)
        self._status: str | None = None
        self._closing = threading.Event()
        self._turning_off = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=f"tracker {title}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return self.title

    @property
    def version(self) -> str:
        return self._run.identity

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The tracker has the config."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if self.problem is not None:
            return
        values = {name: float(value) for name, value in metrics.items()}
        try:
            self._points.put_nowait(Point(step or 0, int(values.pop("epoch", 0)), values))
        except queue.Full:
            self._turn_off(f"it does not keep up, {MAX_WAITING:,} values wait")

    def end(self, status: str) -> None:
        """Say that the run has ended; does not wait for the tracker to take it in."""
        self._status = status
        self._closing.set()
        try:
            self._points.put(None, timeout=SECONDS_BETWEEN)
        except queue.Full:
            self._turn_off("it did not take the last values")

    def wait(self, deadline: float) -> None:
        """Until the tracker is done or time.monotonic() is at the deadline; one that has failed gets a moment to end."""
        if self.problem is not None:
            self._thread.join(SECONDS_TO_LEAVE)
        say_so = time.monotonic() + SECONDS_TO_SAY_SO
        while self.problem is None and self._thread.is_alive():
            now = time.monotonic()
            if now > deadline:
                self._turn_off("it was not done in time after the end of the run")
            elif now > say_so:
                show_above(f"waiting for tracker {self.title}, {deadline - now:.0f} s at most")
                say_so = deadline
            self._thread.join(0.1)

    def give_up(self) -> None:
        """Do not wait any longer."""
        if self._thread.is_alive():
            self._turn_off("it was not waited for")

    def _work(self) -> None:
        tracker: Tracker | None = None
        try:
            tracker = self._make(run=self._run)
            if self._run.past:
                tracker.log(self._run.past)
            ended = False
            while not ended:
                points, ended = self._next_points()
                if points:
                    tracker.log(points)
                self._closing.wait(SECONDS_BETWEEN)
            finishing, tracker = tracker, None
            self.look = finishing.finish(self._status or "")
        except BaseException as error:  # a client library may raise anything, SystemExit too
            self._turn_off(str(error) or type(error).__name__)
            if tracker is not None:  # what was opened is closed, if that can be
                self._closing.wait()
                with suppress(BaseException):
                    tracker.finish(self._status or "")

    def _next_points(self) -> tuple[list[Point], bool]:
        """What waits, at least one point or the end; and whether the end was among it."""
        waiting = [self._points.get()]
        while not self._points.empty():
            waiting.append(self._points.get())
        return [point for point in waiting if point is not None], None in waiting

    def _turn_off(self, reason: str) -> None:
        with self._turning_off:
            if self.problem is None:
                self._warn(f"is off for this run: {reason}")
                self.problem = one_line(reason)

    def _warn(self, sentence: str) -> None:
        show_above(styled("warning:", "yellow"), f"tracker {self.title} {one_line(sentence)}")


def one_line(text: str) -> str:
    line = redact_text(text.strip().split("\n")[0].strip())
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]} …"
