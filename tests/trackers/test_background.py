"""A tracker that fails, hangs or is slow costs a warning, and never the run."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gatelab.runs.folder import RunFolder
from gatelab.trackers import background
from gatelab.trackers.background import BackgroundTracker
from gatelab.trackers.tracker import Point, TrackedRun, Tracker


class Kept(Tracker):
    """Keeps what it gets; fails at a place and waits before each call for the test to let it go on."""

    def __init__(self, run: TrackedRun, fails: str = "", go_on: threading.Event | None = None) -> None:
        super().__init__(run)
        self.fails, self.go_on = fails, go_on
        self.points: list[Point] = []
        self.status = ""
        self._call("start")

    def log(self, points: Sequence[Point]) -> None:
        self._call("log")
        self.points += points

    def finish(self, status: str) -> list[str]:
        self._call("finish")
        self.status = status
        return ["look here"]

    def _call(self, place: str) -> None:
        if self.go_on is not None:
            self.go_on.wait(20)
        if place == self.fails:
            raise OSError(28, "No space left on device: https://ada:lovelace@localhost/x?token=abcdef1234")


Start = Callable[..., tuple[BackgroundTracker, list[Kept]]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def starting(past: Sequence[Point] = (), **options: Any) -> tuple[BackgroundTracker, list[Kept]]:
        made: list[Kept] = []

        def make(run: TrackedRun) -> Kept:
            made.append(Kept(run, **options))
            return made[0]

        run = TrackedRun(RunFolder(tmp_path), "name", "3f9c", {}, past=past)
        return BackgroundTracker("kept", make, run), made

    return starting


def end(tracker: BackgroundTracker, seconds: float = 20) -> None:
    tracker.end("finished")
    tracker.wait(time.monotonic() + seconds)


def test_all_points_arrive_in_order_after_the_past_and_then_the_end(start: Start) -> None:
    tracker, made = start(past=[Point(1, 0, {"train/loss": 3.0})])
    for step in range(2, 500):
        tracker.log_metrics({"epoch": step // 100, "train/loss": 1 / step}, step=step)
    end(tracker)
    assert [point.step for point in made[0].points] == list(range(1, 500))
    assert made[0].points[-1] == Point(499, 4, {"train/loss": 1 / 499})
    assert (made[0].status, tracker.look, tracker.problem) == ("finished", ["look here"], None)


@pytest.mark.parametrize("place", ["start", "log", "finish"])
def test_a_failure_anywhere_is_one_warning_without_secrets_and_the_end_does_not_wait(
    place: str, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker, _ = start(fails=place)
    for step in range(5):
        tracker.log_metrics({"train/loss": 1.0}, step=step)
    end(tracker)
    tracker.log_metrics({"train/loss": 1.0}, step=6)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "warning: tracker kept is off for this run: [Errno 28] No space left on device: https://***@"
    )
    assert "lovelace" not in line
    assert "abcdef1234" not in line
    assert str(tracker.problem) in line
    assert tracker.look == []


def test_a_tracker_that_hangs_never_holds_the_run_and_is_given_up_at_the_deadline(
    start: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "MAX_WAITING", 50)
    tracker, _ = start(go_on=threading.Event())
    for step in range(40):
        tracker.log_metrics({"train/loss": 1.0}, step=step)
    assert tracker.problem is None
    end(tracker, seconds=0.2)
    assert "was not done in time" in capsys.readouterr().err


def test_when_too_much_waits_the_tracker_is_off_and_memory_does_not_grow(
    start: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "MAX_WAITING", 50)
    go_on = threading.Event()
    tracker, _ = start(go_on=go_on)
    for step in range(200):
        tracker.log_metrics({"train/loss": 1.0}, step=step)
    assert "it does not keep up, 50 values wait" in capsys.readouterr().err
    go_on.set()
    end(tracker)
    assert capsys.readouterr().err == ""


def test_a_tracker_that_is_merely_slow_gets_the_last_values(start: Start) -> None:
    go_on = threading.Event()
    tracker, made = start(go_on=go_on)
    tracker.log_metrics({"test/accuracy": 0.5}, step=7)
    threading.Timer(0.5, go_on.set).start()
    end(tracker)
    assert made[0].points == [Point(7, 0, {"test/accuracy": 0.5})]
    assert made[0].status == "finished"


def test_one_that_failed_is_still_ended_with_the_run(start: Start) -> None:
    tracker, made = start(fails="log")
    tracker.log_metrics({"train/loss": 1.0}, step=1)
    while tracker.problem is None:
        time.sleep(0.01)
    tracker.end("finished")
    tracker.wait(time.monotonic() + 10)
    assert made[0].status == "finished"
    assert tracker.look == []
